"""Write the ``.dbf``: carried cells as bytes, columns that a step wrote encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models import Field
from .dbf import dated, header_bytes
from .writer import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .reader import Reader

__all__ = ["Patched", "Piece", "Slice", "TableWriter"]

BLANK, END_OF_FILE = 0x20, b"\x1a"
#: Rows of the source that are read together.
ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Slice:
    """A carried column: where its cells are in each row of the source."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Patched:
    """A column of which some cells did not change, and so keep their bytes."""

    array: Any
    place: Slice
    same: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows to write: their numbers in the source, and the columns that steps wrote."""

    rows: NDArray[np.int64]
    columns: tuple[Any, ...]


@dataclass
class TableWriter:
    """Writes the rows of one layer when all of them are known.

    Widths of new fields are chosen once for all pieces, so the result does
    not depend on how many there are.

    Attributes
    ----------
    fields : tuple of Field
        Of the outgoing layer; their final widths after `write`.
    columns : tuple
        A `Slice` for a carried column, else anything.
    notes : dict
        Losses that the format forced, counted by field.
    """

    fields: tuple[Field, ...]
    encoding: str
    ldid: int
    notes: dict[str, int] = field(default_factory=dict)

    def write(self, path: Path, reader: Reader | None, pieces: Sequence[Piece]) -> None:
        """Write the ``.dbf`` of some pieces.

        Raises
        ------
        WriteError
            ``too-large``, ``name-too-long``, ``text-too-long``, ``row-too-wide``…
        """
        count = sum(len(p.rows) for p in pieces)
        columns = pieces[0].columns
        if reader is not None and reader.table is not None and self._unchanged(reader, columns):
            header = reader.table.header
            length = reader.table.length
        else:
            self._choose_widths(pieces)
            header = self._header(reader, columns)
            length = 1 + sum(f.width for f in self.fields)
        check_size(path, len(header) + count * length + 1)
        with open(path, "wb") as file:
            file.write(dated(header, count))
            for piece in pieces:
                for body, part in self._bodies(reader, piece):
                    file.write(self._rows(body, part, length).data)
            file.write(END_OF_FILE)

    def _unchanged(self, reader: Reader, columns: tuple[Any, ...]) -> bool:
        """Whether all fields of the source are carried, in their order."""
        assert reader.table is not None
        found = [(c.start, c.stop) for c in columns if isinstance(c, Slice)]
        source = [(d.start, d.stop) for d in reader.table.descriptors]
        return len(found) == len(columns) and found == source

    def _choose_widths(self, pieces: Sequence[Piece]) -> None:
        from .cells import Need, fitted, need_of

        chosen = []
        for i, f in enumerate(self.fields):
            arrays = [_array(p.columns[i]) for p in pieces]
            if arrays[0] is None:
                chosen.append(f)
                continue
            need = Need()
            for array in arrays:
                need |= need_of(array, f, self.encoding)
            chosen.append(wide := fitted(f, need))
            if not f.fresh and wide.width > f.width:
                self._note(f"field {f.name}: widened from {f.width} to {wide.width}", 1)
        self.fields = tuple(chosen)

    def _header(self, reader: Reader | None, columns: tuple[Any, ...]) -> bytes:
        known = {}
        if reader is not None and reader.table is not None:
            known = {(d.start, d.stop): d for d in reader.table.descriptors}
        raws = []
        for f, column in zip(self.fields, columns, strict=True):
            place = column.place if isinstance(column, Patched) else column
            found = known.get((place.start, place.stop)) if isinstance(place, Slice) else None
            same = found is not None and (found.kind, found.width, found.decimals) == (
                f.type,
                f.width,
                f.decimals,
            )
            raws.append(found.raw if found is not None and same else None)
        return header_bytes(self.fields, raws, self.encoding, self.ldid)

    def _bodies(self, reader: Reader | None, piece: Piece) -> Any:
        """Rows of the source for a piece, and the piece, in bits of some rows."""
        step = ROWS if len(piece.rows) > ROWS else max(1, len(piece.rows))
        for at in range(0, len(piece.rows), step):
            part = Piece(
                piece.rows[at : at + step],
                tuple(_cut(c, at, step) for c in piece.columns),
            )
            body = None
            if reader is not None and reader.table is not None:
                low, high = int(part.rows.min()), int(part.rows.max()) + 1
                body = reader.body(low, high)
                if high - low != len(part.rows) or (np.diff(part.rows) != 1).any():
                    body = body[part.rows - low]  # type: ignore[index]
            yield body, part

    def _rows(self, body: NDArray[np.uint8] | None, piece: Piece, length: int) -> NDArray[np.uint8]:
        """The bytes of some rows."""
        if body is not None and self._covers(piece.columns, body.shape[1], length):
            return np.ascontiguousarray(body)
        made = np.full((len(piece.rows), length), BLANK, dtype=np.uint8)
        at = 1
        for f, column in zip(self.fields, piece.columns, strict=True):
            made[:, at : at + f.width] = self._cells(f, column, body)
            at += f.width
        return made

    @staticmethod
    def _covers(columns: tuple[Any, ...], width: int, length: int) -> bool:
        if not all(isinstance(c, Slice) for c in columns):
            return False
        ends = [1, *(c.stop for c in columns)]
        return width == length and [c.start for c in columns] == ends[:-1]

    def _cells(self, f: Field, column: Any, body: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        from .cells import encode_cells

        if isinstance(column, Slice):
            assert body is not None
            return body[:, column.start : column.stop]
        cells, rounded = encode_cells(_array(column), f, self.encoding)
        if isinstance(column, Patched) and body is not None:
            old = body[:, column.place.start : column.place.stop]
            if old.shape[1] == f.width:
                cells[column.same] = old[column.same]
                rounded = rounded[~column.same[rounded]]
        self._note(
            f"field {f.name}: numbers were rounded to {f.width} characters, {f.decimals} decimals",
            len(rounded),
        )
        return cells

    def _note(self, text: str, count: int) -> None:
        if count:
            self.notes[text] = self.notes.get(text, 0) + count


def _array(column: Any) -> Any:
    """The Arrow array of a column that a step wrote, None of a carried one."""
    if isinstance(column, Slice):
        return None
    array = column.array if isinstance(column, Patched) else column
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def _cut(column: Any, at: int, size: int) -> Any:
    if isinstance(column, Slice):
        return column
    if isinstance(column, Patched):
        return replace(column, array=column.array.slice(at, size), same=column.same[at : at + size])
    return column.slice(at, size)
