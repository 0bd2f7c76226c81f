"""Bring geometries to what a shapefile of one type can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from .layer import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit"]

#: Shapely type ids that a layer of each type takes as they are.
TYPE_IDS = {
    "Point": (0,),
    "MultiPoint": (0, 4),
    "PolyLine": (1, 2, 5),
    "Polygon": (3, 6),
    "MultiPatch": (3, 6, 7),
}


def fit(layer: Layer) -> Layer:
    """Reject what the layer's type cannot hold; empty geometries become null, counted.

    Geometry that no step touched is not looked at.
    """
    if layer.shapes is None or layer.header.geometry_type not in TYPE_IDS:
        return layer
    shapes = layer.shapes.copy()
    empty = shapely.is_empty(shapes)
    layer.account.note("geometries became empty and are written as null", int(empty.sum()))
    shapes[empty] = None
    shapes = _promoted(shapes, layer.header.geometry_type)
    present = ~shapely.is_missing(shapes)
    types = shapely.get_type_id(shapes)
    misfit = present & ~np.isin(types, TYPE_IDS[layer.header.geometry_type])
    reasons = {
        int(i): f"a {shapes[i].geom_type} does not fit a {layer.header.geometry_type} layer"
        for i in np.flatnonzero(misfit)
    }
    for i in _non_finite(shapes):
        reasons.setdefault(int(i), "a coordinate is not finite")
    result = replace(layer, wkb=None, shapes=shapes)
    if not reasons:
        return result
    rows = np.array(sorted(reasons), dtype=np.int64)
    layer.account.reject("write", layer.rows[rows], tuple(reasons[i] for i in rows.tolist()))
    return result.take(np.setdiff1d(np.arange(len(layer)), rows))


def _promoted(shapes: NDArray[np.object_], geometry_type: str) -> NDArray[np.object_]:
    """Points of a MultiPoint layer as MultiPoint, MultiPoints of one point as Point."""
    types = shapely.get_type_id(shapes)
    if geometry_type == "MultiPoint" and (single := types == 0).any():
        shapes[single] = [shapely.MultiPoint([p]) for p in shapes[single]]
    if geometry_type == "Point":
        single = (types == 4) & (shapely.get_num_geometries(shapes) == 1)
        shapes[single] = shapely.get_geometry(shapes[single], 0)
    return shapes


def _non_finite(shapes: NDArray[np.object_]) -> NDArray[np.int64]:
    coords, rows = shapely.get_coordinates(shapes, include_z=True, return_index=True)
    # A 2D geometry has NaN for its third coordinate here, which says nothing.
    three = shapely.has_z(shapes)[rows]
    bad = ~np.isfinite(coords[:, :2]).all(axis=1) | (three & ~np.isfinite(coords[:, 2]))
    found: NDArray[np.int64] = np.unique(rows[bad])
    return found
