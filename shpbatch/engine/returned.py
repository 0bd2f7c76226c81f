"""What a step gave back, looked at before it is believed: a step may be anybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StepError
from .aspects import Rejected, Rows, Sinks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["checked"]


def checked(out: dict[type, Any], count: int) -> dict[type, Any]:
    """Results by aspect, ``Rows`` and the rows of ``Rejected`` as whole numbers.

    Parameters
    ----------
    out : dict
    count : int
        Rows of the layer that the step was given.

    Raises
    ------
    StepError
        ``step-result`` for rows that the layer has not, ``row-mismatch`` for
        sinks of other rows.
    """
    if Rows in out:
        out[Rows] = _numbers(out[Rows], count, "Rows")
    if Rejected in out:
        out[Rejected] = _rejected(out[Rejected], count)
    if Sinks in out:
        _check_sinks(out[Sinks], len(out[Rows]) if Rows in out else count)
    return out


def _numbers(rows: Any, count: int, what: str) -> NDArray[np.int64]:
    """Row numbers; a mask, or one that counts from the end, would be another row."""
    found = np.asarray(rows)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
        raise StepError(
            f"{what} are row numbers, one after the other, not {found.dtype} of shape "
            f"{found.shape}; of a mask they are np.flatnonzero(mask)",
            "step-result",
        )
    bad = (found < 0) | (found >= count)
    if bad.any():
        raise StepError(
            f"{what} names row {found[bad.argmax()]}, and there are 0 to {count - 1}", "step-result"
        )
    return found.astype(np.int64)


def _rejected(rejected: Rejected, count: int) -> Rejected:
    rows = _numbers(rejected.rows, count, "Rejected")
    if len(np.unique(rows)) < len(rows) or len(rejected.reasons) != len(rows):
        raise StepError(
            f"Rejected has {len(rejected.reasons)} reasons for {len(np.unique(rows))} rows of "
            f"{len(rows)} numbers; each row is rejected once, with its reason",
            "step-result",
        )
    return Rejected(rows, tuple(rejected.reasons))


def _check_sinks(sinks: Any, count: int) -> None:
    if len(sinks) != count:
        raise StepError(f"{len(sinks)} names of sinks for {count} features", "row-mismatch")
    if sinks.null_count:
        raise StepError(
            f"the sink of {sinks.null_count} features is null; give each a name", "step-result"
        )
