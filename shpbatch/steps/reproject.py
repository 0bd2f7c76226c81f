"""Reproject coordinates from one CRS to another."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import numpy as np

from ..account import tell_loss
from ..crs import operation as crs_operation
from ..crs.identity import readable
from ..crs.moving import moved
from ..doctors.crs import far_from
from ..engine.aspects import CRS, Coords, Header
from ..engine.registry import step
from ..errors import CRSError
from ..models import Problem

#: Where the map of a Mercator projection is cut off: the area of use of EPSG:3857.
POLAR = 85.06


@step
def reproject(
    coords: Coords,
    header: Header,
    *,
    dst_crs: Annotated[CRS, "CRS of the output, such as EPSG:32650."],
    src_crs: Annotated[CRS | None, "CRS of the source, whatever its .prj says."] = None,
    src_crs_default: Annotated[CRS | None, "CRS of sources that have no .prj."] = None,
    accuracy: Annotated[
        float | None, "Refuse layers that PROJ can only reproject less accurately, metres."
    ] = None,
) -> Coords:
    """Reproject coordinates from one CRS to another.

    Only coordinates move: no geometry object is made and edges stay straight
    between the moved vertices (densify first with ``segmentize`` where that
    matters). A row with a coordinate outside the domain of the
    transformation is rejected, never written as infinity: also one for which
    PROJ has an answer that does not lead back to where it came from, such as
    1e8 m north in a UTM zone, and one that has an x and no y.

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
    accuracy : float, optional
        Metres; layers for which the operation is less accurate, or nobody
        knows how accurate it is, are refused.

    Returns
    -------
    ndarray
        Vertices in the units of ``dst_crs``, x before y.

    Raises
    ------
    CRSError
        ``crs-missing``, ``crs-unreadable``, ``crs-no-operation``,
        ``crs-inaccurate``.

    Notes
    -----
    PROJ picks the operation (https://proj.org), and the log says which and
    how accurate it is; where a better one lacks a grid file, a note says so.
    A third coordinate is transformed as a height where both CRS are
    three-dimensional; one that is NaN, or beyond 1e9, is carried as it is.
    Vertices beyond 85.06 degrees of latitude, which a Mercator projection puts
    anywhere up to y = 2.4e8, are counted.

    Also known as: Reproject layer (QGIS), Project (ArcGIS), ``-t_srs`` (ogr2ogr).
    """
    source = source_crs(header, src_crs, src_crs_default)
    if len(coords) == 0:
        return coords
    _check_way(source, str(dst_crs))
    result = moved(coords, source, str(dst_crs))
    _tell_polar(result[:, 1], str(dst_crs))
    return result


@reproject.header
def target(
    header: Header,
    *,
    dst_crs: str,
    src_crs: str | None = None,
    src_crs_default: str | None = None,
    accuracy: float | None = None,
) -> Header:
    """The CRS becomes ``dst_crs``; a layer without a usable CRS is refused."""
    source = source_crs(header, src_crs, src_crs_default)
    _check_way(source, str(dst_crs))
    found = crs_operation.operation(source, str(dst_crs), header.bounds)
    known = None if found is None else found.accuracy
    if accuracy is not None and (known is None or known > accuracy):
        better = f"; {found.better}" if found and found.better else ""
        raise CRSError(
            f"reproject: the way to {dst_crs} is {found or 'not known'}, not within "
            f"{accuracy:g} m{better}",
            "crs-inaccurate",
        )
    told = () if found is None else crs_operation.problems_of(found)
    if far := far_from(source, header.bounds, str(dst_crs)):
        told = (*told, Problem("crs-elsewhere", far))
    return replace(header, crs=str(dst_crs), bounds=None, problems=(*header.problems, *told))


def _check_way(source: str, target: str) -> None:
    """Refuse two CRS between which there is no way."""
    from pyproj.exceptions import ProjError

    try:
        crs_operation.transformer(source, target)
    except ProjError as error:
        why = str(error).rpartition(": ")[2].strip(" ()")
        raise CRSError(
            f"reproject: PROJ has no way from this CRS to {target}: {why}; "
            "leave this layer out with --exclude",
            "crs-no-operation",
        ) from None


def _tell_polar(northings: np.ndarray, target: str) -> None:
    """Count vertices that a Mercator projection puts beyond its map."""
    edge = _edge(target)
    if edge is None:
        return
    beyond = np.isfinite(northings) & ((northings < edge[0]) | (northings > edge[1]))
    if beyond.any():
        first = float(northings[beyond.argmax()])
        text = f"vertices are beyond {POLAR} degrees of latitude, off the map of {target}"
        tell_loss(text, int(beyond.sum()), f"y = {first:,.0f}")


@lru_cache(maxsize=64)
def _edge(target: str) -> tuple[float, float] | None:
    """Northings at which the map of a Mercator projection ends; None for all other CRS."""
    from pyproj import CRS as ProjCRS

    crs = ProjCRS.from_user_input(target)
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    if "Mercator" not in method or "Transverse" in method or "Oblique" in method:
        return None
    geodetic = crs.geodetic_crs
    assert geodetic is not None
    move = crs_operation.transformer(geodetic.to_wkt(), target)
    south, north = (move.transform(0, latitude)[1] for latitude in (-POLAR, POLAR))
    return min(south, north), max(south, north)


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
