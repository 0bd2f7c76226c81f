"""Make a feature of each part of multi-part geometries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from ..engine.aspects import Geometry, Header, Rows
from ..engine.registry import step


@step
def explode_collections(geometry: Geometry) -> tuple[Geometry, Rows]:
    """Make a feature of each part of multi-part geometries.

    Parameters
    ----------
    geometry : ndarray of object

    Returns
    -------
    Geometry
        Single geometries, in the order of features and of their parts; holes
        stay with their polygon. Z and M are kept.
    Rows
        The feature of each part. Features with a null or empty geometry stay.

    Notes
    -----
    Attributes are repeated for each part, also those that are totals (a
    population, an area).

    Also known as: Multipart to singleparts (QGIS), Multipart To Singlepart
    (ArcGIS), ``-explodecollections`` (ogr2ogr).
    """
    parts, rows = shapely.get_parts(geometry, return_index=True)
    without = np.setdiff1d(np.arange(len(geometry)), rows)
    shapes = np.concatenate([parts, geometry[without]])
    rows = np.concatenate([rows, without])
    order = np.argsort(rows, kind="stable")
    return shapes[order], rows[order]


@explode_collections.header
def exploded(header: Header) -> Header:
    """Points of a MultiPoint layer; the other types hold one part as well as many."""
    single = header.geometry_type == "MultiPoint"
    return replace(header, geometry_type="Point") if single else header
