"""A writer of large plain shapefiles, by numpy alone.

The inputs must not come from a library that is measured, and millions of rows
written one by one would take longer than the benchmarks. Every record of a
layer has the same size here (coastlines.py has the exception), so a layer is
one structured array.

Layout: ESRI Shapefile Technical Description (1998); dBASE III header.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.bytes_]

POINT, LINE, POLYGON = 1, 3, 5
WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
#: Name, type, width, decimals.
Field = tuple[str, str, int, int]


def write_layer(path: Path, code: int, shapes: Floats, fields: Sequence[Field], rows: Bytes) -> int:
    """Write all files of a layer.

    ``shapes`` is (n, vertices, 2), of points (n, 2); ``rows`` the text of each field, padded.
    Returns the number of bytes of the ``.shp``.
    """
    records = _points(shapes) if code == POINT else _polys(code, shapes)
    flat = shapes.reshape(-1, 2)
    sizes = np.full(len(records), records.dtype.itemsize, dtype=np.int64)
    write_shp(path, code, (flat.min(axis=0), flat.max(axis=0)), sizes, records.tobytes())
    write_rest(path, fields, rows)
    return 100 + records.nbytes


def write_shp(
    path: Path, code: int, box: tuple[Floats, Floats], sizes: npt.NDArray[np.int64], content: bytes
) -> None:
    """Write ``.shp`` and ``.shx``; ``sizes`` are those of whole records, in bytes."""
    index = np.zeros(len(sizes), dtype=[("at", ">i4"), ("words", ">i4")])
    index["at"] = (100 + np.cumsum(sizes) - sizes) // 2
    index["words"] = (sizes - 8) // 2
    for suffix, body in ((".shp", content), (".shx", index.tobytes())):
        with path.with_suffix(suffix).open("wb") as file:
            file.write(struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(body)) // 2))
            file.write(struct.pack("<2i8d", 1000, code, *box[0], *box[1], 0, 0, 0, 0))
            file.write(body)


def write_rest(path: Path, fields: Sequence[Field], rows: Bytes) -> None:
    """Write ``.dbf``, ``.prj`` and ``.cpg``."""
    with path.with_suffix(".dbf").open("wb") as file:
        start = 32 + 32 * len(fields) + 1
        file.write(struct.pack("<4BIHH20x", 3, 124, 1, 1, len(rows), start, rows.dtype.itemsize))
        for name, kind, width, decimals in fields:
            file.write(struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), width, decimals))
        file.write(b"\r" + rows.tobytes() + b"\x1a")
    path.with_suffix(".prj").write_text(WGS84, "ascii")
    path.with_suffix(".cpg").write_text("UTF-8", "ascii")


def empty_rows(fields: Sequence[Field], n: int) -> npt.NDArray[np.void]:
    """Rows to be filled by field name; ``mark`` is the deletion mark."""
    rows = np.zeros(n, dtype=[("mark", "S1"), *((f[0], f"S{f[2]}") for f in fields)])
    rows["mark"] = b" "
    return rows


def integers(values: npt.NDArray[np.int64], width: int) -> Bytes:
    """Whole numbers as a ``.dbf`` has them: on the right."""
    return np.strings.rjust(values.astype(f"S{width}"), width)


def feature_count(folder: Path) -> int:
    """Features below a folder by the headers of its ``.dbf`` files."""
    total = 0
    for path in folder.rglob("*.dbf"):
        with path.open("rb") as file:
            total += struct.unpack("<4xI", file.read(8))[0]
    return total


def _points(shapes: Floats) -> npt.NDArray[np.void]:
    records = np.zeros(
        len(shapes), [("number", ">i4"), ("words", ">i4"), ("code", "<i4"), ("xy", "<f8", 2)]
    )
    records["number"] = np.arange(1, len(shapes) + 1)
    records["words"] = (records.dtype.itemsize - 8) // 2
    records["code"] = POINT
    records["xy"] = shapes
    return records


def _polys(code: int, shapes: Floats) -> npt.NDArray[np.void]:
    n, vertices = shapes.shape[:2]
    records = np.zeros(n, [*POLY_HEAD, ("xy", "<f8", (vertices, 2))])
    records["number"] = np.arange(1, n + 1)
    records["words"] = (records.dtype.itemsize - 8) // 2
    records["code"] = code
    records["low"] = shapes.min(axis=1)
    records["high"] = shapes.max(axis=1)
    records["parts"] = 1
    records["points"] = vertices
    records["xy"] = shapes
    return records


#: Of a PolyLine or Polygon record with one part; the coordinates follow.
POLY_HEAD = [
    ("number", ">i4"), ("words", ">i4"), ("code", "<i4"), ("low", "<f8", 2), ("high", "<f8", 2),
    ("parts", "<i4"), ("points", "<i4"), ("part", "<i4"),
]  # fmt: skip
