"""Which ring is a shell and which a hole, and of which shell: no loop over rings.

In a shapefile a ring that runs clockwise is a shell, by the specification;
real files do not always mind it, so containment decides, as in GDAL
(``OGRGeometryFactory::organizePolygons``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ragged import Ragged, signed_areas
from .records import ragged_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["closed", "oriented", "shells_of"]


def closed(
    coords: NDArray[np.float64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Rings as GEOS wants them: closed, of 4 vertices at least.

    Returns
    -------
    ndarray of int64
        Vertex of ``coords`` for each vertex of the closed rings.
    ndarray of int64
        Number of vertices of each ring.
    ndarray of bool
        Rings to which vertices had to be added: their first one, again.
    """
    sizes, starts = np.diff(offsets), offsets[:-1]
    if not len(coords):
        return np.empty(0, np.int64), sizes, np.zeros(len(sizes), dtype=bool)
    last = (offsets[1:] - 1).clip(min=0)
    first = starts.clip(max=len(coords) - 1)
    is_open = (sizes > 0) & (coords[first, :2] != coords[last, :2]).any(axis=1)
    wanted = np.where(sizes > 0, np.maximum(sizes + is_open, 4), 0)
    index = ragged_index(starts, wanted)
    place = ragged_index(np.zeros_like(wanted), wanted)
    added = place >= np.repeat(sizes, wanted)
    index[added] = np.repeat(starts, wanted)[added]
    return index, wanted, wanted > sizes


def oriented(ragged: Ragged, shells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Parts that run the wrong way: shells must run clockwise, holes must not."""
    areas = signed_areas(ragged.coords, ragged.part_offsets)
    return np.where(shells, areas > 0, areas < 0)


def shells_of(
    rings: NDArray[np.object_], row: NDArray[np.int64], areas: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The shell of each ring: itself, or the one that it is a hole of.

    Parameters
    ----------
    rings : ndarray of object (r,)
        Each ring as a polygon.
    row : ndarray of int64 (r,)
        The feature of each ring.
    areas : ndarray of float64 (r,)
        Signed.
    """
    import shapely

    size = np.abs(areas)
    tree = shapely.STRtree(rings)
    inner, outer = tree.query(rings)
    keep = (row[inner] == row[outer]) & (inner != outer)
    # Of two equal rings that run opposite ways the first contains the second; those
    # that run the same way are the same ring, twice: the second contains nothing.
    alike = (size[outer] == size[inner]) & (outer < inner)
    opposite = np.signbit(areas[outer]) != np.signbit(areas[inner])
    twice = np.zeros(len(rings), dtype=bool)
    pairs = np.flatnonzero(keep & alike & ~opposite)
    twice[inner[pairs][shapely.equals(rings[inner[pairs]], rings[outer[pairs]])]] = True
    keep &= ((size[outer] > size[inner]) | (alike & opposite)) & ~twice[outer]
    inner, outer = inner[keep], outer[keep]
    boxes = shapely.bounds(rings)
    fits = (boxes[outer, :2] <= boxes[inner, :2]).all(axis=1)
    fits &= (boxes[outer, 2:] >= boxes[inner, 2:]).all(axis=1)
    inner, outer = inner[fits], outer[fits]
    within = _inside(rings, inner, outer)
    inner, outer = inner[within], outer[within]
    depth = np.bincount(inner, minlength=len(rings))
    shell = np.arange(len(rings))
    # The container next outside is the smallest.
    order = np.lexsort((outer, -size[outer], inner))
    parent = np.arange(len(rings))
    parent[inner[order]] = outer[order]  # the last one written is the smallest
    hole = depth % 2 == 1
    shell[hole] = parent[hole]
    return shell


def _inside(
    rings: NDArray[np.object_], inner: NDArray[np.int64], outer: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether a ring lies in another: by its first vertex, by all where that is on the border."""
    import shapely

    points = shapely.get_point(shapely.get_exterior_ring(rings[inner]), 0)
    result: NDArray[np.bool_] = shapely.contains(rings[outer], points)
    unsure = np.flatnonzero(~result & shapely.intersects(rings[outer], points))
    result[unsure] = shapely.covers(rings[outer[unsure]], rings[inner[unsure]])
    return result
