"""Move coordinates from one CRS to another, and know which of them came from nowhere.

Outside of what a projection maps its inverse still answers, often with a place that
looks right: 1e8 m north in a UTM zone lies on the equator. Such a place does not lead back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..models import Bounds4
from .identity import identified
from .operation import transformer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import Transformer

    _Columns = Sequence[NDArray[np.float64]]

__all__ = ["moved"]

#: Metres: three times around the world. Maps of it go on beyond their edge, as that of EPSG:3857
#: does across the antimeridian, and what lies on the edge comes back at the other one.
AROUND = 1.2e8
#: Metres: no map is as large, though some projections have an answer for any number.
FARTHEST = 1e10
#: Metres that the way there and back may be off: operations chosen by place differ by less.
ASTRAY = 10_000.0
#: Places on a side of the grid that stands for all of an area of use.
ON_A_SIDE = 9
#: Metres: what is higher, or NaN, is no height but a sign that there is none.
HIGHEST = 1e9


def moved(coords: NDArray[np.float64], source: str, target: str) -> NDArray[np.float64]:
    """Coordinates in another CRS; infinite where the operation is not defined.

    Parameters
    ----------
    coords : ndarray, float64 (n, 2) or (n, 3)
        x before y. A Z that is no height is carried as it is.
    source, target : str

    Returns
    -------
    ndarray
        Of the same shape.

    Raises
    ------
    ProjError
        Where there is no operation.
    """
    move = transformer(source, target)
    given = _columns(coords)
    result = [column.copy() for column in given]  # contiguous, so PROJ works in place
    reach = _reach(source) if _has_inverse(target) else None
    doubtful = reach is not None and not _within(result, _safe(source, target))
    _through(move, result, inplace=True)
    if doubtful and reach is not None:
        astray = _astray(move, given, result, reach) & np.isfinite(result[0])
        result[0][astray] = result[1][astray] = np.inf
    made = np.column_stack(result)
    if coords.shape[1] == 3 and (none := _no_height(coords)).any():
        made[none, 2] = coords[none, 2]
    return made


def _through(move: Any, columns: _Columns, **options: Any) -> _Columns:
    result: _Columns = move.transform(*columns, **options)
    return result


def _columns(coords: NDArray[np.float64]) -> _Columns:
    """Columns for PROJ, for which a Z that is none would make nothing of x and y."""
    columns = list(coords.T)
    if len(columns) == 3 and (none := _no_height(coords)).any():
        columns[2] = np.where(none, 0.0, columns[2])
    return columns


def _no_height(coords: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(coords[:, 2]) < HIGHEST))


class _Reach(NamedTuple):
    """In units of a projected CRS: `ASTRAY`, `FARTHEST`, and up to which x it may be another."""

    astray: float
    farthest: float
    around: float


@lru_cache(maxsize=64)
def _reach(source: str) -> _Reach | None:
    """None for degrees, whose ends PROJ knows."""
    from pyproj import CRS

    crs = CRS.from_user_input(source)
    if not crs.is_projected or not crs.axis_info:
        return None
    metre = crs.axis_info[0].unit_conversion_factor or 1.0
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    turned = any(word in method for word in ("Transverse", "Oblique", "Cassini"))
    return _Reach(ASTRAY / metre, FARTHEST / metre, 0.0 if turned else AROUND / metre)


@lru_cache(maxsize=64)
def _has_inverse(target: str) -> bool:
    """Whether there is a way back from a CRS; some projections are only made for drawing."""
    from pyproj import CRS, Proj

    crs = CRS.from_user_input(target)
    return not crs.is_projected or bool(Proj(crs).has_inverse)


@lru_cache(maxsize=64)
def _safe(source: str, target: str) -> Bounds4 | None:
    """A box of the source in which all places come back; None where none is known.

    That of its area of use, if places all over it do. It depends on no vertex, so what is
    asked of a vertex does not depend on those beside it.
    """
    from pyproj.exceptions import ProjError

    known, reach = identified(source), _reach(source)
    if known is None or known.area is None or reach is None or known.area[0] > known.area[2]:
        return None
    try:
        box: Bounds4 = transformer("EPSG:4326", source).transform_bounds(*known.area)
    except ProjError:
        return None
    if not np.isfinite(box).all():
        return None
    sides = [np.linspace(box[i], box[i + 2], ON_A_SIDE) for i in (0, 1)]
    grid = [side.ravel() for side in np.meshgrid(*sides)]
    move = transformer(source, target)
    return None if _astray(move, grid, _through(move, grid), reach).any() else box


def _within(columns: _Columns, box: Bounds4 | None) -> bool:
    """Whether all vertices are in a box: to ask each of them takes as long as to move it."""
    return box is not None and all(
        low <= v.min() and v.max() <= high
        for v, low, high in zip(columns[:2], box[:2], box[2:], strict=True)
    )


def _astray(
    move: Transformer,
    given: _Columns,
    result: _Columns,
    reach: _Reach,
) -> NDArray[np.bool_]:
    """Whether the way back ends far from where the way there began."""
    back = _through(move, result, direction="INVERSE")
    with np.errstate(invalid="ignore", over="ignore"):
        x, y = (np.abs(b - g) <= reach.astray for b, g in zip(back[:2], given[:2], strict=True))
        x |= np.abs(given[0]) <= reach.around
        near = np.maximum(np.abs(given[0]), np.abs(given[1])) <= reach.farthest
    return np.asarray(~(x & y & near))
