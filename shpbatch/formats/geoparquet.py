"""GeoParquet 1.1, written by Arrow: https://geoparquet.org/releases/v1.1.0/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ReadError
from .compare import Digest
from .joined import Table
from .table import GEOMETRY

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["crs_of", "read_parquet", "write_parquet"]

VERSION = "1.1.0"
#: Name of the geometry column.
COLUMN = "geometry"


def write_parquet(path: Path, staging: Table, crs: str | None, kind: str) -> Digest:
    """Write a layer; the metadata, with the bounds, at the end.

    Parameters
    ----------
    path : Path
    staging : Table
    crs : str or None
        Written as PROJJSON; None says that it is not known.
    kind : str
        Type of all geometries, "Unknown" for any.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    schema, digest = staging.schema(), Digest()
    named = pa.schema([f if f.name != GEOMETRY else f.with_name(COLUMN) for f in schema])
    bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with pq.ParquetWriter(path, named, compression="zstd") as writer:
        for batch in staging.tables():
            digest.add(batch)
            writer.write_batch(batch.rename_columns(named.names))
            shapes = shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False))
            if len(shapes):
                bounds = _united(bounds, shapely.total_bounds(shapes))
        told = {"geo": json.dumps(_metadata(crs, kind, bounds))}
        writer.add_key_value_metadata(told)
    return digest


def _united(bounds: NDArray[np.float64], more: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.fmin(bounds[:2], more[:2]), np.fmax(bounds[2:], more[2:])
    return np.concatenate([low, high])


def _metadata(crs: str | None, kind: str, bounds: NDArray[np.float64]) -> dict[str, Any]:
    from pyproj import CRS

    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [] if kind == "Unknown" else [kind],
        "crs": None if crs is None else CRS.from_user_input(crs).to_json_dict(),
    }
    if np.isfinite(bounds).all():
        column["bbox"] = bounds.tolist()
    return {"version": VERSION, "primary_column": COLUMN, "columns": {COLUMN: column}}


def crs_of(path: Path) -> str | None:
    """The CRS that a file tells, as PROJJSON."""
    import pyarrow.parquet as pq

    told = json.loads(pq.read_metadata(path).metadata[b"geo"])
    crs = told["columns"][told["primary_column"]]["crs"]
    return None if crs is None else json.dumps(crs)


def read_parquet(path: Path) -> tuple[str | None, str, pa.Table, NDArray[np.object_]]:
    """The CRS, the declared type, the attributes and the geometries (WKB) of a file.

    Raises
    ------
    ReadError
        ``source-unreadable`` for a file that is no GeoParquet, or holds no WKB.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        name, told = _primary(file.schema_arrow.metadata or {})
        table = file.read()
    if told.get("encoding") != "WKB":
        raise ReadError(
            f"its geometries are encoded as {told.get('encoding')!r}, which is not read; "
            "write it with the encoding WKB",
            "source-unreadable",
        )
    crs, kinds = told.get("crs", "OGC:CRS84"), told.get("geometry_types") or [""]
    crs = json.dumps(crs) if isinstance(crs, dict) else crs
    return crs, kinds[0], table.drop_columns([name]), table.column(name).to_numpy()


def _primary(metadata: dict[bytes, bytes]) -> tuple[str, dict[str, Any]]:
    """Name of the geometry column, and what is told of it."""
    if b"geo" not in metadata:
        raise ReadError("no GeoParquet: it has no 'geo' metadata", "source-unreadable")
    try:
        told = json.loads(metadata[b"geo"])
        return told["primary_column"], dict(told["columns"][told["primary_column"]])
    except (ValueError, TypeError, KeyError):
        reason = "no GeoParquet: its 'geo' metadata names no column of geometries"
        raise ReadError(reason, "source-unreadable") from None
