"""The audit: a row for each layer, true counts, what is wrong, and the cure."""

from __future__ import annotations

import json
import shlex
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapefiles as make
import shapely

import shpbatch
from shpbatch.auditing import Audit, LayerAudit
from shpbatch.auditing.records import as_json
from shpbatch.planning.discover import discover
from shpbatch.shapefile import reader

SAMPLES = Path(__file__).parents[1] / "sample_data"
BOWTIE = make.poly(5, [(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)])
SQUARE = make.poly(5, [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)])
UTM18 = (SAMPLES / "census/NY8_utm18.prj").read_text()


def only(audit: Audit) -> LayerAudit:
    (layer,) = audit.layers
    return layer


def codes(layer: LayerAudit) -> set[str]:
    return {finding.code for finding in layer.findings}


def audit_of(path: Path, **options: object) -> Audit:
    return shpbatch.audit(path, workers=1, **options)  # type: ignore[arg-type]


def test_headers_tell_what_gdal_tells() -> None:
    layers = audit_of(SAMPLES).layers
    assert len(layers) == 17
    for layer in layers:
        if layer.source.member or layer.source.path.endswith(("latin1.shp", "virginia.shp")):
            continue
        info = pyogrio.read_info(layer.source.path)
        assert layer.count == info["features"], layer.source.name
        assert layer.header is not None
        assert layer.header.field_names() == list(info["fields"])
        crs = info["crs"]
        if crs and crs.startswith("EPSG:") and layer.crs and layer.crs.code:
            assert layer.crs.code == crs


def test_a_cut_file_is_a_row_with_its_reason_and_what_is_left() -> None:
    layer = only(audit_of(SAMPLES / "awkward/virginia.shp"))
    assert layer.severity == "error"
    (error,) = [f for f in layer.findings if f.severity == "error"]
    assert error.code == "shp-truncated"
    assert "35788" in error.reason
    assert layer.type == "Polygon"
    deep = only(audit_of(SAMPLES / "awkward/virginia.shp", deep=True))
    assert deep.reading is not None
    assert (deep.reading.read, deep.reading.unreadable) == (62, 74)
    assert {"shp-truncated", "records-unreadable"} <= codes(deep)


@pytest.mark.parametrize("rows", [32_768, 2, 1])
def test_deep_counts_are_those_of_any_window(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WINDOW_ROWS", rows)
    empty = b"\5\0\0\0" + bytes(40)
    path = make.layer(tmp_path, [SQUARE, make.NULL, BOWTIE, empty, BOWTIE, make.NULL], 5)
    from shpbatch.auditing.deep import read_deep

    deep = read_deep(make.source(path))
    counted = deep.reading
    assert (counted.read, counted.nulls, counted.empties, counted.invalid) == (6, 2, 1, 2)
    assert counted.vertices == 15
    assert counted.bounds == (0, 0, 2, 2)
    found = {f.code: f for f in deep.findings}
    assert found["null-geometry"].count == 2
    assert found["empty-geometry"].count == 1
    rows_of_bowties = {p.row for f in deep.findings for p in f.places}
    assert {2, 4} <= rows_of_bowties


def test_points_that_are_nan_are_empty(tmp_path: Path) -> None:
    nan = float("nan")
    path = make.layer(tmp_path, [make.point(1, 2), make.point(nan, nan), make.NULL])
    reading = only(audit_of(path, deep=True)).reading
    assert reading is not None
    assert (reading.nulls, reading.empties, reading.invalid) == (1, 1, 0)


def test_cells_are_counted(tmp_path: Path) -> None:
    rows = [(b"one", b"1"), (b"", b"x"), (b"two", b""), (b"", b"4")]
    points = [make.point(i, i) for i in range(4)]
    shp, shx = make.shp_bytes(points, bounds=(0, 0, 3, 3))
    path = make.write(tmp_path, shp=shp, shx=shx, dbf=make.dbf_bytes(make.NAMES, rows, deleted=[3]))
    layer = only(audit_of(path, deep=True))
    assert layer.reading is not None
    assert (layer.reading.read, layer.reading.deleted) == (3, 1)
    assert layer.reading.blanks == (1, 2)
    bad = next(f for f in layer.findings if f.code == "bad-value")
    assert (bad.count, bad.places[0].row, bad.places[0].detail) == (1, 1, "N")
    assert "rows-deleted" in codes(layer)


def test_an_extent_that_lies_is_told_by_a_deep_audit_only(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(bounds=(1, 2, 50, 60))
    path = make.write(tmp_path, shp=shp, shx=shx)
    assert "bounds-lie" not in codes(only(audit_of(path)))
    (lie,) = [f for f in only(audit_of(path, deep=True)).findings if f.code == "bounds-lie"]
    assert lie.reason.endswith(": east 50, not 5, north 60, not 6")


def test_digits_of_an_extent_tell_it_apart(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(400_000, 5_800_050)] * 3, 1, (4e5, 5_800_000, 4e5, 5.9e6))
    path = make.write(tmp_path, shp=shp, shx=shx)
    (lie,) = [f for f in only(audit_of(path, deep=True)).findings if f.code == "bounds-lie"]
    assert lie.reason.endswith(": north 5900000, not 5800050")


@pytest.mark.parametrize(
    ("shapes", "missing"),
    [([make.point(0, 0)], False), ([make.NULL], False), ([make.point(1, 2)], True)],
)
def test_no_extent_is_a_fault_only_where_there_is_one(
    shapes: list[bytes], missing: bool, tmp_path: Path
) -> None:
    path = make.layer(tmp_path, shapes)
    path.write_bytes(path.read_bytes()[:36] + bytes(32) + path.read_bytes()[68:])
    assert ("bounds-missing" in codes(only(audit_of(path, deep=True)))) == missing
    (told,) = [f for f in only(audit_of(path)).findings if f.code == "bounds-missing"]
    assert not told.remedy


def test_rows_of_defects_are_all_told(tmp_path: Path) -> None:
    path = make.layer(tmp_path, [SQUARE, BOWTIE] * 40, 5)
    found = {f.code: f for f in only(audit_of(path, deep=True)).findings}
    rows = [place.row for place in found["self-intersection"].places]
    assert rows == list(range(1, 80, 2))


def test_a_multipatch_is_not_invalid(tmp_path: Path) -> None:
    """GEOS has no such type; of two triangles that meet in a strip it would make a bow."""
    body = BOWTIE[4:36] + struct.pack("<4i", 1, 5, 0, 0) + BOWTIE[48:] + bytes(56)
    path = make.layer(tmp_path, [struct.pack("<i", 31) + body], 31)
    layer = only(audit_of(path, deep=True))
    assert layer.reading is not None
    assert (layer.reading.read, layer.reading.invalid) == (1, 0)
    contract = tmp_path / "expect.yaml"
    contract.write_text('layers: {"*": {valid: true}}')
    assert "expected-valid" not in codes(only(audit_of(path, expect=contract)))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"shp": b""}, "empty-file"),
        ({"shp": b"<html>404</html>" * 20}, "bad-magic"),
        ({"dbf": b"short"}, "bad-dbf"),
        ({"dbf": make.dbf_bytes(make.NAMES, make.rows_of(b"one"))}, "count-mismatch"),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_what_cannot_be_read_is_a_row(
    members: dict[str, bytes], code: str, deep: bool, tmp_path: Path
) -> None:
    make.write(tmp_path, "good")
    make.write(tmp_path, "bad", **members)
    audit = audit_of(tmp_path, deep=deep)
    bad, good = audit.layers
    assert bad.severity == "error"
    assert code in codes(bad)
    assert all(f.remedy for f in bad.findings if f.severity == "error")
    assert good.severity is None
    assert audit.fails()


@pytest.mark.parametrize("deep", [False, True])
def test_odd_layers_are_read(deep: bool, tmp_path: Path) -> None:
    make.layer(tmp_path / "no_rows", [], 5)
    make.layer(tmp_path / "no_dbf", [SQUARE], 5, prj=None)
    make.layer(tmp_path / "all_null", [make.NULL, make.NULL], 15)
    make.layer(tmp_path / "zm", [make.point_zm(1, 2, 3, 4)], 11)
    make.layer(tmp_path / "mixed", [SQUARE, make.point(1, 1)], 5)
    make.write(tmp_path / "名前", "道路")
    found = {layer.folder: layer for layer in audit_of(tmp_path, deep=deep).layers}
    assert "no-features" in codes(found["no_rows"])
    assert {"dbf-missing", "crs-missing"} <= codes(found["no_dbf"])
    assert found["all_null"].type == "PolygonZ"
    assert found["zm"].type == "PointZ"
    assert found["名前"].severity is None
    if deep:
        assert found["all_null"].reading is not None
        assert found["all_null"].reading.nulls == 2


def test_zips_are_audited_like_folders(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "a")
    make.zipped(tmp_path / "z.zip", tmp_path / "in", below="deep/er/")
    layer = only(audit_of(tmp_path / "z.zip", deep=True))
    assert layer.reading is not None
    assert (layer.count, layer.reading.read) == (3, 3)
    assert layer.members["shp"] == (tmp_path / "in/a.shp").stat().st_size


def test_what_is_no_layer_is_told(tmp_path: Path) -> None:
    make.write(tmp_path, "a")
    make.write(tmp_path, "lone", shp=None, shx=None)
    make.write(tmp_path, "sidecar", shp=None, shx=None, dbf=None)
    (tmp_path / "._a.shp").write_bytes(b"AppleDouble")
    (tmp_path / "x.gdb").mkdir()
    (tmp_path / "x.gpkg").touch()
    (tmp_path / "folder.zip").mkdir()
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("only.dbf", b"")
    audit = audit_of(tmp_path)
    assert len(audit.layers) == 1
    told = {Path(s.path).name: s.finding for s in audit.strays}
    assert {name: f.code for name, f in told.items()} == {
        "lone.dbf": "lone-dbf",
        "sidecar.prj": "lone-sidecar",
        "._a.shp": "junk",
        "x.gdb": "other-format",
        "x.gpkg": "other-format",
        "folder.zip": "junk",
        "none.zip": "zip-without-layer",
    }
    assert "3 rows of 2 fields" in told["lone.dbf"].reason
    assert "only.dbf" in told["none.zip"].reason
    assert shlex.split(told["x.gdb"].remedy)[1:] == ["audit", str(tmp_path), "--include", "*.gdb"]


def test_the_remedy_finds_another_format_whose_suffix_is_in_capitals(tmp_path: Path) -> None:
    make.write(tmp_path)
    for name in ("X.GPKG", "y.Gdb/z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    remedies = {Path(s.path).name: shlex.split(s.finding.remedy) for s in audit_of(tmp_path).strays}
    for name, words in remedies.items():
        (found,) = discover(words[2:3], include=words[4:]).sources
        assert Path(found.path).name == name
    assert list(remedies) == ["X.GPKG", "y.Gdb"]


@pytest.mark.skipif(sys.platform == "win32", reason="no links without a privilege")
def test_a_link_that_is_passed_over_is_not_an_empty_zip(tmp_path: Path) -> None:
    elsewhere = make.write(tmp_path / "elsewhere", "b")
    make.write(tmp_path / "in", "a")
    (tmp_path / "in/b.shp").symlink_to(elsewhere)
    (stray,) = audit_of(tmp_path / "in").strays
    assert (stray.finding.code, "empty" in stray.finding.reason) == ("passed-over", False)


@pytest.mark.parametrize("deep", [False, True])
def test_a_layer_of_another_format_has_its_own_files(deep: bool, tmp_path: Path) -> None:
    path = tmp_path / "roads.gpkg"
    shapes, names = shapely.to_wkb([shapely.Point(1, 2)]), [np.array(["Köln"], dtype=object)]
    for layer in ("one", "two"):
        pyogrio.raw.write(
            *(path, shapes, names, ["NAME"]),
            layer=layer, geometry_type="Point", crs="EPSG:4326", append=path.exists(),
        )  # fmt: skip
    audit = audit_of(tmp_path, deep=deep, include=["*.gpkg"])
    assert not audit.strays
    for record in as_json(audit)["layers"]:
        assert (record["parts"], record["sidecars"]) == (["gpkg"], [])
        assert record["bytes"] == {"gpkg": path.stat().st_size // 2}
        assert record["encoding"]["from"] == "format"


def test_a_folder_of_lone_tables_is_an_audit_too(tmp_path: Path) -> None:
    make.write(tmp_path, "lone", shp=None, shx=None)
    audit = audit_of(tmp_path)
    assert (len(audit.layers), len(audit.strays)) == (0, 1)
    (tmp_path / "lone.dbf").unlink()
    (tmp_path / "lone.prj").unlink()
    with pytest.raises(shpbatch.ShpbatchError, match="no shapefile"):
        audit_of(tmp_path)


def test_odd_ones_out_are_marked(tmp_path: Path) -> None:
    for stem in "abcdefg":
        make.write(tmp_path, stem)
    shp, shx = make.shp_bytes([SQUARE] * 3, 5)
    other = [(b"OTHER", "C", 5, 0)]
    make.write(tmp_path, "odd", shp=shp, shx=shx, prj=UTM18,
               dbf=make.dbf_bytes(other, [(b"x",)] * 3))  # fmt: skip
    audit = audit_of(tmp_path)
    odd = {layer.source.relative: layer for layer in audit.layers if layer.odd}
    assert list(odd) == ["odd.shp"]
    assert {"crs", "type", "fields"} <= set(odd["odd.shp"].odd)
    assert {"odd-crs", "odd-type", "odd-fields"} <= codes(odd["odd.shp"])


def test_the_remedy_of_an_odd_crs_is_that_of_the_others_unless_it_is_a_wrong_label(
    tmp_path: Path,
) -> None:
    for name in "abcdef":
        make.write(tmp_path, name)
    shp, shx = make.shp_bytes([make.point(500_000, 5_000_000)], bounds=(5e5, 5e6, 5e5, 5e6))
    make.write(tmp_path, "moved", shp=shp, shx=shx, prj=UTM18)
    make.write(tmp_path, "wrong", prj=UTM18.replace("-75]", "3]"))  # though in degrees
    found = {
        Path(layer.source.path).stem: {f.code: f.remedy for f in layer.findings}
        for layer in audit_of(tmp_path).layers
    }
    assert found["moved"]["odd-crs"] == "! reproject --dst-crs EPSG:4326"
    assert found["wrong"]["odd-crs"] == ""
    assert found["wrong"]["crs-in-degrees"] == "--src-crs EPSG:4326"


def test_fields_that_other_formats_do_not_take_are_told(tmp_path: Path) -> None:
    columns = [(b"NAME", "C", 5, 0), (b"N", "I", 4, 0)]
    make.write(tmp_path, dbf=make.dbf_bytes(columns, [(b"x", b"\1\2\3\4")] * 3))
    layer = only(audit_of(tmp_path))
    reasons = {f.code: f.reason for f in layer.findings}
    assert reasons["fields-undecoded"].endswith(": N I")


def test_two_against_two_are_not_odd(tmp_path: Path) -> None:
    for stem, prj in zip("abcd", (make.WGS84, make.WGS84, UTM18, UTM18), strict=True):
        make.write(tmp_path, stem, prj=prj)
    assert not any(layer.odd for layer in audit_of(tmp_path).layers)


def test_layers_of_other_folders_are_no_sisters(tmp_path: Path) -> None:
    for stem in "abcd":
        make.write(tmp_path / "one", stem)
    make.write(tmp_path / "two", "e", prj=UTM18)
    assert not any(layer.odd for layer in audit_of(tmp_path).layers)


def test_headers_only_means_no_geometry_library(tmp_path: Path) -> None:
    make.write(tmp_path)
    code = (
        "import json, sys, shpbatch\n"
        f"audit = shpbatch.audit({str(tmp_path)!r})\n"
        "heavy = ['shapely', 'pyogrio', 'fiona', 'geopandas', 'pandas', 'pyarrow', 'duckdb']\n"
        "print(json.dumps([len(audit.layers), [m for m in heavy if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert json.loads(done.stdout) == [1, []], done.stderr


def test_nothing_is_changed(tmp_path: Path) -> None:
    make.write(tmp_path, shx=None)
    before = make.snapshot(tmp_path)
    audit_of(tmp_path, deep=True)
    assert make.snapshot(tmp_path) == before
