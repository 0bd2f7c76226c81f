"""Reproject coordinates from one CRS to another."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import numpy as np

from ..aspects import CRS, Coords, Header
from ..errors import CRSError
from ..registry import step

if TYPE_CHECKING:
    from pyproj import Transformer


@step
def reproject(
    coords: Coords,
    header: Header,
    *,
    dst_crs: Annotated[CRS, "CRS of the output, such as EPSG:32650."],
    src_crs: Annotated[CRS | None, "CRS of the source, whatever its .prj says."] = None,
    src_crs_default: Annotated[CRS | None, "CRS of sources that have no .prj."] = None,
) -> Coords:
    """Reproject coordinates from one CRS to another.

    Only coordinates move: no geometry object is made and edges stay straight
    between the moved vertices (densify first with ``segmentize`` where that
    matters). A row with a coordinate outside the domain of the
    transformation is rejected, never written as infinity.

    Parameters
    ----------
    coords : ndarray, float64 (n, 2) or (n, 3)
        Vertices in the units of the source CRS.
    header : Header
        Its CRS is the source CRS.
    dst_crs : str
        CRS of the output.
    src_crs : str, optional
        Overrides the CRS of the source.
    src_crs_default : str, optional
        Used only where the source has no CRS.

    Returns
    -------
    ndarray
        Vertices in the units of ``dst_crs``, x before y.

    Raises
    ------
    CRSError
        ``crs-missing``, ``crs-unreadable``, ``crs-no-operation``.

    Notes
    -----
    PROJ picks the operation (https://proj.org); a third coordinate is
    transformed as a height where both CRS are three-dimensional.

    Also known as: Reproject layer (QGIS), Project (ArcGIS), ``-t_srs`` (ogr2ogr).
    """
    source = source_crs(header, src_crs, src_crs_default)
    if len(coords) == 0:
        return coords
    columns = [column.copy() for column in coords.T]  # contiguous, so PROJ works in place
    move = transformer(source, str(dst_crs)).transform
    if len(columns) == 2:
        move(columns[0], columns[1], inplace=True)
    else:
        move(columns[0], columns[1], columns[2], inplace=True)
    return np.column_stack(columns)


@reproject.header
def target(
    header: Header,
    *,
    dst_crs: str,
    src_crs: str | None = None,
    src_crs_default: str | None = None,
) -> Header:
    """The CRS becomes ``dst_crs``; a layer without a usable CRS is refused."""
    transformer(source_crs(header, src_crs, src_crs_default), str(dst_crs))
    return replace(header, crs=str(dst_crs), bounds=None)


@lru_cache(maxsize=64)
def transformer(source: str, target: str) -> Transformer:
    """The operation between two CRS, x before y on both sides."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        return Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        why = str(error).rpartition(": ")[2].strip(" ()")
        raise CRSError(
            f"reproject: PROJ has no way from this CRS to {target}: {why}; "
            "leave this layer out with --exclude",
            "crs-no-operation",
        ) from None


def source_crs(header: Header, src_crs: str | None, src_crs_default: str | None) -> str:
    """The CRS to start from."""
    found = src_crs or header.crs or src_crs_default
    if not found:
        raise CRSError(
            "reproject: the layer has no CRS (no .prj); tell it with --src-crs-default EPSG:…, "
            "or with the step assign-crs",
            "crs-missing",
        )
    if not readable(str(found)):
        raise CRSError(
            "reproject: the .prj is not a CRS that PROJ can read; tell it with --src-crs EPSG:…",
            "crs-unreadable",
        )
    return str(found)


@lru_cache(maxsize=256)
def readable(crs: str) -> bool:
    """Whether PROJ knows a CRS; asking costs some 30 ms, and a folder has few of them."""
    from pyproj import CRS as ProjCRS
    from pyproj.exceptions import CRSError as ProjError

    try:
        ProjCRS.from_user_input(crs)
    except ProjError:
        return False
    return True
