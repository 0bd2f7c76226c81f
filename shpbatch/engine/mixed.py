"""Geometries that the layer's type cannot hold: reduced to what it can, or layers of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..header import shape_code
from ..shapefile.types import LINE, MULTIPOINT, POINT, family
from ..sinks import KINDS
from .geometry import of_dimension
from .layer import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["settled"]

#: Types of the layers of other parts, by dimension; the points of a row stay one row.
_TYPES = ("MultiPoint", "PolyLine", "Polygon")


def settled(layer: Layer) -> Layer:
    """Do what ``--on-mixed`` says with changed geometries that do not fit their layer's type.

    ``reject`` leaves them to `fit`. ``extract`` keeps the parts that fit.
    ``split`` does so too, and moves the other parts, with their attributes,
    to layers that stand ``beside`` this one: one row read becomes several. In
    such a layer what does not fit is extracted.
    """
    from ..shapefile.vertices import misfits

    if layer.account.on_mixed == "reject" or layer.shapes is None:
        return layer
    code = shape_code(layer.header)
    bad = np.flatnonzero(misfits(layer.shapes, code) & layer.changed())
    if not len(bad):
        return layer
    own = _parts(layer.shapes[bad], _dimension(code))
    own[misfits(own, code)] = None  # several points, in a Point layer
    if layer.account.on_mixed == "extract" or layer.kind:
        return _extracted(layer, bad, own)
    return _split(layer, bad, own)


def _dimension(code: int) -> int:
    """Dimension of a shape type; -1 of one that holds nothing."""
    return {0: -1, POINT: 0, MULTIPOINT: 0, LINE: 1}.get(family(code), 2)


def _parts(shapes: NDArray[np.object_], dimension: int) -> NDArray[np.object_]:
    """Parts of one dimension, None where there is none."""
    import shapely

    made = of_dimension(shapes, np.full(len(shapes), dimension))
    others = (shapely.get_dimensions(made) != dimension) | (shapely.get_type_id(made) == 7)
    made[others | shapely.is_empty(made)] = None
    return made


def _extracted(layer: Layer, bad: NDArray[np.int64], own: NDArray[np.object_]) -> Layer:
    """The layer with what fits of some rows; rows of which nothing does stay as they are."""
    kept = np.array([shape is not None for shape in own], dtype=bool)
    if not kept.any():
        return layer
    assert layer.shapes is not None
    shapes = layer.shapes.copy()
    shapes[bad[kept]] = own[kept]
    text = f"parts of geometries that do not fit a {layer.header.geometry_type} layer are dropped"
    layer.account.lose(text, int(kept.sum()), f"FID {layer.rows[bad[kept]][0]}")
    return replace(layer, shapes=shapes)


def _split(layer: Layer, bad: NDArray[np.int64], own: NDArray[np.object_]) -> Layer:
    """The layer with what fits of some rows, the rest of them beside it."""
    assert layer.shapes is not None
    given, pieces = layer.shapes[bad], np.array([s is not None for s in own]).astype(np.int64)
    beside = []
    for dimension, kind in enumerate(KINDS):
        parts = _parts(given, dimension)
        if dimension == _dimension(shape_code(layer.header)):
            parts[pieces > 0] = None  # they fit, and stay
        there = np.array([s is not None for s in parts], dtype=bool)
        if there.any():
            beside.append(_other(layer.take(bad[there]), parts[there], dimension, kind))
            pieces[there] += 1
    layer.account.created += int((pieces[pieces > 0] - 1).sum())
    text = "geometries, or parts of them, are written to layers of their own type"
    layer.account.note(text, sum(len(other) for other in beside))
    shapes = layer.shapes.copy()
    fits = np.array([s is not None for s in own], dtype=bool)
    shapes[bad[fits]] = own[fits]
    moved = bad[~fits & (pieces > 0)]
    left = replace(layer, shapes=shapes, beside=(*layer.beside, *beside))
    return left.take(np.setdiff1d(np.arange(len(layer)), moved)) if len(moved) else left


def _other(layer: Layer, shapes: NDArray[np.object_], dimension: int, kind: str) -> Layer:
    """Rows of a layer with geometries of another type."""
    header = replace(layer.header, geometry_type=_TYPES[dimension], bounds=None)
    return replace(
        layer,
        header=header,
        code=shape_code(header),
        records=None,
        ragged=None,
        shapes=shapes,
        origin=None,
        kind=kind,
        beside=(),
    )
