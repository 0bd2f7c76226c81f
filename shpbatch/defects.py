"""Defects of geometries: which, in what rows, at what place."""

from __future__ import annotations

import numpy as np

from .findings import PLACES, Finding, Place
from .layer import Layer

__all__ = ["examine_geometry"]


def examine_geometry(layer: Layer) -> tuple[Finding, ...]:
    """Examine the geometries of a layer, or of a window of it."""
    import shapely

    shapes = layer.geometry()
    bad = np.flatnonzero(~shapely.is_valid(shapes) & ~shapely.is_missing(shapes))
    if not len(bad):
        return ()
    places = tuple(
        Place(int(layer.rows[i]), detail=str(shapely.is_valid_reason(shapes[i])))
        for i in bad[:PLACES]
    )
    reason = "geometries that are not valid"
    return (Finding("invalid", "warning", reason, "! make-valid", len(bad), places),)
