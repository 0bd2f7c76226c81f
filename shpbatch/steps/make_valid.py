"""Repair invalid geometries; the others are not touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import shapely

from ..engine.aspects import Geometry, Header, Rejected
from ..engine.geometry import attempt, of_dimension
from ..engine.registry import step
from ..writing.repairs import tell_repairs


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
        when it is written, unless ``--on-mixed`` says otherwise.

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
    GEOS MakeValid (https://libgeos.org), as in ``gdal vector make-valid``.
    What was repaired, why, and the area before and after is summed up in the
    notes and stands by feature beside the output (``.repairs.jsonl``).

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
    done = np.delete(invalid, rejected.rows)
    tell_repairs(done, geometry[done], result[done])
    return result, Rejected(invalid[rejected.rows], rejected.reasons)


@make_valid.header
def repaired_header(
    header: Header, *, method: str = "linework", keep_lower_dim: bool = False
) -> Header:
    """The same type; parts that fall off may shrink the bounds."""
    return replace(header, bounds=None)
