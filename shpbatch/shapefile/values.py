"""Cells of a ``.dbf`` column to an Arrow array: only of columns that a step reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import arrow_of, numpy_of, scalar_of, texts_of, true_in
from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ARROW_TYPES", "Decoded", "decode_cells"]

ARROW_TYPES = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "date32": pa.date32(),
    "bool": pa.bool_(),
}
BLANK, STAR, ZERO = ord(" "), ord("*"), ord("0")
#: Bytes decoded at a time: Arrow's text offsets are 32-bit.
SLAB = 1 << 28


@dataclass(frozen=True, slots=True)
class Decoded:
    """A column, and the rows whose cell holds no value of its type (they are NULL)."""

    array: Any
    bad: NDArray[np.int64]


def decode_cells(cells: NDArray[np.uint8], field: Field, encoding: str) -> Decoded:
    """Decode a column.

    Parameters
    ----------
    cells : ndarray of uint8 (n, width)
    field : Field
    encoding : str
        Codec of text.

    Returns
    -------
    Decoded
        NULL for blanks, NUL bytes, all ``*``, ``00000000`` and ``?``.
    """
    kinds = {
        "string": _text,
        "int32": _numbers,
        "int64": _numbers,
        "float64": _numbers,
        "date32": _dates,
        "bool": _logicals,
    }
    decode: Callable[..., Decoded] = kinds[field.arrow]
    step = max(1, SLAB // max(1, cells.shape[1]))
    if len(cells) <= step:
        return decode(np.ascontiguousarray(cells), field, encoding)
    slabs = [
        (at, decode(np.ascontiguousarray(cells[at : at + step]), field, encoding))
        for at in range(0, len(cells), step)
    ]
    return Decoded(
        pa.concat_arrays([d.array for _, d in slabs]),
        np.concatenate([d.bad + at for at, d in slabs]),
    )


def _strings(cells: NDArray[np.uint8], kind: Any = None) -> Any:
    """The cells as text, byte for byte."""
    n, width = cells.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(
        kind or pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(cells)]
    )


def _without_nul(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blanks from the first NUL byte on, where C would end the text."""
    nul = cells == 0
    if not nul.any():
        return cells
    cells = cells.copy()
    cells[np.logical_or.accumulate(nul, axis=1)] = BLANK
    return cells


def _without_empty(text: Any) -> Any:
    return pc.if_else(pc.equal(pc.binary_length(text), scalar_of(0)), pa.NULL, text)


def _text(cells: NDArray[np.uint8], field: Field, encoding: str) -> Decoded:
    """Text without trailing blanks; NULL where nothing is left."""
    cells = _without_nul(cells)
    trimmed = pc.ascii_rtrim(_strings(cells), " ")
    trimmed = _without_empty(trimmed)
    if not (cells & 0x80).any():
        return Decoded(trimmed, np.empty(0, np.int64))
    return _in_encoding(trimmed, encoding)


def _in_encoding(raw: Any, encoding: str) -> Decoded:
    """Text whose bytes are in an encoding; what is not, with a mark in place of each bad byte."""
    if encoding == "utf-8":
        try:
            raw.validate(full=True)
            return Decoded(raw, np.empty(0, np.int64))
        except pa.ArrowInvalid:
            pass  # some value is not UTF-8: found below, one by one
    coded = raw.cast(pa.binary()).dictionary_encode()
    values, broken = [], []
    for value in coded.dictionary.to_pylist():
        try:
            values.append(value.decode(encoding))
            broken.append(False)
        except UnicodeDecodeError:
            values.append(value.decode(encoding, "replace"))
            broken.append(True)
    array = texts_of(values).take(coded.indices)
    indices = numpy_of(coded.indices.fill_null(scalar_of(len(values))))
    return Decoded(array, np.flatnonzero(np.array([*broken, False])[indices]))


def _numbers(cells: NDArray[np.uint8], field: Field, encoding: str) -> Decoded:
    kind = ARROW_TYPES[field.arrow]
    cells = _without_nul(cells)
    if (cells[:, :1] == STAR).any():
        cells = np.where((cells == STAR).all(axis=1)[:, None], np.uint8(BLANK), cells)
    # What is not ASCII is no number, and must not reach Arrow's text functions.
    if (cells & 0x80).any():
        cells = np.where(cells & 0x80, np.uint8(ord("?")), cells)
    text = pc.ascii_trim_whitespace(_strings(cells))
    text = _without_empty(text)
    try:
        if pa.types.is_integer(kind) and ((cells | 0x20) == ord("x")).any():
            raise pa.ArrowInvalid("Arrow reads 0x1F as 31")
        array = text.cast(kind)
        odd = np.empty(0, np.int64)
    except pa.ArrowInvalid:
        array, odd = _one_by_one(text, kind)
    if not pa.types.is_floating(kind):
        return Decoded(array, odd)
    infinite = true_in(pc.invert(pc.is_finite(array)))
    if infinite.any():
        array = pc.if_else(arrow_of(infinite), pa.NULL, array)
        odd = np.union1d(odd, np.flatnonzero(infinite))
    return Decoded(array, odd)


def _one_by_one(text: Any, kind: Any) -> tuple[Any, NDArray[np.int64]]:
    """Numbers of a column in which some cell is none: those are NULL, and told."""
    whole = pa.types.is_integer(kind)
    known: dict[str, float | int | None] = {}
    for value in text.unique().to_pylist():
        if value is not None:
            number = _number(value, whole)
            fits = number is None or not whole or abs(number) < 2 ** (kind.bit_width - 1)
            known[value] = number if fits else None
    values = text.to_pylist()
    bad = [i for i, v in enumerate(values) if v is not None and known[v] is None]
    found = [None if v is None else known[v] for v in values]
    valid = np.array([v is not None for v in found], bool)
    numbers = np.array([0 if v is None else v for v in found], kind.to_pandas_dtype())
    return arrow_of(numbers, valid), np.array(bad, dtype=np.int64)


def _number(text: str, whole: bool) -> float | int | None:
    if "_" in text:  # Python's own spelling of 1_000
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    if not whole:
        return value
    return int(value) if value.is_integer() and abs(value) < 2**53 else _whole(text)


def _whole(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if abs(value) < 2**63 else None


def _dates(cells: NDArray[np.uint8], field: Field, encoding: str) -> Decoded:
    """Days of ``YYYYMMDD``."""
    cells = _without_nul(cells)
    padded = np.full((len(cells), 8), BLANK, dtype=np.uint8)
    width = min(8, cells.shape[1])
    padded[:, :width] = cells[:, :width]
    digits = padded.astype(np.int64) - ZERO
    fit = ((digits >= 0) & (digits <= 9)).all(axis=1)
    fit &= (cells[:, 8:] == BLANK).all(axis=1)
    number = np.where(fit, digits @ 10 ** np.arange(7, -1, -1), 0)
    empty = (cells == BLANK).all(axis=1) | (fit & (number == 0)) | (cells == STAR).all(axis=1)
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    fit &= (year > 0) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(fit, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (np.where(fit, day, 1) - 1)
    fit &= days.astype("datetime64[M]") == months  # no 31st of April
    array = arrow_of(days.astype(np.int64).astype(np.int32), fit, pa.date32())
    return Decoded(array, np.flatnonzero(~fit & ~empty))


def _logicals(cells: NDArray[np.uint8], field: Field, encoding: str) -> Decoded:
    first = cells[:, 0]
    true = np.isin(first, list(b"TtYy"))
    false = np.isin(first, list(b"FfNn"))
    empty = np.isin(first, list(b"? \0*"))
    array = arrow_of(true, true | false)
    return Decoded(array, np.flatnonzero(~(true | false | empty)))
