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

from shpbatch.engine.reading import read_layer
from shpbatch.errors import ReadError, StepError
from shpbatch.formats import gdal
from shpbatch.formats.gdal import lent, read_shapes
from shpbatch.formats.other import load_other
from shpbatch.models import Outcome, Source
from shpbatch.parser import shp_parser

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


def shapes(source: Source, *rows: int) -> list[str | None]:
    found = read_shapes(source, np.array(rows, dtype=np.int64))
    return [None if g is None else shapely.to_wkt(g, trim=True) for g in found]


def fails(*args: Any, **options: Any) -> Any:
    raise RuntimeError("does not want to")


# --- lending ------------------------------------------------------------------


def test_lending_leaves_no_trace(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src", "odd !\nname", shx=None)
    before = make.snapshot(path.parent)
    with lent(make.source(path)) as found:
        members = sorted(p.name for p in found.parent.iterdir())
        assert members == ["layer.dbf", "layer.shp", "layer.shx"]
        assert found.with_suffix(".shx").read_bytes() == make.shp_bytes()[1]
        assert found.read_bytes() == path.read_bytes()
    assert not found.parent.exists()
    assert make.snapshot(path.parent) == before


def test_lending_leaves_no_trace_after_an_error(tmp_path: Path) -> None:
    path = make.write(tmp_path)
    with pytest.raises(ZeroDivisionError), lent(make.source(path)) as found:
        raise ZeroDivisionError
    assert not found.parent.exists()
    assert path.exists()


def test_an_index_that_is_of_no_use_is_not_lent(tmp_path: Path) -> None:
    path = make.write(tmp_path, shx=b"text" * 50)
    with lent(make.source(path)) as found:
        assert found.with_suffix(".shx").read_bytes() == make.shp_bytes()[1]
    assert path.with_suffix(".shx").read_bytes() == b"text" * 50


def test_a_layer_without_a_dbf_is_lent_without_one(tmp_path: Path) -> None:
    with lent(make.source(make.write(tmp_path, dbf=None))) as found:
        assert sorted(p.name for p in found.parent.iterdir()) == ["layer.shp", "layer.shx"]


def test_members_of_a_zip_are_lent_as_files(tmp_path: Path) -> None:
    path = lines(tmp_path / "src")
    archive = make.zipped(tmp_path / "z.zip", path.parent, "sub/")
    source = Source(str(archive), "z.zip/sub/a.shp", "sub/a.shp")
    with lent(source) as found:
        assert found.read_bytes() == path.read_bytes()
    assert shapes(source, 0, 1, 2) == WKT[:3]


# --- reading with GDAL --------------------------------------------------------


def test_rows_are_read_with_pyogrio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdal, "_with_fiona", fails)
    assert shapes(make.source(lines(tmp_path)), 0, 1, 2, 3) == WKT


def test_rows_are_read_with_fiona_where_pyogrio_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyogrio.raw, "read", fails)
    assert shapes(make.source(lines(tmp_path)), 0, 1, 2, 3) == WKT


@pytest.mark.parametrize("door", ["pyogrio", "fiona"])
@pytest.mark.parametrize("rows", [[2], [3, 0], [1], [2, 2, 0, 2], [], [1, 1]])
def test_rows_are_read_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str, rows: list[int]
) -> None:
    if door == "fiona":
        monkeypatch.setattr(pyogrio.raw, "read", fails)
    assert shapes(make.source(lines(tmp_path)), *rows) == [WKT[i] for i in rows]


def test_what_neither_can_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyogrio.raw, "read", fails)
    monkeypatch.setattr(gdal, "_with_fiona", fails)
    with pytest.raises(ReadError, match=r"neither pyogrio \(does not want to\) nor fiona") as error:
        shapes(make.source(lines(tmp_path)), 0)
    assert error.value.code == "gdal-failed"


def test_a_missing_index_is_rebuilt_for_gdal_but_not_beside_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHAPE_RESTORE_SHX", "YES")
    path = lines(tmp_path, shx=None)
    before = make.snapshot(tmp_path)
    assert shapes(make.source(path), 2, 0) == [WKT[2], WKT[0]]
    assert make.snapshot(tmp_path) == before


def test_heights_are_read(tmp_path: Path) -> None:
    path = make.layer(tmp_path, [make.point_zm(1, 2, 3, 4), make.NULL], 11)
    found = read_shapes(make.source(path), np.array([1, 0]))
    assert found[0] is None
    assert shapely.get_z(found[1]) == 3


# --- what the codec declines --------------------------------------------------


def run(path: Path, out: Path, recipe: Any) -> Outcome:
    return shp_parser(path, recipe=recipe, dst=out)


MIXED = [LINE, make.point(7, 8), make.NULL, LINE]


def test_records_of_another_type_are_read_with_gdal(tmp_path: Path) -> None:
    layer = read_layer(make.source(make.layer(tmp_path, MIXED, 3)))
    found = layer.geometry()
    assert [None if g is None else g.wkt for g in found] == [
        "LINESTRING (0 0, 1 1)",
        "POINT (7 8)",
        None,
        "LINESTRING (0 0, 1 1)",
    ]
    assert layer.account.notes == {
        "geometry read with GDAL: record 2 is of another type than the layer": 4
    }


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
