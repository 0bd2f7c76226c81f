"""Arrow arrays to cells of a ``.dbf``: only of columns that a step wrote."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import arrow_of, numpy_of, scalar_of, texts_of, true_in
from ..errors import WriteError
from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    #: All bytes of some texts, and the length of each.
    Pieces = tuple[NDArray[np.uint8], NDArray[np.int64]]

__all__ = [
    "WIDEST_NUMBER",
    "bytes_of",
    "encode_cells",
    "plain_numbers",
    "points_of",
    "with_exponents",
]

BLANK, ZERO, POINT, EXPONENT = b" 0.e"
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
        shown = pc.if_else(array.cast(pa.bool_()), scalar_of("T"), scalar_of("F"))
        return _left(shown.fill_null(scalar_of("?")), field.width), none
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
        except UnicodeEncodeError as error:
            lacking = text[error.start : error.start + 1]
            raise WriteError(
                f"field {field.name}: '{text[:40]}' has characters that {encoding} lacks "
                f"('{lacking}'); write the layer as UTF-8 with recode --encoding UTF-8",
                "text-unencodable",
            ) from None

    values = [one(v) for v in coded.dictionary.to_pylist()]
    return texts_of(values, pa.binary()).take(coded.indices)


def _pieces(array: Any) -> Pieces:
    """The bytes of a text array; NULL is empty."""
    array = array.fill_null(scalar_of("" if pa.types.is_string(array.type) else b""))
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return raw[at[0] : at[-1]], np.diff(at).astype(np.int64)


def _placed(
    cells: NDArray[np.uint8],
    pieces: Pieces,
    start: NDArray[np.int64] | int,
) -> NDArray[np.uint8]:
    """Cells with values (`_pieces`) put into them, each from its column ``start`` on."""
    raw, sizes = pieces
    column = np.arange(cells.shape[1])
    first = np.asarray(start)[..., None]
    cells[(column >= first) & (column < first + sizes[:, None])] = raw
    return cells


def _blank(count: int, width: int) -> NDArray[np.uint8]:
    return np.full((count, width), BLANK, dtype=np.uint8)


def _left(array: Any, width: int) -> NDArray[np.uint8]:
    return _placed(_blank(len(array), width), _pieces(array), 0)


def _right(array: Any, field: Field) -> NDArray[np.uint8]:
    pieces = _pieces(array)
    return _placed(_blank(len(array), field.width), pieces, field.width - pieces[1])


def _days(array: Any) -> Any:
    """Dates as ``YYYYMMDD``; NULL outside the years 1 to 9999."""
    stamps = numpy_of(array.cast(pa.int32()).fill_null(scalar_of(0))).astype("datetime64[D]")
    months = stamps.astype("datetime64[M]")
    day = (stamps - months).astype(np.int64) + 1
    year, month = np.divmod(months.astype(np.int64), 12)
    year, month = year + 1970, month + 1
    fit = (year >= 1) & (year <= 9999) & numpy_of(array.is_valid())
    text = arrow_of(10_000 * year + 100 * month + day, fit).cast(pa.string())
    return pc.utf8_lpad(text, 8, "0")


def plain_numbers(array: Any) -> Any:
    """Numbers as the shortest text that reads back the same, without exponents if they fit."""
    if pa.types.is_integer(array.type):
        return array.cast(pa.string())
    text = pc.if_else(pc.is_finite(array), array, pa.NULL).cast(pa.string())
    whole = pc.ends_with(text, ".0")
    if pc.any(whole).as_py():
        text = pc.if_else(whole, pc.utf8_slice_codeunits(text, 0, stop=-2), text)
    exponents = np.flatnonzero(with_exponents(text))
    if not len(exponents):
        return text
    values = text.to_pylist()
    for i in exponents:
        fixed = format(Decimal(values[i]), "f")
        values[i] = fixed if len(fixed) <= WIDEST_NUMBER - 2 else values[i]
    return texts_of(values)


def with_exponents(text: Any) -> NDArray[np.bool_]:
    """Which of some numbers stand with an exponent."""
    if not (_pieces(text)[0] == EXPONENT).any():  # ten times as fast as to ask each of them
        return np.zeros(len(text), dtype=bool)
    return true_in(pc.match_substring(text, "e"))


def points_of(text: Any) -> tuple[Pieces, NDArray[np.int64]]:
    """The pieces of numbers, and where in each its point is, or would be."""
    raw, sizes = _pieces(text)
    found = numpy_of(pc.find_substring(text, ".").fill_null(scalar_of(-1)))
    return (raw, sizes), np.where(found < 0, sizes, found)


def _reals(array: Any, field: Field) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Numbers with exactly the field's decimals; rounded where they have more."""
    text = plain_numbers(array)
    (_, sizes), point = points_of(text)
    width, decimals = field.width, field.decimals
    after = np.maximum(0, sizes - point - 1)
    room = width - (decimals + 1 if decimals else 0)
    odd = (after > decimals) | (point > room)
    odd |= with_exponents(text)
    if odd.any():
        values, rounded = text.to_pylist(), []
        numbers = array.to_pylist()
        for i in np.flatnonzero(odd):
            values[i], exact = _rounded(numbers[i], field)
            rounded += [] if exact else [i]
        cells = _aligned(texts_of(values), field, odd)
        return cells, np.array(rounded, dtype=np.int64)
    return _aligned(text, field, odd), np.empty(0, np.int64)


def _aligned(text: Any, field: Field, whole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Numbers with their points under each other, zeros after the last digit.

    Those marked as ``whole`` are complete already and stand right.
    """
    width, decimals = field.width, field.decimals
    pieces, point = points_of(text)
    sizes = pieces[1]
    at = width - (decimals + 1 if decimals else 0)  # column of the point
    cells = _blank(len(sizes), width)
    if decimals:
        cells[:, at], cells[:, at + 1 :] = POINT, ZERO
        cells[(sizes == 0) | whole] = BLANK
    return _placed(cells, pieces, np.where(whole, width - sizes, at - point))


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
