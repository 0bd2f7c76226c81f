"""The doors to GDAL, for geometry that the native codec declines; and second layers of steps."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapefiles as make
import shapely

import shpbatch
from shpbatch.engine.reading import read_layer
from shpbatch.errors import ReadError, StepError
from shpbatch.formats import gdal
from shpbatch.formats.gdal import read_shapes
from shpbatch.formats.other import load_other
from shpbatch.models import Outcome
from shpbatch.parser import shp_parser
from shpbatch.shapefile.reader import Reader

LINE = make.poly(3, [(0, 0), (1, 1)])
RECORDS = [LINE, make.NULL, make.poly(3, [(0, 0), (1, 1), (2, 0)], [(5, 5), (6, 6)]), LINE]
WKT = [
    "LINESTRING (0 0, 1 1)",
    None,
    "MULTILINESTRING ((0 0, 1 1, 2 0), (5 5, 6 6))",
    "LINESTRING (0 0, 1 1)",
]


def patch(*parts: list[tuple[float, float, float]]) -> bytes:
    """Content of a MultiPatch of outer rings."""
    vertices = [v for part in parts for v in part]
    xs, ys, zs = zip(*vertices, strict=True)
    starts = [sum(len(p) for p in parts[:i]) for i in range(len(parts))]
    return (
        struct.pack("<i4d2i", 31, min(xs), min(ys), max(xs), max(ys), len(parts), len(vertices))
        + struct.pack(f"<{len(parts)}i", *starts)
        + struct.pack(f"<{len(parts)}i", *[2] * len(parts))
        + b"".join(struct.pack("<2d", *v) for v in zip(xs, ys, strict=True))
        + struct.pack(f"<{2 + len(zs)}d", min(zs), max(zs), *zs)
    )


def lines(folder: Path, **members: bytes | None) -> Path:
    return make.layer(folder, RECORDS, 3, **members)


def read(path: Path, *rows: int) -> Any:
    with Reader(make.source(path)) as reader:
        records = reader.window(0, reader.count).records.take(np.array(rows, dtype=np.int64))
        return read_shapes(records, reader.code)


def shapes(path: Path, *rows: int) -> list[str | None]:
    return [None if g is None else shapely.to_wkt(g, trim=True) for g in read(path, *rows)]


def fails(*args: Any, **options: Any) -> Any:
    raise RuntimeError("does not want to")


# --- reading with GDAL --------------------------------------------------------


def test_rows_are_read_with_pyogrio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdal, "_with_fiona", fails)
    assert shapes(lines(tmp_path), 0, 1, 2, 3) == WKT


def test_rows_are_read_with_fiona_where_pyogrio_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyogrio.raw, "read", fails)
    assert shapes(lines(tmp_path), 0, 1, 2, 3) == WKT


@pytest.mark.parametrize("door", ["pyogrio", "fiona"])
@pytest.mark.parametrize("rows", [[2], [3, 0], [1], [2, 2, 0, 2], [], [1, 1]])
def test_rows_are_read_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str, rows: list[int]
) -> None:
    if door == "fiona":
        monkeypatch.setattr(pyogrio.raw, "read", fails)
    assert shapes(lines(tmp_path), *rows) == [WKT[i] for i in rows]


def test_what_neither_can_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyogrio.raw, "read", fails)
    monkeypatch.setattr(gdal, "_with_fiona", fails)
    with pytest.raises(ReadError, match=r"neither pyogrio \(does not want to\) nor fiona") as error:
        shapes(lines(tmp_path), 0)
    assert error.value.code == "gdal-failed"


def test_gdal_sees_a_file_of_its_own_that_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHAPE_RESTORE_SHX", "YES")
    seen, found = [], pyogrio.raw.read
    monkeypatch.setattr(pyogrio.raw, "read", lambda p, **o: (seen.append(p), found(p, **o))[1])
    path = lines(tmp_path / "odd !\nname", shx=None)
    before = make.snapshot(tmp_path)
    assert shapes(path, 2, 0) == [WKT[2], WKT[0]]
    assert make.snapshot(tmp_path) == before
    assert not Path(seen[0]).is_relative_to(tmp_path)
    assert not seen[0].parent.exists()


def test_heights_are_read(tmp_path: Path) -> None:
    path = make.layer(tmp_path, [make.point_zm(1, 2, 3, 4), make.NULL], 11)
    found = read(path, 1, 0)
    assert found[0] is None
    assert shapely.get_z(found[1]) == 3


# --- what the codec declines --------------------------------------------------


def run(path: Path, out: Path, recipe: Any) -> Outcome:
    return shp_parser(path, recipe=recipe, dst=out)


MIXED = [LINE, make.point(7, 8), make.NULL, LINE]


def test_records_of_another_type_are_read_by_their_own(tmp_path: Path) -> None:
    layer = read_layer(make.source(make.layer(tmp_path, MIXED, 3)))
    found = layer.geometry()
    assert [None if g is None else g.wkt for g in found] == [
        "LINESTRING (0 0, 1 1)",
        "POINT (7 8)",
        None,
        "LINESTRING (0 0, 1 1)",
    ]
    assert not layer.account.notes


def line_m(x: float) -> bytes:
    """Content of a PolyLineM record."""
    return (
        struct.pack("<i", 23)
        + make.poly(3, [(x, 0), (x + 1, 1)])[4:]
        + struct.pack("<4d", 5, 6, 5, 6)
    )


@pytest.mark.parametrize("chain", ["swap-xy", "remove-duplicate-vertices", "make-valid ! swap-xy"])
def test_one_of_another_type_leaves_the_others_as_they_are(
    chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [line_m(0), make.poly(3, [(1, 0), (1, 0), (2, 1)]), make.NULL, line_m(2), line_m(3)]
    path = make.layer(tmp_path / "src", records, 23)
    made, notes = [], []
    for rows in (9, 2, 1):
        monkeypatch.setattr("shpbatch.shapefile.reader.WINDOW_ROWS", rows)
        outcome = run(path, tmp_path / str(rows), chain)
        assert outcome.status == "done", outcome.reason
        made.append((tmp_path / str(rows) / "a.shp").read_bytes())
        notes.append(outcome.notes)
    assert made == made[:1] * 3
    assert notes == notes[:1] * 3
    assert "records of another type than the layer's became of its own (1)" in notes[0]
    vertices = read_layer(make.source(tmp_path / "9/a.shp")).vertices()
    told = vertices.m[vertices.m > -1e38]
    assert told.tolist() == [5, 6, 5, 6, 5, 6]


def test_what_a_type_has_not_is_told_where_records_become_of_it(tmp_path: Path) -> None:
    records = [LINE, line_m(0), patch([(0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 0, 1)])]
    path = make.layer(tmp_path / "src", records[:2], 3)
    outcome = run(path, tmp_path / "out", "swap-xy")
    told = "M values of geometries are dropped, as the layer has none (1, the first 'FID 1')"
    assert told in outcome.notes
    path = make.layer(tmp_path / "other", records, 3)
    assert run(path, tmp_path / "out2", "swap-xy").code == "mixed-types"


def test_a_multipatch_that_was_moved_is_where_it_was_moved_to(tmp_path: Path) -> None:
    records = [patch([(x, 0, 1), (x, 1, 1), (x + 1, 1, 1), (x, 0, 1)]) for x in (0, 5)]
    path = make.layer(tmp_path / "src", records, 31)
    outcome = run(path, tmp_path / "out", "swap-xy ! centroid")
    assert outcome.status == "done", outcome.reason
    points = read_layer(make.source(tmp_path / "out/a.shp")).geometry()
    assert shapely.get_y(points).round(3).tolist() == [0.333, 5.333]


def test_broken_multipatches_are_left_out_where_they_are_to_be(tmp_path: Path) -> None:
    records = [patch([(x, 0, 1), (x, 1, 1), (x + 1, 1, 1), (x, 0, 1)]) for x in (0, 5)]
    path = make.layer(tmp_path / "src", records, 31)
    path.write_bytes(path.read_bytes()[:-20])
    (outcome,) = shpbatch.run(
        path, tmp_path / "out", "centroid", on_bad_record="skip", method="inline"
    ).outcomes
    assert (outcome.status, outcome.features.unreadable) == ("done", 1), outcome.reason


def test_measures_of_a_multipatch_that_gdal_does_not_give_are_told(tmp_path: Path) -> None:
    record = patch([(0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 0, 1)])
    records = [record + struct.pack("<6d", 7, 8, 7, 8, 8, 7), record, make.NULL]
    path = make.layer(tmp_path / "src", records, 31)
    told = "segmentize dropped the M values of features (1, the first 'FID 0')"
    assert told in run(path, tmp_path / "out", "segmentize 0.5").notes
    assert "dropped" not in str(run(path, tmp_path / "same", "filter --bbox=0,0,1,1").notes)


def test_records_of_another_type_are_carried_as_they_are(tmp_path: Path) -> None:
    rows = make.rows_of(*[b"x"] * 4)
    path = make.layer(tmp_path / "src", MIXED, 3, dbf=make.dbf_bytes(make.NAMES, rows))
    outcome = run(path, tmp_path / "out", "select N")
    assert outcome.status == "done", outcome.reason
    assert Path(outcome.sinks[0].path).read_bytes() == path.read_bytes()


def test_a_multipatch_is_read_with_gdal_and_carried(tmp_path: Path) -> None:
    content = patch([(0, 0, 1), (0, 2, 1), (2, 2, 1), (0, 0, 1)])
    rows = make.rows_of(b"a", b"b")
    path = make.layer(
        tmp_path / "src", [content, make.NULL], 31, dbf=make.dbf_bytes(make.NAMES, rows)
    )
    first, second = read_layer(make.source(path)).geometry()
    assert second is None
    assert shapely.area(first) == 2
    outcome = run(path, tmp_path / "out", 'filter --where "N = 0"')
    assert outcome.status == "done", outcome.reason
    assert Path(outcome.sinks[0].path).read_bytes()[100:] == path.read_bytes()[100:-12]


# --- second layers ------------------------------------------------------------


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    load_other.cache_clear()


def test_a_second_layer_has_no_nulls(tmp_path: Path) -> None:
    other = load_other(str(lines(tmp_path)))
    assert [g.wkt for g in other.geometry] == [w for w in WKT if w is not None]
    assert other.crs == make.WGS84
    assert sorted(other.tree.query(shapely.box(4, 4, 7, 7)).tolist()) == [1]


def test_a_second_layer_is_loaded_once(tmp_path: Path) -> None:
    path = str(lines(tmp_path))
    assert load_other(path) is load_other(path)


def test_a_second_layer_without_features(tmp_path: Path) -> None:
    other = load_other(str(make.layer(tmp_path, [make.NULL], 3)))
    assert len(other.geometry) == 0
    assert len(other.tree.query(shapely.box(0, 0, 9, 9))) == 0


@pytest.mark.parametrize("data", [None, b"", b"no shapefile", make.shp_bytes()[0][:150]])
def test_a_second_layer_that_cannot_be_read_is_told(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.shp"
    if data is not None:
        make.write(tmp_path, shp=data)
    with pytest.raises(StepError, match="the second layer cannot be read") as error:
        load_other(str(path))
    assert error.value.code == "other-layer"
