"""GeoJSON: a feature a line, numbers so that they are read back to the last bit.

GDAL's own writer cuts 0.30000000000000004 to 0.3. As GDAL does by default,
coordinates stay as they are, and the CRS is told by the ``crs`` member of the
specification of 2008: RFC 7946 knows WGS 84 only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .compare import Digest
from .joined import Table
from .table import GEOMETRY

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_geojson"]

#: Rows in memory as text at once.
CHUNK = 4_096
#: The default of readers; its axes are in the order of the coordinates.
WGS84 = "urn:ogc:def:crs:OGC:1.3:CRS84"


def write_geojson(path: Path, staging: Table, layer: str, crs: str | None) -> Digest:
    """Write a layer as a FeatureCollection.

    Parameters
    ----------
    path : Path
    staging : Table
    layer : str
        Its name.
    crs : str or None
        ``EPSG:32650``; None is not told, and taken for WGS 84 by readers.
    """
    digest, comma = Digest(), ""
    head = {"type": "FeatureCollection", "name": layer}
    if crs is not None:
        head |= {"crs": {"type": "name", "properties": {"name": _urn(crs)}}}  # type: ignore[dict-item]
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [\n')
        for batch in staging.tables():
            digest.add(batch)
            for at in range(0, batch.num_rows, CHUNK):
                file.write(comma + ",\n".join(_features(batch.slice(at, CHUNK))))
                comma = ",\n"
        file.write("\n]}\n")
    return digest


def _urn(crs: str) -> str:
    authority, _, code = crs.partition(":")
    return WGS84 if crs == "EPSG:4326" else f"urn:ogc:def:crs:{authority}::{code}"


def _features(batch: pa.RecordBatch) -> Iterator[str]:
    import shapely

    at = batch.schema.get_field_index(GEOMETRY)
    shapes = shapely.from_wkb(batch.column(at).to_numpy(zero_copy_only=False))
    texts = np.asarray(shapely.to_geojson(shapes), dtype=object).reshape(len(shapes))
    rows = batch.remove_column(at).to_pylist() if at else [{}] * len(shapes)
    for row, text in zip(rows, texts, strict=True):
        properties = json.dumps(row, ensure_ascii=False, default=_shown)
        yield f'{{"type":"Feature","properties":{properties},"geometry":{text or "null"}}}'


def _shown(value: Any) -> str:
    """Dates and times as ISO 8601."""
    return str(value.isoformat(timespec="milliseconds") if hasattr(value, "hour") else value)
