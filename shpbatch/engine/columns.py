"""Columns of a layer: decoded when a step reads them, carried as bytes until then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StepError
from ..fields.declared import declared, sizes_of
from ..fields.new import check_names, holdable
from ..models import Field, Header
from ..shapefile.columns import Patched, Slice, Whole, array_of
from .aspects import Fields, Names, find_field

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..shapefile.values import Decoded
    from .layer import Layer

__all__ = ["VIRTUAL_TYPES", "Body", "field_of", "kind_of", "with_field"]

#: Fields that every layer has without a column, as in GDAL's SQL.
VIRTUAL_TYPES = {
    "FID": "int64",
    "OGR_GEOM_AREA": "float64",
    "OGR_GEOM_LENGTH": "float64",
    "OGR_GEOM_X": "float64",
    "OGR_GEOM_Y": "float64",
}

_LETTERS = {"string": "C", "int32": "N", "int64": "N", "float64": "N", "date32": "D", "bool": "L"}
_WIDTHS = {"int32": (9, 0), "int64": (18, 0), "float64": (24, 15), "date32": (8, 0), "bool": (1, 0)}


@dataclass
class Body:
    """Rows of a ``.dbf`` as a matrix of bytes, and the columns decoded of it so far.

    Attributes
    ----------
    matrix : ndarray of uint8 (n, row length)
    rows : ndarray of int64 (n,)
        Ascending numbers of the rows in the source.
    """

    matrix: NDArray[np.uint8]
    rows: NDArray[np.int64]
    _decoded: dict[tuple[Slice, str, str], Decoded] = field(default_factory=dict)
    _told: dict[Slice, NDArray[np.int64]] = field(default_factory=dict)

    def values(self, place: Slice, as_field: Field, encoding: str, rows: NDArray[np.int64]) -> Any:
        """A column of some rows, as an Arrow array."""
        array = self._decode(place, as_field, encoding).array
        if rows is self.rows or np.array_equal(rows, self.rows):
            return array
        return array.take(_arrow_index(np.searchsorted(self.rows, rows)))

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows by their numbers in the source."""
        return self.matrix[np.searchsorted(self.rows, rows)]

    def bad_rows(
        self, place: Slice, as_field: Field, encoding: str, rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Places in ``rows`` of cells without a value of their type."""
        bad = self._decode(place, as_field, encoding).bad
        return np.flatnonzero(np.isin(rows, self.rows[bad])) if len(bad) else bad

    def untold(self, place: Slice, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some rows, by number, that were not asked for before: each cell is told once.

        A layer and those that were split off it have rows of one body.
        """
        known = self._told.get(place, np.empty(0, np.int64))
        self._told[place] = np.union1d(known, rows)
        return np.setdiff1d(rows, known)

    def _decode(self, place: Slice, as_field: Field, encoding: str) -> Decoded:
        key = (place, as_field.arrow, encoding)
        if key not in self._decoded:
            from ..shapefile import values

            cells = self.matrix[:, place.start : place.stop]
            self._decoded[key] = values.decode_cells(cells, as_field, encoding)
        return self._decoded[key]


def _arrow_index(rows: NDArray[np.int64]) -> Any:
    from ..arrays import arrow_of

    return arrow_of(rows)


def taken(column: Any, rows: NDArray[np.int64]) -> Any:
    """Rows of a column; a carried one is found by its rows in the source."""
    if isinstance(column, Slice):
        return column
    if isinstance(column, Whole):
        index = _arrow_index(rows)
        return replace(column, array=column.array.take(index), text=column.text.take(index))
    if isinstance(column, Patched):
        return replace(column, array=column.array.take(_arrow_index(rows)), same=column.same[rows])
    return column.take(_arrow_index(rows))


def field_of(name: str, kind: str) -> Field:
    """The field that holds a new column; its width is chosen when all values are known."""
    return Field(name, _LETTERS[kind], *_WIDTHS.get(kind, (0, 0)), fresh=True)


def kind_of(name: str, arrow: pa.DataType) -> str:
    """The type of a new column as `Field.arrow` spells it.

    Raises
    ------
    StepError
        ``field-type`` where dBASE has no such type.
    """
    from ..shapefile.values import ARROW_TYPES

    kind = next((k for k, t in ARROW_TYPES.items() if t.equals(arrow)), None)
    if kind is None:
        raise StepError(
            f"field '{name}': dBASE has no type for {arrow}; cast it to text, number or DATE, "
            "or have that done with --on-overflow cut or sidecar",
            "field-type",
        )
    return kind


def with_field(fields: tuple[Field, ...], new: Field) -> tuple[Field, ...]:
    """Fields with one replaced (of the same name, minding case last) or added.

    A field whose type stays keeps its width, unless another one is declared.
    """
    # Asked first: where there is none, to look for names that are near costs the most.
    if new.name.casefold() not in {f.name.casefold() for f in fields}:
        return (*fields, new)
    try:
        at = find_field(new.name, [f.name for f in fields])
    except StepError:  # several differ by case: none of them is meant
        return (*fields, new)
    kept = fields[at]
    known = kept.type in "CNFDL" and kept.arrow == new.arrow and new.fresh
    kept = kept if known else replace(new, name=kept.name, origin=kept.origin)
    return (*fields[:at], kept, *fields[at + 1 :])


def virtual(layer: Layer, name: str) -> Any:
    """One of GDAL's fields that no column holds; None for any other name."""
    if name == "FID":
        return _arrow_index(layer.rows)
    if name not in VIRTUAL_TYPES:
        return None
    import shapely

    from ..arrays import arrow_of

    if name == "OGR_GEOM_AREA":
        values = np.nan_to_num(shapely.area(layer.geometry()))
    elif name == "OGR_GEOM_LENGTH":
        values = np.nan_to_num(shapely.length(layer.geometry()))
    else:
        points = shapely.centroid(layer.geometry())
        points[shapely.is_empty(points)] = None  # an empty point has no x: GEOS raises
        values = shapely.get_x(points) if name.endswith("X") else shapely.get_y(points)
    return arrow_of(values, ~np.isnan(values))  # NaN, larger than all to DuckDB, is NULL


def without_bad_values(layer: Layer, names: Sequence[str]) -> Layer:
    """Cells of the named fields without a value of their type: NULL and counted, or rejected."""
    known = layer.header.field_names()
    for name in names:
        try:
            at = find_field(name, known)
        except StepError:  # virtual, or said when it is read
            continue
        column, f = layer.columns[at], layer.header.fields[at]
        if not isinstance(column, Slice) or layer.body is None:
            continue
        bad = layer.body.bad_rows(column, f, layer.header.encoding, layer.rows)
        if not len(bad):
            continue
        if layer.account.on_bad_value == "null" or f.arrow == "string":
            _tell_bad(layer, layer.body, column, f, layer.rows[bad])
            continue
        reason = f"field {f.name} holds what is not {_KINDS[f.arrow]}"
        layer.account.reject("read", layer.rows[bad], (reason,) * len(bad))
        layer = layer.take(np.setdiff1d(np.arange(len(layer)), bad))
    return layer


def _tell_bad(layer: Layer, body: Body, place: Slice, f: Field, rows: NDArray[np.int64]) -> None:
    """Count cells without a value of their type, the first as an example."""
    rows = body.untold(place, rows)
    if not len(rows):
        return
    told = f"are not {_KINDS.get(f.arrow)}, and are read as NULL"
    if f.arrow == "string":
        told = f"hold bytes that are not {layer.header.encoding}"
    cell = body.picked(rows[:1])[0, place.start : place.stop]
    example = bytes(cell).strip(b" \0").decode("latin-1")
    layer.account.lose(f"field {f.name}: values {told}", len(rows), example)


_KINDS = {
    "int32": "whole numbers",
    "int64": "whole numbers",
    "float64": "numbers",
    "date32": "dates",
    "bool": "true or false",
}


def put_fields(layer: Layer, table: pa.Table, patch: bool = False) -> Layer:
    """Replace the fields of these names, add the others at the end.

    With ``patch``, cells whose value did not change keep their bytes.
    """
    if table.num_columns and table.num_rows != len(layer):
        raise StepError(
            f"{table.num_rows} values for {len(layer)} features; return Rows as well",
            "row-mismatch",
        )
    fields, columns = layer.header.fields, list(layer.columns)
    check_names(table.column_names, layer.header.field_names())
    for told, chunked in zip(table.schema, table.columns, strict=True):
        name, before = told.name, fields
        column = holdable(name, chunked.combine_chunks(), layer.account)
        new = field_of(name, kind_of(name, array_of(column).type))
        fields = with_field(fields, declared(new, *sizes_of(told.metadata)))
        if len(fields) > len(before):
            columns.append(column)
            continue
        at = find_field(name, [f.name for f in before])
        same_field = fields[at] == before[at]
        columns[at] = _replaced(layer, at, column) if patch and same_field else column
    header = replace(layer.header, fields=fields)
    return replace(layer, header=header, columns=tuple(columns))


def _replaced(layer: Layer, at: int, column: Any) -> Any:
    """A new column for a carried one; cells that did not change keep their bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..arrays import FALSE, numpy_of

    old = layer.columns[at]
    if not isinstance(old, Slice | Whole) or isinstance(column, Whole):
        return column
    values = layer.values(at)
    equal = pc.equal(values, column).fill_null(FALSE)
    equal = pc.or_(equal, pc.and_(pc.is_null(values), pc.is_null(column)))
    same = numpy_of(equal)
    if isinstance(old, Whole):  # what is left over goes where the value does
        return old if same.all() else Whole(column, pc.if_else(equal, old.text, pa.NULL), old.what)
    return old if same.all() else Patched(column, old, same)


def put_header(layer: Layer, header: Header) -> Layer:
    """Keep the fields that the header lists, in its order; the rest of it as given."""
    left = list(range(len(layer.header.fields)))
    picked = []
    for wanted in header.fields:
        at = next((i for i in left if layer.header.fields[i] == wanted), None)
        if at is None:
            raise StepError(f"the header names a field '{wanted.name}' that is not there")
        left.remove(at)
        picked.append(_in_encoding(layer, at, header.encoding))
    return replace(layer, header=replace(header, count=len(layer)), columns=tuple(picked))


def _in_encoding(layer: Layer, at: int, encoding: str) -> Any:
    """A column that is to be written in an encoding: text of another one is decoded."""
    carried = isinstance(layer.columns[at], Slice | Patched)
    if carried and layer.header.fields[at].type == "C" and encoding != layer.header.encoding:
        return layer.values(at)
    return layer.columns[at]


def put_names(layer: Layer, names: Sequence[str]) -> Layer:
    """Give the fields other names; their columns stay as they are."""
    pairs = zip(layer.header.fields, names, strict=True)
    fields = tuple(replace(f, name=name) for f, name in pairs)
    return replace(layer, header=replace(layer.header, fields=fields))


#: How an aspect that concerns columns is replaced.
PUT: dict[type, Callable[[Layer, Any], Layer]] = {
    Header: put_header,
    Fields: put_fields,
    Names: put_names,
}
