"""Keep the features for which a condition holds."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from .. import expressions
from ..aspects import BBox, Bounds, Expression, Fields, Geometry, Header, Rows
from ..errors import StepError
from ..registry import step


@step(name="filter")
def by_where(
    fields: Fields,
    *,
    where: Annotated[Expression, 'SQL condition on the fields, such as "pop > 1000".'],
) -> Rows:
    """Keep the features for which a condition holds.

    ``--where`` is a condition on fields, of which only those that it names
    are decoded; a feature for which it is NULL is not kept. ``--bbox`` keeps
    what intersects a box. Both given, both must hold.

    Parameters
    ----------
    fields : pyarrow.Table
        The columns that the condition names.
    where : str
        Scalar SQL of DuckDB; ``FID``, ``OGR_GEOM_AREA``, ``OGR_GEOM_LENGTH``,
        ``OGR_GEOM_X`` and ``OGR_GEOM_Y`` are fields too.
    bbox : tuple of 4 float, optional
        minx, miny, maxx, maxy in units of the layer's CRS.

    Returns
    -------
    ndarray of int64
        Rows that stay, in order.

    Raises
    ------
    StepError
        ``field-missing``, ``expression-type`` where the condition is not one.

    Notes
    -----
    Unlike OGR SQL, ``=`` minds case (use ``ILIKE``) and ``/`` is no integer
    division.

    Also known as: Extract by expression, by extent (QGIS), Select (ArcGIS),
    ``-where``, ``-spat`` (ogr2ogr).
    """
    holds = expressions.evaluate(str(where), fields)
    return np.flatnonzero(holds.fill_null(False).to_numpy(zero_copy_only=False))


@by_where.variant
def by_bbox(
    bounds: Bounds,
    geometry: Geometry,
    *,
    bbox: Annotated[BBox, "Box in units of the layer's CRS: minx,miny,maxx,maxy."],
) -> Rows:
    """Keep what intersects a box; geometry is asked only where a box crosses its border."""
    import shapely

    minx, miny, maxx, maxy = bbox
    with np.errstate(invalid="ignore"):  # null geometries have NaN bounds and are never inside
        touches = (
            (bounds[:, 0] <= maxx)
            & (bounds[:, 2] >= minx)
            & (bounds[:, 1] <= maxy)
            & (bounds[:, 3] >= miny)
        )
        inside = (
            (bounds[:, 0] >= minx)
            & (bounds[:, 2] <= maxx)
            & (bounds[:, 1] >= miny)
            & (bounds[:, 3] <= maxy)
        )
    unsure = np.flatnonzero(touches & ~inside)
    kept = inside.copy()
    kept[unsure] = shapely.intersects(geometry[unsure], shapely.box(minx, miny, maxx, maxy))
    return np.flatnonzero(kept)


@by_where.header
def checked(header: Header, *, where: Expression | None = None, bbox: BBox | None = None) -> Header:
    """The header stays; a condition that is none, or names no field, is refused."""
    if where is not None:
        kind = expressions.result_type(str(where), header.fields)
        if str(kind) != "bool":
            raise StepError(
                f"filter: '{where}' gives {kind}, not true or false; compare it with something",
                "expression-type",
            )
    return header
