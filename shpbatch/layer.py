"""A layer in hand: a header, and aspects that are decoded when a step asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from . import aspects
from .account import Account
from .aspects import find_field
from .errors import StepError
from .models import Field, Header

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ARROW_TYPES", "VIRTUAL_TYPES", "Layer", "field_of", "with_field"]

ARROW_TYPES = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "date32": pa.date32(),
    "bool": pa.bool_(),
}
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


def field_of(name: str, arrow: pa.DataType) -> Field:
    """The field that holds a new column; text is as wide as its widest value (0 = later).

    Raises
    ------
    StepError
        ``field-type`` where dBASE has no such type.
    """
    kind = next((k for k, t in ARROW_TYPES.items() if t.equals(arrow)), None)
    if kind is None:
        raise StepError(
            f"field '{name}': dBASE has no type for {arrow}; cast it to text, number or DATE",
            "field-type",
        )
    return Field(name, _LETTERS[kind], *_WIDTHS.get(kind, (0, 0)))


def with_field(fields: tuple[Field, ...], new: Field) -> tuple[Field, ...]:
    """Fields with one replaced (of the same name, minding case last) or added.

    A field whose type stays keeps its declared width.
    """
    try:
        at = find_field(new.name, [f.name for f in fields])
    except StepError:
        return (*fields, new)
    kept = fields[at]
    kept = kept if kept.arrow == new.arrow else replace(new, name=kept.name)
    return (*fields[:at], kept, *fields[at + 1 :])


@dataclass(frozen=True)
class Layer:
    """Features of one layer, or of a window of it.

    A layer is a value: ``put`` and ``take`` give new ones that share what did
    not change.

    Attributes
    ----------
    header : Header
    columns : tuple of pyarrow arrays
        One a field, in the header's order.
    wkb : pyarrow.Array or None
        Geometry as read, until a step asks for it.
    shapes : ndarray of object or None
        Shapely geometries, once decoded or made.
    rows : ndarray of int64
        Row of each feature in the source.
    account : Account
        Where the engine counts; shared by all layers of one task.
    """

    header: Header
    columns: tuple[Any, ...]
    rows: NDArray[np.int64]
    wkb: Any = None
    shapes: NDArray[np.object_] | None = None
    account: Account = field(default_factory=Account, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    # -- reading -----------------------------------------------------------

    def get(self, aspect: type, columns: Sequence[str] = ()) -> Any:
        """Give one aspect, decoded; ``columns`` are the fields wanted of ``Fields``."""
        if aspect is aspects.Header:
            return self.header
        if aspect is aspects.Fields:
            return self.fields(columns)
        if aspect is aspects.Frame:
            from .frames import to_frame

            return to_frame(self)
        geometry = self.geometry()
        if aspect is aspects.Geometry:
            return geometry.copy()
        if aspect is aspects.Bounds:
            return shapely.bounds(geometry)
        return shapely.get_coordinates(geometry, include_z=self.header.has_z)

    def fields(self, names: Sequence[str]) -> pa.Table:
        """A table of the named fields, under the names that were asked for."""
        # A table knows its rows by its columns: one more, taken off, keeps the count of none.
        rows = {"": pa.nulls(len(self))}
        return pa.table(rows | {n: self.column(n) for n in names}).select(list(names))

    def column(self, name: str) -> Any:
        """One field by name, or one of GDAL's virtual fields (FID, OGR_GEOM_AREA…)."""
        try:
            return self.columns[find_field(name, self.header.field_names())]
        except StepError:
            virtual = self._virtual(name.upper())
            if virtual is None:
                raise
            return pa.array(virtual, from_pandas=True)  # NaN, larger than all to DuckDB, is NULL

    def _virtual(self, name: str) -> Any:
        if name == "FID":
            return self.rows
        if name == "OGR_GEOM_AREA":
            return np.nan_to_num(shapely.area(self.geometry()))
        if name == "OGR_GEOM_LENGTH":
            return np.nan_to_num(shapely.length(self.geometry()))
        if name in ("OGR_GEOM_X", "OGR_GEOM_Y"):
            points = shapely.centroid(self.geometry())
            points[shapely.is_empty(points)] = None  # an empty point has no x: GEOS raises
            return shapely.get_x(points) if name.endswith("X") else shapely.get_y(points)
        return None

    def geometry(self) -> NDArray[np.object_]:
        """Shapely geometries, object (n,), None for null; rows GEOS cannot hold are None too."""
        if self.shapes is not None:
            return self.shapes
        if self.wkb is None:
            return np.full(len(self), None, dtype=object)
        data = np.asarray(self.wkb.to_numpy(zero_copy_only=False), dtype=object)
        shapes = np.asarray(shapely.from_wkb(data, on_invalid="ignore"), dtype=object)
        given = ~np.asarray(self.wkb.is_null(), dtype=bool)
        if (unread := given & shapely.is_missing(shapes)).any():
            shapes[unread] = shapely.from_wkb(data[unread], on_invalid="fix")
            cured = unread & ~shapely.is_missing(shapes)
            self.account.note(
                "unclosed rings, or rings of too few points, were closed", int(cured.sum())
            )
        return shapes

    def decoded(self) -> Layer:
        """The same layer with its geometry decoded; rows that cannot be are rejected."""
        if self.shapes is not None or self.wkb is None:
            return self
        shapes = self.geometry()
        layer = replace(self, wkb=None, shapes=shapes)
        given = ~np.asarray(self.wkb.is_null(), dtype=bool)
        if not (lost := given & shapely.is_missing(shapes)).any():
            return layer
        rows = np.flatnonzero(lost)
        reason = "GEOS cannot hold this geometry (a line of 1 point, a ring of 2, a TIN)"
        self.account.reject("read", self.rows[rows], (reason,) * len(rows))
        return layer.take(np.flatnonzero(~lost))

    # -- writing -----------------------------------------------------------

    def put(self, aspect: type, value: Any) -> Layer:
        """The layer with one aspect replaced; rows must be the layer's own."""
        if aspect is aspects.Header:
            return self._put_header(value)
        if aspect is aspects.Fields:
            return self._put_fields(value)
        if aspect is aspects.Geometry:
            return self._put_shapes(np.asarray(value, dtype=object))
        if aspect is aspects.Coords:
            return replace(self, wkb=None, shapes=_moved(self.geometry(), value))
        raise TypeError(f"a step cannot return {aspect.__name__}")

    def take(self, rows: NDArray[np.int64]) -> Layer:
        """Rows by number: fewer, repeated or in another order."""
        index = pa.array(rows)
        return replace(
            self,
            header=replace(self.header, count=len(rows)),
            columns=tuple(c.take(index) for c in self.columns),
            wkb=None if self.wkb is None else self.wkb.take(index),
            shapes=None if self.shapes is None else self.shapes[rows],
            rows=self.rows[rows],
        )

    def _put_shapes(self, shapes: NDArray[np.object_]) -> Layer:
        if len(shapes) != len(self):
            raise StepError(
                f"{len(shapes)} geometries for {len(self)} features; return Rows as well",
                "row-mismatch",
            )
        return replace(self, wkb=None, shapes=shapes)

    def _put_fields(self, table: pa.Table) -> Layer:
        """Replace the fields of these names, add the others at the end."""
        if table.num_columns and table.num_rows != len(self):
            raise StepError(
                f"{table.num_rows} values for {len(self)} features; return Rows as well",
                "row-mismatch",
            )
        fields, columns = self.header.fields, list(self.columns)
        for name, column in zip(table.column_names, table.columns, strict=True):
            before = fields
            fields = with_field(fields, field_of(name, column.type))
            if len(fields) > len(before):
                columns.append(column)
            else:
                columns[find_field(name, [f.name for f in before])] = column
        header = replace(self.header, fields=fields)
        return replace(self, header=header, columns=tuple(columns))

    def _put_header(self, header: Header) -> Layer:
        """Keep the fields that the header lists, in its order; the rest of it as given."""
        left = list(range(len(self.header.fields)))
        picked = []
        for wanted in header.fields:
            at = next((i for i in left if self.header.fields[i] == wanted), None)
            if at is None:
                raise StepError(f"the header names a field '{wanted.name}' that is not there")
            left.remove(at)
            picked.append(self.columns[at])
        return replace(self, header=replace(header, count=len(self)), columns=tuple(picked))


def _moved(shapes: NDArray[np.object_], coords: NDArray[np.float64]) -> NDArray[np.object_]:
    """Geometries with other coordinates; Z is kept, M is not.

    shapely.set_coordinates makes Z and M of a geometry that has both NaN, so M goes first.
    """
    shapes = shapes.copy()
    both = np.flatnonzero(shapely.has_m(shapes) & shapely.has_z(shapes))
    shapes[both] = shapely.from_wkb(shapely.to_wkb(shapes[both], output_dimension=3))
    return np.asarray(shapely.set_coordinates(shapes, coords), dtype=object)
