"""What is wrong with vertices and rings, found on all of them at once; no geometry is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ragged import Ragged, offsets_of, signed_areas
from .records import ragged_index
from .types import LINE, POLYGON, family

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["backwards", "cycles", "no_height", "not_finite", "open_rings", "repeated"]
__all__ += ["short_parts", "spikes"]

#: No CRS has such coordinates; areas and lengths of them overflow.
HUGE = 1e150


def not_finite(ragged: Ragged) -> NDArray[np.bool_]:
    """Vertices (v,) whose x or y is NaN, infinite or beyond what can be squared."""
    return _unplaced(ragged.coords[:, :2])


def no_height(ragged: Ragged) -> NDArray[np.bool_]:
    """Vertices (v,) that have a place, and a Z that is none: an unknown one is written as NaN."""
    return _unplaced(ragged.coords[:, 2:]) & ~not_finite(ragged)


def _unplaced(coords: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        good = np.abs(coords) < HUGE
    return np.asarray(~good.all(axis=1))


def open_rings(ragged: Ragged) -> NDArray[np.bool_]:
    """Rings (p,) whose last vertex is not where their first one is; of finite ends only."""
    found = np.zeros(len(ragged.part_offsets) - 1, dtype=bool)
    if family(ragged.code) != POLYGON:
        return found
    full = np.flatnonzero(np.diff(ragged.part_offsets))
    first = ragged.coords[ragged.part_offsets[full], :2]
    last = ragged.coords[ragged.part_offsets[full + 1] - 1, :2]
    finite = np.isfinite(first).all(axis=1) & np.isfinite(last).all(axis=1)
    found[full] = finite & (first != last).any(axis=1)
    return found


def repeated(ragged: Ragged, flat: bool = False) -> NDArray[np.bool_]:
    """Vertices (v,) of lines and rings that are where the one before them is.

    Parameters
    ----------
    ragged : Ragged
    flat : bool
        Compare x and y only: a vertical segment has no length then.
    """
    same = np.zeros(len(ragged.coords), dtype=bool)
    if family(ragged.code) not in (LINE, POLYGON) or not len(same):
        return same
    same[1:] = ragged.coords[1:, 0] == ragged.coords[:-1, 0]
    for column in range(1, 2 if flat else ragged.coords.shape[1]):
        same[1:] &= ragged.coords[1:, column] == ragged.coords[:-1, column]
    same[1:] &= ragged.coords[1:, 1] == ragged.coords[:-1, 1]
    starts = ragged.part_offsets[:-1]
    same[starts[starts < len(same)]] = False
    return same


def cycles(ragged: Ragged) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of each ring or line, without repeats and without one that closes it.

    Returns
    -------
    ndarray of int64 (k,)
        Their numbers.
    ndarray of int64 (p + 1,)
        Where those of each part begin.
    """
    kept = ~repeated(ragged, flat=True)
    index = np.flatnonzero(kept)
    offsets = _offsets_among(kept, ragged.part_offsets)
    sizes = np.diff(offsets)
    several = np.flatnonzero(sizes > 1)
    first, last = index[offsets[several]], index[offsets[several + 1] - 1]
    shut = (ragged.coords[first, :2] == ragged.coords[last, :2]).all(axis=1)
    kept[last[shut]] = False
    return np.flatnonzero(kept), _offsets_among(kept, ragged.part_offsets)


def _offsets_among(kept: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Offsets of the parts among the vertices that are kept."""
    return offsets_of(kept)[offsets]


def short_parts(ragged: Ragged) -> NDArray[np.bool_]:
    """Parts (p,) that are no line and no area.

    Lines of fewer than two places; rings of fewer than three, or whose
    vertices all lie on one straight line.
    """
    sizes = np.diff(ragged.part_offsets)
    if family(ragged.code) == LINE:
        short: NDArray[np.bool_] = np.diff(cycles(ragged)[1]) < 2
        return short
    if family(ragged.code) != POLYGON:
        return np.zeros(len(sizes), dtype=bool)
    index, offsets = cycles(ragged)
    places = np.diff(offsets)
    short = places < 3
    rings = np.flatnonzero(~short)
    short[rings] = _straight(ragged.coords[index, :2], offsets, rings)
    return short


def _straight(
    xy: NDArray[np.float64], offsets: NDArray[np.int64], rings: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether all vertices of a ring lie on the line to the one farthest from the first."""
    if not len(rings):
        return np.zeros(0, dtype=bool)
    # Only rings without area can be straight: that is asked first, as it is cheap.
    areas = signed_areas(xy, offsets)[rings]
    low = np.minimum.reduceat(xy, offsets[rings])
    high = np.maximum.reduceat(xy, offsets[rings])
    with np.errstate(invalid="ignore", over="ignore"):
        none = np.abs(areas) <= 1e-9 * np.prod(high - low, axis=1)
    found = np.zeros(len(rings), dtype=bool)
    some = np.flatnonzero(none)
    if len(some):
        sizes = np.diff(offsets)[rings[some]]
        ends = np.cumsum(sizes)
        part = np.repeat(np.arange(len(some)), sizes)
        u = xy[ragged_index(offsets[rings[some]], sizes)]
        u = u - u[(ends - sizes)[part]]
        farthest = np.lexsort(((u**2).sum(axis=1), part))[ends - 1]
        far = u[farthest[part]]
        with np.errstate(invalid="ignore", over="ignore"):
            off = u[:, 0] * far[:, 1] != u[:, 1] * far[:, 0]
        found[some] = np.bincount(part[off], minlength=len(some)) == 0
    return found


def spikes(ragged: Ragged, angle: float = 0.0) -> NDArray[np.bool_]:
    """Vertices (v,) of rings at which the border turns back on itself.

    Parameters
    ----------
    ragged : Ragged
    angle : float
        Largest angle between the way there and the way back, degrees.
    """
    found = np.zeros(len(ragged.coords), dtype=bool)
    if family(ragged.code) != POLYGON:
        return found
    index, offsets = cycles(ragged)
    found[index[turning_back(ragged.coords[index, :2], offsets, angle)]] = True
    return found


def turning_back(
    xy: NDArray[np.float64], offsets: NDArray[np.int64], angle: float
) -> NDArray[np.bool_]:
    """Vertices of rings, given once each, whose two neighbours are in one direction."""
    before, after = neighbours(offsets)
    with np.errstate(invalid="ignore", over="ignore"):
        to, back = xy[before] - xy, xy[after] - xy
        cross = np.abs(to[:, 0] * back[:, 1] - to[:, 1] * back[:, 0])
        dot = (to * back).sum(axis=1)
        found: NDArray[np.bool_] = (dot > 0) & (cross <= np.tan(np.radians(angle)) * dot)
    return found & np.repeat(np.diff(offsets) > 2, np.diff(offsets))


def neighbours(offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The vertices before and after each one, round and round in its ring."""
    total = int(offsets[-1])
    full = np.diff(offsets) > 0
    first, last = offsets[:-1][full], offsets[1:][full] - 1
    before, after = np.arange(-1, total - 1), np.arange(1, total + 1)
    before[first], after[last] = last, first
    return before, after


def backwards(ragged: Ragged, owner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rings (p,) that run the wrong way: shells must run clockwise, holes must not.

    Parameters
    ----------
    ragged : Ragged
    owner : ndarray of int64 (p,)
        The shell of each ring; a shell is its own.
    """
    areas = signed_areas(ragged.coords, ragged.part_offsets)
    shell = owner == np.arange(len(owner))
    with np.errstate(invalid="ignore"):
        wrong: NDArray[np.bool_] = np.where(shell, areas > 0, areas < 0)
    return wrong
