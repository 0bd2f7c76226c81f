"""What GDAL makes of the same layers: the oracle of the steps that GDAL has too.

Two GDALs are asked: the one in pyogrio's wheel, whose ``gdal vector pipeline``
runs without any program (the GDALG driver), and ``ogr2ogr`` where it is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely
from numpy.typing import NDArray

from shpbatch.engine.apply import apply_header, apply_recipe
from shpbatch.engine.layer import Layer
from shpbatch.engine.reading import read_layer
from shpbatch.models import Header, Source
from shpbatch.recipes.recipe import parse_chain

PROJECT = Path(__file__).parents[1]
SAMPLES = PROJECT / "sample_data"
CORPUS = Path(os.environ.get("SHPBATCH_CORPUS") or PROJECT.parent / "shared/data/open")

#: Real layers, small enough for every run: what each adds stands beside it.
POLYGONS = (
    "sample:census/NY8_utm18.shp",  # 5 invalid; metres
    "sample:census/tokyomet262.shp",  # 10 invalid
    "sample:coutwildrnp.shp",  # multi-part, degrees
    "corpus:r-spData-2.2.1/sids.shp",
    "corpus:rasterstats-0.21.0/multipolygons.shp",
)
LINES = (
    "sample:transport/newhaven_nework.shp",  # multi-part
    "sample:transport/streets.shp",  # feet
    "sample:utilities/gas_leitung.shp",  # Z
    "corpus:rasterstats-0.21.0/multilines.shp",
)
POINTS = (
    "sample:soho/SohoPeople.shp",
    "sample:awkward/multipoint.shp",
    "sample:awkward/emptypoints.shp",  # null
    "corpus:shapelib-a2ad7b3/multipnt.shp",
    "corpus:mbostock-shapefile-ffe6088/null.shp",
)


def layer_path(name: str) -> Path:
    """Path of a layer of the lists above; the test is skipped where it is not there."""
    place, _, relative = name.partition(":")
    path = (SAMPLES if place == "sample" else CORPUS) / relative
    if not path.is_file():
        pytest.skip(f"{path} is not there" + (" (SHPBATCH_CORPUS)" if place == "corpus" else ""))
    return path


@dataclass(frozen=True)
class Rows:
    """Geometries, each with the row of the source that it is of."""

    shapes: NDArray[np.object_]
    rows: NDArray[np.int64]

    def by_source(self) -> Rows:
        """One geometry a source row: pieces that a tool made of one row are collected."""
        kept = np.unique(self.rows)
        pieces = [self.shapes[self.rows == row] for row in kept]
        shapes = [p[0] if len(p) == 1 else shapely.union_all(p) for p in pieces]
        return Rows(np.array(shapes, dtype=object), kept)


def read(path: Path | str) -> Layer:
    """A layer as shpbatch reads it, geometry decoded."""
    return read_layer(Source(str(path), Path(path).name)).decoded()


def layer_of(shapes: Any, geometry_type: str, crs: str | None = None, **flags: bool) -> Layer:
    """A layer in memory, of geometries or WKT."""
    array = np.array(
        [shapely.from_wkt(s) if isinstance(s, str) else s for s in shapes], dtype=object
    )
    header = Header(geometry_type, count=len(array), crs=crs, **flags)
    layer = Layer(header, (), np.arange(len(array)), shapes=array)
    layer.account.declared = layer.account.read = len(array)
    return layer


def ours(chain: str, layer: Layer) -> Layer:
    """What a chain of shpbatch's steps makes of a layer; the header as planned is compared."""
    recipe = parse_chain(chain)
    result = apply_recipe(recipe, layer)
    planned = apply_header(recipe, layer.header)
    for name in ("geometry_type", "has_z", "has_m", "crs"):
        assert getattr(planned, name) == getattr(result.header, name), name
    return result


def in_windows(chain: str, layer: Layer, size: int) -> NDArray[np.object_]:
    """Geometries of the same chain on windows of a layer, one after the other."""
    ends = range(0, len(layer), size)
    parts = [
        ours(chain, layer.take(np.arange(i, min(i + size, len(layer))))).geometry() for i in ends
    ]
    return np.concatenate([*parts, np.empty(0, dtype=object)])


def same_objects(left: Any, right: Any) -> bool:
    """Whether two arrays hold identical geometries (coordinates, Z, M, order), null where null."""
    missing = shapely.is_missing(left)
    return len(left) == len(right) and bool(
        (shapely.equals_identical(left, right) | missing & shapely.is_missing(right)).all()
    )


def pipeline(path: Path, steps: str) -> Rows:
    """Geometries that ``gdal vector pipeline`` makes, with their feature ids, unsorted."""
    if pyogrio.__gdal_version__ < (3, 12):
        pytest.skip("GDAL's pipeline is complete from 3.12 on")
    command = f'gdal vector pipeline read "{path}" ! {steps} ! write x --of stream'
    document = {"type": "gdal_streamed_alg", "command_line": command}
    # pyogrio takes what follows a "!" for a path inside an archive.
    text = json.dumps(document).replace("!", "\\u0021")
    _, fids, wkb, _ = pyogrio.raw.read(text, return_fids=True, columns=[])
    return Rows(_decoded(wkb), np.asarray(fids, dtype=np.int64))


def ogr2ogr(path: Path, *options: str, folder: Path) -> Rows:
    """Geometries that ``ogr2ogr`` makes, with their feature ids, as GeoPackage holds them."""
    program = shutil.which("ogr2ogr")
    if program is None:
        pytest.skip("ogr2ogr is not installed")
    target = folder / f"{path.stem}.gpkg"
    target.unlink(missing_ok=True)
    command = [program, "-f", "GPKG", "-nlt", "GEOMETRY", "-nln", "x", "-select", "", *options]
    subprocess.run([*command, str(target), str(path)], check=True, capture_output=True, timeout=60)
    _, fids, wkb, _ = pyogrio.raw.read(target, return_fids=True)
    return Rows(_decoded(wkb), np.asarray(fids, dtype=np.int64))


def _decoded(wkb: Any) -> NDArray[np.object_]:
    """As the reader of shpbatch decodes: unclosed rings are closed."""
    return np.asarray(shapely.from_wkb(wkb, on_invalid="fix"), dtype=object)


def assert_same_shapes(left: Any, right: Any, tolerance: float = 1e-9) -> None:
    """Two arrays hold the same geometries, whatever ring starts where and turns how.

    First normalised vertex by vertex, to ``tolerance`` times the largest
    coordinate (two GEOS may round a computed vertex differently in the last
    bits); where that fails the areas, or for lines the lengths, that only one
    of the two has must be below the same share of the whole (one of the two
    may keep a vertex in the middle of a straight edge).
    """
    assert len(left) == len(right), f"{len(left)} geometries, GDAL has {len(right)}"
    nothing = shapely.is_missing(left) | shapely.is_empty(left)
    nothing_there = shapely.is_missing(right) | shapely.is_empty(right)
    rows = np.flatnonzero(nothing != nothing_there)
    assert not len(rows), f"rows {rows[:5]}: nothing in one, something in the other"
    a, b = shapely.normalize(left[~nothing]), shapely.normalize(right[~nothing])
    scale = np.abs(shapely.bounds(a)).max(axis=1) * tolerance if len(a) else np.empty(0)
    for i in np.flatnonzero(~shapely.equals_exact(a, b, tolerance=scale)):
        assert _differs_by(a[i], b[i]) <= tolerance * 1e3, (
            f"row {np.flatnonzero(~nothing)[i]}: {a[i].wkt[:200]}\nGDAL: {b[i].wkt[:200]}"
        )


def _differs_by(a: Any, b: Any) -> float:
    """Share of area (or length) that only one of two geometries has."""
    if shapely.get_dimensions(a) != shapely.get_dimensions(b):
        return 1.0
    only_one = shapely.symmetric_difference(a, b)
    measure = shapely.area if shapely.get_dimensions(a) == 2 else shapely.length
    whole = measure(a)
    return float(measure(only_one) / whole) if whole else float(not only_one.is_empty)


class NoSpatialite(Exception):
    """The ``ogr2ogr`` here knows no ``ST_`` functions."""


def ogr2ogr_sql(path: Path, sql: str, folder: Path) -> Rows:
    """Geometries of a statement in GDAL's SQLite dialect, in its order."""
    program = shutil.which("ogr2ogr")
    if program is None:
        pytest.skip("ogr2ogr is not installed")
    target = folder / "sql.gpkg"
    options = ["-f", "GPKG", "-nlt", "GEOMETRY", "-nln", "x", "-dialect", "sqlite", "-sql", sql]
    done = subprocess.run(
        [program, *options, str(target), str(path)], capture_output=True, text=True, timeout=120
    )
    if "no such function" in done.stderr:
        raise NoSpatialite
    assert done.returncode == 0, done.stderr
    _, fids, wkb, _ = pyogrio.raw.read(target, return_fids=True)
    return Rows(_decoded(wkb), np.asarray(fids, dtype=np.int64))


def read_undecoded(path: Path | str) -> Layer:
    """A layer as shpbatch reads it, geometry still as bytes."""
    return read_layer(Source(str(path), Path(path).name))
