"""Add vertices so that no segment is longer than a length."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import shapely
from annotated_types import Gt

from ..aspects import Geometry, Header, Rejected
from ..registry import step
from .make_valid import attempt


@step
def segmentize(
    geometry: Geometry,
    *,
    max_length: Annotated[float, "Longest segment that stays whole, CRS units, > 0.", Gt(0)],
) -> tuple[Geometry, Rejected]:
    """Add vertices so that no segment is longer than a length.

    Of use before ``reproject``: straight edges then follow the curve that
    they become.

    Parameters
    ----------
    geometry : ndarray of object
    max_length : float
        In the units of the layer's CRS (degrees in a geographic one).

    Returns
    -------
    Geometry
        Every segment longer than ``max_length`` cut into the fewest equal
        ones; all vertices given stay. Z is interpolated, M is lost.
    Rejected
        Rows with a coordinate that is not finite, or with a segment that
        would be cut into more pieces than GEOS counts (some 2 billion).

    Notes
    -----
    GEOS Densify. GDAL cuts to the same number of pieces.

    Also known as: Densify by interval (QGIS), Densify (ArcGIS),
    ``-segmentize`` (ogr2ogr).
    """
    rows = np.flatnonzero(shapely.get_dimensions(geometry) > 0)
    result = geometry.copy()
    result[rows], rejected = attempt(lambda g: shapely.segmentize(g, max_length), geometry[rows])
    return result, Rejected(rows[rejected.rows], rejected.reasons)


@segmentize.header
def segmentized(header: Header, *, max_length: float) -> Header:
    """GEOS drops M of what it densifies; points are left alone, the bounds stay."""
    points = header.geometry_type in ("Point", "MultiPoint")
    return header if points else replace(header, has_m=False)
