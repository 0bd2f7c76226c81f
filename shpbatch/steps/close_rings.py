"""Close the rings of polygons."""

from __future__ import annotations

import numpy as np

from ..engine.aspects import Vertices
from ..engine.registry import step
from ..shapefile.edit import regrouped
from ..shapefile.flaws import open_rings
from ..shapefile.records import ragged_index


@step
def close_rings(vertices: Vertices) -> Vertices:
    """Close the rings of polygons.

    Steps that need geometries close rings as they read them; this one closes
    them for recipes without such a step, and before the others that repair rings.

    Parameters
    ----------
    vertices : Ragged

    Returns
    -------
    Vertices
        A ring whose last vertex is not where its first one is has that again
        at its end, Z and M with it. Lines and points stay as they are.

    Notes
    -----
    "The first and last vertex of a ring MUST be the same" (ESRI Shapefile
    Technical Description, page 8).

    Also known as: part of Repair Geometry (ArcGIS: unclosed rings).
    """
    is_open = open_rings(vertices)
    if not is_open.any():
        return vertices
    sizes = np.diff(vertices.part_offsets) + is_open
    index = ragged_index(vertices.part_offsets[:-1], sizes)
    index[(np.cumsum(sizes) - 1)[is_open]] = vertices.part_offsets[:-1][is_open]
    return regrouped(vertices, index, sizes)
