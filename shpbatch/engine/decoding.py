"""Records to vertices and shapes, whatever their types: each row by itself.

A shapefile has one type, but files with records of others exist. Those are
decoded by their own type. What becomes of a row depends on its record alone,
so it is the same in any window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ReadError
from ..shapefile.encode import as_type, encode
from ..shapefile.records import HEAD, Records, join_records
from ..shapefile.shapes import Shapes, measured, to_shapes
from ..shapefile.shp import Declined, decode
from ..shapefile.types import PATCH, family
from ..shapefile.vertices import from_shapes, misfits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..account import Account
    from ..shapefile.ragged import Ragged
    from .layer import Layer

__all__ = ["shapes_of", "shapes_of_records", "vertices_of", "with_m", "with_measures"]


def vertices_of(records: Records, code: int) -> Ragged:
    """Vertices of records as those of one type.

    Raises
    ------
    BadRecords
    ReadError
        ``mixed-types`` where a record of another type cannot become one of this.
    """
    try:
        return decode(records, code)
    except Declined:
        return _uniform(records, code)


def shapes_of_records(records: Records, code: int, account: Account) -> Shapes:
    """Shapes of records, of each by its own type."""
    try:
        return shapes_of(decode(records, code), account)
    except Declined:
        pass  # records of several types
    none = np.zeros(len(records), dtype=bool)
    result = Shapes(np.full(len(records), None, object), none, none.copy())
    for kind, rows in _by_type(records):
        made = shapes_of(decode(records.take(rows), kind), account)
        result.shapes[rows], result.cured[rows] = made.shapes, made.cured
        result.lost[rows] = made.lost
    return result


def shapes_of(ragged: Ragged, account: Account | None = None) -> Shapes:
    """Shapes of vertices; those of a MultiPatch are GDAL's, which the account is told."""
    if family(ragged.code) != PATCH:
        return to_shapes(ragged)
    from ..formats.gdal import read_shapes

    if account is not None:
        account.note("geometry read with GDAL: a MultiPatch is no geometry of GEOS", len(ragged))
    none = np.zeros(len(ragged), dtype=bool)
    return Shapes(read_shapes(encode(ragged), ragged.code), none, none)


def with_m(layer: Layer) -> NDArray[np.bool_]:
    """Rows of a layer of shapes that have measures; GDAL's shapes of a MultiPatch have none."""
    import shapely

    found: NDArray[np.bool_] = shapely.has_m(layer.shapes)
    if layer.code == PATCH and len(own := np.flatnonzero(~layer.changed())):
        found[own] = measured(layer.take(own).vertices())
    return found


def with_measures(records: Records) -> NDArray[np.bool_]:
    """Which records tell a measure."""
    told = np.zeros(len(records), dtype=bool)
    for kind, rows in _by_type(records):
        told[rows] = measured(decode(records.take(rows), kind))
    return told


def _by_type(records: Records) -> list[tuple[int, NDArray[np.int64]]]:
    """Types that occur, and the rows of each; null shapes have none."""
    types = records.words(HEAD, "<i4")
    return [(kind, np.flatnonzero(types == kind)) for kind in np.unique(types[types != 0]).tolist()]


def _uniform(records: Records, code: int) -> Ragged:
    """Vertices of records of several types."""
    for kind, rows in _by_type(records):
        if kind != code:
            made = encode(_converted(decode(records.take(rows), kind), code))
            others = np.zeros(len(records), dtype=bool)
            others[rows] = True
            records = join_records(records.take(np.flatnonzero(~others)), made, others)
    return decode(records, code)


def _converted(ragged: Ragged, code: int) -> Ragged:
    if family(ragged.code) == family(code):
        return as_type(ragged, code)
    made = shapes_of(ragged)
    if made.lost.any() or misfits(made.shapes, code).any():
        raise ReadError(
            "records are of another type than the layer, and cannot become of its own: "
            "the shape type in the header is wrong",
            "mixed-types",
        )
    return from_shapes(made.shapes, code)
