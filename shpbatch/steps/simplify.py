"""Simplify lines and rings, keeping the topology of each geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import shapely
from annotated_types import Gt

from ..engine.aspects import Geometry, Header, Rejected
from ..engine.geometry import attempt
from ..engine.registry import step


@step
def simplify(
    geometry: Geometry,
    *,
    tolerance: Annotated[float, "Largest distance a line may move, CRS units, > 0.", Gt(0)],
) -> tuple[Geometry, Rejected]:
    """Simplify lines and rings, keeping the topology of each geometry.

    Each feature by itself: borders that two polygons share may come apart.

    Parameters
    ----------
    geometry : ndarray of object
    tolerance : float
        Largest distance between a vertex that goes and the line that stays,
        in the units of the layer's CRS (degrees in a geographic one).

    Returns
    -------
    Geometry
        Vertices are a subset of those given. A valid polygon stays valid and
        a ring keeps at least 4 vertices; Z is kept, M of lines and polygons
        is lost.
    Rejected
        Rows with a coordinate that is not finite.

    Notes
    -----
    Douglas-Peucker as GEOS TopologyPreservingSimplifier does it, the same
    that ``gdal vector simplify`` and ``ogr2ogr -simplify`` use.

    Also known as: Simplify (QGIS, by its distance method), Simplify Line,
    Simplify Polygon (ArcGIS, POINT_REMOVE), ``-simplify`` (ogr2ogr).
    """
    rows = np.flatnonzero(shapely.get_dimensions(geometry) > 0)
    result = geometry.copy()
    result[rows], rejected = attempt(lambda g: shapely.simplify(g, tolerance), geometry[rows])
    return result, Rejected(rows[rejected.rows], rejected.reasons)


@simplify.header
def simplified(header: Header, *, tolerance: float) -> Header:
    """GEOS drops M of what it simplifies; points are left alone."""
    points = header.geometry_type in ("Point", "MultiPoint")
    return header if points else replace(header, has_m=False, bounds=None)
