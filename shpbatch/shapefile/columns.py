"""A column of an outgoing layer: carried cells, cells of a sister layer, or an Arrow array."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .cells import Need

__all__ = [
    "MISSING",
    "Cast",
    "Missing",
    "Patched",
    "Slice",
    "Stowed",
    "array_of",
    "cells_of",
    "cut",
    "stowed",
]

BLANK = 0x20


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
class Cast:
    """Carried cells of a field that is declared otherwise in the outgoing layer."""

    place: Slice
    field: Field
    encoding: str


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
    from .cells import need_of

    at, data = file.tell(), pickle.dumps(column, pickle.HIGHEST_PROTOCOL)
    file.write(data)
    return Stowed(file.name, at, len(data), need_of(array, f, encoding))


def array_of(column: Any) -> Any:
    """The Arrow array of a column that a step wrote, None of a carried one."""
    if isinstance(column, Slice | Cast | Missing | Stowed):
        return None
    return column.array if isinstance(column, Patched) else column


def cut(column: Any, at: int, size: int) -> Any:
    """Some rows of a column, one after the other."""
    if isinstance(column, Slice | Cast | Missing):
        return column
    if isinstance(column, Patched):
        array, same = column.array.slice(at, size), column.same[at : at + size]
        return replace(column, array=array, same=same)
    return column.slice(at, size)


def cells_of(
    column: Any, f: Field, body: NDArray[np.uint8] | None, encoding: str
) -> tuple[Any, int]:
    """Cells of a column for some rows, and how many numbers were rounded.

    Parameters
    ----------
    column : Slice, Patched, Cast, Missing or pyarrow.Array
    f : Field
        As the outgoing layer declares it.
    body : ndarray of uint8 (n, row length) or None
        The same rows of the source.
    encoding : str
        Of the outgoing layer.
    """
    if isinstance(column, Missing):
        return np.uint8(ord("?") if f.type == "L" else BLANK), 0
    if isinstance(column, Slice):
        assert body is not None
        return body[:, column.start : column.stop], 0
    if isinstance(column, Cast):
        assert body is not None
        return _cast(column, f, body[:, column.place.start : column.place.stop], encoding)
    from .cells import encode_cells

    cells, rounded = encode_cells(array_of(column), f, encoding)
    if isinstance(column, Patched) and body is not None:
        old = body[:, column.place.start : column.place.stop]
        if old.shape[1] == f.width:
            cells[column.same] = old[column.same]
            rounded = rounded[~column.same[rounded]]
    return cells, len(rounded)


def _cast(
    column: Cast, f: Field, cells: NDArray[np.uint8], encoding: str
) -> tuple[NDArray[np.uint8], int]:
    """Cells of one declaration in another: as bytes where only the width differs."""
    own = column.field
    text = own.type == f.type == "C" and column.encoding == encoding
    if text or (own.type in "NF" and f.type in "NF" and own.decimals == f.decimals):
        made = np.full((len(cells), f.width), BLANK, dtype=np.uint8)
        room = f.width - own.width
        if text:
            made[:, : own.width] = cells
        else:
            made[:, room:] = cells
        return made, 0
    from .cells import encode_cells

    encoded, rounded = encode_cells(cast_array(column, f, cells), f, encoding)
    return encoded, len(rounded)


def cast_array(column: Cast, f: Field, cells: NDArray[np.uint8]) -> Any:
    """Values of a carried column in the type of the outgoing field."""
    from .values import ARROW_TYPES, decode_cells

    return as_type(decode_cells(cells, column.field, column.encoding).array, ARROW_TYPES[f.arrow])


def as_type(array: Any, kind: Any) -> Any:
    """An Arrow array in another of the six types; anything can become text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if array.type.equals(kind):
        return array
    if pa.types.is_boolean(array.type) and pa.types.is_string(kind):
        return pc.if_else(array, "T", "F")
    return array.cast(kind)
