"""Read a layer record by record through fiona: the door for what Arrow streams decline.

Fiona carries a GDAL of its own and makes one Python object a value: some
twenty times slower, but independent of `arrow`, and so also its witness.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pyarrow as pa
import shapely
import shapely.geometry

from ..errors import ReadError
from ..layer import ARROW_TYPES
from ..models import Field, Header
from .text import TUNNEL

__all__ = ["read_table"]


def read_table(path: Path, header: Header, ticked: Callable[[float], None]) -> pa.Table:
    """Read a lent layer as `arrow` does: fields in file order, the geometry as WKB last.

    M values do not pass fiona.

    Raises
    ------
    ReadError
        ``gdal-failed``; ``duplicate-fields``, of which fiona would drop one.
    """
    names = header.field_names()
    if len({n.casefold() for n in names}) < len(names):
        raise ReadError("fiona drops one of two fields of the same name", "duplicate-fields")
    columns: list[list[Any]] = [[] for _ in names]
    shapes: list[Any] = []
    try:
        with fiona.open(path, encoding=TUNNEL) as layer:
            keys = list(layer.schema["properties"])
            for record in layer:
                for column, key in zip(columns, keys, strict=True):
                    column.append(record["properties"][key])
                geometry = record["geometry"]
                shapes.append(shapely.geometry.shape(geometry) if geometry is not None else None)
                ticked(len(shapes) / max(1, header.count))
    except (fiona.errors.FionaError, OSError, ValueError) as error:
        raise ReadError(f"neither pyogrio nor fiona can read it: {error}", "gdal-failed") from error
    arrays = [_array(column, f) for column, f in zip(columns, header.fields, strict=True)]
    wkb = shapely.to_wkb(np.array(shapes, dtype=object)) if shapes else []
    fields = [f"c{i}" for i in range(len(arrays))]
    return pa.table([*arrays, pa.array(wkb, pa.binary())], names=[*fields, "wkb_geometry"])


def _array(values: list[Any], field: Field) -> Any:
    kind = ARROW_TYPES[field.arrow]
    if field.type == "D":  # fiona gives dates as text
        values = [None if v is None else date.fromisoformat(v) for v in values]
    elif pa.types.is_string(kind):
        values = [None if v is None else str(v) for v in values]
    return pa.array(values, kind)
