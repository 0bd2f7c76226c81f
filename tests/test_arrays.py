"""Arrow arrays from numpy's and back."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shpbatch.arrays import arrow_of, numpy_of, scalar_of, texts_of, true_in


@settings(deadline=None)
@given(st.lists(st.none() | st.booleans()), st.integers(0, 20))
def test_truth_values(values: list[bool | None], cut: int) -> None:
    array = arrow_of(
        np.array([v is True for v in values], bool), np.array([v is not None for v in values], bool)
    )
    array.validate(full=True)
    assert array.to_pylist() == values
    assert true_in(array.slice(cut)).tolist() == [v is True for v in values[cut:]]
    assert numpy_of(array.slice(cut).is_valid()).tolist() == [v is not None for v in values[cut:]]


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
def test_numbers(dtype: str) -> None:
    array = arrow_of(np.arange(9, dtype=dtype), np.arange(9) != 4)
    array.validate(full=True)
    assert (str(array.type), array.null_count) == (str(pa.from_numpy_dtype(dtype)), 1)
    assert array.to_pylist() == [0, 1, 2, 3, None, 5, 6, 7, 8]
    assert numpy_of(array.slice(5, 2)).tolist() == [5, 6]
    assert numpy_of(array.slice(9)).tolist() == numpy_of(pa.nulls(0, array.type)).tolist() == []
    assert arrow_of(np.arange(9, dtype=dtype)[::2]).to_pylist() == [0, 2, 4, 6, 8]


@settings(deadline=None)
@given(st.lists(st.none() | st.text()))
def test_texts(values: list[str | None]) -> None:
    array = texts_of(values)
    array.validate(full=True)
    assert array.equals(pa.array(values, pa.string()))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, pa.bool_()), (False, pa.bool_()), (7, pa.int32()), (1.5, pa.float64()),
        ("é", pa.string()), (b"\xff", pa.binary()), (datetime.date(1969, 12, 31), pa.date32()),
        (None, pa.int64()), (2**62, pa.int64()), (-0.0, pa.float64()), (None, pa.null()),
    ],
)  # fmt: skip
def test_constants(value: object, kind: pa.DataType) -> None:
    found = scalar_of(value, None if kind == pa.int32() else kind)  # type: ignore[arg-type]
    assert found.type == kind
    assert repr(found.as_py()) == repr(value)


def test_a_constant_minds_its_sign() -> None:
    signs = [math.copysign(1, scalar_of(value).as_py()) for value in (0.0, -0.0)]
    assert signs == [1, -1]


def test_pandas_stays_out() -> None:
    """Arrow imports it for its own way to do the same."""
    code = (
        "import sys, numpy as np, pyarrow as pa\n"
        "from shpbatch.arrays import *\n"
        "a = arrow_of(np.arange(3), np.array([True, False, True]))\n"
        "numpy_of(a), true_in(a.is_valid()), texts_of(['a', None]), scalar_of(1.5)\n"
        "assert 'pandas' not in sys.modules\n"
        "pa.array(np.arange(3))\n"
        "assert 'pandas' in sys.modules  # else this test could not fail\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
