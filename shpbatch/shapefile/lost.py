"""What cells of a ``.dbf`` could not keep of the values that a step gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import numpy_of, scalar_of, true_in
from ..models import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lost", "lost_of"]

#: Losses by what is said of them: how many values, and the first.
Lost = dict[str, tuple[int, Any]]


def lost_of(array: Any, f: Field, rounded: NDArray[np.int64], carried: NDArray[np.bool_]) -> Lost:
    """What is lost of a column that a step wrote.

    Parameters
    ----------
    array : pyarrow.Array
    f : Field
        Of its final width.
    rounded : ndarray of int64
        Rows whose number was rounded.
    carried : ndarray of bool (n,)
        Rows that keep the bytes of their cells.
    """
    mask = np.zeros(len(array), dtype=bool)
    mask[rounded] = True
    told = {f"numbers were rounded to {f.width} characters, {f.decimals} decimals": mask}
    if pa.types.is_string(array.type):
        blank = pc.or_(pc.starts_with(array, " "), pc.ends_with(array, " "))  # GDAL trims both
        told["text has blanks around it, which readers take off"] = true_in(blank)
        told["empty text is NULL to a reader"] = true_in(pc.equal(array, scalar_of("")))
    elif pa.types.is_integer(array.type) and f.arrow == "float64":
        text = "whole numbers of more than 53 bits are in a field that is read as real"
        told[text] = _inexact(array)
    lost: Lost = {}
    for text, rows in told.items():
        found = np.flatnonzero(rows & ~carried)
        if len(found):
            lost[f"field {f.name}: {text}"] = len(found), array[int(found[0])].as_py()
    return lost


def _inexact(array: Any) -> NDArray[np.bool_]:
    """Whole numbers that no float is equal to."""
    numbers = numpy_of(array.cast(pa.int64()).fill_null(scalar_of(0, pa.int64())))
    # 2**63, to which the largest are rounded, is beyond 64 bits: it is equal to none of them.
    near = numbers.astype(np.float64)
    high = near >= 2.0**63
    back: NDArray[np.int64] = np.where(high, 0.0, near).astype(np.int64)
    inexact: NDArray[np.bool_] = high | (back != numbers)
    return inexact
