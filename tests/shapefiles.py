"""Tiny shapefiles made byte by byte, so that a test can put any byte where it wants it.

Layout: ESRI Shapefile Technical Description (1998); dBASE III header.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from shpbatch.models import Source
from shpbatch.policy import Policy

WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
NULL = struct.pack("<i", 0)
WITHOUT_PROOF = Policy(proof=False)
#: Name, type, width, decimals.
Column = tuple[bytes, str, int, int]


def point(x: float, y: float) -> bytes:
    """Content of a Point record."""
    return struct.pack("<i2d", 1, x, y)


def point_m(x: float, y: float, m: float) -> bytes:
    """Content of a PointM record."""
    return struct.pack("<i3d", 21, x, y, m)


def point_zm(x: float, y: float, z: float, m: float) -> bytes:
    """Content of a PointZ record, which has an M."""
    return struct.pack("<i4d", 11, x, y, z, m)


def poly(code: int, *parts: Sequence[tuple[float, float]]) -> bytes:
    """Content of a PolyLine (3) or Polygon (5) record."""
    vertices = [v for part in parts for v in part]
    xs, ys = zip(*vertices, strict=True)
    starts = [sum(len(p) for p in parts[:i]) for i in range(len(parts))]
    return (
        struct.pack("<i4d2i", code, min(xs), min(ys), max(xs), max(ys), len(parts), len(vertices))
        + struct.pack(f"<{len(starts)}i", *starts)
        + b"".join(struct.pack("<2d", *v) for v in vertices)
    )


def poly_z(ring: Sequence[tuple[float, float]], heights: Sequence[float]) -> bytes:
    """Content of a PolygonZ record of one ring, without measures."""
    flat = struct.pack("<i", 15) + poly(5, ring)[4:]
    return flat + struct.pack(f"<{2 + len(heights)}d", min(heights), max(heights), *heights)


POINTS = (point(1, 2), point(3, 4), point(5, 6))


def shp_bytes(
    records: Sequence[bytes] = POINTS,
    code: int = 1,
    bounds: tuple[float, float, float, float] = (1, 2, 5, 6),
) -> tuple[bytes, bytes]:
    """The bytes of a ``.shp`` and of its ``.shx``."""
    body, index = bytearray(), bytearray()
    for number, content in enumerate(records, 1):
        index += struct.pack(">2i", 50 + len(body) // 2, len(content) // 2)
        body += struct.pack(">2i", number, len(content) // 2) + content

    def head(size: int) -> bytes:
        return struct.pack(">7i2i", 9994, 0, 0, 0, 0, 0, size // 2, 0, 0)[:28] + struct.pack(
            "<2i8d", 1000, code, *bounds, 0, 0, 0, 0
        )

    return head(100 + len(body)) + body, head(100 + len(index)) + index


def dbf_bytes(
    columns: Sequence[Column],
    rows: Iterable[Sequence[bytes]],
    ldid: int = 0,
    deleted: Sequence[int] = (),
) -> bytes:
    """The bytes of a ``.dbf``; numbers stand right, everything else left."""
    length = 1 + sum(width for _, _, width, _ in columns)
    body, count = bytearray(), 0
    for number, row in enumerate(rows):
        body += b"*" if number in deleted else b" "
        for value, (_, kind, width, _) in zip(row, columns, strict=True):
            body += value.rjust(width) if kind in "NF" else value.ljust(width)
        count += 1
    head = struct.pack(
        "<4B I 2H 17x B 2x", 3, 95, 7, 26, count, 33 + 32 * len(columns), length, ldid
    )
    for name, kind, width, decimals in columns:
        head += struct.pack("<11s c 4x 2B 14x", name, kind.encode(), width, decimals)
    return head + b"\x0d" + body + b"\x1a"


NAMES: Sequence[Column] = ((b"NAME", "C", 20, 0), (b"N", "N", 5, 0))


def rows_of(*names: bytes) -> list[tuple[bytes, bytes]]:
    """Rows for the columns NAME and N."""
    return [(name, str(number).encode()) for number, name in enumerate(names)]


def write(folder: Path, stem: str = "a", /, **members: bytes | str | None) -> Path:
    """Write a layer of three points with two fields and a ``.prj``; return its ``.shp``.

    ``members`` replaces a member by extension, or leaves it out with None.
    """
    shp, shx = shp_bytes()
    files: dict[str, bytes | str | None] = {
        "shp": shp,
        "shx": shx,
        "dbf": dbf_bytes(NAMES, rows_of(b"one", b"two", b"three")),
        "prj": WGS84,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for extension, data in (files | members).items():
        if data is not None:
            path = folder / f"{stem}.{extension}"
            path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder / f"{stem}.shp"


def layer(folder: Path, records: Sequence[bytes], code: int = 1, **members: bytes | None) -> Path:
    """Write a layer of these records, by default without a ``.dbf``."""
    shp, shx = shp_bytes(records, code)
    files: dict[str, bytes | str | None] = {"shp": shp, "shx": shx, "dbf": None}
    return write(folder, **(files | members))


def zipped(path: Path, folder: Path, below: str = "") -> Path:
    """Zip the files of a folder, below a folder inside the zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{below}{file.name}")
    return path


def source(path: Path, member: str | None = None) -> Source:
    """The source that a path names."""
    return Source(str(path), path.name, member)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder with its size and time of change."""
    return {
        os.path.relpath(p, folder): (p.stat().st_size, p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
    }
