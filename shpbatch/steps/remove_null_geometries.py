"""Drop features that have no geometry."""

from __future__ import annotations

import numpy as np

from ..engine.aspects import Rows, Vertices
from ..engine.registry import step


@step
def remove_null_geometries(vertices: Vertices) -> Rows:
    """Drop features that have no geometry.

    Parameters
    ----------
    vertices : Ragged

    Returns
    -------
    Rows
        Features with at least one vertex. The others are counted as filtered.

    Notes
    -----
    Null geometries are normal in shapefiles: attributes whose place is not known.

    Also known as: Remove null geometries (QGIS, with "also remove empty").
    """
    return np.flatnonzero(np.diff(vertices.vertex_offsets) > 0)
