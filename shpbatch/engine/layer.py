"""A layer in hand: a header, and aspects that are decoded when a step asks for them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..account import Account
from ..errors import StepError
from ..header import shape_code
from ..models import Header
from ..shapefile.columns import Slice, array_of
from ..shapefile.encode import encode
from ..shapefile.ragged import Ragged
from ..shapefile.records import NO_RECORDS, Records, join_records
from ..shapefile.shp import decode, record_ranges
from . import aspects
from .aspects import find_field
from .moves import put_coords, put_shapes, put_vertices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..shapefile.shapes import Shapes
    from .columns import Body

__all__ = ["Layer"]

#: Whether objects are not the very same: asked of each row, a tenth of what a loop in Python takes.
_are_others = np.frompyfunc(operator.is_not, 2, 1)


@dataclass(frozen=True)
class Layer:
    """Features of one layer, or of a window of it.

    A layer is a value: ``put`` and ``take`` give new ones that share what did
    not change. Geometry is in up to three forms: ``records`` (bytes as
    found), or ``ragged`` (vertices that steps changed; beside ``records`` where
    the rows left alone keep their bytes), and ``shapes`` made of them. A row
    whose shape is still the one in ``origin`` keeps its bytes.

    Attributes
    ----------
    header : Header
    columns : tuple
        One a field, in the header's order: a `Slice` of the source's rows
        while it is carried, else a pyarrow array.
    rows : ndarray of int64
        Row of each feature in the source.
    body : Body or None
        The rows of the ``.dbf`` that ``columns`` are slices of.
    code : int
        Shape type of ``records`` or ``ragged``.
    shapes, origin : ndarray of object or None
        Shapely geometries: as they are, and as they were made of the records.
    sinks : pyarrow.Array or None
        Name of the sink that each row goes to, where there are several.
    kind, beside : str, tuple of Layer
        What was split off this layer: layers of another kind of geometry, which they tell.
    account : Account
        Where the engine counts; shared by all layers of one task.
    """

    header: Header
    columns: tuple[Any, ...]
    rows: NDArray[np.int64]
    body: Body | None = None
    code: int = 0
    records: Records | None = None
    ragged: Ragged | None = None
    shapes: NDArray[np.object_] | None = None
    origin: NDArray[np.object_] | None = None
    sinks: Any = None
    kind: str = ""
    beside: tuple[Layer, ...] = ()
    account: Account = field(default_factory=Account, compare=False)
    _cache: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, aspect: type, columns: Sequence[str] = ()) -> Any:
        """Give one aspect, decoded; ``columns`` are the fields wanted of ``Fields``."""
        if aspect is aspects.Header:
            return self.header
        if aspect is aspects.Fields:
            return self.fields(columns)
        if aspect is aspects.Frame:
            from .frames import to_frame

            return to_frame(self)
        if aspect is aspects.Geometry:
            return self.geometry().copy()
        if aspect is aspects.Bounds:
            return self.bounds()
        return self.vertices() if aspect is aspects.Vertices else self.vertices().coords

    def fields(self, names: Sequence[str]) -> Any:
        """A table of the named fields, under the names that were asked for."""
        import pyarrow as pa

        # A table knows its rows by its columns: one more, taken off, keeps the count of none.
        rows = {"": pa.nulls(len(self))}
        return pa.table(rows | {n: self.column(n) for n in names}).select(list(names))

    def column(self, name: str) -> Any:
        """One field by name, or one of GDAL's virtual fields (FID, OGR_GEOM_AREA…)."""
        try:
            at = find_field(name, self.header.field_names())
        except StepError:
            from .columns import virtual

            found = virtual(self, name.upper())
            if found is None:
                raise
            return found
        return self.values(at)

    def values(self, at: int) -> Any:
        """The column at a place, as an Arrow array."""
        column = self.columns[at]
        if not isinstance(column, Slice):
            return array_of(column)
        assert self.body is not None
        return self.body.values(column, self.header.fields[at], self.header.encoding, self.rows)

    def geometry(self) -> NDArray[np.object_]:
        """Shapely geometries, object (n,), None for null; rows GEOS cannot hold are None too."""
        return self.shapes if self.shapes is not None else self._made().shapes

    def decoded(self) -> Layer:
        """The same layer with its geometry as shapes; rows that cannot be are rejected."""
        if self.shapes is not None:
            return self
        made = self._made()
        layer = replace(self, shapes=made.shapes, origin=made.shapes.copy())
        if not made.lost.any():
            return layer
        from ..shapefile.shapes import LOST

        self.account.reject("read", self.rows[made.lost], (LOST,) * int(made.lost.sum()))
        return layer.take(np.flatnonzero(~made.lost))

    def _made(self) -> Shapes:
        """Shapes of the records, or of the vertices that steps changed."""
        from .decoding import shapes_of, shapes_of_records

        if self.ragged is None and self.records is not None:
            made = shapes_of_records(self.records, self.code, self.account)
        else:
            made = shapes_of(self.vertices(), self.account)
        cured = "unclosed rings, or rings of too few points, were closed"
        self.account.note(cured, int(made.cured.sum()))
        return made

    def vertices(self) -> Ragged:
        """The vertices of all rows, no geometry object made where no step made one."""
        if "vertices" not in self._cache:
            self._cache["vertices"] = self._vertices()
            # What a step makes of them is compared with these: it must not change them.
            self._cache["vertices"].coords.flags.writeable = False
        found: Ragged = self._cache["vertices"]
        return found

    def _vertices(self) -> Ragged:
        if not len(self):  # what the steps would have made is told by the header, of nulls too
            return decode(NO_RECORDS, shape_code(self.header))
        changed = self.changed() | (self.code != shape_code(self.header) and self._is_blank())
        if self.ragged is not None and not changed.any():
            return self.ragged
        code = shape_code(self.header) if changed.any() else self.code
        if self.shapes is not None and (changed.all() or code != self.code):
            return self._taken_apart(code)
        from .decoding import vertices_of

        return vertices_of(self.encoded(code), code)

    def _is_blank(self) -> bool:
        return self.shapes is not None and all(s is None for s in self.shapes)

    def _taken_apart(self, code: int) -> Ragged:
        """Vertices of the shapes of all rows."""
        from ..shapefile.vertices import from_shapes

        if code not in self._cache:
            self._cache[code] = from_shapes(self.geometry(), code)
        found: Ragged = self._cache[code]
        return found

    def bounds(self) -> NDArray[np.float64]:
        """Boxes (n, 4), as the records have them where no step changed the geometry."""
        if self.shapes is not None and self.changed().any():
            import shapely

            boxes: NDArray[np.float64] = shapely.bounds(self.shapes)
            return boxes
        if self.ragged is not None:
            return self.ragged.bounds()
        if self.records is None:
            return np.full((len(self), 4), np.nan)
        return record_ranges(self.records, self.code)[:, :4]

    def changed(self) -> NDArray[np.bool_]:
        """Rows whose shape is not the very object that was made of the record."""
        if self.shapes is None:
            return np.zeros(len(self), dtype=bool)
        if self.origin is None:
            return np.ones(len(self), dtype=bool)
        return np.asarray(_are_others(self.shapes, self.origin), dtype=bool)

    def encoded(self, code: int) -> Records:
        """The geometry as records of a shape type: bytes as found where no step changed them."""
        changed = self.changed()
        kept = self.records
        if kept is None and self.ragged is not None:
            kept = encode(self.ragged)
        if kept is not None and self.code == code and not changed.any():
            return kept
        if kept is None or self.code != code or changed.all():
            return encode(self._taken_apart(code))
        from ..shapefile.vertices import from_shapes

        assert self.shapes is not None
        made = encode(from_shapes(self.shapes[changed], code))
        return join_records(kept.take(np.flatnonzero(~changed)), made, changed)

    def carries_records(self, code: int) -> bool:
        """Whether every row's record is the source's own."""
        own = self.records is not None and self.ragged is None and self.code == code
        return own and not self.changed().any()

    def put(self, aspect: type, value: Any) -> Layer:
        """The layer with one aspect replaced; rows must be the layer's own."""
        if aspect in (aspects.Header, aspects.Fields, aspects.Names):
            from .columns import PUT

            return PUT[aspect](self, value)
        if aspect is aspects.Geometry:
            return put_shapes(self, np.asarray(value, dtype=object))
        if aspect is aspects.Coords:
            return put_coords(self, np.asarray(value, dtype=np.float64))
        if aspect is aspects.Vertices:
            return put_vertices(self, value)
        if aspect is aspects.Sinks:
            return replace(self, sinks=value)
        raise TypeError(f"a step cannot return {aspect.__name__}")

    def take(self, rows: NDArray[np.int64]) -> Layer:
        """Rows by number: fewer, repeated or in another order."""
        from .columns import taken

        return replace(
            self,
            header=replace(self.header, count=len(rows)),
            columns=tuple(taken(c, rows) for c in self.columns),
            records=None if self.records is None else self.records.take(rows),
            ragged=None if self.ragged is None else self.ragged.take(rows),
            shapes=None if self.shapes is None else self.shapes[rows],
            origin=None if self.origin is None else self.origin[rows],
            rows=self.rows[rows],
            sinks=None if self.sinks is None else taken(self.sinks, rows),
        )
