"""Carried cells as a sister layer declares them: their own bytes wherever these will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .columns import Slice
    from .lost import Lost
    from .overflow import Spills
    from .values import Decoded

__all__ = ["Cast", "as_field", "as_wide", "cast_cells", "is_recoded", "recoded"]

BLANK, STAR, DASH = 0x20, ord("*"), ord("-")


@dataclass(frozen=True, slots=True)
class Cast:
    """Carried cells of a field that is declared otherwise in the outgoing layer.

    ``field`` and ``encoding`` are the source's.
    """

    place: Slice
    field: Field
    encoding: str


def cast_cells(
    column: Cast, f: Field, cells: NDArray[np.uint8], encoding: str
) -> tuple[NDArray[np.uint8], Lost, Spills]:
    """Cells of one declaration in another, what was lost, and values wider than the field.

    A number in another width, or in a field of text, is the text it was: no
    digit changes. Only text of another encoding is decoded.

    Parameters
    ----------
    column : Cast
    f : Field
        As the outgoing layer declares it, wide enough.
    cells : ndarray of uint8 (n, width of the source's field)
    encoding : str
        Of the outgoing layer.
    """
    own = column.field.type
    if is_recoded(column, f, encoding):
        from .cells import encode_cells
        from .overflow import kept, spilled_of

        found = recoded(column, cells)
        told = f"field {f.name}: values hold bytes that are not {column.encoding}"
        held, over = kept(found.array, f, encoding)
        made, _ = encode_cells(held, f, encoding)
        spilled = spilled_of(found.array, f, over)
        if not len(found.bad):
            return made, {}, spilled
        example = bytes(cells[found.bad[0]]).strip(b" \0").decode("latin-1")
        return made, {told: (len(found.bad), example)}, spilled
    if own != f.type and f.type == "C":
        cells = _SHOWN.get(own, _number_text)(cells)
    return as_wide(cells, f), {}, ()


def as_wide(cells: NDArray[np.uint8], f: Field) -> NDArray[np.uint8]:
    """Cells in a field that is as wide, or was widened for others' sake."""
    if cells.shape[1] == f.width:
        return cells
    return _right(cells, f.width) if f.type in "NF" else _left(cells, f.width)


def is_recoded(column: object, f: Field, encoding: str) -> bool:
    """Whether a column is carried text that is to be in another encoding."""
    return (
        isinstance(column, Cast)
        and column.field.type == f.type == "C"
        and column.encoding != encoding
    )


def recoded(column: Cast, cells: NDArray[np.uint8]) -> Decoded:
    """Carried text, decoded."""
    from .values import decode_cells

    return decode_cells(cells, column.field, column.encoding)


def as_field(array: Any, f: Field) -> Any:
    """A column that a step made, for the field of a union: text where that is text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..arrays import scalar_of
    from .values import ARROW_TYPES

    if f.type in "NF" or array.type.equals(ARROW_TYPES[f.arrow]):
        return array  # whole numbers stay whole: some have no equal among floats
    if pa.types.is_boolean(array.type):
        return pc.if_else(array, scalar_of("T"), scalar_of("F"))
    if pa.types.is_floating(array.type):
        from .cells import plain_numbers

        return plain_numbers(array)
    return array.cast(ARROW_TYPES[f.arrow])


def _left(cells: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    made = np.full((len(cells), width), BLANK, dtype=np.uint8)
    made[:, : cells.shape[1]] = cells
    return made


def _right(cells: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    made = np.full((len(cells), width), BLANK, dtype=np.uint8)
    made[:, width - cells.shape[1] :] = cells
    made[(cells == STAR).all(axis=1)] = STAR  # a full cell of these is NULL, a few are not
    return made


def _number_text(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The digits, from the first byte of the cell on; nothing where there is no number."""
    cells = np.where((cells == STAR).all(axis=1)[:, None], np.uint8(BLANK), cells)
    width = cells.shape[1]
    first = (cells != BLANK).argmax(axis=1)[:, None] + np.arange(width)
    padded = np.column_stack([cells, np.full(len(cells), BLANK, np.uint8)])
    moved: NDArray[np.uint8] = np.take_along_axis(padded, first.clip(max=width), axis=1)
    return moved


def _day_text(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``YYYY-MM-DD``; nothing where no day is told, and what is no date as it is."""
    whole = cells.shape[1] == 8 and ((cells >= ord("0")) & (cells <= ord("9"))).all(axis=1)
    made = _left(cells, max(10, cells.shape[1]))
    if np.any(whole):
        digits = cells[whole]
        dash = np.full((len(digits), 1), DASH, np.uint8)
        made[whole] = np.hstack([digits[:, :4], dash, digits[:, 4:6], dash, digits[:, 6:]])
    made[(cells == ord("0")).all(axis=1) | (cells == STAR).all(axis=1)] = BLANK
    return made


def _logical_text(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``T`` or ``F``; nothing where it is not told, and what is neither as it is."""
    made = cells.copy()
    for known, shown in ((b"TtYy", b"T"), (b"FfNn", b"F"), (b"?*\0", b" ")):
        made[np.isin(cells[:, 0], list(known)), 0] = shown[0]
    return made


_SHOWN = {"D": _day_text, "L": _logical_text}
