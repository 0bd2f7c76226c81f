"""Layers as GeoDataFrames, for steps that users write; geopandas is imported only here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from ..errors import StepError
from ..models import Header

if TYPE_CHECKING:
    import geopandas

    from .layer import Layer

__all__ = ["from_frame", "to_frame"]

_FAMILIES = {
    "Point": {0},
    "MultiPoint": {0, 4},
    "PolyLine": {1, 2, 5},
    "Polygon": {3, 6},
}


def to_frame(layer: Layer) -> geopandas.GeoDataFrame:
    """Everything of a layer, its index the row number.

    Integers with nulls are ``Int32``/``Int64``, logicals ``boolean``, dates
    ``datetime.date``: nothing turns into a float or a text on the way.
    """
    import geopandas
    import pandas as pd

    types = {
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    columns = [layer.values(i) for i in range(len(layer.columns))]
    table = pa.table(columns, names=layer.header.field_names())
    frame = table.to_pandas(types_mapper=types.get)
    frame.index = pd.RangeIndex(len(layer))
    return geopandas.GeoDataFrame(
        frame, geometry=geopandas.GeoSeries(layer.geometry(), crs=layer.header.crs)
    )


def from_frame(frame: Any, layer: Layer) -> Layer:
    """The layer that a user's function made of the frame it was given.

    Rows are told by the index (so keep it, as filtering and ``explode`` do);
    columns that are missing are dropped, new ones added.

    Raises
    ------
    StepError
        ``frame-rows`` where the index is not that of the rows given.
    """
    import geopandas

    if not isinstance(frame, geopandas.GeoDataFrame):
        raise StepError(
            f"the function returned {type(frame).__name__}, not a GeoDataFrame", "step-result"
        )
    if frame.active_geometry_name is None:
        raise StepError(
            "the returned GeoDataFrame has no geometry column that is set; call set_geometry",
            "step-result",
        )
    rows = _rows(frame, len(layer))
    table = _table(frame, layer.header)
    kept = [f for f in layer.header.fields if f.name in table.column_names]
    header = _header(frame, replace(layer.header, fields=tuple(kept)))
    if header.crs is None and layer.header.crs is not None:
        layer.account.lose("the function gave a frame without CRS, and the .prj is left out", 1)
    shapes = np.asarray(frame.geometry.array, dtype=object)
    from .aspects import Geometry
    from .aspects import Header as HeaderAspect
    from .columns import put_fields

    picked = layer.take(rows).put(HeaderAspect, header)
    return put_fields(picked, table, patch=True).put(Geometry, shapes)


def _rows(frame: Any, n: int) -> Any:
    index = np.asarray(frame.index)
    if index.dtype.kind not in "iu" or (len(index) and (index.min() < 0 or index.max() >= n)):
        raise StepError(
            "the index of the returned frame does not say which rows it holds; "
            "keep the index of the frame that was given (no reset_index)",
            "frame-rows",
        )
    return index.astype(np.int64)


def _table(frame: Any, header: Header) -> pa.Table:
    """Attribute columns as Arrow, each of its field's own type where that changes no value."""
    from ..shapefile.values import ARROW_TYPES

    known = {f.name: ARROW_TYPES[f.arrow] for f in header.fields}
    arrays: dict[str, Any] = {}
    for at, name in enumerate(map(str, frame.columns)):
        if frame.columns[at] == frame.active_geometry_name:
            continue
        if name in arrays:
            raise StepError(f"the frame has two columns '{name}'; rename one", "names-collide")
        arrays[name] = _typed(_arrow(frame.iloc[:, at], name), known.get(name))
    return pa.table(arrays)


def _arrow(values: Any, name: str) -> Any:
    """A column of a frame as Arrow.

    Raises
    ------
    StepError
        ``field-type`` for values that are of no one type, or of one that Arrow has not.
    """
    try:
        return _plain(pa.array(values, from_pandas=True))
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise StepError(f"field '{name}': {error}; convert its values", "field-type") from None


def _typed(array: Any, kind: Any) -> Any:
    """The column in the type of its field, if every value comes back from that as it was."""
    if kind is None or array.type.equals(kind) or pa.types.is_string(kind):
        return array
    try:
        made = array.cast(kind)
        same = made.cast(array.type).equals(array)
    except pa.ArrowException:
        return array
    return made if same else array


def _plain(array: Any) -> Any:
    """The nearest of the six types that dBASE holds."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_floating(kind):
        return array.cast(pa.float64())
    if pa.types.is_integer(kind):
        if pa.types.is_uint64(kind) and (pc.max(array).as_py() or 0) >= 2**63:
            return array  # what becomes of it is said where it is put into the layer
        return array.cast(pa.int32() if kind.bit_width < 32 else pa.int64(), safe=True)
    return array


def _header(frame: Any, header: Header) -> Header:
    """The header with the geometry type and CRS that the frame really has."""
    shapes = np.asarray(frame.geometry.array, dtype=object)
    found = set(shapely.get_type_id(shapes).tolist()) - {-1}
    if found and not found <= _FAMILIES.get(header.geometry_type, set()):
        fits = [name for name, ids in _FAMILIES.items() if found <= ids]
        header = replace(header, geometry_type=fits[0]) if fits else header
    if found:
        has_z = bool(shapely.has_z(shapes).any())
        has_m = bool(shapely.has_m(shapes).any()) and not has_z  # a Z type has M beside it
        header = replace(header, has_z=has_z, has_m=has_m)
    crs = frame.crs.to_wkt() if frame.crs is not None else None
    from pyproj import CRS

    same = header.crs is not None and crs is not None and CRS(header.crs) == frame.crs
    return header if same or crs == header.crs else replace(header, crs=crs)
