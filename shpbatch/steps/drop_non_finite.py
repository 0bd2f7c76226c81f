"""Drop vertices whose coordinates are not numbers of any place."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from ..engine.aspects import Rejected, Vertices
from ..engine.registry import step
from ..shapefile.edit import without_vertices
from ..shapefile.flaws import not_finite


@step
def drop_non_finite(
    vertices: Vertices,
    *,
    nothing_left: Annotated[
        Literal["null", "reject"], "What becomes of features all of whose vertices go."
    ] = "null",
) -> tuple[Vertices, Rejected]:
    """Drop vertices whose coordinates are not numbers of any place.

    An x or y that is NaN, infinite, or beyond 1e150 (of such numbers no area
    can be computed). A Z alone drops nothing: NaN is what writers put where the
    height is not known. Follow with ``close-rings`` and ``drop-short-parts``: a ring
    may have lost its end, or too much.

    Parameters
    ----------
    vertices : Ragged
    nothing_left : {"null", "reject"}
        A feature all of whose vertices go keeps its attributes with a null
        geometry, counted as a loss; or is rejected.

    Returns
    -------
    Vertices
        The other vertices, in their parts.
    Rejected
        Features of which nothing is left, if they are to be.

    Notes
    -----
    Geometries with such coordinates are invalid to GEOS (Invalid Coordinate),
    which cannot repair them.

    Also known as: part of Repair Geometry (ArcGIS: NaN coordinates).
    """
    made = without_vertices(vertices, not_finite(vertices))
    emptied = np.flatnonzero(made.null & ~vertices.null)
    if nothing_left == "null" or not len(emptied):
        return made, Rejected(emptied[:0], ())
    return made, Rejected(emptied, ("no vertex has finite coordinates",) * len(emptied))
