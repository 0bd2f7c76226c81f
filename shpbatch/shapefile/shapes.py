"""Ragged vertices to shapely geometries and back; shapely is imported only here and in steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ragged import NO_DATA, Ragged, offsets_of, signed_areas, turned
from .records import ragged_index
from .rings import closed, oriented, shells_of
from .shp import Declined
from .types import LINE, MULTIPOINT, PATCH, POINT, POLYGON, family, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Shapes", "from_shapes", "to_shapes"]

#: Part types of a MultiPatch (Technical Description, page 20).
OUTER, INNER = 2, 3


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
        Rows that GEOS cannot hold: a line of one vertex.
    """

    shapes: NDArray[np.object_]
    cured: NDArray[np.bool_]
    lost: NDArray[np.bool_]


def to_shapes(ragged: Ragged) -> Shapes:
    """Geometries of vertices; measures come along where there are any.

    Raises
    ------
    Declined
        For a MultiPatch.
    """
    import shapely

    shapes = np.full(len(ragged), None, dtype=object)
    none = np.zeros(len(ragged), dtype=bool)
    base = family(ragged.code)
    coords, with_m = _with_measures(ragged)
    kind = _Maker(coords, has_z(ragged.code), with_m)
    sizes = np.diff(ragged.vertex_offsets)
    full = np.flatnonzero(sizes)
    if base == PATCH:
        raise Declined("a MultiPatch is no geometry of GEOS")
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
    cured = _polygons(shapes, ragged, row, kind)
    return Shapes(shapes, cured, none)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes geometries of some vertices, with measures or without."""

    coords: NDArray[np.float64]
    z: bool
    m: bool

    def points(self) -> NDArray[np.object_]:
        import shapely

        if self.m:
            return self._with_m(1, self.coords, np.arange(len(self.coords) + 1))
        made: NDArray[np.object_] = np.asarray(shapely.points(self.coords), dtype=object)
        return made.reshape(len(self.coords))

    def lines(self, index: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.object_]:
        import shapely

        coords = self._picked(index)
        if self.m:
            return self._with_m(2, coords, offsets)
        kind = shapely.GeometryType.LINESTRING
        made: NDArray[np.object_] = shapely.from_ragged_array(kind, coords, (offsets,))
        return made

    def polygons(
        self, index: NDArray[np.int64], rings: NDArray[np.int64], offsets: NDArray[np.int64]
    ) -> NDArray[np.object_]:
        import shapely

        coords = self._picked(index)
        if self.m:
            return self._with_m(3, coords, offsets, rings)
        kind = shapely.GeometryType.POLYGON
        made: NDArray[np.object_] = shapely.from_ragged_array(kind, coords, (rings, offsets))
        return made

    def _picked(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        whole = len(index) == len(self.coords) and (np.diff(index) == 1).all()
        return self.coords if whole else self.coords[index]

    def _with_m(
        self,
        kind: int,
        coords: NDArray[np.float64],
        offsets: NDArray[np.int64],
        rings: NDArray[np.int64] | None = None,
    ) -> NDArray[np.object_]:
        from .wkb import make_simple

        return make_simple(kind, coords, self.z, offsets, rings)


def _with_measures(ragged: Ragged) -> tuple[NDArray[np.float64], bool]:
    """Coordinates with M as the last column; a Z type has it only where some is told."""
    if ragged.m is None or (ragged.code < 20 and not (ragged.m > NO_DATA).any()):
        return ragged.coords, False
    return np.column_stack([ragged.coords, ragged.m]), True


def _polygons(
    shapes: NDArray[np.object_], ragged: Ragged, row: NDArray[np.int64], kind: _Maker
) -> NDArray[np.bool_]:
    """Fill in polygons; return the rows in which rings were closed."""
    import shapely

    index, sizes, added = closed(ragged.coords, ragged.part_offsets)
    given = np.flatnonzero(sizes)
    row, sizes = row[given], sizes[given]
    rings = offsets_of(sizes)
    several = np.bincount(row, minlength=len(ragged))[row] > 1
    shell = np.arange(len(row))
    if several.any():
        some = np.flatnonzero(several)
        at = ragged_index(rings[:-1][some], sizes[some])
        alone = _Maker(ragged.coords[:, :2], False, False).polygons(
            index[at], offsets_of(sizes[some]), np.arange(len(some) + 1)
        )
        areas = signed_areas(ragged.coords, ragged.part_offsets)[given][some]
        shell[some] = some[shells_of(alone, row[some], areas)]
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


def from_shapes(shapes: NDArray[np.object_], code: int) -> Ragged:
    """Vertices of geometries; rings closed and turned as the specification wants them.

    Parameters
    ----------
    shapes : ndarray of object (n,)
        Of types that the shape type holds; None and empty ones are null.
    code : int
        Shape type.
    """
    import shapely

    null = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    given = shapes[~null]
    coords, m, with_m = _coordinates(given, code)
    sizes, counts, shell = _part_sizes(given, family(code))
    parts, has = np.zeros(len(shapes), dtype=np.int64), np.zeros(len(shapes), dtype=bool)
    parts[~null], has[~null] = counts, with_m
    ragged = Ragged(
        code,
        coords,
        offsets_of(sizes),
        offsets_of(parts),
        null,
        m,
        None if m is None else has,
        np.where(shell, OUTER, INNER).astype(np.int32) if code == PATCH else None,
    )
    if family(code) not in (POLYGON, PATCH):
        return ragged
    wrong = oriented(ragged, shell)
    return turned(ragged, wrong) if wrong.any() else ragged


def _coordinates(
    given: NDArray[np.object_], code: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.bool_]]:
    """Coordinates as the shape type has them, measures, and which geometries have those.

    A height that is missing is 0 and a measure "no data", as GDAL writes them.
    """
    import shapely

    z, always_m = has_z(code), 20 < code < 30
    with_m = shapely.has_m(given) if code > 10 else np.zeros(len(given), dtype=bool)
    if not always_m and not with_m.any():
        coords = shapely.get_coordinates(given, include_z=z)
        m = None
    else:
        coords = shapely.get_coordinates(given, include_z=z, include_m=True)
        m = np.where(np.isnan(coords[:, -1]), 10 * NO_DATA, coords[:, -1])
        coords = np.ascontiguousarray(coords[:, :-1])
    if z and not (with_z := shapely.has_z(given)).all():
        coords[np.repeat(~with_z, shapely.get_num_coordinates(given)), 2] = 0.0
    return coords, m, with_m | always_m


def _part_sizes(
    given: NDArray[np.object_], base: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Vertices of each part, parts of each row, and which parts are shells.

    Rings are taken apart only where there are several: a copy of each costs
    more than all else here.
    """
    import shapely

    vertices = shapely.get_num_coordinates(given).astype(np.int64)
    counts = np.ones(len(given), dtype=np.int64)
    if base in (POINT, MULTIPOINT):
        return vertices, counts, counts > 0
    simple = shapely.get_type_id(given) < 4
    if base != LINE:
        simple &= shapely.get_num_interior_rings(given) == 0
    some = np.flatnonzero(~simple)
    pieces, of = shapely.get_parts(given[some], return_index=True)
    first = np.ones(len(pieces), dtype=bool)
    if base != LINE:
        pieces, part = shapely.get_rings(pieces, return_index=True)
        first = np.diff(part, prepend=-1) != 0
        of = of[part]
    sizes = shapely.get_num_coordinates(pieces).astype(np.int64)
    full = sizes > 0
    sizes, first, of = sizes[full], first[full], of[full]
    counts[some] = np.bincount(of, minlength=len(some))
    begin = offsets_of(counts)
    all_sizes = np.empty(int(begin[-1]), dtype=np.int64)
    shell = np.ones(len(all_sizes), dtype=bool)
    all_sizes[begin[:-1][simple]] = vertices[simple]
    at = ragged_index(begin[:-1][some], counts[some])
    all_sizes[at], shell[at] = sizes, first
    return all_sizes, counts, shell
