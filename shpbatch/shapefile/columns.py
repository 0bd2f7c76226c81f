"""A column of an outgoing layer: carried cells, cells of a sister layer, or an Arrow array."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..models import Field
from .cast import Cast, as_wide, cast_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .lost import Lost
    from .overflow import Spills
    from .widths import Need

__all__ = [
    "LEFT_OUT",
    "MISSING",
    "NEVER_NULL",
    "Missing",
    "Patched",
    "Slice",
    "Stowed",
    "Whole",
    "array_of",
    "cells_of",
    "cut",
    "joined",
    "stowed",
]

BLANK = 0x20
#: Types whose cells are text. The others are binary; of these, numbers have no NULL.
TEXT, NEVER_NULL = "CNFDLM", "IBYO+V"
#: What a field of a type leaves out of values that have more.
LEFT_OUT = {"D": "times of day are left out", "N": "numbers were rounded to reals"}


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
class Whole:
    """A column whose field holds less than the values it was made of.

    ``text`` is the whole of these, NULL where nothing is left out; ``what``
    says what is.
    """

    array: Any
    text: Any
    what: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that this source has not: NULL in all rows."""


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Stowed:
    """A column that waits in a file until it is written.

    Two new columns of a layer of 2 GB would be more than a worker is to hold.
    """

    path: str
    at: int
    size: int
    need: Need

    def column(self) -> Any:
        """The column itself."""
        with open(self.path, "rb") as file:
            file.seek(self.at)
            return pickle.loads(file.read(self.size))


def stowed(column: Any, f: Field, encoding: str, file: IO[bytes]) -> Any:
    """A column that a step wrote, appended to a file; any other as it is."""
    array = array_of(column)
    if array is None:
        return column
    from .widths import need_of

    at, data = file.tell(), pickle.dumps(column, pickle.HIGHEST_PROTOCOL)
    file.write(data)
    return Stowed(file.name, at, len(data), need_of(array, f, encoding))


def null_byte(f: Field) -> np.uint8:
    """What fills a cell that is NULL: blanks, but in types whose cells are binary."""
    return np.uint8({"L": ord("?")}.get(f.type, BLANK if f.type in TEXT else 0))


def array_of(column: Any) -> Any:
    """The Arrow array of a column that a step wrote, None of a carried one."""
    if isinstance(column, Slice | Cast | Missing | Stowed):
        return None
    return column.array if isinstance(column, Patched | Whole) else column


def cut(column: Any, at: int, size: int) -> Any:
    """Some rows of a column, one after the other."""
    if isinstance(column, Slice | Cast | Missing):
        return column
    if isinstance(column, Whole):
        array, text = column.array.slice(at, size), column.text.slice(at, size)
        return replace(column, array=array, text=text)
    if isinstance(column, Patched):
        array, same = column.array.slice(at, size), column.same[at : at + size]
        return replace(column, array=array, same=same)
    return column.slice(at, size)


def joined(fields: Sequence[Field], columns: Sequence[Any]) -> Iterator[tuple[slice, Field, Any]]:
    """Columns to be copied or compared: carried cells that stay side by side are one.

    Yields
    ------
    slice
        Which of the columns these are.
    Field
        Theirs, or one as wide as all of them.
    column
    """
    first = 0
    while first < len(fields):
        last = first + 1
        while last < len(fields) and _side_by_side(fields, columns, last):
            last += 1
        f, column = fields[first], columns[first]
        if last - first > 1:
            column = Slice(column.start, columns[last - 1].stop)
            name = f"{f.name} to {fields[last - 1].name}"
            f = replace(f, name=name, type="C", width=column.stop - column.start)
        yield slice(first, last), f, column
        first = last


def _side_by_side(fields: Sequence[Field], columns: Sequence[Any], at: int) -> bool:
    """Whether a column's cells follow those of the one before, in the source and in the row."""
    pairs = [*zip(fields[at - 1 : at + 1], columns[at - 1 : at + 1], strict=True)]
    if not all(isinstance(c, Slice) and c.stop - c.start == f.width for f, c in pairs):
        return False
    before, column = columns[at - 1 : at + 1]
    return bool(before.stop == column.start)


def cells_of(
    column: Any, f: Field, body: NDArray[np.uint8] | None, encoding: str
) -> tuple[Any, Lost, Spills]:
    """Cells of a column for some rows, what was lost of them, and values wider than the field.

    Losses are counts and first examples.

    Parameters
    ----------
    column : Slice, Patched, Whole, Cast, Missing or pyarrow.Array
    f : Field
        As the outgoing layer declares it.
    body : ndarray of uint8 (n, row length) or None
        The same rows of the source.
    encoding : str
        Of the outgoing layer.
    """
    if isinstance(column, Missing):
        return null_byte(f), {}, ()
    if isinstance(column, Slice):
        assert body is not None
        return as_wide(body[:, column.start : column.stop], f), {}, ()
    if isinstance(column, Cast):
        assert body is not None
        return cast_cells(column, f, body[:, column.place.start : column.place.stop], encoding)
    from .cells import encode_cells
    from .lost import lost_of
    from .overflow import kept, spilled_of

    array = array_of(column)
    held, over = kept(array, f, encoding)
    cells, rounded = encode_cells(held, f, encoding)
    carried = np.zeros(len(array), dtype=bool)
    if isinstance(column, Patched) and body is not None:
        carried = column.same
        old = body[carried, column.place.start : column.place.stop]
        cells[carried] = as_wide(old, f)
    return cells, lost_of(array, f, rounded, carried), spilled_of(column, f, over)
