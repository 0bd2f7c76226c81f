"""Sources of other formats: every layer a source, and what a shapefile cannot hold is told."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapefiles as make
import shapely
from click.testing import CliRunner

import shpbatch
from shpbatch.cli.info import command as info
from shpbatch.errors import PlanError, SourceError
from shpbatch.models import Report
from shpbatch.planning.discover import discover

LONG = "population of the year 2020"
DRIVERS = {
    "gpkg": "GPKG",
    "fgb": "FlatGeobuf",
    "geojson": "GeoJSON",
    "tab": "MapInfo File",
    "mif": "MapInfo File",
    "gdb": "OpenFileGDB",
    "parquet": "Parquet",
}


def frame(**columns: object) -> gpd.GeoDataFrame:
    points = shapely.points([[0.1 + 0.2, 1.5], [2, 3], [4, 5]])
    return gpd.GeoDataFrame(columns or {"n": [1, 2, 3]}, geometry=points, crs="EPSG:4326")


def write(path: Path, found: gpd.GeoDataFrame, layer: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        found.to_parquet(path)
        return path
    plain = path.with_name(f"plain{path.suffix}")  # GDAL does not write where "!" is
    if path.exists():
        os.rename(path, plain)
    found.to_file(plain, driver=DRIVERS[path.suffix[1:]], layer=layer or path.stem)
    for part in path.parent.glob("plain.*"):
        os.rename(part, path.with_suffix(part.suffix))
    return path


def run(src: object, out: Path, recipe: object = (), **options: object) -> Report:
    return shpbatch.run(src, out, recipe, **{"workers": 1, "method": "inline", **options})


def code(report: Report) -> str | None:
    (outcome,) = report.outcomes
    return outcome.status if outcome.status == "done" else outcome.code


def outputs(folder: Path) -> list[str]:
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*.shp"))
    return sorted(n for n in found if not n.startswith(".shpbatch"))


@pytest.mark.parametrize("stem", ["a", "b!c é"])
@pytest.mark.parametrize("suffix", DRIVERS)
def test_values_geometries_and_crs(suffix: str, stem: str, tmp_path: Path) -> None:
    given = frame(n=[1, 2, 3], t=["é", None, "z"], f=[0.25, np.nan, -7.5])
    source = write(tmp_path / f"in/{stem}.{suffix}", given)
    before = make.snapshot(tmp_path / "in")
    told = ["field t: empty text is NULL to a reader"] if suffix in ("tab", "mif") else []
    notes = run(source, tmp_path / "out").outcomes[0].notes
    assert [note.partition(" (")[0] for note in notes] == told  # MapInfo has no null
    assert outputs(tmp_path / "out") == [f"{stem}.shp"]
    os.rename(tmp_path / "out", tmp_path / "plain")
    for part in (tmp_path / "plain").glob(f"{stem}.*"):
        os.rename(part, part.with_name(f"a{part.suffix}"))
    found = gpd.read_file(tmp_path / "plain/a.shp").sort_values("n")
    assert found["n"].tolist() == [1, 2, 3]
    assert [v if isinstance(v, str) else None for v in found["t"]][::2] == ["é", "z"]
    assert found["f"].tolist()[::2] == [0.25, -7.5]
    tolerance = 1e-12 if suffix != "gdb" else 1e-8  # a geodatabase has a grid
    tolerance = 1e-6 if suffix == "tab" else tolerance
    assert shapely.equals_exact(found.geometry.to_numpy(), given.geometry, tolerance).all()
    assert found.crs.to_epsg() == 4326 or suffix in ("tab", "mif")
    assert make.snapshot(tmp_path / "in") == before


def test_each_layer_is_a_source(tmp_path: Path) -> None:
    source = write(tmp_path / "a.gpkg", frame(), "roads")
    pyogrio.write_dataframe(frame(), source, layer="con/../x", append=False)
    report = run(source, tmp_path / "out")
    assert [o.status for o in report.outcomes] == ["done", "done"]
    names = outputs(tmp_path / "out")
    assert "a/roads.shp" in names
    assert len(names) == 2
    assert all(n.startswith("a/") and ".." not in Path(n).parts for n in names)


def test_in_folders_they_are_done_where_that_is_asked(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "own")
    write(tmp_path / "in/sub/a.gpkg", frame())
    write(tmp_path / "in/b.gdb", frame())
    assert [s.relative for s in discover([str(tmp_path / "in")]).sources] == ["own.shp"]
    found = discover([str(tmp_path / "in")], include=["*.gpkg", "*.gdb"])
    assert sorted(s.relative for s in found.sources) == ["b.shp", "sub/a.shp"]


def test_long_names_are_those_of_the_steps(tmp_path: Path) -> None:
    source = write(tmp_path / "a.gpkg", frame(**{LONG: [5, 50, 500]}))
    report = run(source, tmp_path / "out", [("filter", {"where": f'"{LONG}" > 5'})])
    assert report.outcomes[0].features.written == 2
    assert any(f"field {LONG} is written as" in n for n in report.outcomes[0].notes)
    again = run(source, tmp_path / "gpkg", format="GPKG", on_loss="fail")
    assert code(again) == "done"
    with sqlite3.connect(tmp_path / "gpkg/a.gpkg") as db:
        assert db.execute(f'SELECT "{LONG}" FROM a').fetchall() == [(5,), (50,), (500,)]


def test_what_a_shapefile_cannot_hold_is_counted(tmp_path: Path) -> None:
    times = pd.to_datetime(["2020-01-02 03:04:05"] * 3)
    source = write(tmp_path / "a.gpkg", frame(at=times))
    report = run(source, tmp_path / "out")
    assert any("field at: times of day are left out (3" in n for n in report.outcomes[0].notes)
    assert code(run(source, tmp_path / "strict", on_loss="fail")) == "values-lost"
    source = write(tmp_path / "b.gpkg", frame(t=["x" * 300, "y", None]))
    assert code(run(source, tmp_path / "wide")) == "text-too-long"
    report = run(source, tmp_path / "wide", on_overflow="cut")
    assert any("field t: texts are cut to 254 bytes (1" in n for n in report.outcomes[0].notes)


def test_mixed_layers_are_refused(tmp_path: Path) -> None:
    mixed = gpd.GeoDataFrame(
        geometry=[shapely.Point(1, 2), shapely.LineString([[0, 0], [1, 1]])], crs="EPSG:4326"
    )
    source = write(tmp_path / "a.geojson", mixed)
    assert code(run(source, tmp_path / "out")) == "mixed-types"
    assert outputs(tmp_path / "out") == []


@pytest.mark.parametrize("suffix", ["gpkg", "fgb", "geojson", "parquet", "tab"])
def test_files_that_are_none(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(b"nonsense")
    report = run(tmp_path / f"a.{suffix}", tmp_path / "out")
    assert code(report) == "source-unreadable"
    assert f"a.{suffix}" in str(report.outcomes[0].reason)
    assert "shpbatch-" not in str(report.outcomes[0].reason)


def test_empty_layers_and_nulls(tmp_path: Path) -> None:
    empty = frame().iloc[:0]
    empty.to_file(tmp_path / "a.gpkg", driver="GPKG", geometry_type="Point")
    assert code(run(tmp_path / "a.gpkg", tmp_path / "out")) == "done"
    assert pyogrio.read_info(tmp_path / "out/a.shp")["geometry_type"] == "Point"
    nulls = frame()
    nulls.loc[1, "geometry"] = None
    for suffix in ("gpkg", "geojson", "parquet"):
        source = write(tmp_path / f"null.{suffix}", nulls)
        assert code(run(source, tmp_path / suffix)) == "done"
        assert pyogrio.read_dataframe(tmp_path / suffix / "null.shp").geometry.isna().sum() == 1


def test_runs_are_incremental(tmp_path: Path) -> None:
    source = write(tmp_path / "in/a.gdb", frame())
    run(source, tmp_path / "out")
    assert code(run(source, tmp_path / "out")) == "up-to-date"
    pyogrio.write_dataframe(frame(n=[7, 8, 9]), source, layer="a", driver="OpenFileGDB")
    assert code(run(source, tmp_path / "out")) == "done"
    other = make.write(tmp_path / "in", "other")
    run(other, tmp_path / "out", prune=True)
    assert outputs(tmp_path / "out") == ["a.shp", "other.shp"]


def test_a_merge_of_formats(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"a.{suffix}", frame()) for suffix in ("gpkg", "fgb", "parquet")]
    report = run(sources, tmp_path / "out", "buffer 1", merge="all")
    assert code(report) == "done"
    assert report.outcomes[0].features.written == 9


def test_a_source_is_not_replaced_by_its_output(tmp_path: Path) -> None:
    source = write(tmp_path / "a.gpkg", frame())
    with pytest.raises(PlanError, match="would replace this source"):
        run(source, tmp_path, format="GPKG", if_exists="overwrite")


def test_info_shows_them(tmp_path: Path) -> None:
    source = write(tmp_path / "a.gpkg", frame(**{LONG: [5, 50, 500]}))
    shown = CliRunner().invoke(info, [str(source)])
    assert shown.exit_code == 0
    assert f"3 Point; EPSG:4326; utf-8 (cpg); 1 fields: {LONG} N3" in shown.output


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a.gpkg", frame())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert code(run(source, tmp_path / "out", format="FlatGeobuf")) == "done"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_other_files_are_refused_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(SourceError):
        discover([str(tmp_path / "a.txt")])
