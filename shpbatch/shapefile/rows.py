"""Write the ``.dbf``: carried cells as bytes, columns that a step wrote encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ..errors import WriteError
from ..models import Field
from .cast import is_recoded, recoded
from .columns import (
    LEFT_OUT,
    NEVER_NULL,
    Missing,
    Patched,
    Slice,
    Stowed,
    array_of,
    cells_of,
    cut,
    joined,
)
from .dbf import Descriptor, Table, dated, header_bytes, name_bytes
from .row_numbers import RowNumbers, numbers_of, packed_numbers
from .spilled import OVERFLOW, Spilled
from .writer import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .widths import Need

__all__ = ["Piece", "RowSource", "TableWriter"]

BLANK, END_OF_FILE = 0x20, b"\x1a"
#: Rows of the source that are read together.
ROWS = 65_536
#: A value that is wider than its field: row, place of the field, its name, the value.
Wide = tuple[int, int, str, str]


class RowSource(Protocol):
    """Where the rows of a ``.dbf`` come from: a `Reader`, or rows put aside."""

    @property
    def table(self) -> Table | None:
        """What the header says."""

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows by number, as a matrix of bytes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows to write.

    Attributes
    ----------
    rows : RowNumbers
        Their numbers in the source, see `row_numbers`.
    columns : tuple
        One a field of the outgoing layer, see `columns`.
    source : RowSource
        Holds what is carried.
    """

    rows: RowNumbers
    columns: tuple[Any, ...]
    source: RowSource

    @classmethod
    def of(cls, rows: NDArray[np.int64], columns: tuple[Any, ...], source: RowSource) -> Piece:
        """A piece of rows by number."""
        return cls(packed_numbers(rows), columns, source)

    def loaded(self) -> Piece:
        """The same with all columns at hand."""
        if not any(isinstance(c, Stowed) for c in self.columns):
            return self
        columns = (c.column() if isinstance(c, Stowed) else c for c in self.columns)
        return replace(self, columns=tuple(columns))

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The rows as an array."""
        return numbers_of(self.rows)


@dataclass
class TableWriter:
    """Writes the rows of one layer when all of them are known.

    Widths of new fields are chosen once for all pieces, so the result does
    not depend on how many there are.

    Attributes
    ----------
    fields : tuple of Field
        Of the outgoing layer; of their final widths after `write`.
    encoding : str
    ldid : int
        Language driver id.
    notes, losses, examples : dict, Counter, dict
        What became of fields, and what the format forced, counted, with the first of each.
    header : bytes
        What stands before the first row.
    on_overflow : {"fail", "cut", "sidecar"}
        Values that are wider than a field can be.
    spilled : int
        How many of these stand in a table beside.
    recoded : bool
        Names and the language byte are of another encoding than the source's.
    """

    fields: tuple[Field, ...]
    encoding: str
    ldid: int
    notes: dict[str, int] = field(default_factory=dict)
    losses: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Any] = field(default_factory=dict)
    header: bytes = b""
    on_overflow: Literal["fail", "cut", "sidecar"] = "fail"
    spilled: int = 0
    recoded: bool = False

    def write(self, path: Path, pieces: Sequence[Piece]) -> None:
        """Write the ``.dbf`` of some pieces, one at least.

        Raises
        ------
        WriteError
            ``too-large``, ``name-too-long``, ``text-too-long``, ``row-too-wide``…
        """
        count = sum(len(p.rows) for p in pieces)
        table = pieces[0].source.table
        if table is not None and self._is_carried(pieces, table):
            head, length = table.header, table.length
        else:
            self._choose_widths(pieces)
            head = self._header(pieces[0].loaded())
            length = 1 + sum(f.width for f in self.fields)
        check_size(path, len(head) + count * length + 1)
        self.header = dated(head, count)
        first, spilled = 0, Spilled(path.with_suffix(f".{OVERFLOW}"))
        with open(path, "wb") as file:
            file.write(self.header)
            for piece in pieces:
                for part in _parts(piece):
                    rows, wide = self._rows(part, length)
                    file.write(rows.data)
                    if self.on_overflow == "sidecar":
                        spilled.add((first + row, i, name, value) for row, i, name, value in wide)
                    first += len(part.rows)
            file.write(END_OF_FILE)
        self.spilled = spilled.count

    def _is_carried(self, pieces: Sequence[Piece], table: Table) -> bool:
        """Whether the header of the source is that of the sink, too."""
        named = [f.name for f in self.fields] == table.names(self.encoding)
        return named and not self.recoded and all(self._is_unchanged(p, table) for p in pieces)

    def _is_unchanged(self, piece: Piece, table: Table) -> bool:
        """Whether all fields of the source are carried, in their order and as they are."""
        own = piece.source.table
        if own is None or not all(isinstance(c, Slice) for c in piece.columns):
            return False
        places = [(c.start, c.stop) for c in piece.columns]
        same = [_kind(d) for d in own.descriptors] == [_kind(d) for d in table.descriptors]
        return (
            places == [(d.start, d.stop) for d in own.descriptors]
            and own.length == table.length
            and same
        )

    def _choose_widths(self, pieces: Sequence[Piece]) -> None:
        chosen = []
        for i, f in enumerate(self.fields):
            needs = [n for p in pieces if (n := self._need(p, p.columns[i], f)) is not None]
            if not needs:
                chosen.append(f)
                continue
            from .widths import fitted  # only here is Arrow needed

            need = reduce(or_, needs)
            chosen.append(wide := fitted(f, need, cut=self.on_overflow != "fail"))
            if not f.fresh and wide.width > f.width:
                self._note(f"field {f.name}: widened from {f.width} to {wide.width}", 1)
        self.fields = tuple(chosen)

    def _need(self, piece: Piece, column: Any, f: Field) -> Need | None:
        """What a column needs; None of one whose cells are carried as they are."""
        if isinstance(column, Stowed):
            return column.need
        array = array_of(column)
        if array is None and not is_recoded(column, f, self.encoding):
            return None
        from .widths import Need, need_of

        if array is not None:
            return need_of(array, f, self.encoding)
        need, place = Need(), column.place
        for part in _parts(replace(piece, columns=())):
            cells = part.source.picked(part.numbers)[:, place.start : place.stop]
            need |= need_of(recoded(column, cells).array, f, self.encoding)
        return need

    def _header(self, piece: Piece) -> bytes:
        """A new header; a field that is carried keeps its descriptor, but for another name."""
        table = piece.source.table
        known = {(d.start, d.stop): d for d in table.descriptors} if table is not None else {}
        raws: list[bytes | None] = []
        for f, column in zip(self.fields, piece.columns, strict=True):
            place = column.place if isinstance(column, Patched) else column
            found = known.get((place.start, place.stop)) if isinstance(place, Slice) else None
            if found is None or _kind(found)[1:] != (f.type, f.width, f.decimals):
                raws.append(None)
            elif found.name.decode(self.encoding, "surrogateescape") == f.name:
                raws.append(found.raw)
            else:
                raws.append(name_bytes(f.name, self.encoding).ljust(11, b"\0") + found.raw[11:])
        version = table.header[0] if table is not None else 3
        return header_bytes(self.fields, raws, self.encoding, self.ldid, version)

    def _rows(self, piece: Piece, length: int) -> tuple[NDArray[np.uint8], list[Wide]]:
        """The bytes of some rows, and the values that are wider than their fields."""
        body = piece.source.picked(piece.numbers) if piece.source.table is not None else None
        if body is not None and _fills(piece.columns, body.shape[1], length):
            return np.ascontiguousarray(body), []
        made = np.full((len(piece.rows), length), BLANK, dtype=np.uint8)
        at, wide = 1, []
        for which, f, column in joined(self.fields, piece.columns):
            cells, lost, spilled = cells_of(column, f, body, self.encoding)
            if isinstance(column, Missing) and f.type in NEVER_NULL:
                self.losses[f"field {f.name}: NULL is written as 0, the type has none"] += len(made)
            made[:, at : at + f.width] = cells
            at += f.width
            for text, (count, example) in lost.items():
                self.losses[text] += count
                self.examples.setdefault(text, example)
            for row, what, value in spilled:
                self._cut(f"field {f.name}: {what}", value, what in LEFT_OUT.values())
                wide.append((row, which.start, f.name, value))
        return made, wide

    def _cut(self, text: str, value: str, no_type: bool) -> None:
        """Count a value that is wider than its field; beside the layer it is not lost."""
        if self.on_overflow == "fail":  # a number is so only when it is rounded: 999.96 to 1000.0
            otherwise = "" if no_type else "give the field a larger --width, or "
            raise WriteError(
                f"{text}: {value[:40]}; {otherwise}pass --on-overflow cut or sidecar",
                "field-type" if no_type else "number-too-wide",
            )
        if self.on_overflow == "sidecar":
            self._note(f"{text}, and whole in .{OVERFLOW}", 1)
            return
        self.losses[text] += 1
        self.examples.setdefault(text, value)

    def _note(self, text: str, count: int) -> None:
        if count:
            self.notes[text] = self.notes.get(text, 0) + count


def _kind(d: Descriptor) -> tuple[bytes, str, int, int]:
    return d.name, d.kind, d.width, d.decimals


def _fills(columns: tuple[Any, ...], width: int, length: int) -> bool:
    """Whether carried cells, as they stand in the source's rows, make the whole row."""
    if width != length or not all(isinstance(c, Slice) for c in columns):
        return False
    ends = [1, *(c.stop for c in columns)]
    return [c.start for c in columns] == ends[:-1]


def _parts(piece: Piece) -> Iterator[Piece]:
    """A piece in bits of some rows each."""
    piece = piece.loaded()
    if len(piece.rows) <= ROWS:
        if len(piece.rows):
            yield piece
        return
    numbers = piece.numbers
    for at in range(0, len(numbers), ROWS):
        columns = tuple(cut(c, at, ROWS) for c in piece.columns)
        yield Piece.of(numbers[at : at + ROWS], columns, piece.source)
