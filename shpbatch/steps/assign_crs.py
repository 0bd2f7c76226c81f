"""Declare the CRS of a layer without moving anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from ..engine.aspects import CRS, Header
from ..engine.registry import step


@step
def assign_crs(
    header: Header, *, crs: Annotated[CRS, "CRS that the coordinates are in, such as EPSG:4326."]
) -> Header:
    """Declare the CRS of a layer without moving anything.

    For sources whose ``.prj`` is missing or wrong. Features are not read.

    Parameters
    ----------
    header : Header
    crs : str
        CRS that the coordinates are in.

    Returns
    -------
    Header
        With that CRS; all else kept.

    Notes
    -----
    Also known as: Assign projection (QGIS), Define projection (ArcGIS),
    ``-a_srs`` (ogr2ogr), ``edit --crs`` (gdal vector).
    """
    return replace(header, crs=str(crs))


@assign_crs.header
def assigned(header: Header, *, crs: CRS) -> Header:
    """The same function: it reads headers only."""
    result: Header = assign_crs(header, crs=crs)
    return result
