"""Shapely geometries to ragged vertices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ragged import NO_DATA, Ragged, offsets_of, turned
from .records import ragged_index
from .rings import oriented
from .types import LINE, MULTIPOINT, PATCH, POINT, POLYGON, family, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["from_shapes", "misfits"]

#: Part types of a MultiPatch (Technical Description, page 20).
OUTER, INNER = 2, 3
#: Shapely type ids that a shape type takes; a Null layer takes none.
_TYPE_IDS = {0: (), POINT: (0,), MULTIPOINT: (0, 4), LINE: (1, 2, 5), POLYGON: (3, 6)}


def misfits(shapes: NDArray[np.object_], code: int) -> NDArray[np.bool_]:
    """Geometries that are neither null nor empty and that a shape type cannot hold."""
    import shapely

    types = shapely.get_type_id(shapes)
    fit = np.isin(types, _TYPE_IDS.get(family(code), (3, 6, 7)))
    if family(code) == POINT:
        fit |= (types == 4) & (shapely.get_num_geometries(shapes) == 1)
    wrong: NDArray[np.bool_] = (types >= 0) & ~shapely.is_empty(shapes) & ~fit
    return wrong


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

    A height that is missing is 0 and a measure "no data", as GDAL writes them;
    NaN in geometries without measures.
    """
    import shapely

    z, always_m = has_z(code), 20 < code < 30
    with_m = shapely.has_m(given) if code > 10 else np.zeros(len(given), dtype=bool)
    with_m |= always_m
    sizes = shapely.get_num_coordinates(given)
    m = None
    if not with_m.any():
        coords = shapely.get_coordinates(given, include_z=z)
    else:
        coords = shapely.get_coordinates(given, include_z=z, include_m=True)
        m = coords[:, -1].copy()
        m[np.isnan(m) & np.repeat(with_m, sizes)] = 10 * NO_DATA
        coords = np.ascontiguousarray(coords[:, :-1])
    if z and not (with_z := shapely.has_z(given)).all():
        coords[np.repeat(~with_z, sizes), 2] = 0.0
    return coords, m, with_m


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
