"""A layer of more than 2 GB becomes several: after which row each of them ends.

A set takes rows while the next one fits, whatever the windows they come in,
so the same layer is always divided at the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models import Field, Task
from ..shapefile import writer
from ..shapefile.cast import is_recoded
from ..shapefile.columns import array_of, cut
from ..shapefile.dbf import DESCRIPTOR
from ..shapefile.records import HEAD
from ..shapefile.rows import Piece
from ..sinks import is_set
from .output import Made, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Room", "divided_at", "may_divide"]

#: Bytes of a text, and of a number, at most.
WIDEST_TEXT, WIDEST_NUMBER = 254, 24


def may_divide(task: Task) -> bool:
    """Whether a layer of more than 2 GB may be several sets, which another format joins."""
    return task.policy.on_too_large != "fail" or not is_set(Path(task.sink).suffix)


@dataclass
class Room:
    """For how many rows a set has room.

    Attributes
    ----------
    output : Output
    widths : ndarray of int64 (fields,)
        Bytes that the first ``pieces`` of the output take in each field.
    """

    output: Output
    widths: NDArray[np.int64] | None = None
    pieces: int = field(default=0)

    def rows(self, made: Made) -> int:
        """Rows of a window that fit: each file of a set holds `writer.LARGEST` bytes."""
        return min(self._of_shapes(made), self._of_cells(made.piece))

    def _of_shapes(self, made: Made) -> int:
        if made.records is None:  # rows of one source, whose own shapes fit
            return len(made.piece.rows)
        ends = self.output.shp_size + np.cumsum(made.records.sizes + HEAD)
        return int(np.searchsorted(ends, writer.LARGEST, side="right"))

    def _of_cells(self, piece: Piece) -> int:
        fields, count = self.output.header.fields, self.output.count
        rows = len(piece.rows)
        table = self.output.reader.table
        head = max((len(fields) + 1) * DESCRIPTOR + 2, len(table.header) + 1 if table else 0)
        most = 1 + sum(max(f.width, WIDEST_TEXT) for f in fields)
        if not fields or head + (count + rows) * most <= writer.LARGEST:
            return rows
        for earlier in self.output.pieces[self.pieces :]:
            taken = self._taken(earlier)
            if len(taken):
                self.widths = taken[-1]
        self.pieces = len(self.output.pieces)
        sizes = head + (count + np.arange(1, rows + 1)) * (1 + self._taken(piece).sum(axis=1))
        return int(np.searchsorted(sizes, writer.LARGEST, side="right"))

    def _taken(self, piece: Piece) -> NDArray[np.int64]:
        """Bytes that each field needs up to each row, int64 (rows, fields)."""
        fields = self.output.header.fields
        piece = piece.loaded()
        needs = np.empty((len(piece.rows), len(fields)), dtype=np.int64)
        for i, (f, column) in enumerate(zip(fields, piece.columns, strict=True)):
            needs[:, i] = _widths(column, f, self.output.header.encoding)
        if self.widths is not None and len(needs):
            needs[0] = np.maximum(needs[0], self.widths)
        found: NDArray[np.int64] = np.maximum.accumulate(needs, axis=0)
        return found


def _widths(column: Any, f: Field, encoding: str) -> Any:
    """Bytes that the cells of a column may need: one number, or one for each row."""
    array = array_of(column)
    if array is None:
        return max(f.width, WIDEST_TEXT) if is_recoded(column, f, encoding) else f.width
    if f.type in "NF":
        return f.width if f.fixed else max(f.width, WIDEST_NUMBER)
    if f.type != "C":
        return f.width
    import pyarrow.compute as pc

    from ..arrays import numpy_of, scalar_of
    from ..shapefile.cells import bytes_of
    from ..shapefile.overflow import limit_of

    least = 1 if f.fresh and not f.fixed else f.width
    lengths = numpy_of(pc.binary_length(bytes_of(array, f, encoding)).fill_null(scalar_of(0)))
    return np.clip(lengths, least, max(least, limit_of(f)))


def divided_at(made: Made, row: int) -> tuple[Made, Made]:
    """The rows of a window before one, and the others."""
    return _part(made, 0, row), _part(made, row, len(made.piece.rows))


def _part(made: Made, start: int, stop: int) -> Made:
    piece, rows = made.piece.loaded(), np.arange(start, stop)
    columns = tuple(cut(c, start, stop - start) for c in piece.columns)
    return Made(
        Piece.of(piece.numbers[start:stop], columns, piece.source),
        None if made.records is None else made.records.take(rows),
        None if made.ragged is None else made.ragged.take(rows),
        None if made.body is None else made.body[start:stop],
    )
