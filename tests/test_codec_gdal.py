"""The native codec against GDAL, fiona and pyshp, over every real layer at hand.

GDAL reads the source as the codec does; and what is written is read back by
all of them as the codec reads it. Where they differ, and why, is pinned at
the end, cell by cell.
"""

from __future__ import annotations

import datetime
import itertools
import shutil
import struct
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import fiona
import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapefile as pyshp
import shapely
import shapely.geometry
from numpy.typing import NDArray
from oracle import CORPUS, SAMPLES
from shapefiles import dbf_bytes, write
from shapefiles import source as source_of

from shpbatch.engine.aspects import Coords
from shpbatch.engine.layer import Layer
from shpbatch.engine.reading import read_layer
from shpbatch.errors import ReadError
from shpbatch.models import Outcome, Recipe, Source, Task
from shpbatch.parser import run_alone
from shpbatch.planning.discover import discover
from shpbatch.recipes.recipe import as_recipe

FOLDERS = [folder for folder in (CORPUS, SAMPLES) if folder.is_dir()]
#: What cannot be read, with its code.
UNREADABLE = {
    "mbostock-shapefile-ffe6088/ne_10m_time_zones.shp": "chain-broken",
    "awkward/virginia.shp": "shp-truncated",
}
#: Layers that have a .shx and are normalised all the same.
MALFORMED = {
    "django-5.2.19/gas_lines/gas_leitung.shp",  # gaps between records
    "utilities/gas_leitung.shp",  # the same
    "go-shp-0.1.1/multipatch.shp",  # lengths in .shp and .shx do not agree
    "pyshp-3.1.6/corrupt_too_long.shp",  # a byte after the records
    "shapelib-a2ad7b3/3dpoints.shp",  # the .shx hides 14 of 22
}
#: fiona and pyshp build Python objects: of longer layers they read the first rows,
#: as many as have so many vertices, and not more than so many.
FIRST_VERTICES, FIRST_ROWS = 5_000, 100
MAIN = ("shp", "shx", "dbf")
DATE = slice(1, 4)


def _sources() -> list[Any]:
    found = [
        pytest.param(s, id=s.relative)
        for s in discover([str(f) for f in FOLDERS]).sources
        if s.relative not in UNREADABLE and s.problem is None and s.size
    ]
    if not CORPUS.is_dir():
        mark = pytest.mark.skip(reason=f"no corpus at {CORPUS} (SHPBATCH_CORPUS)")
        found.append(pytest.param(None, id="corpus", marks=mark))
    return found


@dataclass(frozen=True)
class Real:
    """A source, a copy of its members for GDAL, the layer, and what the codec tells of it."""

    source: Source
    copy: Path
    layer: Layer
    told: Told
    well_formed: bool


@dataclass(frozen=True)
class Told:
    """What a reader tells of a layer: columns in the order of the file."""

    count: int
    shapes: NDArray[np.object_]
    names: list[str]
    values: list[list[Any]]


@pytest.fixture(scope="module", params=_sources())
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Real:
    source = request.param
    folder = tmp_path_factory.mktemp("real")
    copy = _copied(source, folder)
    had_shx = copy.with_suffix(".shx").exists()
    if not had_shx:  # GDAL makes one, beside the copy
        _restored(copy)
    layer = read_layer(source)
    return Real(source, copy, layer, by_codec(layer), had_shx and source.relative not in MALFORMED)


def _copied(source: Source, folder: Path) -> Path:
    """The members under plain names, found without the code under test."""
    wanted = {*MAIN, "prj"}
    shp = PurePosixPath(source.member or Path(source.path).name)
    if source.member:
        with zipfile.ZipFile(source.path) as archive:
            for name in archive.namelist():
                stem, _, extension = name.rpartition(".")
                if stem == str(shp.with_suffix("")) and extension.lower() in wanted:
                    (folder / f"x.{extension.lower()}").write_bytes(archive.read(name))
        return folder / "x.shp"
    for path in Path(source.path).parent.iterdir():
        extension = path.suffix[1:].lower()
        if path.stem.lower() == shp.stem.lower() and extension in wanted:
            shutil.copyfile(path, folder / f"x.{extension}")
    return folder / "x.shp"


def _restored(path: Path) -> None:
    pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "YES"})
    try:
        pyogrio.read_info(path)
    finally:
        pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "NO"})


# -- what each reader tells ----------------------------------------------------


def by_codec(layer: Layer) -> Told:
    values = [layer.values(i).to_pylist() for i in range(len(layer.columns))]
    names = layer.header.field_names()
    return Told(len(layer), layer.geometry(), names, values)


def by_gdal(path: Path, encoding: str) -> Told:
    """As pyogrio reads through Arrow: with measures, which its other readers drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of CRS and geometry types
        # GDAL drops M of all rows where the first one is null, unless it is told to look at all.
        info, table = pyogrio.raw.read_arrow(
            path, return_fids=True, encoding=encoding, ADJUST_GEOM_TYPE="ALL_SHAPES"
        )
    columns = [c.to_pylist() for c in table.columns[1:]]
    wkb = columns.pop() if info["geometry_type"] else [None] * len(table)
    shapes = np.asarray(shapely.from_wkb(wkb, on_invalid="fix"), dtype=object)
    # FIDs are numbers of rows, also where rows were deleted.
    assert table.columns[0].to_pylist() == sorted(table.columns[0].to_pylist())
    return Told(len(table), shapes, [str(n) for n in info["fields"]], columns)


def by_fiona(path: Path, encoding: str, first: int) -> Told:
    with warnings.catch_warnings(), fiona.open(path, encoding=encoding) as layer:
        warnings.simplefilter("ignore")
        names = list(layer.schema["properties"])
        rows = list(itertools.islice(layer, first))
        geometries = [row.geometry for row in rows]
        shapes = np.array(
            [None if g is None else shapely.geometry.shape(g) for g in geometries] + [None],
            dtype=object,
        )[:-1]
        values = [[row.properties[name] for row in rows] for name in names]
        return Told(len(layer), shapes, names, values)


def by_pyshp(
    path: Path, encoding: str, first: int
) -> tuple[int, list[Any], list[str], list[list[Any]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = _ends_with_a_return(path.with_suffix(".dbf"))
        members = {e: str(path.with_suffix(f".{e}")) for e in (MAIN if table else MAIN[:2])}
        with pyshp.Reader(**members, encoding=encoding, encodingErrors="replace") as reader:
            shapes = list(itertools.islice(reader.iterShapes(), first))
            if not table:
                return len(reader), shapes, [], []
            names = [f.name for f in reader.fields if f.name != "DeletionFlag"]
            records = list(itertools.islice(reader.iterRecords(), first))
            return len(reader), shapes, names, [list(c) for c in zip(*records, strict=True)]


def _ends_with_a_return(dbf: Path) -> bool:
    """Whether there is a table whose header is closed: pyshp refuses all others."""
    data = dbf.read_bytes() if dbf.exists() else b""
    return bool(data) and data[struct.unpack_from("<H", data, 8)[0] - 1] == 0x0D


# -- how they are compared -----------------------------------------------------


def assert_same_shapes(ours: NDArray[np.object_], theirs: NDArray[np.object_]) -> None:
    """Coordinates, Z, M, order and types are the same; of polygons rings may begin elsewhere."""
    assert len(ours) == len(theirs)
    same = shapely.equals_identical(ours, theirs)
    same |= shapely.is_missing(ours) & shapely.is_missing(theirs)
    rest = np.flatnonzero(~same)
    assert (shapely.get_dimensions(ours[rest]) == 2).all(), _shown(ours, theirs, rest)
    same[rest] = shapely.equals_identical(
        shapely.normalize(ours[rest]), shapely.normalize(theirs[rest])
    )
    assert same.all(), _shown(ours, theirs, np.flatnonzero(~same))


def _shown(ours: Any, theirs: Any, rows: Any) -> str:
    return "\n".join(f"row {i}: {ours[i]}"[:300] + f"\n  not {theirs[i]}"[:300] for i in rows[:3])


def assert_same_values(ours: list[Any], theirs: list[Any], kind: str, what: str) -> None:
    """Equal, but for what `CELLS` pins."""
    if any(isinstance(v, float) for v in ours):  # pyshp has integers of any width
        theirs = [None if v is None else float(v) for v in theirs]
    if kind == "C":  # shapelib takes leading blanks off too
        ours = [(v or "").lstrip(" ") or None for v in ours]
        theirs = [(v or "").lstrip(" ") or None for v in theirs]
    if kind == "L":
        theirs = [
            None if a is None and b is False else b for a, b in zip(ours, theirs, strict=True)
        ]
    differing = [(i, a, b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    assert not differing, f"{what}: {len(differing)} differ: {differing[:3]}"


def without_m(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    result = shapes.copy()
    rows = np.flatnonzero(shapely.has_m(shapes))
    for i in rows:
        of_z = shapely.has_z(shapes[i])
        wkb = shapely.to_wkb(shapes[i], output_dimension=3) if of_z else None
        result[i] = shapely.from_wkb(wkb) if wkb is not None else shapely.force_2d(shapes[i])
    return result


def assert_gdal_reads_the_same(layer: Layer, ours: Told, path: Path) -> None:
    theirs = by_gdal(path, layer.header.encoding)
    assert ours.count == theirs.count
    assert_same_shapes(ours.shapes, theirs.shapes)
    assert ours.names == theirs.names
    for f, a, b in zip(layer.header.fields, ours.values, theirs.values, strict=True):
        assert_same_values(a, b, f.type, f.name)


def first_of(layer: Layer) -> Layer:
    """The first rows, one at least where there is one."""
    fit = int(np.searchsorted(layer.vertices().vertex_offsets, FIRST_VERTICES)) - 1
    return layer.take(np.arange(min(max(1, fit), FIRST_ROWS, len(layer))))


def assert_fiona_reads_the_same(layer: Layer, path: Path) -> None:
    first = first_of(layer)
    ours, theirs = by_codec(first), by_fiona(path, layer.header.encoding, len(first))
    assert len(layer) == theirs.count
    if layer.header.geometry_type != "MultiPatch":  # a type that GeoJSON has not
        assert_same_shapes(without_m(ours.shapes), theirs.shapes)
    assert ours.names == theirs.names
    for f, a, b in zip(layer.header.fields, ours.values, theirs.values, strict=True):
        if f.type == "D":
            b = [None if v is None else datetime.date.fromisoformat(v) for v in b]  # noqa: PLW2901
        assert_same_values(a, b, f.type, f.name)


def assert_pyshp_reads_the_same(layer: Layer, path: Path) -> None:
    """Vertex by vertex, as the records have them: GEOS has no part in it."""
    first = first_of(layer)
    count, shapes, names, values = by_pyshp(path, layer.header.encoding, len(first))
    assert count == len(layer)
    ragged = first.vertices()
    at = ragged.vertex_offsets
    assert [s.shapeType == 0 for s in shapes] == ragged.null.tolist()
    for i in np.flatnonzero(~ragged.null):
        vertices = slice(at[i], at[i + 1])
        assert [tuple(v) for v in ragged.coords[vertices, :2]] == [p[:2] for p in shapes[i].points]
        if ragged.coords.shape[1] == 3:
            assert ragged.coords[vertices, 2].tolist() == list(shapes[i].z)
        if ragged.m is not None and ragged.with_m is not None and ragged.with_m[i]:
            told = [None if v < -1e38 else v for v in ragged.m[vertices].tolist()]
            assert told == list(shapes[i].m)
        if hasattr(shapes[i], "parts") and shapes[i].parts and ragged.code % 10 in (3, 5):
            parts = ragged.part_offsets[ragged.row_offsets[i] : ragged.row_offsets[i + 1]]
            assert (parts - at[i]).tolist() == list(shapes[i].parts)
    assert names == layer.header.field_names()[: len(names)]
    for j, (f, theirs) in enumerate(zip(layer.header.fields, values, strict=False)):
        if f.type == "C":
            theirs = [v.split("\0")[0].rstrip(" ") for v in theirs]  # noqa: PLW2901
        assert_same_values(first.values(j).to_pylist(), theirs, f.type, f.name)


# -- reading -------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(UNREADABLE))
def test_what_is_left_out_here_cannot_be_read(name: str) -> None:
    path = next((f / name for f in FOLDERS if (f / name).is_file()), None)
    if path is None:
        pytest.skip(f"no {name} (SHPBATCH_CORPUS)")
    with pytest.raises(ReadError) as raised:
        read_layer(source_of(path))
    assert raised.value.code == UNREADABLE[name]


def test_gdal_reads_a_layer_as_the_codec_does(real: Real) -> None:
    if real.source.relative == "shapelib-a2ad7b3/3dpoints.shp":
        # GDAL believes the .shx, which says 8 and has no place for some; all are there.
        theirs = by_gdal(real.copy, real.layer.header.encoding)
        assert (theirs.count, len(real.layer)) == (8, 22)
        found = np.flatnonzero(~shapely.is_missing(theirs.shapes))
        assert len(found) == 6
        assert_same_shapes(real.told.shapes[found], theirs.shapes[found])
        return
    assert_gdal_reads_the_same(real.layer, real.told, real.copy)


def test_every_row_is_accounted_for(real: Real) -> None:
    account = real.layer.account
    rows = (
        struct.unpack_from("<I", real.copy.with_suffix(".dbf").read_bytes(), 4)[0]
        if (real.copy.with_suffix(".dbf").exists())
        else account.declared
    )
    assert account.declared == rows == account.read + account.deleted + account.unreadable
    assert account.read == len(real.layer)


def test_gdal_finds_the_same_crs(real: Real) -> None:
    """The text is as it is; GDAL's CRS, which may be EPSG's, has the same kind, ellipsoid, unit."""
    prj = real.copy.with_suffix(".prj")
    told = prj.read_bytes().decode("utf-8", "replace").strip() if prj.exists() else ""
    assert (real.layer.header.crs or "") == told
    if told:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pyogrio.read_info(real.copy)["crs"]
        assert theirs is not None
        assert _same_crs(told, theirs)


@lru_cache
def _same_crs(ours: str, theirs: str) -> bool:
    from pyproj import CRS

    a, b = CRS.from_user_input(ours), CRS.from_user_input(theirs)
    if a.is_geographic != b.is_geographic or a.is_projected != b.is_projected:
        return False
    near = np.isclose(
        [a.ellipsoid.semi_major_metre, a.ellipsoid.semi_minor_metre],
        [b.ellipsoid.semi_major_metre, b.ellipsoid.semi_minor_metre],
        rtol=1e-9,
    ).all()
    return bool(near) and a.axis_info[0].unit_conversion_factor == pytest.approx(
        b.axis_info[0].unit_conversion_factor
    )


# -- writing -------------------------------------------------------------------


def nudge(coords: Coords) -> Coords:
    """A step on coordinates that leaves them where they are."""
    return coords + 0


NOTHING = Recipe()
MOVED = as_recipe([nudge])
REPAIRED = as_recipe("make-valid")
DOUBLE = as_recipe('calculate --field new_1 --expression "FID * 2"')
#: Where a field of the layer is called FID.
SEVEN = as_recipe('calculate --field new_1 --expression "7"')


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path)  # hundreds of layers would be kept


def done(real: Real, recipe: Recipe, out: Path) -> tuple[Outcome, Path]:
    sink = out / "a.shp"
    outcome = run_alone(Task(real.source, recipe, str(sink), str(out)))
    assert outcome.status == "done", (outcome.reason, outcome.detail)
    assert outcome.features is not None and outcome.features.balances()
    return outcome, sink


def written(real: Real, sink: Path) -> Layer:
    """The output as the codec reads it, in the encoding of its source."""
    layer = read_layer(source_of(sink))
    if real.layer.header.fields:
        assert layer.header.encoding == real.layer.header.encoding
    return layer


def member(path: Path, extension: str) -> bytes:
    data = bytearray(path.with_suffix(f".{extension}").read_bytes())
    if extension == "dbf":
        data[DATE] = bytes(3)
    return bytes(data)


def test_a_run_without_steps_copies_byte_for_byte(real: Real, out: Path) -> None:
    _, sink = done(real, NOTHING, out)
    if real.well_formed:
        for extension in MAIN:
            if real.copy.with_suffix(f".{extension}").exists():
                assert member(sink, extension) == member(real.copy, extension), extension
        return
    layer = written(real, sink)
    told = by_codec(layer)
    assert_same_shapes(real.told.shapes, told.shapes)
    assert (real.told.names, real.told.values) == (told.names, told.values)
    assert_gdal_reads_the_same(layer, told, sink)


def test_a_step_on_coordinates_leaves_the_dbf(real: Real, out: Path) -> None:
    _, sink = done(real, MOVED, out)
    if real.layer.header.fields:
        assert member(sink, "dbf") == member(real.copy, "dbf")
    layer = written(real, sink)
    told = by_codec(layer)
    assert_same_shapes(real.told.shapes, told.shapes)
    assert_gdal_reads_the_same(layer, told, sink)
    assert_pyshp_reads_the_same(layer, sink)
    assert_fiona_reads_the_same(layer, sink)


def test_a_step_on_fields_leaves_the_records(real: Real, out: Path) -> None:
    names = real.layer.header.field_names()
    by_row = "FID" not in (n.upper() for n in names)
    _, sink = done(real, DOUBLE if by_row else SEVEN, out)
    if real.well_formed:  # the ranges in the header are those of the records
        for extension in ("shp", "shx"):
            ours, theirs = member(sink, extension), member(real.copy, extension)
            assert (ours[:36], ours[100:]) == (theirs[:36], theirs[100:]), extension
    layer = written(real, sink)
    told = by_codec(layer)
    expected = [row * 2 if by_row else 7 for row in real.layer.rows.tolist()]
    assert told.names == [*names, "new_1"]
    assert told.values == [*real.told.values, expected]
    assert_gdal_reads_the_same(layer, told, sink)
    assert_fiona_reads_the_same(layer, sink)
    assert_pyshp_reads_the_same(layer, sink)


def test_a_step_on_geometry_leaves_what_it_does_not_change(real: Real, out: Path) -> None:
    outcome, sink = done(real, REPAIRED, out)
    assert outcome.features is not None
    layer = written(real, sink)
    assert len(layer) == outcome.features.read - outcome.features.rejected
    told = by_codec(layer)
    assert_gdal_reads_the_same(layer, told, sink)
    assert_pyshp_reads_the_same(layer, sink)
    if layer.header.geometry_type == "MultiPatch" or outcome.features.rejected:
        return
    before, shapes = real.told.shapes, told.shapes
    assert (shapely.is_valid(shapes) | shapely.is_missing(shapes)).all()
    were = np.flatnonzero(shapely.is_valid(before) | shapely.is_missing(before))
    assert_same_shapes(before[were], shapes[were])


# -- where they differ ---------------------------------------------------------

DAY = datetime.date(2020, 2, 29)
#: Type, width, decimals, cell; the codec's value and GDAL's.
CELLS: list[tuple[str, int, int, bytes, Any, Any]] = [
    # the same
    ("C", 6, 0, b"a  b  ", "a  b", "a  b"),
    ("C", 6, 0, b"      ", None, None),
    ("C", 6, 0, b"ab\0cd ", "ab", "ab"),
    ("C", 6, 0, b"\xc3\xa9\xc3\xa9  ", "éé", "éé"),
    ("N", 6, 0, b"    12", 12, 12),
    ("N", 6, 0, b"12    ", 12, 12),
    ("N", 6, 0, b"   -12", -12, -12),
    ("N", 6, 0, b"      ", None, None),
    ("N", 6, 0, b"******", None, None),
    ("N", 6, 2, b"  1.25", 1.25, 1.25),
    ("N", 6, 2, b" -1e-2", -0.01, -0.01),
    ("D", 8, 0, b"20200229", DAY, DAY),
    ("D", 8, 0, b"00000000", None, None),
    ("D", 8, 0, b"        ", None, None),
    ("L", 1, 0, b"T", True, True),
    ("L", 1, 0, b"y", True, True),
    ("L", 1, 0, b"f", False, False),
    ("L", 1, 0, b"N", False, False),
    ("L", 1, 0, b"?", None, None),
    # ours keeps leading blanks: they are text
    ("C", 6, 0, b"  ab  ", "  ab", "ab"),
    # ours is NULL where there is no value of the type; GDAL takes what it can
    ("L", 1, 0, b" ", None, False),
    ("L", 1, 0, b"x", None, False),
    ("N", 6, 0, b"  12x ", None, 12),
    ("N", 6, 0, b"   abc", None, 0),
]


@pytest.mark.parametrize(("kind", "width", "decimals", "cell", "ours", "theirs"), CELLS)
def test_a_cell_is_read_so_by_the_codec_and_so_by_gdal(
    tmp_path: Path, kind: str, width: int, decimals: int, cell: bytes, ours: Any, theirs: Any
) -> None:
    table = dbf_bytes([(b"V", kind, width, decimals)], [(cell,)] * 3)
    path = write(tmp_path, dbf=table, cpg="UTF-8")
    assert read_layer(source_of(path)).values(0).to_pylist() == [ours] * 3
    assert by_gdal(path, "utf-8").values == [[theirs] * 3]
