"""Layers made by hand, the corpus, and the versions that a run of the tests is about."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, settings

from shpbatch.account import Account
from shpbatch.durable import Files
from shpbatch.engine.layer import Layer
from shpbatch.models import Field, Header
from shpbatch.publishing import ledger
from shpbatch.shapefile.values import ARROW_TYPES

# A change must not fail by the luck of another draw: SHPBATCH_RANDOM=1 looks for new examples.
# Nor by what else the machine does: no test is about the time that an example takes.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeatable", derandomize=True, **_UNTIMED)
settings.register_profile("random", **_UNTIMED)
settings.load_profile("random" if os.environ.get("SHPBATCH_RANDOM") else "repeatable")

# Thousands of runs would wait for the disk: what is synced, and when, is in test_journal.
Files.sync = lambda self, path: None  # type: ignore[method-assign]
Files.sync_all = lambda self, paths: None  # type: ignore[method-assign]
ledger._SYNC["full"] = "OFF"

#: WGS 84 as ESRI writes it into a .prj.
WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
FIELDS = (
    Field("NAME", "C", 10),
    Field("pop", "N", 5),
    Field("big", "N", 15),
    Field("area", "N", 12, 3),
    Field("day", "D", 8),
    Field("ok", "L", 1),
)
#: One row each; a layer has the first of them, as many as it has geometries.
VALUES: tuple[tuple[Any, ...], ...] = (
    ("a", 10, 10**12, 1.5, datetime.date(2020, 2, 29), True),
    ("b", 20, None, -2.25, None, False),
    (None, None, -7, None, datetime.date(1999, 12, 31), None),
    ("a", 40, 3, 0.0, datetime.date(2020, 2, 29), True),
)
_HOLED = (
    "POLYGON ((10 50, 10 51, 11 51, 11 50, 10 50), (10.2 50.2, 10.4 50.2, 10.4 50.4, 10.2 50.2))"
)
_MULTI = "MULTIPOLYGON (((12 50, 12 51, 13 51, 12 50)), ((12 52, 12 53, 13 53, 12 52)))"
_PLAIN = "POLYGON ((11 50, 11 51, 12 51, 12 50, 11 50))"
_MULTILINE = "MULTILINESTRING ((11 51, 11 52), (12 51, 12 52, 12.5 52))"

#: Geometry type, Z, M and geometries of each layer made by hand. All lie in 9..14, 49..54.
LAYERS: dict[str, tuple[str, bool, bool, tuple[str | None, ...]]] = {
    "points": ("Point", False, False, ("POINT (10 50)", "POINT (11 51)", "POINT (12 52.5)")),
    "points_z": ("Point", True, False, ("POINT Z (10 50 7)", "POINT Z (11 51 -3)")),
    "points_m": ("Point", False, True, ("POINT M (10 50 7)", "POINT M (11 51 -3)")),
    "points_zm": ("Point", True, False, ("POINT ZM (10 50 7 1)", "POINT ZM (11 51 -3 2)")),
    "multipoints": (
        "MultiPoint", False, False,
        ("MULTIPOINT ((10 50), (11 51))", "MULTIPOINT ((12 52))", "MULTIPOINT ((10 53), (9 49))"),
    ),
    "lines": (
        "PolyLine", False, False,
        ("LINESTRING (10 50, 11 50, 11 51)", _MULTILINE, "LINESTRING (9 49, 14 54)"),
    ),
    "lines_z": ("PolyLine", True, False, ("LINESTRING Z (10 50 1, 11 51 2)", None)),
    "lines_m": ("PolyLine", False, True, ("LINESTRING M (10 50 1, 11 51 2)", None)),
    "lines_zm": ("PolyLine", True, False, ("LINESTRING ZM (10 50 1 5, 11 51 2 6)",)),
    "polygons": ("Polygon", False, False, (_HOLED, _PLAIN, _MULTI, _PLAIN)),
    "polygons_z": (
        "Polygon", True, False, ("POLYGON Z ((10 50 1, 10 51 2, 11 51 3, 10 50 1))", None),
    ),
    "null_rows": ("Polygon", False, False, (None, _HOLED, None, _MULTI)),
    "all_null": ("PolyLine", False, False, (None, None)),
    "empties": ("Polygon", False, False, ("POLYGON EMPTY", _HOLED, "MULTIPOLYGON EMPTY", None)),
    "no_fields": ("Point", False, False, ("POINT (10 50)", None, "POINT (11 51)")),
    "no_rows": ("Polygon", False, False, ()),
    "nothing": ("Point", False, False, ()),
    "null_type": ("Null", False, False, (None, None, None)),
}  # fmt: skip
WITHOUT_FIELDS = ("no_fields", "nothing")


def hand_made(name: str) -> Layer:
    """A layer of `LAYERS`, as if it had just been read."""
    geometry_type, has_z, has_m, wkt = LAYERS[name]
    fields = () if name in WITHOUT_FIELDS else FIELDS
    columns = [
        pa.array([VALUES[row][i] for row in range(len(wkt))], ARROW_TYPES[f.arrow])
        for i, f in enumerate(fields)
    ]
    shapes = np.empty(len(wkt), dtype=object)
    shapes[:] = [None if text is None else shapely.from_wkt(text) for text in wkt]
    header = Header(
        geometry_type, has_z=has_z, has_m=has_m, count=len(wkt), fields=fields, crs=WGS84
    )
    rows = np.arange(len(wkt), dtype=np.int64)
    return Layer(
        header,
        tuple(columns),
        rows,
        shapes=shapes,
        account=Account(declared=len(wkt), read=len(wkt)),
    )


def without_crs(layer: Layer) -> Layer:
    """The same layer as if its .prj were missing."""
    return replace(layer, header=replace(layer.header, crs=None))


@pytest.fixture
def made() -> Callable[[str], Layer]:
    """Layers made by hand, by name."""
    return hand_made


@pytest.fixture(params=sorted(LAYERS))
def layer(request: pytest.FixtureRequest) -> Layer:
    """Every layer made by hand in turn."""
    return hand_made(request.param)


@pytest.fixture
def shapefile(tmp_path: Path) -> Callable[[str], Path]:
    """Write a layer made by hand as a shapefile with pyshp, and give its path."""

    def write(name: str) -> Path:
        return write_shapefile(name, tmp_path / f"{name}.shp")

    return write


def write_shapefile(name: str, path: Path) -> Path:
    """Write a layer of `LAYERS` with pyshp: no code of shpbatch and no GDAL has a part in it."""
    import shapefile as pyshp

    geometry_type, has_z, has_m, _ = LAYERS[name]
    layer = hand_made(name)
    code = {"Null": 0, "Point": 1, "PolyLine": 3, "Polygon": 5, "MultiPoint": 8}[geometry_type]
    code += 10 if has_z else 20 if has_m else 0
    with pyshp.Writer(str(path), shapeType=code, encoding="utf-8") as writer:
        for f in layer.header.fields or (Field("FID", "N", 9),):
            writer.field(f.name, f.type, size=f.width, decimal=f.decimals)
        for i, geometry in enumerate(layer.shapes):
            _shape(writer, code, geometry)
            values = [c[i].as_py() for c in layer.columns] or [i]
            writer.record(*("" if v is None else v for v in values))
    if layer.header.fields:
        _mark_unknown(path.with_suffix(".dbf"))
    else:
        path.with_suffix(".dbf").unlink()
    path.with_suffix(".prj").write_text(WGS84)
    path.with_suffix(".cpg").write_text("UTF-8")
    return path


def _mark_unknown(dbf: Path) -> None:
    """Write the logical NULL, in the last column, as ``?``: pyshp leaves a blank."""
    data = bytearray(dbf.read_bytes())
    start, length = (int.from_bytes(data[i : i + 2], "little") for i in (8, 10))
    for at in range(start + length - 1, len(data), length):
        if data[at] == ord(" "):
            data[at] = ord("?")
    dbf.write_bytes(data)


def _shape(writer: Any, code: int, geometry: Any) -> None:
    if geometry is None or geometry.is_empty:
        writer.null()
        return
    dimension = {10: "z", 20: "m"}.get(code // 10 * 10, "")
    # A Z type has an M beside it; a vertex of pyshp is x, y, z, m or x, y, m.
    include = {"include_z": dimension == "z", "include_m": shapely.has_m(geometry)}
    if code % 10 == 1:
        getattr(writer, "point" + dimension)(*shapely.get_coordinates(geometry, **include)[0])
    elif code % 10 == 8:
        getattr(writer, "multipoint" + dimension)(
            shapely.get_coordinates(geometry, **include).tolist()
        )
    else:
        parts = shapely.get_parts(geometry)
        rings = shapely.get_rings(parts) if code % 10 == 5 else parts
        vertices = [shapely.get_coordinates(r, **include).tolist() for r in rings]
        getattr(writer, ("poly" if code % 10 == 5 else "line") + dimension)(vertices)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Folder of real shapefiles; the test is skipped where there is none."""
    told = os.environ.get("SHPBATCH_CORPUS")
    folder = Path(told) if told else Path(__file__).parents[2] / "shared/data/open"
    if not folder.is_dir():
        pytest.skip(f"no real shapefiles at {folder}; set SHPBATCH_CORPUS to their folder")
    return folder


def pytest_report_header() -> list[str]:
    """Versions of what the results depend on."""
    import duckdb
    import fiona
    import pyogrio
    import pyproj

    gdal = ".".join(map(str, pyogrio.__gdal_version__))
    geos = ".".join(map(str, shapely.geos_version))
    versions = {
        "GDAL": f"{gdal} (pyogrio), {fiona.__gdal_version__} (fiona)",
        "GEOS": f"{geos} (shapely)",
        "PROJ": f"{pyproj.proj_version_str} (pyproj)",
        "DuckDB": duckdb.__version__,
        "Arrow": pa.__version__,
    }
    return ["; ".join(f"{name} {version}" for name, version in versions.items())]
