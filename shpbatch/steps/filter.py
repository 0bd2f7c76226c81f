"""Keep the features for which a condition holds."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from .. import expressions
from ..engine.aspects import BBox, Bounds, Expression, Fields, Geometry, Header, Rejected, Rows
from ..engine.geometry import attempt
from ..engine.registry import step
from ..errors import StepError


@step(name="filter")
def by_where(
    fields: Fields,
    *,
    where: Annotated[Expression, 'SQL condition on the fields, such as "pop > 1000".'],
) -> Rows:
    """Keep the features for which a condition holds.

    ``--where`` is a condition on fields, of which only those that it names
    are decoded; a feature for which it is NULL is not kept. ``--bbox`` keeps
    what intersects a box, its border included; a feature without geometry is
    not kept. Both given, both must hold.

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
    Rows
        Those that stay, in order.
    Rejected
        Only by ``--bbox``: rows at its border that GEOS refuses, for a
        coordinate that is not finite.

    Raises
    ------
    StepError
        ``field-missing``, ``expression-type`` where the condition is not one,
        ``bad-bbox`` where a minimum is not below its maximum.

    Notes
    -----
    Unlike OGR SQL, ``=`` minds case (use ``ILIKE``) and ``/`` is no integer
    division.

    Also known as: Extract by expression, by extent (QGIS), Select (ArcGIS),
    ``-where``, ``-spat`` (ogr2ogr).
    """
    holds = expressions.evaluate(str(where), fields)
    from ..arrays import true_in

    return np.flatnonzero(true_in(holds))


@by_where.variant
def by_bbox(
    bounds: Bounds,
    geometry: Geometry,
    *,
    bbox: Annotated[BBox, "Box in units of the layer's CRS: minx,miny,maxx,maxy."],
) -> tuple[Rows, Rejected]:
    """Keep what intersects a box; geometry is asked only where a box crosses its border."""
    import shapely

    low, high = np.array(bbox[:2]), np.array(bbox[2:])
    with np.errstate(invalid="ignore"):  # null geometries have NaN bounds and are never inside
        touches = ((bounds[:, :2] <= high) & (bounds[:, 2:] >= low)).all(axis=1)
        inside = ((bounds[:, :2] >= low) & (bounds[:, 2:] <= high)).all(axis=1)
    unsure = np.flatnonzero(touches & ~inside)
    box = shapely.box(*bbox)
    hits, refused = attempt(lambda g: shapely.intersects(g, box).astype(object), geometry[unsure])
    hits[refused.rows] = False
    kept = np.array(inside)
    kept[unsure] = hits.astype(bool)
    return np.flatnonzero(kept), Rejected(unsure[refused.rows], refused.reasons)


@by_where.header
def checked(header: Header, *, where: Expression | None = None, bbox: BBox | None = None) -> Header:
    """The header stays; a condition that is none and a box without area are refused."""
    if where is not None:
        kind = expressions.result_type(str(where), header.fields)
        if kind != "bool":
            raise StepError(
                f"filter: '{where}' gives {kind}, not true or false; compare it with something",
                "expression-type",
            )
    if bbox is not None and not (bbox[0] < bbox[2] and bbox[1] < bbox[3]):
        numbers = ",".join(f"{v:g}" for v in bbox)
        raise StepError(
            f"filter: {numbers} is no box; it is minx,miny,maxx,maxy with min below max", "bad-bbox"
        )
    return header
