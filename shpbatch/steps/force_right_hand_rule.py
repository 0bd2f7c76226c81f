"""Make shells run clockwise and holes the other way."""

from __future__ import annotations

from ..engine.aspects import Vertices
from ..engine.registry import step
from ..shapefile.flaws import backwards
from ..shapefile.ragged import turned
from ..shapefile.types import POLYGON, family


@step
def force_right_hand_rule(vertices: Vertices) -> Vertices:
    """Make shells run clockwise and holes the other way.

    Parameters
    ----------
    vertices : Ragged

    Returns
    -------
    Vertices
        Rings that run the wrong way have their vertices in reverse order, Z
        and M with them. Which ring is a hole is told by what it lies in, not
        by its direction. Lines and points stay.

    Notes
    -----
    "The neighborhood to the right of an observer walking along the ring in
    vertex order is the neighborhood inside the polygon" (ESRI Shapefile
    Technical Description, page 8).

    Also known as: Force right-hand-rule (QGIS), part of Repair Geometry
    (ArcGIS: incorrect ring ordering), ``ST_ForcePolygonCW`` (PostGIS).
    """
    if family(vertices.code) != POLYGON:
        return vertices
    from ..shapefile.shapes import owners

    wrong = backwards(vertices, owners(vertices))
    return turned(vertices, wrong) if wrong.any() else vertices
