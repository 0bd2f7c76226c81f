"""Ragged vertices to shapely geometries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .ragged import NO_DATA, Ragged, offsets_of, signed_areas
from .records import ragged_index
from .rings import closed, shells_of
from .shp import Declined
from .types import LINE, MULTIPOINT, PATCH, POINT, family, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LOST", "Shapes", "measured", "owners", "to_shapes"]

#: What is said of a row that is `Shapes.lost`.
LOST = (
    "GEOS cannot hold this geometry (a line of 1 point, a ring that begins at NaN): "
    "put drop-short-parts, or drop-non-finite, before the steps that need geometries"
)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Geometries of rows.

    Attributes
    ----------
    shapes : ndarray of object (n,)
        None for null, and for what has no vertex.
    cured : ndarray of bool (n,)
        Rows in which rings were closed.
    lost : ndarray of bool (n,)
        Rows that GEOS cannot hold: a line of one vertex, a ring that begins at NaN.
    """

    shapes: NDArray[np.object_]
    cured: NDArray[np.bool_]
    lost: NDArray[np.bool_]


def to_shapes(ragged: Ragged) -> Shapes:
    """Geometries of vertices; measures come along in rows where any is told.

    Raises
    ------
    Declined
        For a MultiPatch.
    """
    import shapely

    shapes = np.full(len(ragged), None, dtype=object)
    none = np.zeros(len(ragged), dtype=bool)
    base = family(ragged.code)
    if base == PATCH:
        raise Declined("a MultiPatch is no geometry of GEOS")
    sizes = np.diff(ragged.vertex_offsets)
    full = np.flatnonzero(sizes)
    told = measured(ragged)[full]
    if told.any() and not told.all():
        return _with_and_without(ragged)
    kind = _Maker.of(ragged, bool(told.any()))
    if base == POINT:
        shapes[full] = kind.points()
        return Shapes(shapes, none, none)
    if base == MULTIPOINT:
        points = kind.points()
        row = np.repeat(np.arange(len(full)), sizes[full])
        shapes[full] = shapely.multipoints(points, indices=row) if len(full) else []
        return Shapes(shapes, none, none)
    row = np.repeat(np.arange(len(ragged)), np.diff(ragged.row_offsets))
    parts = np.diff(ragged.part_offsets)
    if base == LINE:
        short = none.copy()
        short[row[parts == 1]] = True
        keep = (parts > 0) & ~short[row]
        index = ragged_index(ragged.part_offsets[:-1][keep], parts[keep])
        lines = kind.lines(index, offsets_of(parts[keep]))
        _collect(shapes, lines, row[keep], shapely.multilinestrings)
        return Shapes(shapes, none, short)
    nan = np.isnan(ragged.coords[ragged.part_offsets[:-1][parts > 0], :2]).any(axis=1)
    lost = none.copy()
    lost[row[parts > 0][nan]] = True  # GEOS cannot close a ring that begins nowhere
    if lost.any():
        return replace(_alone(ragged, ~lost), lost=lost)
    return Shapes(shapes, _polygons(shapes, ragged, row, kind), lost)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes geometries of some vertices, with measures or without."""

    coords: NDArray[np.float64]
    z: bool
    m: bool

    @classmethod
    def of(cls, ragged: Ragged, with_m: bool) -> _Maker:
        """One of all vertices; M is the last column."""
        coords = ragged.coords
        if with_m and ragged.m is not None:
            coords = np.column_stack([coords, ragged.m])
        return cls(coords, has_z(ragged.code), with_m)

    def points(self) -> NDArray[np.object_]:
        import shapely

        if self.m:
            return self._exactly(1, self.coords, np.arange(len(self.coords) + 1))
        made: NDArray[np.object_] = np.asarray(shapely.points(self.coords), dtype=object)
        return made.reshape(len(self.coords))

    def lines(self, index: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.object_]:
        import shapely

        coords = self._picked(index)
        if self.m:
            return self._exactly(2, coords, offsets)
        kind = shapely.GeometryType.LINESTRING
        made: NDArray[np.object_] = shapely.from_ragged_array(kind, coords, (offsets,))
        return made

    def polygons(
        self, index: NDArray[np.int64], rings: NDArray[np.int64], offsets: NDArray[np.int64]
    ) -> NDArray[np.object_]:
        import shapely

        coords = self._picked(index)
        if self.m or (self.z and _ends_differ(coords, rings)):
            return self._exactly(3, coords, offsets, rings)
        kind = shapely.GeometryType.POLYGON
        made: NDArray[np.object_] = shapely.from_ragged_array(kind, coords, (rings, offsets))
        return made

    def _picked(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        whole = len(index) == len(self.coords) and (np.diff(index) == 1).all()
        return np.ascontiguousarray(self.coords if whole else self.coords[index])

    def _exactly(
        self,
        kind: int,
        coords: NDArray[np.float64],
        offsets: NDArray[np.int64],
        rings: NDArray[np.int64] | None = None,
    ) -> NDArray[np.object_]:
        from .wkb import make_simple

        return make_simple(kind, coords, self.z + 2 * self.m, offsets, rings)


def _ends_differ(coords: NDArray[np.float64], rings: NDArray[np.int64]) -> bool:
    """Whether a ring ends at another height, or at NaN: shapely would add a vertex to it."""
    return bool((coords[rings[:-1], 2] != coords[rings[1:] - 1, 2]).any())


def measured(ragged: Ragged) -> NDArray[np.bool_]:
    """Rows of which a measure is told: others have none, or "no data" at all vertices."""
    if ragged.m is None or not (ragged.m > NO_DATA).any():
        return np.zeros(len(ragged), dtype=bool)
    return ragged.extremes(ragged.m)[1] > NO_DATA


def _with_and_without(ragged: Ragged) -> Shapes:
    """Geometries of rows some of which have measures."""
    told = measured(ragged)
    some, others = _alone(ragged, told), _alone(ragged, ~told)
    shapes = np.where(told, some.shapes, others.shapes)
    return Shapes(shapes, some.cured | others.cured, some.lost | others.lost)


def _alone(ragged: Ragged, wanted: NDArray[np.bool_]) -> Shapes:
    """Geometries of some rows; None in the others."""
    made = to_shapes(ragged.take(np.flatnonzero(wanted)))
    shapes, cured, lost = np.full(len(ragged), None, object), wanted.copy(), wanted.copy()
    shapes[wanted], cured[wanted], lost[wanted] = made.shapes, made.cured, made.lost
    return Shapes(shapes, cured, lost)


def _polygons(
    shapes: NDArray[np.object_], ragged: Ragged, row: NDArray[np.int64], kind: _Maker
) -> NDArray[np.bool_]:
    """Fill in polygons; return the rows in which rings were closed."""
    import shapely

    index, sizes, added = closed(ragged.coords, ragged.part_offsets)
    given = np.flatnonzero(sizes)
    row, sizes = row[given], sizes[given]
    rings = offsets_of(sizes)
    rank = np.cumsum(np.diff(ragged.part_offsets) > 0) - 1
    shell = rank[owners(ragged)[given]]
    # Each shell, then its holes, in the order of the file.
    order = np.lexsort((np.arange(len(row)), shell != np.arange(len(row)), shell))
    if (order != np.arange(len(row))).any():
        index = index[ragged_index(rings[:-1][order], sizes[order])]
        rings = offsets_of(sizes[order])
    holes = np.bincount(shell, minlength=len(row))
    shells = np.flatnonzero(holes)
    polygons = kind.polygons(index, rings, offsets_of(holes[shells]))
    _collect(shapes, polygons, row[shells], shapely.multipolygons)
    cured = np.zeros(len(ragged), dtype=bool)
    cured[row[added[given]]] = True
    return cured


def owners(ragged: Ragged) -> NDArray[np.int64]:
    """The shell of each ring (p,), found by containment; a shell is its own.

    Rings of rows in which one begins at NaN are shells.
    """
    owner = np.arange(len(ragged.part_offsets) - 1)
    sizes = np.diff(ragged.part_offsets)
    row = np.repeat(np.arange(len(ragged)), np.diff(ragged.row_offsets))
    given = sizes > 0
    first = ragged.coords[ragged.part_offsets[:-1][given], :2]
    several = np.bincount(row[given], minlength=len(ragged)) > 1
    several[row[given][np.isnan(first).any(axis=1)]] = False
    some = np.flatnonzero(given & several[row])
    if not len(some):
        return owner
    vertices = ragged_index(ragged.part_offsets[:-1][some], sizes[some])
    coords = ragged.coords[vertices]
    index, closed_sizes, _ = closed(coords, offsets_of(sizes[some]))
    alone = _Maker(np.ascontiguousarray(coords[:, :2]), False, False).polygons(
        index, offsets_of(closed_sizes), np.arange(len(some) + 1)
    )
    areas = signed_areas(coords, offsets_of(sizes[some]))
    owner[some] = some[shells_of(alone, row[some], areas)]
    return owner


def _collect(
    shapes: NDArray[np.object_],
    parts: NDArray[np.object_],
    row: NDArray[np.int64],
    multi: object,
) -> None:
    """Put parts into their rows: one as it is, several as one multi-geometry."""
    counts = np.bincount(row, minlength=len(shapes))
    single = counts[row] == 1
    shapes[row[single]] = parts[single]
    if not single.all():
        rows, rank = np.unique(row[~single], return_inverse=True)
        shapes[rows] = multi(parts[~single], indices=rank)  # type: ignore[operator]
