"""Arrow arrays from numpy's and back, constants for them, and no pandas.

Arrow imports pandas (half a second) for the first Python value or numpy array
that it is given, and for the first array that it gives to numpy. Buffers are
shared without.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FALSE", "TRUE", "arrow_of", "numpy_of", "scalar_of", "texts_of", "true_in"]

_EPOCH = date(1970, 1, 1).toordinal()


def arrow_of(
    values: NDArray[Any], valid: NDArray[np.bool_] | None = None, kind: Any = None
) -> pa.Array:
    """An Arrow array of numbers or truth values; it may share the memory.

    Parameters
    ----------
    values : ndarray
        The bytes of the array, whatever its shape, if ``kind`` is given.
    valid : ndarray of bool, optional
        False where a value is NULL.
    kind : pyarrow.DataType, optional
        By default that of the same name.
    """
    kind = kind or pa.from_numpy_dtype(values.dtype)
    data = _bits(values) if pa.types.is_boolean(kind) else np.ascontiguousarray(values)
    mask = None if valid is None or valid.all() else pa.py_buffer(_bits(valid))
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(data)])


def _bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.packbits(values, bitorder="little")


def numpy_of(array: pa.Array) -> NDArray[Any]:
    """Numbers or truth values; what stands for a NULL is not to be looked at."""
    start, count = array.offset, len(array)
    data = array.buffers()[1] if count else b""
    if pa.types.is_boolean(array.type):
        bits = np.frombuffer(data, np.uint8)[start // 8 : (start + count + 7) // 8]
        return np.unpackbits(bits, bitorder="little")[start % 8 :][:count].view(bool)
    dtype = np.int32 if pa.types.is_date32(array.type) else array.type.to_pandas_dtype()
    values: NDArray[Any] = np.frombuffer(data, dtype)[start : start + count]
    return values


def true_in(mask: Any) -> NDArray[np.bool_]:
    """Where a condition holds; where it is NULL, it does not."""
    return numpy_of(mask.fill_null(FALSE) if mask.null_count else mask)


def texts_of(values: Iterable[str | bytes | None], kind: Any = None) -> pa.Array:
    """Text, or bytes, of Python's."""
    raw = [v.encode() if isinstance(v, str) else v for v in values]
    offsets = np.zeros(len(raw) + 1, np.int32)
    np.cumsum([len(v or b"") for v in raw], out=offsets[1:])
    valid = np.array([v is not None for v in raw], bool)
    mask = None if valid.all() else pa.py_buffer(_bits(valid))
    data = pa.py_buffer(b"".join(v or b"" for v in raw))
    return pa.Array.from_buffers(kind or pa.string(), len(raw), [mask, pa.py_buffer(offsets), data])


def scalar_of(value: bool | int | float | str | bytes | date | None, kind: Any = None) -> pa.Scalar:
    """A constant; of 32 bits if it is a whole number, and nothing else is said."""
    if value is None:
        return pa.nulls(1, kind or pa.null())[0]
    if isinstance(value, str | bytes):
        return texts_of([value], kind or (pa.string() if isinstance(value, str) else pa.binary()))[
            0
        ]
    if isinstance(value, date):
        return arrow_of(np.array([value.toordinal() - _EPOCH], np.int32), kind=pa.date32())[0]
    usual = {bool: pa.bool_(), float: pa.float64(), int: pa.int32()}
    kind = kind or usual[type(value)]
    return arrow_of(np.array([value], kind.to_pandas_dtype()), kind=kind)[0]


TRUE, FALSE = scalar_of(True), scalar_of(False)
