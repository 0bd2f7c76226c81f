"""What is written is read back; how a layer is cut into windows shows nowhere."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from conftest import LAYERS, write_shapefile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import SAMPLES, read_undecoded, same_objects
from shapefiles import NULL, layer, source
from test_codec_gdal import assert_gdal_reads_the_same, assert_pyshp_reads_the_same, by_codec

from shpbatch.engine.aspects import Fields, Geometry, Header
from shpbatch.engine.reading import read_layer
from shpbatch.models import Outcome, Task
from shpbatch.parser import run_alone
from shpbatch.recipes.recipe import as_recipe
from shpbatch.shapefile import reader as reader_module
from shpbatch.shapefile.reader import Reader
from shpbatch.shapefile.records import HEAD, Records

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

# -- generated layers ----------------------------------------------------------

TYPES = {1: "POINT", 8: "MULTIPOINT", 3: "MULTILINESTRING", 5: "MULTIPOLYGON"}
#: Ordinates of a vertex beside x and y, by what is added to the shape type.
DIMENSIONS = {0: ("",), 10: (" Z", " ZM"), 20: (" M",)}
NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, 1e300, -1e300, 5e-324, 0.1, 2.0**53, -180.0, 1 / 3]),
)
HEIGHTS = st.floats(-1e9, 1e9)
TEXT = st.text(
    st.characters(categories=("L", "N", "P", "S"), include_characters=" "), max_size=20
).map(str.strip)
COLUMNS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), TEXT.map(lambda t: t or None)),
    "whole": (pa.int64(), st.integers(-(10**16), 10**16)),
    "real": (pa.float64(), st.integers(-(10**12), 10**12).map(lambda i: i / 1000)),
    "day": (pa.date32(), st.dates(datetime.date(1, 1, 2), datetime.date(9999, 12, 30))),
    "flag": (pa.bool_(), st.booleans()),
}


@dataclass(frozen=True)
class Drawn:
    """A layer to write: shape type, WKT of each row (None is null), columns."""

    code: int
    wkt: list[str | None]
    columns: dict[str, list[Any]]


@st.composite
def vertices(draw: st.DrawFn, least: int, extra: int) -> str:
    count = draw(st.integers(least, least + 3))
    rows = [
        [draw(NUMBERS), draw(NUMBERS), *(draw(HEIGHTS) for _ in range(extra))] for _ in range(count)
    ]
    return "(" + ", ".join(" ".join(map(repr, row)) for row in rows) + ")"


@st.composite
def ring(draw: st.DrawFn, at: float, size: float, extra: int, turn: int = 1) -> str:
    """A square, each corner with other ordinates; closed; clockwise, unless ``turn`` is -1."""
    corners = [(at, at), (at, at + size), (at + size, at + size), (at + size, at)][::turn]
    told = [[x, y, *(draw(HEIGHTS) for _ in range(extra))] for x, y in corners]
    return "(" + ", ".join(" ".join(map(repr, row)) for row in [*told, told[0]]) + ")"


@st.composite
def shapes(draw: st.DrawFn, code: int, tag: str) -> str | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    base, extra = code % 10, len(tag.strip())
    count = draw(st.integers(1, 3))
    if base == 1:
        row = [draw(NUMBERS), draw(NUMBERS), *(draw(HEIGHTS) for _ in range(extra))]
        return f"POINT{tag} ({' '.join(map(repr, row))})"
    if base == 8:
        return f"MULTIPOINT{tag} {draw(vertices(1, extra))}"
    if base == 3:
        parts = [draw(vertices(2, extra)) for _ in range(count)]
        return (
            f"LINESTRING{tag} {parts[0]}" if count == 1 else _multi("MULTILINESTRING", tag, parts)
        )
    polygons = []
    for i in range(count):  # apart from each other, each with a hole or two, or none
        holes = draw(st.integers(0, 2))
        rings = [draw(ring(10.0 * i, 8.0, extra))]
        rings += [draw(ring(10.0 * i + 1 + 3 * h, 2.0, extra, -1)) for h in range(holes)]
        polygons.append("(" + ", ".join(rings) + ")")
    return f"POLYGON{tag} {polygons[0]}" if count == 1 else _multi("MULTIPOLYGON", tag, polygons)


def _multi(name: str, tag: str, parts: list[str]) -> str:
    return f"{name}{tag} ({', '.join(parts)})"


@st.composite
def drawn_layers(draw: st.DrawFn) -> Drawn:
    added = draw(st.sampled_from(sorted(DIMENSIONS)))
    code = draw(st.sampled_from(sorted(TYPES))) + added
    tag = draw(st.sampled_from(DIMENSIONS[added]))
    wkt = draw(st.lists(shapes(code, tag), min_size=1, max_size=5))
    columns = {
        name: [draw(st.none() | values) for _ in wkt] for name, (_, values) in COLUMNS.items()
    }
    return Drawn(code, wkt, columns)


def run(path: Path, sink: Path, recipe: Any) -> Outcome:
    task = Task(source(path), as_recipe(recipe), str(sink), str(sink.parent), overwrite=True)
    outcome = run_alone(task)
    assert outcome.status == "done", (outcome.reason, outcome.detail)
    return outcome


@QUICK
@given(drawn_layers())
def test_what_steps_make_is_read_back_by_all(drawn: Drawn) -> None:
    def put_shapes(geometry: Geometry) -> Geometry:
        given = [None if text is None else shapely.from_wkt(text) for text in drawn.wkt]
        return np.array([*given, None], dtype=object)[:-1]

    def put_fields(header: Header) -> Fields:
        kinds = {name: kind for name, (kind, _) in COLUMNS.items()}
        return pa.table({n: pa.array(v, kinds[n]) for n, v in drawn.columns.items()})

    with tempfile.TemporaryDirectory() as folder:
        path = layer(Path(folder, "src"), [NULL] * len(drawn.wkt), drawn.code)
        sink = Path(folder, "out", "a.shp")
        outcome = run(path, sink, [put_shapes, put_fields])
        assert outcome.features is not None and outcome.features.written == len(drawn.wkt)
        found = read_layer(source(sink))
        told = by_codec(found)
        assert dict(zip(told.names, told.values, strict=True)) == drawn.columns
        meant = np.array(
            [None if t is None else shapely.from_wkt(t) for t in drawn.wkt] + [None], dtype=object
        )[:-1]
        assert same_objects(told.shapes, meant), (told.shapes, meant)
        assert_gdal_reads_the_same(found, told, sink)
        assert_pyshp_reads_the_same(found, sink)


# -- windows -------------------------------------------------------------------

SOURCES = {
    name: SAMPLES / relative
    for name, relative in {
        "polygons in degrees": "coutwildrnp.shp",
        "lines with Z": "utilities/gas_leitung.shp",
        "invalid polygons": "census/tokyomet262.shp",
        "null points": "awkward/emptypoints.shp",
        "multipoints": "awkward/multipoint.shp",
    }.items()
}
RECIPES = {
    "nothing": [],
    "reproject": "reproject --dst-crs EPSG:3857 --src-crs-default EPSG:4326",
    "filter": 'filter --where "FID % 3 = 1"',
    "filter all": 'filter --where "FID < 0"',
    "real": 'calculate --field new --expression "FID / 7.0"',
    "text": "calculate --field new --expression \"concat('row ', FID)\"",
    "whole": 'calculate --field new --expression "FID * FID * 1000"',
    "null first": 'calculate --field new --expression "CASE WHEN FID > 5 THEN FID END"',
    "make-valid": "make-valid",
    "simplify": "simplify --tolerance 0.01",
    "buffer": "buffer --distance 0.001",
    "explode": "explode-collections",
    "chain": 'make-valid ! filter --where "FID % 2 = 0" ! explode-collections ! '
    'calculate --field area --expression "OGR_GEOM_AREA"',
    "reproject and count": 'calculate --field n --expression "FID" ! '
    "reproject --dst-crs EPSG:3857 --src-crs-default EPSG:4326 ! make-valid",
}


def cut_into_windows(monkeypatch: pytest.MonkeyPatch, size: int, rows: int) -> list[int]:
    """Make windows of so many bytes and rows; give a list that fills with their sizes."""
    seen: list[int] = []
    whole = Reader.window

    def window(self: Reader, start: int, stop: int, checked: bool = True) -> Any:
        seen.append(stop - start)
        return whole(self, start, stop, checked)

    monkeypatch.setattr(Reader, "window", window)
    monkeypatch.setattr(reader_module, "WINDOW_ROWS", rows)
    monkeypatch.setattr(reader_module, "WINDOW_BYTES", size)
    return seen


def members(sink: Path) -> dict[str, bytes]:
    return {p.suffix: p.read_bytes() for p in sink.parent.glob("a.*")}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", SOURCES)
def test_windows_do_not_show(
    name: str, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = SOURCES[name], RECIPES[recipe]
    whole = run(path, tmp_path / "whole/a.shp", steps)
    expected = members(tmp_path / "whole/a.shp")
    count = len(read_undecoded(path))
    for size, rows in ((2_000, 1 << 20), (1 << 30, 7)):
        with monkeypatch.context() as patch:
            seen = cut_into_windows(patch, size, rows)
            cut = run(path, tmp_path / "cut/a.shp", steps)
        assert count < 2 or len(seen) > 2, "it was not cut"
        assert members(tmp_path / "cut/a.shp") == expected, (size, rows)
        assert cut.features == whole.features
        assert sorted(cut.notes) == sorted(whole.notes)


@pytest.mark.parametrize("name", sorted({*LAYERS} - {"nothing"}))
def test_windows_of_one_row_do_not_show_in_any_type(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_shapefile(name, tmp_path / "a.shp")
    recipe = 'make-valid ! calculate --field new --expression "FID / 3.0"'
    run(path, tmp_path / "whole/a.shp", recipe)
    cut_into_windows(monkeypatch, 1, 1)
    run(path, tmp_path / "cut/a.shp", recipe)
    assert members(tmp_path / "cut/a.shp") == members(tmp_path / "whole/a.shp")


# -- rows taken ----------------------------------------------------------------


@st.composite
def packed_records(draw: st.DrawFn) -> Records:
    sizes = draw(st.lists(st.integers(2, 9).map(lambda w: 2 * w), max_size=8))
    data = draw(
        st.binary(min_size=sum(sizes) + HEAD * len(sizes), max_size=sum(sizes) + HEAD * len(sizes))
    )
    return Records.packed_from(np.frombuffer(data, np.uint8), np.array(sizes, dtype=np.int64))


@QUICK
@given(packed_records(), st.data())
def test_records_taken_are_those_bytes(records: Records, data: st.DataObject) -> None:
    """Fewer, repeated or in another order; packing moves bytes and changes none."""
    some = st.integers(0, max(0, len(records) - 1))
    rows = np.array(data.draw(st.lists(some, max_size=12 if len(records) else 0)), dtype=np.int64)
    taken = records.take(rows).packed()
    assert taken.are_packed()
    each = [
        records.data[s : s + HEAD + n].tobytes()
        for s, n in zip(records.starts.tolist(), records.sizes.tolist(), strict=True)
    ]
    assert taken.data.tobytes() == b"".join(each[row] for row in rows.tolist())
    numbered = bytes(taken.numbered(5))
    for i, (start, size) in enumerate(
        zip(taken.starts.tolist(), taken.sizes.tolist(), strict=True)
    ):
        head = (5 + i).to_bytes(4, "big") + (size // 2).to_bytes(4, "big")
        assert numbered[start : start + HEAD] == head
        assert numbered[start + HEAD : start + HEAD + size] == each[rows[i]][HEAD:]


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_rows_taken_of_a_layer_are_those_rows(name: str, tmp_path: Path) -> None:
    """Decoded before they are taken, or after."""
    whole = read_undecoded(write_shapefile(name, tmp_path / "a.shp"))
    rng = np.random.default_rng(3)
    for size in (0, 1, len(whole), 2 * len(whole)):
        rows = rng.integers(0, max(1, len(whole)), size if len(whole) else 0)
        taken = whole.take(rows)
        assert len(taken) == len(rows) == taken.header.count
        assert same_objects(taken.geometry(), whole.geometry()[rows])
        assert same_objects(whole.decoded().take(rows).geometry(), taken.geometry())
        again = replace(taken, records=None, ragged=taken.vertices())
        assert same_objects(again.geometry(), taken.geometry())
        assert np.array_equal(taken.bounds(), whole.bounds()[rows], equal_nan=True)
        for i in range(len(whole.columns)):
            assert taken.values(i).equals(whole.values(i).take(pa.array(rows)))
