"""Repair invalid geometries; the others are not touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import shapely

from ..aspects import Geometry, Header, Rejected
from ..registry import step

if TYPE_CHECKING:
    from numpy.typing import NDArray


@step
def make_valid(
    geometry: Geometry,
    *,
    method: Annotated[
        Literal["linework", "structure"],
        "linework keeps every edge; structure keeps the area that shells cover and holes do not.",
    ] = "linework",
    keep_lower_dim: Annotated[bool, "Keep lines and points that fall off a polygon."] = False,
) -> tuple[Geometry, Rejected]:
    """Repair invalid geometries; the others are not touched.

    Parameters
    ----------
    geometry : ndarray of object
    method : {"linework", "structure"}
        ``linework`` makes polygons of all edges, odd windings inside;
        ``structure`` repairs rings first, then takes holes from shells.
    keep_lower_dim : bool
        Keep parts of a lower dimension than the highest of the result. A
        shapefile cannot hold them beside polygons: such a row is rejected
        when it is written.

    Returns
    -------
    Geometry
        Valid geometries. Z is kept (interpolated at new vertices); M is lost
        in rows that ``linework`` repairs. A polygon that is no more than a
        line becomes that line (``linework``) or empty (``structure``).
    Rejected
        Rows that GEOS cannot repair (coordinates that are not finite).

    Notes
    -----
    GEOS MakeValid (https://libgeos.org). GDAL's step leaves geometries with Z
    invalid as they are; this one repairs them too.

    Also known as: Fix geometries (QGIS), Repair Geometry (ArcGIS),
    ``-makevalid`` (ogr2ogr).
    """

    def repaired(shapes: Geometry) -> Geometry:
        valid = shapely.make_valid(
            shapes, method=method, keep_collapsed=method == "linework" or keep_lower_dim
        )
        return valid if keep_lower_dim else of_dimension(valid, shapely.get_dimensions(valid))

    invalid = np.flatnonzero(~shapely.is_valid(geometry) & ~shapely.is_missing(geometry))
    result = geometry.copy()
    result[invalid], rejected = attempt(repaired, geometry[invalid])
    return result, Rejected(invalid[rejected.rows], rejected.reasons)


@make_valid.header
def repaired_header(
    header: Header, *, method: str = "linework", keep_lower_dim: bool = False
) -> Header:
    """The same type; parts that fall off may shrink the bounds."""
    return replace(header, bounds=None)


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
