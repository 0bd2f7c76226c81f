"""GeoParquet 1.1, written by Arrow: https://geoparquet.org/releases/v1.1.0/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .compare import Digest
from .joined import Table
from .table import GEOMETRY

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["crs_of", "write_parquet"]

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
