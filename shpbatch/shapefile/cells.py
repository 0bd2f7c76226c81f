"""Arrow arrays to cells of a ``.dbf``: only of columns that a step wrote."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import WriteError
from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WIDEST_NUMBER", "bytes_of", "encode_cells", "plain_numbers"]

BLANK, ZERO, POINT = ord(" "), ord("0"), ord(".")
#: Widest number, as GDAL makes them: 17 digits, sign, point and some zeros.
WIDEST_NUMBER = 24


def encode_cells(
    array: Any, field: Field, encoding: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cells of a column, and the rows whose number had to be rounded.

    Parameters
    ----------
    array : pyarrow.Array
        Values that the field can hold, see `overflow.kept`.
    field : Field
        Of its final width, see `widths.fitted`.
    encoding : str
        Codec of text.
    """
    none = np.empty(0, np.int64)
    if field.type == "C":
        return _left(bytes_of(array, field, encoding), field.width), none
    if field.type == "D":
        return _left(_days(array), field.width), none
    if field.type == "L":
        shown = pc.if_else(array.cast(pa.bool_()), "T", "F").fill_null("?")
        return _left(shown, field.width), none
    if pa.types.is_integer(array.type):
        return _right(array.cast(pa.string()), field), none
    return _reals(array, field)


def bytes_of(array: Any, field: Field, encoding: str) -> Any:
    """Text in its encoding."""
    if encoding == "utf-8" or (pc.all(pc.string_is_ascii(array), min_count=0).as_py()):
        return array
    coded = array.dictionary_encode()

    def one(text: str) -> bytes:
        try:
            return text.encode(encoding)
        except UnicodeEncodeError:
            raise WriteError(
                f"field {field.name}: '{text[:40]}' has characters that {encoding} "
                "lacks; the layer keeps its source's encoding",
                "text-unencodable",
            ) from None

    values = [one(v) for v in coded.dictionary.to_pylist()]
    return pa.array(values, pa.binary()).take(coded.indices)


def _pieces(array: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All bytes of a text array, and the length of each value; NULL is empty."""
    array = array.fill_null("" if pa.types.is_string(array.type) else b"")
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return raw[at[0] : at[-1]], np.diff(at).astype(np.int64)


def _placed(
    array: Any, width: int, start: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> NDArray[np.uint8]:
    """Values in cells of blanks, each beginning where ``start`` says for its length."""
    raw, sizes = _pieces(array)
    cells = np.full((len(sizes), width), BLANK, dtype=np.uint8)
    first = start(sizes)[:, None]
    column = np.arange(width)
    cells[(column >= first) & (column < first + sizes[:, None])] = raw
    return cells


def _left(array: Any, width: int) -> NDArray[np.uint8]:
    return _placed(array, width, np.zeros_like)


def _right(array: Any, field: Field) -> NDArray[np.uint8]:
    return _placed(array, field.width, lambda sizes: field.width - sizes)


def _days(array: Any) -> Any:
    """Dates as ``YYYYMMDD``; NULL outside the years 1 to 9999."""
    days = array.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)
    stamps = days.astype("datetime64[D]")
    years = stamps.astype("datetime64[Y]").astype(np.int64) + 1970
    fit = (years >= 1) & (years <= 9999) & np.asarray(array.is_valid())
    text = np.datetime_as_string(np.where(fit, stamps, np.datetime64(0, "D")), unit="D")
    return pc.replace_substring(pa.array(text, mask=~fit), "-", "")


def plain_numbers(array: Any) -> Any:
    """Numbers as the shortest text that reads back the same, without exponents if they fit."""
    if pa.types.is_integer(array.type):
        return array.cast(pa.string())
    text = pc.if_else(pc.is_finite(array), array, None).cast(pa.string())
    text = pc.if_else(pc.ends_with(text, ".0"), pc.utf8_slice_codeunits(text, 0, stop=-2), text)
    exponents = pc.match_substring(text, "e").fill_null(False)
    if not pc.any(exponents, min_count=0).as_py():
        return text
    values = text.to_pylist()
    for i in np.flatnonzero(exponents.to_numpy(zero_copy_only=False)):
        fixed = format(Decimal(values[i]), "f")
        values[i] = fixed if len(fixed) <= WIDEST_NUMBER - 2 else values[i]
    return pa.array(values, pa.string())


def _reals(array: Any, field: Field) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Numbers with exactly the field's decimals; rounded where they have more."""
    text = plain_numbers(array)
    _, sizes = _pieces(text)
    width, decimals = field.width, field.decimals
    found = pc.find_substring(text, ".").fill_null(-1).to_numpy(zero_copy_only=False)
    point = np.where(found < 0, sizes, found).astype(np.int64)
    after = np.maximum(0, sizes - point - 1)
    room = width - (decimals + 1 if decimals else 0)
    odd = (after > decimals) | (point > room)
    odd |= pc.match_substring(text, "e").fill_null(False).to_numpy(zero_copy_only=False)
    if odd.any():
        values, rounded = text.to_pylist(), []
        numbers = array.to_pylist()
        for i in np.flatnonzero(odd):
            values[i], exact = _rounded(numbers[i], field)
            rounded += [] if exact else [i]
        cells = _aligned(pa.array(values, pa.string()), field, odd)
        return cells, np.array(rounded, dtype=np.int64)
    return _aligned(text, field, odd), np.empty(0, np.int64)


def _aligned(text: Any, field: Field, whole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Numbers with their points under each other, zeros after the last digit.

    Those marked as ``whole`` are complete already and stand right.
    """
    width, decimals = field.width, field.decimals
    _, sizes = _pieces(text)
    found = pc.find_substring(text, ".").fill_null(-1).to_numpy(zero_copy_only=False)
    point = np.where(found < 0, sizes, found).astype(np.int64)
    at = width - (decimals + 1 if decimals else 0)  # column of the point
    start = np.where(whole, width - sizes, at - point)
    cells = _placed(text, width, lambda _: start)
    given = (sizes > 0) & ~whole
    if decimals:
        cells[given, at] = POINT
        tail = cells[:, at + 1 :]
        tail[(tail == BLANK) & given[:, None]] = ZERO
    return cells


def _rounded(value: float, field: Field) -> tuple[str, bool]:
    """A number in the field's width, and whether it reads back the same."""
    text = f"{value:.{field.decimals}f}"
    if field.fresh and float(text) != value and len(repr(value)) <= field.width:
        return repr(value), True
    digits = field.width
    while len(text) > field.width and digits:
        text = f"{value:.{digits}g}"
        digits -= 1
    if len(text) > field.width:
        raise WriteError(
            f"field {field.name}: {value!r} does not fit {field.width} characters; "
            "widen the field, or calculate a new one",
            "number-too-wide",
        )
    return text, float(text) == value
