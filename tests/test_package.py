"""--package: all sources as layers of one GeoPackage, with their styles; complete or absent."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pyogrio
import pytest
import shapefiles as make

import shpbatch
from shpbatch.errors import PlanError, WriteError
from shpbatch.formats import become
from shpbatch.models import Outcome, Report

SAMPLES = Path(__file__).parents[1] / "sample_data"
QML = '<qgis><renderer-v2 attr="NAME" type="categorizedSymbol"/></qgis>'


def run(src: Path | list[Path], out: Path, chain: object = "", **options: object) -> Report:
    return shpbatch.run(src, out, chain, package="all", **{"method": "inline", **options})


def one(report: Report) -> Outcome:
    (outcome,) = report.outcomes
    return outcome


def layers(path: Path) -> dict[str, int]:
    found = pyogrio.list_layers(path)[:, 0]
    return {n: pyogrio.read_info(path, layer=n)["features"] for n in found if n != "layer_styles"}


def styles(path: Path) -> dict[str, tuple[str, str, str, bool]]:
    query = "SELECT f_table_name, f_geometry_column, styleQML, styleSLD, useAsDefault"
    with sqlite3.connect(path) as database:
        rows = database.execute(f"{query} FROM layer_styles").fetchall()
    return {name: tuple(rest) for name, *rest in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make.write(tmp_path / "in/a", "roads", qml=QML, sld="<StyledLayerDescriptor/>")
    make.write(tmp_path / "in/b", "roads")
    make.write(tmp_path / "in", "names with é!", qml=QML.replace("NAME", "N"))
    return tmp_path / "in"


@pytest.mark.parametrize("method", ["inline", "forkserver"])
def test_every_source_is_a_layer(folder: Path, tmp_path: Path, method: str) -> None:
    outcome = one(run(folder, tmp_path / "out", method=method))
    assert outcome.status == "done", outcome.reason
    assert [p.name for p in (tmp_path / "out").iterdir() if p.is_file()] == ["all.gpkg"]
    found = layers(tmp_path / "out/all.gpkg")
    assert found == {"a_roads": 3, "b_roads": 3, "names with é!": 3}
    assert outcome.features.read == outcome.features.written == outcome.sinks[0].features == 9
    assert len(outcome.sources) == 3


def test_values_are_those_of_the_sources(tmp_path: Path) -> None:
    sources = [p for p in sorted(SAMPLES.rglob("*.shp")) if p.parent.name in ("census", "places")]
    outcome = one(run(sources, tmp_path))
    assert outcome.status == "done", outcome.reason
    for path in sources:
        was, now = (
            pyogrio.read_dataframe(path),
            pyogrio.read_dataframe(tmp_path / "all.gpkg", layer=path.stem),
        )
        assert len(was) == len(now)
        assert list(was.columns) == list(now.columns)
        for name in was.columns.drop("geometry"):
            if was[name].dtype.kind in "if":
                assert now[name].astype(float).equals(was[name].astype(float)), name
        assert now.geometry.normalize().geom_equals(was.geometry.normalize()).all(), path


def test_styles_are_where_qgis_looks_for_them(folder: Path, tmp_path: Path) -> None:
    """And refer to the fields by the names that these have now."""
    outcome = one(run(folder, tmp_path / "out", "rename --fields TITLE=NAME"))
    assert outcome.status == "done", outcome.reason
    found = styles(tmp_path / "out/all.gpkg")
    assert set(found) == {"a_roads", "names with é!"}
    geometry, qml, sld, default = found["a_roads"]
    info = pyogrio.read_info(tmp_path / "out/all.gpkg", layer="a_roads")
    assert geometry == info["geometry_name"]
    assert 'attr="TITLE"' in qml
    assert sld == "<StyledLayerDescriptor/>"
    assert default == 1
    assert found["names with é!"][1] == QML.replace("NAME", "N")


NAMES = [
    "layer_styles",
    "Layer_Styles",
    "gpkg_contents",
    "sqlite_x",
    "~x",
    "..a",
    "-a",
    "rtree_x_geom",
]


def test_layers_of_any_name(tmp_path: Path) -> None:
    for number, name in enumerate([*NAMES, "roads"]):
        make.write(tmp_path / f"in/{number}", name, qml=QML)
    outcome = one(run(tmp_path / "in", tmp_path / "out", flat=True))
    assert outcome.status == "done", outcome.reason
    found = layers(tmp_path / "out/all.gpkg")
    assert set(found.values()) == {3}
    assert len(found) == len(NAMES) + 1
    assert set(styles(tmp_path / "out/all.gpkg")) == set(found)
    assert "layer layer_gpkg_contents: a GeoPackage takes no gpkg_contents, or not again (1)" in (
        outcome.notes
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name(name: str, tmp_path: Path) -> None:
    make.write(tmp_path / "in", name)
    outcome = one(
        shpbatch.run(tmp_path / "in", tmp_path / "out", "", format="GPKG", method="inline")
    )
    assert outcome.status == "done", outcome.reason
    assert list(layers(tmp_path / f"out/{name}.gpkg").values()) == [3]
    assert any("a GeoPackage takes no" in n for n in outcome.notes)


def test_no_table_of_styles_where_there_are_none(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "a")
    run(tmp_path / "in", tmp_path / "out")
    assert pyogrio.list_layers(tmp_path / "out/all.gpkg")[:, 0].tolist() == ["a"]


def test_each_has_its_own_type_fields_and_crs(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "points")
    make.layer(tmp_path / "in", [make.poly(3, [(0, 0), (1, 1)])], 3)
    run(tmp_path / "in", tmp_path / "out", "assign-crs EPSG:25832")
    infos = {n: pyogrio.read_info(tmp_path / "out/all.gpkg", layer=n) for n in ("points", "a")}
    assert infos["points"]["geometry_type"] == "Point"
    assert infos["a"]["geometry_type"] == "MultiLineString"
    assert (len(infos["points"]["fields"]), len(infos["a"]["fields"])) == (2, 0)
    assert {i["crs"] for i in infos.values()} == {"EPSG:25832"}


def test_what_is_split_off_and_partitions_are_layers(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "a")
    make.write(tmp_path / "in", "b")
    run(tmp_path / "in", tmp_path / "out", "partition NAME")
    names = [f"{layer}_{value}" for layer in "ab" for value in ("one", "two", "three")]
    assert layers(tmp_path / "out/all.gpkg") == dict.fromkeys(names, 1)


def test_without_a_row_there_is_no_layer_and_no_package(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "a")
    chain = "filter --where 'N > 5' ! partition NAME"
    outcome = one(run(tmp_path / "in", tmp_path / "out", chain))
    assert (outcome.features.filtered, outcome.sinks) == (3, ())
    assert not (tmp_path / "out/all.gpkg").exists()


def test_it_is_incremental(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder, out)
    before = (out / "all.gpkg").read_bytes()
    assert one(run(folder, out)).code == "up-to-date"
    again = one(run(folder, out, force=True))
    assert again.status == "done", again.reason
    assert (out / "all.gpkg").read_bytes() == before
    make.write(folder, "more")
    assert one(run(folder, out)).status == "done"
    assert "more" in layers(out / "all.gpkg")


def test_one_source_that_cannot_be_done_is_named_before_anything(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.shp").write_bytes(b"<html>")
    with pytest.raises(PlanError, match=r"--exclude 'bad\.shp'"):
        run(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_not_read_back_as_meant_is_not_published(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise WriteError("not as meant", "write-differs")

    monkeypatch.setattr(become, "_prove", refuse)
    outcome = one(run(folder, tmp_path / "out"))
    assert (outcome.status, outcome.code) == ("failed", "write-differs")
    assert not (tmp_path / "out/all.gpkg").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"merge": "x"}, "--merge and --package"),
        ({"format": "GeoJSON"}, "GeoPackage"),
        ({"container": "shz"}, "GeoPackage"),
        ({"each_step": True}, "--each-step"),
    ],
)
def test_what_does_not_go_together(
    options: dict[str, object], said: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match=said):
        run(folder, tmp_path / "out", **options)


def test_large_members_are_done_in_parts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shpbatch.planning import divide

    run(folder, tmp_path / "whole", "reproject EPSG:3857")
    monkeypatch.setattr(divide, "LARGE", 50)
    monkeypatch.setattr(divide, "PART", 100)
    run(folder, tmp_path / "parts", "reproject EPSG:3857")
    whole, parts = ((tmp_path / n / "all.gpkg").read_bytes() for n in ("whole", "parts"))
    assert whole == parts
