"""Values that are wider than their field: what of them it keeps, and what it does not."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import arrow_of, numpy_of, scalar_of, texts_of, true_in
from ..models import Field
from .columns import Whole, array_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WIDEST_TEXT", "Spills", "kept", "limit_of", "spilled_of"]

#: Row, what is said of its value, and the whole of that as text.
Spills = Iterable[tuple[int, str, str]]
#: Bytes of a text that every program reads.
WIDEST_TEXT = 254
#: Characters that go with the one before: joiners and the selectors of variants.
_JOINING = frozenset("\u200d\ufe0e\ufe0f")


def limit_of(f: Field) -> int:
    """The most bytes that a text in a field may have."""
    return f.width if f.fixed or (f.width > WIDEST_TEXT and not f.fresh) else WIDEST_TEXT


def kept(array: Any, f: Field, encoding: str) -> tuple[Any, NDArray[np.int64]]:
    """What a field keeps of its values, and the rows of those that are wider.

    Texts are cut at a character; numbers that do not fit are NULL, as a part
    of a number is another number.

    Parameters
    ----------
    array : pyarrow.Array
    f : Field
        Of its final width.
    encoding : str
        Codec of text.
    """
    if f.type == "C" and f.width >= limit_of(f):
        return _texts(array, f.width, encoding)
    if f.type in "NF" and f.fixed:
        return _numbers(array, f)
    return array, np.empty(0, np.int64)


def spilled_of(column: Any, f: Field, over: NDArray[np.int64]) -> Iterator[tuple[int, str, str]]:
    """The whole values that a field does not hold: row, what is said of it, value as text."""
    told = f"texts are cut to {f.width} bytes"
    if f.type != "C":
        told = f"numbers that do not fit {f.width} characters are written as NULL"
    array = array_of(column)
    for row in over.tolist():
        yield row, told, str(array[row].as_py())
    if isinstance(column, Whole):
        rows = np.flatnonzero(numpy_of(column.text.is_valid()))
        for row in rows.tolist():
            yield row, column.what, column.text[row].as_py()


def _texts(array: Any, width: int, encoding: str) -> tuple[Any, NDArray[np.int64]]:
    sizes = numpy_of(pc.binary_length(array).fill_null(scalar_of(0)))
    if encoding != "utf-8" and not pc.all(pc.string_is_ascii(array), min_count=0).as_py():
        sizes = sizes * 2  # a letter of 2 bytes may have 3 there (EUC-JP)
    wide = np.flatnonzero(sizes > width)
    if not len(wide):
        return array, wide
    coded = array.take(arrow_of(wide)).dictionary_encode()
    cut = [_cut(text, width, encoding) for text in coded.dictionary.to_pylist()]
    over = np.array([a != b for a, b in zip(cut, coded.dictionary.to_pylist(), strict=True)])
    rows = wide[over[numpy_of(coded.indices)]]
    if not len(rows):
        return array, rows
    mask = np.zeros(len(array), dtype=bool)
    mask[wide] = True
    new = texts_of(cut).take(coded.indices)
    return pc.replace_with_mask(array, arrow_of(mask), new), rows


def _cut(text: str, width: int, encoding: str) -> str:
    """The beginning of a text, as many whole characters as fit.

    An accent or a joiner is not parted from what it stands on.
    """
    raw = text.encode(encoding, "replace")  # what the encoding lacks is told elsewhere
    if len(raw) <= width:
        return text
    head = text[: len(raw[:width].decode(encoding, "ignore"))]
    while len(head.encode(encoding, "replace")) > width:
        head = head[:-1]
    whole = head
    while whole and _goes_on(text, len(whole)):
        whole = whole[:-1]
    return whole or head


def _goes_on(text: str, at: int) -> bool:
    """Whether a cut would part what is one character to its reader."""
    following = text[at : at + 1]
    joined = following in _JOINING or (bool(following) and unicodedata.combining(following) != 0)
    return joined or text[at - 1] == "\u200d"


def _numbers(array: Any, f: Field) -> tuple[Any, NDArray[np.int64]]:
    from .cells import plain_numbers

    text = plain_numbers(array)
    length = pc.binary_length(text)
    point = pc.find_substring(text, ".")
    left = pc.if_else(pc.less(point, scalar_of(0)), length, point)
    room = f.width - (f.decimals + 1 if f.decimals else 0)
    with_e = pc.match_substring(text, "e")
    wide = pc.if_else(
        with_e, pc.greater(length, scalar_of(f.width)), pc.greater(left, scalar_of(room))
    )
    found = true_in(wide).copy()
    if pa.types.is_floating(array.type):
        near = pc.greater_equal(pc.abs(array), scalar_of(0.9 * 10.0 ** (room - 1), array.type))
        for row in np.flatnonzero(true_in(near) & ~found).tolist():
            # Rounded it may have one digit more: 999.96 is 1000.0.
            value = array[row].as_py()
            found[row] = value < 10.0**room and len(f"{value:.{f.decimals}f}") > f.width
    rows = np.flatnonzero(found)
    return (pc.if_else(arrow_of(found), pa.NULL, array) if len(rows) else array), rows
