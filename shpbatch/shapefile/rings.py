"""Which ring is a shell and which a hole, and of which shell: no loop over rings.

In a shapefile a ring that runs clockwise is a shell, by the specification;
real files do not always mind it, so containment decides, as in GDAL
(``OGRGeometryFactory::organizePolygons``).
"""

from __future__ import annotations

from dataclasses import dataclass
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

    tree, sets = shapely.STRtree(rings), _Rings.of(rings, areas)
    parent, first = np.arange(len(rings)), np.arange(len(rings))
    step = max(SLABS[0], min(PAIRS // int(np.bincount(row).max()), SLABS[1]))
    for at in range(0, len(rings), step):
        some = at + np.flatnonzero(~np.isnan(areas[at : at + step]))
        # What contains a ring contains its first vertex.
        inner, outer = tree.query(sets.points[some])
        inner = some[inner]
        keep = (row[inner] == row[outer]) & (inner != outer)
        if keep.any():
            inner, outer = inner[keep], outer[keep]
            sets.put_first(first, inner, outer)
            sets.put_parent(parent, inner, outer)
    hole = _is_odd(parent)
    shell = np.arange(len(rings))
    shell[hole] = first[parent[hole]]
    return shell


#: Rings whose containers are looked for together, at least and at most, and how many pairs they
#: may make where all rings of a row are in each other, as contour lines are.
SLABS, PAIRS = (256, 4096), 1 << 20


@dataclass(frozen=True, slots=True)
class _Rings:
    """Rings of which containers are looked for.

    ``points`` are their first vertices; by ``rank`` a container comes before those that are
    larger, and of two that are equal the second comes first.
    """

    rings: NDArray[np.object_]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]
    points: NDArray[np.object_]
    ranked: NDArray[np.int64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, rings: NDArray[np.object_], areas: NDArray[np.float64]) -> _Rings:
        import shapely

        points = shapely.get_point(shapely.get_exterior_ring(rings), 0)
        size = np.nan_to_num(np.abs(areas), nan=-1)  # contains nothing
        ranked = np.lexsort((-np.arange(len(rings)), size))
        return cls(rings, areas, shapely.bounds(rings), points, ranked, np.argsort(ranked))

    def put_first(
        self, first: NDArray[np.int64], inner: NDArray[np.int64], outer: NDArray[np.int64]
    ) -> None:
        """Put the first of the rings that are the same one, twice: they run the same way."""
        import shapely

        alike = np.flatnonzero((self.areas[outer] == self.areas[inner]) & (outer < inner))
        inner, outer = inner[alike], outer[alike]
        same = shapely.equals(self.rings[inner], self.rings[outer])
        np.minimum.at(first, inner[same], outer[same])

    def put_parent(
        self, parent: NDArray[np.int64], inner: NDArray[np.int64], outer: NDArray[np.int64]
    ) -> None:
        """Put the container next outside, which is the smallest.

        Of two equal rings that run opposite ways the first contains the second.
        """
        keep = (self.rank[outer] > self.rank[inner]) & (self.areas[outer] != self.areas[inner])
        inner, outer = inner[keep], outer[keep]
        for axis, sign in enumerate((1, 1, -1, -1)):
            side = sign * self.boxes[:, axis]
            keep = side[outer] <= side[inner]
            inner, outer = inner[keep], outer[keep]
        pairs = np.sort(inner * len(self.rings) + self.rank[outer])
        inner, outer = pairs // len(self.rings), self.ranked[pairs % len(self.rings)]
        at = np.flatnonzero(np.diff(inner, prepend=-1))  # the smallest of each ring
        while len(at):
            within = self._inside(inner[at], outer[at])
            parent[inner[at[within]]] = outer[at[within]]
            at = at[~within] + 1
            at = at[at < len(inner)]
            at = at[inner[at] == inner[at - 1]]

    def _inside(self, inner: NDArray[np.int64], outer: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a ring lies in another: by its first vertex, by all if that is on the border."""
        import shapely

        points, rings = self.points[inner], self.rings[outer]
        result: NDArray[np.bool_] = shapely.contains(rings, points)
        unsure = np.flatnonzero(~result & shapely.intersects(rings, points))
        result[unsure] = shapely.covers(rings[unsure], self.rings[inner[unsure]])
        return result


def _is_odd(parent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a ring lies in an odd number of others, each in the next: in twice as many a turn."""
    odd: NDArray[np.bool_] = parent != np.arange(len(parent))
    while not np.array_equal(parent[parent], parent):
        odd, parent = odd ^ odd[parent], parent[parent]
    return odd
