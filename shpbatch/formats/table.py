"""A staged shapefile as Arrow tables: what a format without its limits can hold of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..account import Account
from ..engine.columns import without_bad_values
from ..engine.reading import layer_of
from ..models import Field, Header, Source
from ..shapefile.reader import Reader
from ..shapefile.spilled import OVERFLOW, read_spilled

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..engine.layer import Layer

__all__ = ["GEOMETRY", "Left", "Staging", "WholeColumn"]

#: Name of the geometry column while it is on its way; no .dbf has such a long one.
GEOMETRY = "wkb_geometry_of_shpbatch"
#: Types of dBASE whose cells hold their values.
_HELD = "CNFDL"
#: Bytes of a null record's content.
NULL_SIZE = 4
#: How a time ends that tells its zone.
_ZONE = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)$")
#: From here on not every whole number is a float64.
EXACT = float(2**53)


#: A value that is not in the layer: its row there, place and name of its field, the value.
Left = tuple[int, int, str, str]


@dataclass(frozen=True, slots=True)
class WholeColumn:
    """Values of a field that are whole beside the ``.dbf``: rows in the layer, and values."""

    rows: NDArray[np.int64]
    values: Any


@dataclass
class Staging:
    """A staged set, and what its fields are called and hold in another format.

    Attributes
    ----------
    shp : Path
    header : Header
        Its fields under the names of the ``.dbf``.
    names : sequence of str
        Names of the fields in the other format.
    with_m : bool
        Whether that holds measures.
    account : Account
        Where is counted what cannot be kept.
    """

    shp: Path
    header: Header
    names: Sequence[str]
    with_m: bool
    account: Account
    whole: dict[int, WholeColumn] = field(default_factory=dict)

    def held(self) -> list[int]:
        """Places of the fields that can be read."""
        return [i for i, f in enumerate(self.header.fields) if f.type in _HELD]

    def schema(self) -> pa.Schema:
        """The schema of all tables, the geometry last."""
        import pyarrow as pa

        columns = [(self.names[i], self._type(i)) for i in self.held()]
        return pa.schema([*columns, (GEOMETRY, pa.binary())])

    def _type(self, at: int) -> Any:
        from ..shapefile.values import ARROW_TYPES

        if at in self.whole:
            return self.whole[at].values.type
        return ARROW_TYPES[self.header.fields[at].arrow]

    def restore(self) -> list[Left]:
        """Take back values that were too wide for the ``.dbf``; give those that stay outside."""
        found: dict[str, list[tuple[int, str]]] = {}
        for row, name, value in read_spilled(self.shp.with_suffix(f".{OVERFLOW}")):
            found.setdefault(name, []).append((row, value))
        left: list[Left] = []
        for name, pairs in found.items():
            at = self.header.field_names().index(name)
            values = _typed([v for _, v in pairs], self.header.fields[at])
            if values is None:
                left += [(row, at, self.names[at], value) for row, value in pairs]
                text = f"field {self.names[at]}: values are not kept whole"
                self.account.lose(text, len(pairs), pairs[0][1])
                continue
            self.whole[at] = WholeColumn(np.array([row for row, _ in pairs]), values)
        return left

    def has_measures(self) -> bool:
        """Whether vertices have measures; where they have Z, that only they themselves tell."""
        if not self.header.has_z or self.header.geometry_type == "MultiPatch":
            return self.header.has_m
        import shapely

        with Reader(Source(str(self.shp), self.shp.name)) as reader:
            return any(
                shapely.has_m(layer_of(w, self.header, reader, Account()).geometry()).any()
                for w in reader.windows(checked=False)
            )

    def tables(self, quiet: bool = False) -> Iterator[pa.RecordBatch]:
        """All rows, in order; ``quiet`` counts nothing."""
        account = Account() if quiet else self.account
        for f in self.header.fields:
            if f.type not in _HELD:
                text = f"field {f.name} of the dBASE type {f.type} is left out"
                account.lose(text, max(1, self.header.count))
        with Reader(Source(str(self.shp), self.shp.name)) as reader:
            for window in reader.windows(checked=False):
                counted = Account()
                layer = layer_of(window, self.header, reader, counted)
                batch = self._batch(layer, window.records.sizes)
                for text, count in counted.losses.items():
                    account.lose(text, count, counted.examples.get(text))
                yield batch

    def _batch(self, layer: Layer, sizes: NDArray[np.int64]) -> pa.RecordBatch:
        import pyarrow as pa

        held = self.held()
        layer = without_bad_values(layer, [self.header.fields[i].name for i in held])
        columns = [self._column(layer, i) for i in held]
        geometry = pa.array(self._geometry(layer, sizes), pa.binary())
        return pa.RecordBatch.from_arrays([*columns, geometry], schema=self.schema())

    def _column(self, layer: Layer, at: int) -> Any:
        import pyarrow.compute as pc

        array = layer.values(at)
        f = self.header.fields[at]
        if f.type in "NF" and not f.decimals and f.width > 18:
            wide = pc.sum(pc.greater_equal(pc.abs(array), EXACT)).as_py() or 0
            layer.account.lose(f"field {f.name}: numbers of 16 digits or more are reals", wide)
        if at not in self.whole:
            return array
        import pyarrow as pa

        whole = self.whole[at]
        array = array.cast(whole.values.type)
        if not len(layer):
            return array
        inside = (whole.rows >= layer.rows[0]) & (whole.rows <= layer.rows[-1])
        order = np.argsort(whole.rows[inside])
        mask = np.zeros(len(layer), dtype=bool)
        mask[whole.rows[inside] - layer.rows[0]] = True
        new = whole.values.filter(pa.array(inside)).take(pa.array(order))
        return pc.replace_with_mask(array, pa.array(mask), new)

    def _geometry(self, layer: Layer, sizes: NDArray[np.int64]) -> NDArray[np.object_]:
        """WKB, of lines and polygons always as multi; None for null."""
        import shapely

        shapes = layer.geometry()
        lost = np.flatnonzero(shapely.is_missing(shapes) & (sizes > NULL_SIZE))
        if len(lost):
            text = "geometries without a vertex, or that GEOS cannot hold, are written as null"
            layer.account.lose(text, len(lost), f"FID {layer.rows[lost[0]]}")
        measured = np.flatnonzero(shapely.has_m(shapes))
        if len(measured) and not self.with_m:
            example = f"FID {layer.rows[measured[0]]}"
            layer.account.lose("M is dropped: the format holds none", len(measured), example)
            shapes = shapes.copy()
            shapes[measured] = _without_measures(shapes[measured])
        shapes = _multi(shapes)
        made: NDArray[np.object_] = shapely.to_wkb(
            shapes, output_dimension=4, byte_order=1, flavor="iso"
        )
        return np.asarray(made, dtype=object)


def _without_measures(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Geometries without M; not by ``force_3d``, which makes Z 0 where there is M (GEOS 3.14)."""
    import shapely

    solid: NDArray[np.object_] = shapely.from_wkb(shapely.to_wkb(shapes, output_dimension=3))
    return np.where(shapely.has_z(shapes), solid, shapely.force_2d(shapes))


def _multi(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Lines and polygons as collections of one, so that a layer has one type."""
    import shapely

    shapes = shapes.copy()
    kinds = shapely.get_type_id(shapes)
    for kind, collect in ((1, shapely.multilinestrings), (3, shapely.multipolygons)):
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            shapes[rows] = collect(shapes[rows], indices=np.arange(len(rows)))
    return shapes


def _typed(texts: list[str], f: Field) -> Any:
    """Whole values in the type of their field, dates with their times; None where they are none."""
    import pyarrow as pa

    array = pa.array(texts, pa.string())
    if f.type == "C":
        return array
    try:
        if f.type == "D":
            zoned = all(_ZONE.search(text) for text in texts)
            times = array.cast(pa.timestamp("ms", "UTC" if zoned else None))
            ms = times.cast(pa.int64()).to_numpy()
            # GDAL 3.12 writes 1969-12-31T23:59:59.5 as 1970-01-01T00:00:00.
            return None if ((ms < 0) & (ms % 1000 != 0)).any() else times
        if f.type in "NF":
            return array.cast(pa.float64() if f.decimals or f.arrow == "float64" else pa.int64())
    except pa.ArrowInvalid:
        return None
    return None
