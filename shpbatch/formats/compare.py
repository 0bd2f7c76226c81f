"""What was given to write, and what is read back: compared row by row through 64-bit digests.

They are made by ``pandas.util.hash_array``: two files of any size are compared
in 8 bytes a feature, also where a format keeps features in another order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .table import GEOMETRY

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Digest", "read_back", "same_crs"]

#: Mixes digests of columns: 2^64 over the golden ratio, odd.
MIX = np.uint64(0x9E3779B97F4A7C15)
#: Stands for null in any type.
NULL = np.uint64(0x5BD1E995)


@dataclass
class Digest:
    """Digests of all rows, by column, and of whole rows."""

    columns: dict[str, list[NDArray[np.uint64]]] = field(default_factory=dict)
    count: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append some rows."""
        self.count += batch.num_rows
        total = np.zeros(batch.num_rows, dtype=np.uint64)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            made = _hashed(column)
            total = total * MIX + made
            self.columns.setdefault(name, []).append(np.array([made.sum()], np.uint64))
        self.columns.setdefault("", []).append(total)

    def differs(self, other: Digest, ordered: bool) -> str | None:
        """What is not the same, for people; None where all is."""
        mine, theirs = (np.concatenate([*d.columns.get("", []), _NOTHING]) for d in (self, other))
        if not ordered:
            mine, theirs = np.sort(mine), np.sort(theirs)
        if np.array_equal(mine, theirs):
            return None
        for name in other.columns:
            a, b = (sum(int(v.sum()) for v in d.columns.get(name, ())) for d in (self, other))
            if name and a % 2**64 != b % 2**64:
                return "geometries are" if name == GEOMETRY else f"values of the field {name} are"
        return "features are"


_NOTHING: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


def _hashed(column: Any) -> NDArray[np.uint64]:
    """A digest of each value; null has one of its own."""
    import pandas as pd
    import pyarrow as pa

    null = column.is_null().to_numpy(zero_copy_only=False)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        values = column.cast(pa.binary()).to_numpy(zero_copy_only=False)
        values = np.where(null, b"", values)
    elif pa.types.is_floating(kind):
        values = column.fill_null(0).to_numpy(zero_copy_only=False) + 0.0  # no -0.0
    else:
        whole = column.cast(pa.int32()) if pa.types.is_date32(kind) else column
        whole = whole.cast(pa.int64()) if not pa.types.is_boolean(whole.type) else whole
        values = whole.fill_null(False if pa.types.is_boolean(whole.type) else 0)
        values = values.to_numpy(zero_copy_only=False).astype(np.int64)
    made = pd.util.hash_array(values, categorize=False)
    return np.where(null, NULL, made).astype(np.uint64)


def read_back(path: Path, schema: pa.Schema, suffix: str, layer: str) -> Digest:
    """Digest of a layer, its columns as those that were written.

    Raises
    ------
    Exception
        Of GDAL or Arrow, where it cannot be read, or a column is not there.
    """
    import pyarrow as pa

    digest = Digest()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                digest.add(_as_meant(batch, schema, "geometry"))
        return digest
    import pyogrio

    # GDAL's own Arrow reader of FlatGeobuf ends the process at a null geometry (3.12.4).
    pyogrio.set_gdal_config_options({"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"})
    options: dict[str, Any] = {}
    if suffix == ".gpkg":
        options = {"layer": layer}
    elif suffix == ".geojson":
        options = {"DATE_AS_STRING": "YES", "NATIVE_DATA": "NO"}
    with pyogrio.open_arrow(path, use_pyarrow=True, **options) as (meta, batches):
        geometry = meta["geometry_name"] or "wkb_geometry"
        for batch in batches:
            if isinstance(batch, pa.RecordBatch):
                digest.add(_as_meant(batch, schema, geometry))
    return digest


def _as_meant(batch: pa.RecordBatch, schema: pa.Schema, geometry: str) -> pa.RecordBatch:
    """The columns under their names and types; what cannot be cast is not what was written."""
    import pyarrow as pa

    columns = []
    for f in schema:
        column = batch.column(geometry if f.name == GEOMETRY else f.name)
        if pa.types.is_string(column.type) and pa.types.is_date32(f.type):
            column = column.cast(pa.timestamp("s")) if column.null_count < len(column) else column
        if pa.types.is_timestamp(column.type) and column.type.tz:
            column = column.cast(pa.timestamp("ms"))
        columns.append(_text(column).cast(f.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _text(column: Any) -> Any:
    """A column of nothing but nulls, which any type may have."""
    import pyarrow as pa

    if len(column) and column.null_count == len(column):
        return pa.nulls(len(column))
    return column


def same_crs(found: str | None, meant: str | None, suffix: str) -> bool:
    """Whether a CRS was read back as it was meant, whatever the order of its axes."""
    if meant is None:  # of GeoJSON readers take WGS 84, of a GeoPackage "undefined"
        return suffix == ".geojson" or found is None or "ndefined" in found
    if found is None:
        return False
    from pyproj import CRS

    both = (CRS.from_user_input(text) for text in (found, meant))
    # Without the parameters of a datum shift (TOWGS84), which no other format keeps.
    a, b = (crs.source_crs if crs.is_bound and crs.source_crs else crs for crs in both)
    if a.equals(b, ignore_axis_order=True):
        return True
    code = a.to_epsg(25)  # the same of both, however they are spelled
    return code is not None and bool(code == b.to_epsg(25))
