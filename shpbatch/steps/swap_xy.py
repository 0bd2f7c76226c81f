"""Exchange x and y."""

from __future__ import annotations

from dataclasses import replace

from ..engine.aspects import Coords, Header
from ..engine.registry import step


@step
def swap_xy(coords: Coords) -> Coords:
    """Exchange x and y.

    For layers whose latitudes stand where longitudes should. Rings change
    their direction with it, and are turned back.

    Parameters
    ----------
    coords : ndarray, float64 (n, 2) or (n, 3)

    Returns
    -------
    ndarray
        The same vertices, y before x; Z stays.

    Notes
    -----
    Also known as: Swap X and Y coordinates (QGIS), ``swap-xy`` (gdal vector).
    """
    swapped = coords.copy()
    swapped[:, :2] = coords[:, 1::-1]
    return swapped


@swap_xy.header
def swapped(header: Header) -> Header:
    """The same, its box turned."""
    if header.bounds is None:
        return header
    west, south, east, north = header.bounds
    return replace(header, bounds=(south, west, north, east))
