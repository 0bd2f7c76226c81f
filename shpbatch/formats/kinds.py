"""The one type of geometry that a lent shapefile has, and what it cannot hold of the layer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..shapefile.others import OTHERS, write_others
from ..shapefile.vertices import misfits
from .reading import STEM

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["kind_of", "put_apart"]

_KINDS = {0: "Point", 1: "PolyLine", 3: "Polygon", 4: "MultiPoint", 5: "PolyLine", 6: "Polygon"}
#: Of collections, by dimension.
_OF_PARTS = ("MultiPoint", "PolyLine", "Polygon")
#: Types of layers without a geometry that tells it.
_DECLARED = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "LineString": "PolyLine",
    "MultiLineString": "PolyLine",
    "Polygon": "Polygon",
    "MultiPolygon": "Polygon",
}


def kind_of(shapes: NDArray[np.object_], declared: str) -> str:
    """The type that most geometries have.

    Parameters
    ----------
    shapes : ndarray of object
    declared : str
        What the source says, for layers without a geometry.
    """
    import shapely

    there = shapes[~shapely.is_missing(shapes)]
    filled = there[~shapely.is_empty(there)]
    found = _counted(filled if len(filled) else there)
    if "Point" in found and "MultiPoint" in found:
        found["MultiPoint"] += found.pop("Point")
    if found:
        return found.most_common(1)[0][0]
    return _DECLARED.get(declared.partition(" ")[0], "Null")


def _counted(shapes: NDArray[np.object_]) -> Counter[str]:
    import shapely

    types = shapely.get_type_id(shapes)
    found: Counter[str] = Counter()
    for kind, count in zip(*np.unique(types, return_counts=True), strict=True):
        if kind in _KINDS:
            found[_KINDS[kind]] += int(count)
    if not found and len(shapes):  # nothing but collections
        dimensions = shapely.get_dimensions(shapes)
        found.update(_OF_PARTS[d] for d in dimensions.tolist() if d >= 0)
    return found


def put_apart(shapes: NDArray[np.object_], code: int, folder: Path) -> NDArray[np.object_]:
    """Geometries of a shape type, null where they are of another, which are put beside."""
    import shapely

    rows = np.flatnonzero(misfits(shapes, code))
    if len(rows):
        types = sorted({shape.geom_type for shape in shapes if shape is not None})
        told = f"the layer holds {' and '.join(types)}"
        write_others(folder / f"{STEM}.{OTHERS}", told, rows, shapely.to_wkb(shapes[rows]))
        shapes = shapes.copy()
        shapes[rows] = None
    return shapes
