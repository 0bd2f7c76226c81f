"""Bring geometries to what a shapefile of one type can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..header import shape_code
from ..shapefile.types import has_z
from .layer import Layer
from .mixed import settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit"]


def fit(layer: Layer) -> Layer:
    """Reject what the layer's type cannot hold; empty geometries become null, counted.

    With ``--on-mixed extract`` or ``split`` only that is rejected of which no
    part can be held; what was split off stands ``beside`` the layer.

    Geometry that no step touched is not looked at.
    """
    if layer.shapes is None or not layer.changed().any():
        return layer
    import shapely

    from ..shapefile.vertices import misfits

    layer = settled(_nulled(layer))
    assert layer.shapes is not None
    changed = np.flatnonzero(layer.changed())
    shapes = layer.shapes[changed]
    kind = layer.header.geometry_type
    reasons = {
        int(changed[i]): f"a {shapes[i].geom_type} does not fit a {kind} layer"
        for i in np.flatnonzero(misfits(shapes, shape_code(layer.header)))
    }
    for i in _non_finite(shapes):
        reasons.setdefault(int(changed[i]), "a coordinate is not finite")
    _tell_dimensions(layer, np.setdiff1d(changed[~shapely.is_missing(shapes)], [*reasons]))
    if not reasons:
        return layer
    rows = np.array(sorted(reasons), dtype=np.int64)
    layer.account.reject("write", layer.rows[rows], tuple(reasons[i] for i in rows.tolist()))
    return layer.take(np.setdiff1d(np.arange(len(layer)), rows))


def _nulled(layer: Layer) -> Layer:
    """Changed geometries that are empty as null."""
    import shapely

    assert layer.shapes is not None
    empty = np.flatnonzero(shapely.is_empty(layer.shapes) & layer.changed())
    if not len(empty):
        return layer
    text = "geometries became empty and are written as null"
    layer.account.lose(text, len(empty), f"FID {layer.rows[empty[0]]}")
    nulled = layer.shapes.copy()
    nulled[empty] = None
    return replace(layer, shapes=nulled)


def _tell_dimensions(layer: Layer, rows: NDArray[np.int64]) -> None:
    """Count what these rows have and the layer's type has not, and a Z that they get."""
    import shapely

    assert layer.shapes is not None
    shapes, code = layer.shapes[rows], shape_code(layer.header)
    there = ~shapely.is_missing(shapes)
    z, m = shapely.has_z(shapes), shapely.has_m(shapes)
    told = {
        "Z values of geometries are dropped, as the layer has none": z & (not has_z(code)),
        "M values of geometries are dropped, as the layer has none": m & (code < 10),
        "geometries have no Z in a layer that has, and are written with 0": there
        & ~z
        & has_z(code),
    }
    for text, lost in told.items():
        if lost.any():
            layer.account.lose(text, int(lost.sum()), f"FID {layer.rows[rows[lost]][0]}")


def _non_finite(shapes: NDArray[np.object_]) -> NDArray[np.int64]:
    import shapely

    if np.isfinite(shapely.get_coordinates(shapes)).all() and not shapely.has_z(shapes).any():
        return np.empty(0, np.int64)
    coords, rows = shapely.get_coordinates(shapes, include_z=True, return_index=True)
    # A 2D geometry has NaN for its third coordinate here, which says nothing.
    three = shapely.has_z(shapes)[rows]
    bad = ~np.isfinite(coords[:, :2]).all(axis=1) | (three & ~np.isfinite(coords[:, 2]))
    found: NDArray[np.int64] = np.unique(rows[bad])
    return found
