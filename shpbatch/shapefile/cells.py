"""Arrow arrays to cells of a ``.dbf``: only of columns that a step wrote.

A declared width and precision is kept where the values fit; a new field is
as narrow as they allow. The width is chosen once for all windows of a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import WriteError
from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Need", "encode_cells", "fitted", "need_of", "plain_numbers"]

BLANK, ZERO, POINT = ord(" "), ord("0"), ord(".")
WIDEST_TEXT = 254
#: Widest number, as GDAL makes them: 17 digits, sign, point and some zeros.
WIDEST_NUMBER = 24


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that values take: in all, before the point, after it."""

    width: int = 1
    left: int = 1
    decimals: int = 0

    def __or__(self, other: Need) -> Need:
        return Need(
            max(self.width, other.width),
            max(self.left, other.left),
            max(self.decimals, other.decimals),
        )


def need_of(array: Any, field: Field, encoding: str) -> Need:
    """What the values of one window take.

    Raises
    ------
    WriteError
        ``text-unencodable``, ``text-too-long``, ``text-nul``.
    """
    if field.type == "C":
        _without_nul(array, field)
        raw = _bytes_of(array, field, encoding)
        longest = pc.max(pc.binary_length(raw)).as_py() or 0
        if longest > WIDEST_TEXT:
            raise WriteError(
                f"field {field.name}: a text of {longest} bytes, a .dbf holds {WIDEST_TEXT}; "
                "shorten it with calculate",
                "text-too-long",
            )
        return Need(max(1, longest))
    if field.type not in "NF":
        return Need(field.width)
    raw = plain_numbers(array)
    length = pc.binary_length(raw)
    point = pc.find_substring(raw, ".")
    left = pc.if_else(pc.less(point, 0), length, point)
    after = pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))
    with_e = pc.match_substring(raw, "e")
    width = pc.if_else(with_e, length, 1)  # of numbers that stand with their exponents
    left, after = pc.if_else(with_e, 1, left), pc.if_else(with_e, 0, after)
    return Need(*(pc.max(v).as_py() or 0 for v in (width, left, after)))


def _without_nul(array: Any, field: Field) -> None:
    """Refuse text with a NUL byte: to every reader it ends there."""
    if pc.any(pc.match_substring(array, "\0"), min_count=0).as_py():
        raise WriteError(
            f"field {field.name}: a text has a NUL byte, where a .dbf would end it; "
            "take it out before",
            "text-nul",
        )


def fitted(field: Field, need: Need) -> Field:
    """The field wide enough for its values; a fresh one is as narrow as they allow."""
    if field.type == "C":
        width = need.width if field.fresh else max(field.width, need.width)
        return replace(field, width=max(1, width))
    if field.type not in "NF":
        return field
    whole = pa.types.is_integer(_kind(field))
    decimals = 0 if whole else need.decimals if field.fresh else field.decimals
    left = max(1, need.left)
    decimals = max(0, min(decimals, WIDEST_NUMBER - left - 1))
    width = max(left + (decimals + 1 if decimals else 0), need.width)
    if field.fresh:
        width = min(WIDEST_NUMBER, max(1, width))
        # A number without decimals would be read back as an integer, unless it is wide.
        if not whole and not decimals:
            decimals, width = 1, min(WIDEST_NUMBER, width + 2)
        return replace(field, width=width, decimals=decimals)
    return replace(field, width=min(max(field.width, width), max(field.width, WIDEST_NUMBER)))


def _kind(field: Field) -> Any:
    from .values import ARROW_TYPES

    return ARROW_TYPES[field.arrow]


def encode_cells(
    array: Any, field: Field, encoding: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cells of a column, and the rows whose number had to be rounded.

    Parameters
    ----------
    array : pyarrow.Array
    field : Field
        Of its final width (`fitted`).
    encoding : str
        Codec of text.
    """
    none = np.empty(0, np.int64)
    if field.type == "C":
        return _left(_bytes_of(array, field, encoding), field.width), none
    if field.type == "D":
        return _left(_days(array), field.width), none
    if field.type == "L":
        shown = pc.if_else(array.cast(pa.bool_()), "T", "F").fill_null("?")
        return _left(shown, field.width), none
    if pa.types.is_integer(array.type):
        return _right(array.cast(pa.string()), field), none
    return _reals(array, field)


def _bytes_of(array: Any, field: Field, encoding: str) -> Any:
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
