"""What several geometry steps share: GEOS refusals by row, parts by dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .aspects import Geometry, Rejected

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["attempt", "of_dimension"]


def attempt(
    operation: Callable[[Geometry], Geometry], geometry: Geometry
) -> tuple[Geometry, Rejected]:
    """Do an operation on all rows at once; only where GEOS refuses, row by row.

    Returns
    -------
    Geometry
        As the operation gave it; unchanged in rejected rows.
    Rejected
        Rows that GEOS refused, each with the reason that it gave.
    """
    import shapely

    try:
        return operation(geometry), Rejected(np.empty(0, np.int64), ())
    except shapely.errors.GEOSException:
        result, reasons = geometry.copy(), {}
    for i in range(len(geometry)):
        try:
            result[i : i + 1] = operation(geometry[i : i + 1])
        except shapely.errors.GEOSException as error:
            reasons[i] = str(error).strip()
    return result, Rejected(np.array([*reasons], dtype=np.int64), tuple(reasons.values()))


def of_dimension(geometry: Geometry, dimension: NDArray[np.integer]) -> Geometry:
    """Parts that have the dimension wanted of their row (0, 1, 2); empty where there is none.

    Geometries that are no collections of several types stay the same objects.
    """
    import shapely

    result = geometry.copy()
    lower = (shapely.get_dimensions(geometry) < dimension) & ~shapely.is_missing(geometry)
    result[lower] = shapely.GeometryCollection()
    mixed = np.flatnonzero((shapely.get_type_id(geometry) == 7) & ~lower)
    parts, row = shapely.get_parts(geometry[mixed], return_index=True)
    while (shapely.get_type_id(parts) > 3).any():
        parts, of = shapely.get_parts(parts, return_index=True)
        row = row[of]
    collect = (shapely.multipoints, shapely.multilinestrings, shapely.multipolygons)
    wanted = dimension[mixed][row]
    for d, multi in enumerate(collect):
        kept = (shapely.get_dimensions(parts) == d) & (wanted == d)
        rows, first, size = np.unique(row[kept], return_index=True, return_counts=True)
        made = multi(parts[kept], indices=np.repeat(np.arange(len(rows)), size))
        alone = size == 1
        made[alone] = parts[kept][first[alone]]
        result[mixed[rows]] = made
    return result
