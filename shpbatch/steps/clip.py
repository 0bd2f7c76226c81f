"""Cut geometries to a box or to the polygons of another layer."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from ..engine.aspects import BBox, Geometry, Header, OtherLayer, Rejected, Rows
from ..engine.geometry import attempt, of_dimension
from ..engine.registry import step
from ..errors import CRSError, StepError


@step
def clip(
    geometry: Geometry,
    *,
    bbox: Annotated[BBox, "Box to cut to: minx,miny,maxx,maxy in the layer's CRS."],
) -> tuple[Geometry, Rows, Rejected]:
    """Cut geometries to a box or to the polygons of another layer.

    With ``--bbox`` and ``--like`` both, to what lies in both.

    Parameters
    ----------
    geometry : ndarray of object
    bbox : tuple of float
        (minx, miny, maxx, maxy) in the layer's CRS.
    like : path
        A polygon layer; reprojected to the layer's CRS where the two differ.
        Where either has no CRS, it is taken to be the same.

    Returns
    -------
    Geometry
        Untouched where wholly inside. Parts of a lower dimension than the
        geometry are dropped: a polygon that only touches is outside. Z is
        interpolated at new vertices, M is not.
    Rows
        Features that have something inside; the others are filtered, those
        with a null geometry as well (so does GDAL).
    Rejected
        Rows at the border that GEOS cannot cut, or with a coordinate that is
        not finite.

    Raises
    ------
    StepError
        ``bad-bbox``, ``other-layer``, ``clip-no-polygons``, ``clip-invalid``.
    CRSError
        ``crs-no-operation``, ``crs-unreadable``.

    Notes
    -----
    GEOS Intersection with the union of the polygons, as in ``gdal vector
    clip``; but a polygon cut in two stays one feature, as with ``ogr2ogr``.

    Also known as: Clip, Extract/clip by extent (QGIS), Clip (ArcGIS),
    ``-clipsrc`` (ogr2ogr).
    """
    return _cut(geometry, box(bbox))


@clip.variant
def clip_like(
    geometry: Geometry,
    header: Header,
    *,
    like: Annotated[OtherLayer, "Layer of polygons to cut to."],
) -> tuple[Geometry, Rows, Rejected]:
    """Cut geometries to the polygons of another layer."""
    return _cut(geometry, mask(like, header.crs))


@clip.header
def clipped(header: Header, *, bbox: BBox | None = None, like: str | None = None) -> Header:
    """A box without area and a layer that is not of polygons are refused."""
    if bbox is not None:
        box(bbox)
    if like is not None:
        _check_polygons(str(like))
    return replace(header, bounds=None)


def _cut(geometry: Geometry, area: BaseGeometry) -> tuple[Geometry, Rows, Rejected]:
    shapely.prepare(area)

    def inside(shapes: Geometry) -> Geometry:
        result = np.full(len(shapes), None, dtype=object)
        whole = shapely.covers(area, shapes)
        crossing = shapely.intersects(area, shapes) & ~whole
        if not np.isfinite(shapely.get_coordinates(shapes[crossing])).all():
            raise shapely.errors.GEOSException("a coordinate is not finite")
        cut = shapely.intersection(shapes[crossing], area)
        result[whole] = shapes[whole]
        result[crossing] = of_dimension(cut, shapely.get_dimensions(shapes[crossing]))
        return result

    result, rejected = attempt(inside, geometry)
    result[rejected.rows] = None
    rows = np.flatnonzero(~shapely.is_missing(result) & ~shapely.is_empty(result))
    return result[rows], rows, rejected


def box(bbox: BBox) -> BaseGeometry:
    """The box as a polygon, refused where it has no area."""
    minx, miny, maxx, maxy = bbox
    if not (minx < maxx and miny < maxy and all(map(math.isfinite, bbox))):
        numbers = ",".join(f"{v:g}" for v in bbox)
        raise StepError(
            f"clip: {numbers} is no box; it is minx,miny,maxx,maxy with min below max", "bad-bbox"
        )
    return shapely.box(*bbox)


def _check_polygons(path: str) -> None:
    from ..errors import ReadError, SourceError
    from ..header import read_header
    from ..models import Source

    try:
        found = read_header(Source(path, path)).geometry_type
    except (ReadError, SourceError, OSError) as error:
        raise StepError(f"clip: {path} cannot be read: {error}", "other-layer") from None
    if found not in ("Polygon", "MultiPatch"):
        raise StepError(f"clip: {path} holds no polygons but {found}", "clip-no-polygons")


@lru_cache(maxsize=4)
def mask(like: OtherLayer, crs: str | None) -> BaseGeometry:
    """Union of the polygons of a layer, in another CRS, without Z; made once a worker."""
    areas = shapely.force_2d(like.geometry[shapely.get_dimensions(like.geometry) == 2])
    if not len(areas):
        raise StepError(f"clip: {like} holds no polygons", "clip-no-polygons")
    if not (valid := shapely.is_valid(areas)).all():
        count, why = int((~valid).sum()), shapely.is_valid_reason(areas[~valid][0])
        raise StepError(
            f"clip: {count} of the polygons of {like} are invalid ({why}); "
            "repair it with make-valid first",
            "clip-invalid",
        )
    union: BaseGeometry = shapely.union_all(areas)
    if like.crs and crs and like.crs != crs:
        union = _moved(union, like, crs)
    return union


def _moved(area: BaseGeometry, like: OtherLayer, crs: str) -> BaseGeometry:
    """The area in another CRS; its edges stay straight between the moved vertices."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError as Unreadable

    from ..crs.operation import transformer

    try:
        same = CRS(like.crs) == CRS(crs)
    except Unreadable:
        raise CRSError(
            f"clip: the CRS of the layer or of {like} is not one that PROJ can read; "
            "tell it with the step assign-crs",
            "crs-unreadable",
        ) from None
    if same:
        return area
    move = transformer(str(like.crs), crs).transform
    moved: BaseGeometry = shapely.transform(area, lambda c: np.column_stack(move(*c.T)))
    if not shapely.is_valid(moved):
        raise StepError(
            f"clip: the polygons of {like} are not valid in the CRS of the layer; "
            "reproject and repair them first",
            "clip-invalid",
        )
    return moved
