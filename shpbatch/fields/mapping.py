"""``fields.csv`` in a destination: which field of which output is written under which name.

It is read again by the next run, so that a source that comes later renames no
field of the others, and by the step ``rename``, which gives the names back.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from ..durable import Files, translated
from ..errors import PlanError

__all__ = ["MAPPING", "Named", "read_mapping", "taken_names", "write_mapping"]

MAPPING = "fields.csv"
COLUMNS = ("source_name", "written_name", "encoding", "layers")
#: Name, written name and encoding of a field.
Renamed = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Named:
    """A field that is written under another name.

    Attributes
    ----------
    name, written : str
    encoding : str
        Of the layers.
    layers : tuple of str
        Paths of the outputs below the destination.
    """

    name: str
    written: str
    encoding: str
    layers: tuple[str, ...] = ()


def read_mapping(path: Path) -> list[Named]:
    """Read a mapping; of a row only the first two columns must be there.

    Raises
    ------
    PlanError
        ``bad-mapping`` for a file that is none.
    FileNotFoundError
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, str(error)) from None
    if not rows or tuple(rows[0][:2]) != COLUMNS[:2]:
        raise _bad(path, f"its first row is not {','.join(COLUMNS)}")
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        name, written, encoding, layers = (*row, "", "", "", "")[:4]
        if not name or not written:
            raise _bad(path, f"row {number} lacks a name")
        listed = tuple(unquote(x, errors="surrogateescape") for x in layers.split(";") if x)
        found.append(Named(name, written, encoding, listed))
    return found


def _bad(path: Path, why: str) -> PlanError:
    return PlanError(
        f"{path}: is no mapping of field names ({why}); move it away, or name another",
        "bad-mapping",
    )


def taken_names(dst: str) -> dict[str, str]:
    """Written names that the outputs in a destination have, by name.

    Raises
    ------
    PlanError
        ``bad-mapping``.
    """
    try:
        found = read_mapping(Path(dst, MAPPING))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    taken: dict[str, str] = {}
    for named in sorted(found, key=lambda n: -len(n.layers)):  # where two differ, what most have
        taken.setdefault(named.name, named.written)
    return taken


def write_mapping(
    dst: str, names: Mapping[str, Sequence[Renamed]], files: Files, settled: bool = True
) -> None:
    """Bring the mapping of a destination up to date; without any such name there is no file.

    Parameters
    ----------
    dst : str
    names : mapping of str to sequence of tuple
        Of outputs, by their paths below ``dst``: (name, written name,
        encoding) of the fields that have another name.
    files : Files
    settled : bool
        These outputs have been written, and these are all of their names.
        Otherwise they will be, and what is known of them is kept for now.

    Raises
    ------
    PlanError
        ``bad-mapping`` for a file of that name that is something else.
    WriteError
    """
    path = Path(dst, MAPPING)
    try:
        before = read_mapping(path)
    except FileNotFoundError:
        before = []
    if not before and not any(names.values()):
        return
    layers: dict[Renamed, set[str]] = {}
    for n in before:
        kept = [layer for layer in n.layers if not settled or _stays(dst, layer, names)]
        layers.setdefault((n.name, n.written, n.encoding), set()).update(kept)
    for layer, renamed in names.items():
        for key in renamed:
            layers.setdefault(key, set()).add(layer)
    found = [Named(*key, tuple(sorted(of))) for key, of in sorted(layers.items()) if of]
    if found == before:
        return
    with translated(str(path)):
        if not found:
            files.unlink(path)
            return
        draft = path.with_name(f".{MAPPING}.tmp")
        files.write(draft, _text(found))
        files.sync(draft)
        files.rename(draft, path)
        files.sync(path.parent)


def _stays(dst: str, layer: str, names: Mapping[str, Sequence[Renamed]]) -> bool:
    """Whether an output is there and was not written anew."""
    return layer not in names and os.path.lexists(os.path.join(dst, layer))


def _text(found: Iterable[Named]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for n in found:
        writer.writerow((n.name, n.written, n.encoding, ";".join(map(_quoted, n.layers))))
    return text.getvalue().encode("utf-8", "backslashreplace")


def _quoted(layer: str) -> str:
    """A path without what stands between paths; its bytes may be no UTF-8."""
    return "".join(c if c.isprintable() and c not in ";%" else _percent(c) for c in layer)


def _percent(c: str) -> str:
    return quote(c, safe="", errors="surrogateescape")
