"""Values of an XML file with the bytes they stand at, so that some are changed and all else stays.

An XML library that reads a file and writes it again changes quotes, entities,
CDATA, the DOCTYPE and the order of attributes. Here expat says where things
are (as in `metadata_xml`), characters are replaced in the bytes of the file,
and the result is read again: it must have the same elements and the same
values, but for those that were meant.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

__all__ = ["Change", "Element", "Value", "changed", "difference", "values_of"]

#: Characters from, characters to (not included), and what is to stand there.
Change = tuple[int, int, str]

#: Elements in each other; QGIS's groups of rules and options go some 20 deep.
DEEPEST = 500

_ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TAG_NAME = re.compile(rb"<([^\s/>]+)")
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_ENTITY = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|(lt|gt|amp|quot|apos));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_CDATA, _CDATA_END = "<![CDATA[", "]]>"


@dataclass(eq=False, slots=True)
class Element:
    """An element: its name without prefix, its attributes, and what it is in."""

    name: str
    attributes: dict[str, str]
    parent: Element | None
    #: Where what is inside begins, in bytes; -1 for an empty tag.
    inside: int = -1
    text: list[str] = field(default_factory=list)
    leaf: bool = True
    depth: int = 0

    def path(self) -> tuple[str, ...]:
        """Names from the root down to this element."""
        names, at = [self.name], self.parent
        while at is not None:
            names.append(at.name)
            at = at.parent
        return tuple(reversed(names))

    def within(self, *names: str) -> bool:
        """Whether an element above this one has one of these names."""
        at = self.parent
        while at is not None and at.name not in names:
            at = at.parent
        return at is not None


@dataclass(eq=False, slots=True)
class Value:
    """The value of an attribute, or the text of an element without others in it.

    Attributes
    ----------
    element : Element
    name : str
        Of the attribute, without prefix; "" for text.
    text : str
        As a reader of XML has it.
    start, stop : int
        Bytes of the file that hold it.
    """

    element: Element
    name: str
    text: str
    start: int
    stop: int


def values_of(data: bytes) -> list[Value]:
    """All attributes and texts of an XML file, in their order.

    Raises
    ------
    ExpatError
        It is no XML.
    ValueError
        It is, in UTF-16, of elements that come out of entities, or too deep.
    LookupError
        Its encoding is not known.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise ValueError("UTF-16")
    walk = _Walk(data)
    walk.parser.Parse(data, True)
    return walk.values


def changed(
    data: bytes, before: Sequence[Value], changes: Sequence[tuple[Value, Sequence[Change]]]
) -> bytes:
    """The file with parts of some values replaced.

    Parameters
    ----------
    data : bytes
    before : sequence of Value
        What `values_of` gave of it.
    changes : sequence of (Value, sequence of Change)
        Of each value at most once; changes of one value in order, apart from each other.

    Raises
    ------
    ExpatError, LookupError, ValueError
        What was made is not read as it was meant, or cannot be made: nothing is to be written.
    """
    encoding = _encoding(data)
    made, wanted = bytearray(data), {}
    for value, parts in sorted(changes, key=lambda c: -c[0].start):
        raw = data[value.start : value.stop].decode(encoding)
        quote = "" if not value.name else chr(data[value.start - 1])
        new = _replaced(raw, value.text, parts, quote)
        made[value.start : value.stop] = new.encode(encoding, "xmlcharrefreplace")
        text = value.text
        for start, stop, part in reversed(parts):
            text = text[:start] + part + text[stop:]
        wanted[id(value)] = text
    result = bytes(made)
    meant = [(v.element.path(), v.name, wanted.get(id(v), v.text)) for v in before]
    if meant != [(v.element.path(), v.name, v.text) for v in values_of(result)]:
        raise ValueError("it would not be read as it was meant")
    return result


def difference(old: str, new: str) -> Change:
    """The one part in which two texts differ."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    if start == len(old) - end:  # something is put in: take a character, there is one in each text
        start, end = (start - 1, end) if start else (start, end - 1)
    return start, len(old) - end, new[start : len(new) - end]


class _Walk:
    """Follows the elements of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.values: list[Value] = []
        self.open: Element | None = None
        self.parser = expat.ParserCreate()
        self.parser.ordered_attributes = True
        self.parser.specified_attributes = True
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def start(self, name: str, told: list[str]) -> None:
        at, data = self.parser.CurrentByteIndex, self.data
        opening = _TAG_NAME.match(data, at)
        if opening is None:
            raise ValueError("an element out of an entity")
        attributes = {_local(n): v for n, v in zip(told[::2], told[1::2], strict=True)}
        if self.open is not None:
            self.open.leaf = False
        element = Element(_local(name), attributes, self.open)
        element.depth = self.open.depth + 1 if self.open is not None else 0
        if element.depth > DEEPEST:
            raise ValueError(f"elements more than {DEEPEST} deep")
        self.open = element
        at = opening.end()
        for key, text in zip(told[::2], told[1::2], strict=True):
            found = _ATTRIBUTE.match(data, at)
            if found is None:
                raise ValueError("an attribute that is not where it should be")
            start, stop = found.span(2 if found[2] is not None else 3)
            self.values.append(Value(element, _local(key), text, start, stop))
            at = found.end()
        at = data.index(b">", at)
        element.inside = -1 if data[at - 1 : at] == b"/" else at + 1

    def characters(self, text: str) -> None:
        if self.open is not None:
            self.open.text.append(text)

    def end(self, name: str) -> None:
        element = self.open
        assert element is not None
        if element.leaf and element.inside >= 0:
            stop = self.parser.CurrentByteIndex
            text = "".join(element.text)
            self.values.append(Value(element, "", text, element.inside, stop))
        element.text.clear()
        self.open = element.parent


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _encoding(data: bytes) -> str:
    declared = _DECLARED.match(data.removeprefix(codecs.BOM_UTF8))
    return codecs.lookup(declared[1].decode("ascii") if declared else "utf-8").name


def _replaced(raw: str, text: str, parts: Sequence[Change], quote: str) -> str:
    """What stands in a file with some characters replaced; all others as they are written."""
    units = _attribute_units(raw) if quote else _text_units(raw)
    at = [i for i, (_, read, _) in enumerate(units) if read]
    if "".join(read for _, read, _ in units) != text or len(at) != len(text):
        raise ValueError("written in a way that is not known")
    written = [w for w, _, _ in units]
    for start, stop, new in parts:
        plain = units[at[start]][2]
        for i in at[start:stop]:
            written[i] = ""
        written[at[start]] = new if plain else _escaped(new, quote)
    return "".join(written)


def _attribute_units(raw: str) -> list[tuple[str, str, bool]]:
    """Pieces of a written attribute, and the character that each is read as."""
    found, at = [], 0
    while at < len(raw):
        size, read = _unit(raw, at)
        found.append((raw[at : at + size], " " if raw[at] in "\r\n\t" else read, False))
        at += size
    return found


def _text_units(raw: str) -> list[tuple[str, str, bool]]:
    """The same of a text; what is not read (comments, CDATA marks) is a piece with no character.

    The third says that characters stand there as they are.
    """
    found: list[tuple[str, str, bool]] = []
    at, plain = 0, False
    while at < len(raw):
        mark = _mark(raw, at, plain)
        if mark:
            found.append((mark, "", plain))
            plain = mark == _CDATA
            at += len(mark)
            continue
        size, read = (1, raw[at]) if plain and raw[at] != "\r" else _unit(raw, at)
        found.append((raw[at : at + size], read, plain))
        at += size
    return found


def _mark(raw: str, at: int, plain: bool) -> str:
    """What begins here that is not read as text, else nothing."""
    if plain:
        return _CDATA_END if raw.startswith(_CDATA_END, at) else ""
    if raw.startswith(_CDATA, at):
        return _CDATA
    for start, end in (("<!--", "-->"), ("<?", "?>")):
        if raw.startswith(start, at):
            return raw[at : raw.index(end, at) + len(end)]
    return ""


def _unit(raw: str, at: int) -> tuple[int, str]:
    """How many characters stand for the one that is read here, and that one."""
    if raw[at] == "&":
        found = _ENTITY.match(raw, at)
        if found is None:
            raise ValueError("an entity of its own")
        hexadecimal, decimal, name = found.groups()
        read = _NAMED[name] if name else chr(int(hexadecimal or decimal, 16 if hexadecimal else 10))
        return len(found[0]), read
    if raw[at] == "\r":
        return (2 if raw.startswith("\r\n", at) else 1), "\n"
    return 1, raw[at]


def _escaped(text: str, quote: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    if quote:
        text = text.replace(quote, "&quot;" if quote == '"' else "&apos;")
        return re.sub(r"[\r\n\t]", lambda m: f"&#{ord(m[0])};", text)
    return text.replace(">", "&gt;").replace("\r", "&#13;")
