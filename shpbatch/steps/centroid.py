"""Replace each geometry by its centre of mass."""

from __future__ import annotations

from dataclasses import replace

import shapely

from ..engine.aspects import Geometry, Header
from ..engine.registry import step


@step
def centroid(geometry: Geometry) -> Geometry:
    """Replace each geometry by its centre of mass.

    Parameters
    ----------
    geometry : ndarray of object

    Returns
    -------
    Geometry
        One point a feature, without Z and M, in the layer's CRS: weighted by
        area for polygons, by length for lines. It may lie outside its
        polygon. Null stays null, an empty geometry gives an empty point.

    Notes
    -----
    GEOS Centroid, in the plane of the coordinates: reproject to a projected
    CRS first where that matters.

    Also known as: Centroids (QGIS), Feature To Point (ArcGIS),
    ``ST_Centroid`` (``ogr2ogr -dialect sqlite``).
    """
    centres: Geometry = shapely.centroid(geometry)
    return centres


@centroid.header
def centred(header: Header) -> Header:
    """Points without Z and M."""
    return replace(header, geometry_type="Point", has_z=False, has_m=False, bounds=None)
