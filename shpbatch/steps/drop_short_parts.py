"""Drop parts that are no line and no area."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from ..engine.aspects import Rejected, Vertices
from ..engine.registry import step
from ..shapefile.edit import without_parts
from ..shapefile.flaws import short_parts


@step
def drop_short_parts(
    vertices: Vertices,
    *,
    nothing_left: Annotated[
        Literal["null", "reject"], "What becomes of features all of whose parts go."
    ] = "null",
) -> tuple[Vertices, Rejected]:
    """Drop parts that are no line and no area.

    Lines of one vertex, rings of two, and rings all of whose vertices lie on
    one straight line: GEOS cannot hold them, or holds them as invalid.

    Parameters
    ----------
    vertices : Ragged
    nothing_left : {"null", "reject"}
        A feature all of whose parts go keeps its attributes with a null
        geometry, counted as a loss; or is rejected.

    Returns
    -------
    Vertices
        The other parts, as they are. Points stay.
    Rejected
        Features of which nothing is left, if they are to be.

    Notes
    -----
    Vertices at one place, one after the other, count once.

    Also known as: part of Repair Geometry (ArcGIS: short segments, null
    geometry), ``ST_RemoveSmallParts`` (PostGIS, by size).
    """
    made = without_parts(vertices, short_parts(vertices))
    emptied = np.flatnonzero(made.null & ~vertices.null)
    if nothing_left == "null" or not len(emptied):
        return made, Rejected(emptied[:0], ())
    reason = "every part is a line of one place or a ring without area"
    return made, Rejected(emptied, (reason,) * len(emptied))
