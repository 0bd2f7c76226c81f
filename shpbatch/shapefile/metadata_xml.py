"""Names of fields in a ``.shp.xml``: the written name as label, the whole one as alias.

The element ``eainfo`` is that of the CSDGM (FGDC-STD-001-1998, section 5) with
ESRI's ``attalias``. ArcGIS shows aliases from it, and GDAL since 3.13, provided
that the labels are those of all fields in their order (OSGeo/gdal#13474).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

__all__ = ["write_aliases"]

_NEW = '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xml:lang="en">\n</metadata>\n'


def write_aliases(path: Path, names: Sequence[str], aliases: Mapping[str, str], layer: str) -> bool:
    """Write aliases of fields into a ``.shp.xml``, which may be there already.

    What it holds besides stays byte for byte.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Written names of all fields, in their order.
    aliases : mapping of str to str
        Whole names of some, by the written ones.
    layer : str
        Name of the layer, for a new description.

    Returns
    -------
    bool
        False where the file is no metadata that could be added to; it is left alone.
    """
    data = path.read_bytes() if path.exists() else _NEW.encode("ascii")
    try:
        found = _Places.of(data)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    if found.end < 0:
        return False
    made = _edited(data, found, names, aliases, layer)
    if not _holds(made, aliases):
        return False
    path.write_bytes(made)
    return True


def _holds(data: bytes, aliases: Mapping[str, str]) -> bool:
    """Whether a file is read back as it was meant."""
    try:
        read = {a.label: a.shown for a in _Places.of(data).attrs}
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return all(read.get(n) == _characters(whole) for n, whole in aliases.items())


@dataclass
class _Attr:
    """A described field: its label, where its alias is, what that is and where it would begin."""

    label: str = ""
    after: int = -1
    alias: tuple[int, int] | None = None
    shown: str = ""


@dataclass
class _Places:
    """Where things are in a metadata file, in bytes.

    ``end`` is where its root ends; ``detailed`` where its first description
    of fields does, and ``eainfo`` the section of these; -1 where there is none.
    """

    end: int = -1
    eainfo: int = -1
    detailed: int = -1
    attrs: list[_Attr] = field(default_factory=list)

    @classmethod
    def of(cls, data: bytes) -> _Places:
        """Look for them.

        Raises
        ------
        ExpatError
            What is there is no XML.
        ValueError
            It is, in an encoding of which ASCII is no part.
        """
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
            raise ValueError("UTF-16")
        found = cls()
        walk = _Walk(data, found)
        walk.parser.Parse(data, True)
        return found


class _Walk:
    """Follows the elements of a file with expat, which knows at which byte each is."""

    def __init__(self, data: bytes, found: _Places) -> None:
        self.data, self.found = data, found
        self.path: list[str] = []
        self.text: list[str] = []
        #: Of each element that is open: where it begins, and what is inside (-1: nothing so far).
        self.starts: list[int] = []
        self.insides: list[int] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.CommentHandler = self.something
        self.parser.StartCdataSectionHandler = self.something

    def something(self, *_: object) -> None:
        """What comes first within an element says where its inside begins."""
        if self.insides and self.insides[-1] < 0:
            self.insides[-1] = self.parser.CurrentByteIndex

    def characters(self, text: str) -> None:
        self.something()
        self.text.append(text)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.something()
        self.path.append(name)
        self.starts.append(self.parser.CurrentByteIndex)
        self.insides.append(-1)
        self.text.clear()
        if self._is("eainfo", "detailed", "attr") and self.found.detailed < 0:
            self.found.attrs.append(_Attr())

    def end(self, name: str) -> None:
        at, start, inside = self.parser.CurrentByteIndex, self.starts.pop(), self.insides.pop()
        if inside < 0 and self.data[at - 2 : at] == b"/>":  # an empty tag: at is behind it
            if self._is("eainfo", "detailed", "attr", "attalias") and self.found.detailed < 0:
                self.found.attrs[-1].alias = start, at
        else:
            self._ended(at, at if inside < 0 else inside)
        self.path.pop()
        self.text.clear()

    def _ended(self, at: int, inside: int) -> None:
        """Keep where an element ends that has an end tag."""
        found = self.found
        if self._is("eainfo", "detailed", "attr", "attrlabl") and found.detailed < 0:
            found.attrs[-1].label = "".join(self.text).strip()
            found.attrs[-1].after = self.data.index(b">", at) + 1
        elif self._is("eainfo", "detailed", "attr", "attalias") and found.detailed < 0:
            found.attrs[-1].alias = inside, at
            found.attrs[-1].shown = "".join(self.text)
        elif self._is("eainfo", "detailed") and found.detailed < 0:
            found.detailed = at
        elif self._is("eainfo") and found.eainfo < 0:
            found.eainfo = at
        elif self.path == ["metadata"]:
            found.end = at

    def _is(self, *names: str) -> bool:
        return self.path[1:] == list(names)


def _edited(
    data: bytes,
    found: _Places,
    names: Sequence[str],
    aliases: Mapping[str, str],
    layer: str,
) -> bytes:
    """The file with the aliases in it."""
    edits: list[tuple[int, int, str]] = []
    known = {a.label: a for a in found.attrs if a.after >= 0} if found.detailed >= 0 else {}
    for name, whole in aliases.items():
        attr = known.get(name)
        if attr is None:
            continue
        start, stop = attr.alias or (attr.after, attr.after)
        inside = attr.alias is not None and data[start : start + 9] != b"<attalias"
        text = _text(whole)
        edits.append((start, stop, text if inside else f"<attalias>{text}</attalias>"))
    new = "".join(_attr(n, aliases.get(n)) for n in names if n not in known)
    if found.detailed >= 0:
        edits.append((found.detailed, found.detailed, new))
    else:
        kind = f"<enttyp><enttypl>{_text(layer)}</enttypl></enttyp>"
        new = f'<detailed Name="{_text(layer)}">{kind}{new}</detailed>'
        at = found.eainfo
        if at < 0:
            new, at = f"<eainfo>{new}</eainfo>\n", found.end
        edits.append((at, at, new))
    made = bytearray(data)
    for start, stop, text in sorted(edits, reverse=True):
        made[start:stop] = text.encode("ascii")
    return bytes(made)


def _attr(name: str, alias: str | None) -> str:
    shown = _text(name if alias is None else alias)
    return f"<attr><attrlabl>{_text(name)}</attrlabl><attalias>{shown}</attalias></attr>"


def _text(text: str) -> str:
    """Text as XML, in ASCII: so it is right in whatever encoding the file says it has."""
    marked = escape(_characters(text), {'"': "&quot;", "\r": "&#13;"})
    return marked.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _characters(text: str) -> str:
    return "".join(c if _is_character(c) else "?" for c in text)


def _is_character(c: str) -> bool:
    """Whether XML 1.0 has a character: no control characters, no halves of others."""
    return c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
