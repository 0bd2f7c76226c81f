"""Sources of other formats: every layer a source, and what a shapefile cannot hold is told."""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapefiles as make
import shapely
from click.testing import CliRunner

import shpbatch
from shpbatch import salvaging
from shpbatch.auditing import everything
from shpbatch.auditing.look import look
from shpbatch.cli.info import command as info
from shpbatch.errors import PlanError, SourceError
from shpbatch.models import Report
from shpbatch.planning.discover import discover
from shpbatch.scratch import scratch
from shpbatch.shapefile import reader

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
    assert code(run(source, tmp_path / "refused")) == "field-type"
    report = run(source, tmp_path / "out", on_overflow="cut")
    assert any("field at: times of day are left out (3" in n for n in report.outcomes[0].notes)
    strict = run(source, tmp_path / "strict", on_overflow="cut", on_loss="fail")
    assert code(strict) == "values-lost"
    source = write(tmp_path / "b.gpkg", frame(t=["x" * 300, "y", None]))
    assert code(run(source, tmp_path / "wide")) == "text-too-long"
    report = run(source, tmp_path / "wide", on_overflow="cut")
    assert any("field t: texts are cut to 254 bytes (1" in n for n in report.outcomes[0].notes)


#: Of a GeoPackage: values that no shapefile holds, as they stand in its table beside.
WHOLE = {
    "day": (["2020-01-01T00:00:00Z", None, "2020-01-02T00:00:00Z"], []),
    "time": (
        ["2020-01-02T03:04:05.5", None, "1965-01-02T03:04:05"],
        [(0, "2020-01-02T03:04:05.500"), (2, "1965-01-02T03:04:05")],
    ),
    "zone": (
        ["2020-01-01T02:00:00+05:00"] * 3,
        [(i, "2020-01-01T02:00:00+05:00") for i in range(3)],
    ),
    "text": (["ü" * 200, "b", None], [(0, "ü" * 200)]),
}


def with_times(path: Path, **more: object) -> Path:
    """A layer that holds all of `WHOLE`."""
    columns = {name: values for name, (values, _) in WHOLE.items()}
    for name in ("day", "time", "zone"):
        columns[name] = pd.to_datetime(pd.Series(columns[name]), format="ISO8601")
    return write(path, frame(**columns, **more, n=[5, 6, 7]))


def spilled(path: Path) -> dict[str, list[tuple[int, str]]]:
    found = pd.read_csv(path)
    return {
        name: [(row, value) for row, of, value in found.itertuples(index=False) if of == name]
        for name in WHOLE
    }


@pytest.mark.parametrize("recipe", ["", "reproject EPSG:3857", "calculate x n+1"])
def test_values_are_whole_beside_the_layer(recipe: str, tmp_path: Path) -> None:
    source = with_times(tmp_path / "a.gpkg")
    report = run(source, tmp_path / "out", recipe, on_overflow="sidecar", on_loss="fail")
    assert code(report) == "done", report.outcomes[0].reason
    assert spilled(tmp_path / "out/a.overflow.csv") == {n: meant for n, (_, meant) in WHOLE.items()}
    found = gpd.read_file(tmp_path / "out/a.shp")
    assert found["zone"].dt.strftime("%Y-%m-%d").tolist() == ["2020-01-01"] * 3
    assert found["text"].tolist()[:2] == ["ü" * 127, "b"]


def test_whole_values_go_with_their_rows(tmp_path: Path) -> None:
    source = with_times(tmp_path / "a.gpkg")
    run(source, tmp_path / "out", "filter --where n>6", on_overflow="sidecar")
    assert spilled(tmp_path / "out/a.overflow.csv") == {
        "day": [],
        "time": [(0, "1965-01-02T03:04:05")],
        "zone": [(0, "2020-01-01T02:00:00+05:00")],
        "text": [],
    }


@pytest.mark.parametrize("policy", ["fail", "cut", "sidecar"])
def test_values_are_whole_in_other_formats(policy: str, tmp_path: Path) -> None:
    source = with_times(tmp_path / "a.gpkg")
    report = run(source, tmp_path / "out", format="GPKG", on_overflow=policy, on_loss="fail")
    assert code(report) == "done", report.outcomes[0].reason
    assert [p.name for p in (tmp_path / "out").glob("a.*")] == ["a.gpkg"]
    found = gpd.read_file(tmp_path / "out/a.gpkg")
    given = gpd.read_file(source)
    assert found["text"].tolist()[:2] == WHOLE["text"][0][:2]
    for name in ("time", "zone"):
        assert pd.to_datetime(found[name], utc=True).equals(pd.to_datetime(given[name], utc=True))


def test_it_is_the_same_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [dt.time(1), None, dt.time(2)]
    source = with_times(tmp_path / "a.parquet", clock=times)
    whole = run(source, tmp_path / "whole", "calculate x n+1", on_overflow="sidecar")
    monkeypatch.setattr(reader, "WINDOW_ROWS", 1)
    bits = run(source, tmp_path / "bits", "calculate x n+1", on_overflow="sidecar")
    assert bits.outcomes[0].notes == whole.outcomes[0].notes
    assert any("are written as text (2" in note for note in bits.outcomes[0].notes)
    for file in (tmp_path / "whole").glob("a.*"):
        assert file.read_bytes() == (tmp_path / "bits" / file.name).read_bytes()


def geojson(path: Path, *properties: object, geometry: object = None) -> Path:
    features = [{"type": "Feature", "properties": p, "geometry": geometry} for p in properties]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


def values(path: Path, name: str) -> list[object]:
    found = pyogrio.read_arrow(path, read_geometry=False)[1]
    return list(found.column(name).to_pylist())


def test_objects_and_mixed_properties_are_text(tmp_path: Path) -> None:
    source = geojson(tmp_path / "a.geojson", {"a": 1, "b": {"c": "é"}}, {"a": "x", "b": [1]})
    assert code(run(source, tmp_path / "out")) == "done"
    assert values(tmp_path / "out/a.shp", "a") == ["1", "x"]
    assert [json.loads(str(v)) for v in values(tmp_path / "out/a.shp", "b")] == [{"c": "é"}, [1]]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["2020-01-01T02:00:00+05:00", "2020-01-01T23:00:00-05:00"], [dt.date(2020, 1, 1)] * 2),
        (["2020-01-31", None], [dt.date(2020, 1, 31), None]),
        (["2020-01-31T00:00:00Z", None], [dt.date(2020, 1, 31), None]),
        (["01:53 p.m.", "12:00:00"], ["01:53 p.m.", "12:00:00"]),
        (["2020-01-01", "later"], ["2020-01-01", "later"]),
        (["2020/01/01", "2020/02/01"], ["2020/01/01", "2020/02/01"]),
        (["2020-02-30", "2020-02-01"], ["2020-02-30", "2020-02-01"]),
    ],
)
def test_dates_and_text_that_looks_like_them(
    given: list[object], meant: list[object], tmp_path: Path
) -> None:
    source = geojson(tmp_path / "a.geojson", *({"t": value} for value in given))
    assert code(run(source, tmp_path / "out", on_overflow="cut")) == "done"
    assert values(tmp_path / "out/a.shp", "t") == meant


def test_heights_that_are_made_up_are_told(tmp_path: Path) -> None:
    shapes = shapely.from_wkt(["POINT (1 2)", "POINT Z (3 4 5)", "POINT EMPTY", None])
    source = tmp_path / "a.parquet"
    gpd.GeoDataFrame({"n": range(4)}, geometry=shapes, crs="EPSG:4326").to_parquet(source)
    report = run(source, tmp_path / "out")
    assert any(
        "have no Z in a layer that has, and are written with 0 (1" in n
        for n in report.outcomes[0].notes
    )


def test_one_bad_geometry_costs_no_layer(tmp_path: Path) -> None:
    wkb = [shapely.to_wkb(shapely.Point(1, 2)), b"", None, b"junk"]
    source = parquet(tmp_path / "a.parquet", pa.table({"n": [1, 2, 3, 4], "geometry": wkb}))
    report = run(source, tmp_path / "out")
    assert code(report) == "done"
    assert "geometries that cannot be read are written as null (2, the first" in str(
        report.outcomes[0].notes
    )
    assert values(tmp_path / "out/a.shp", "n") == [1, 2, 3, 4]
    ring = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}
    report = run(geojson(tmp_path / "b.geojson", {}, geometry=ring), tmp_path / "out")
    assert code(report) == "done"
    assert "were not closed" in str(report.outcomes[0].notes)
    assert gpd.read_file(tmp_path / "out/b.shp").geometry[0].area == 0.5


def parquet(path: Path, table: pa.Table, geo: str | None = None) -> Path:
    told = {"version": "1.1.0", "primary_column": "geometry"}
    told["columns"] = {"geometry": {"encoding": "WKB", "geometry_types": []}}
    metadata = {"geo": json.dumps(told) if geo is None else geo}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_parquet_that_is_odd(tmp_path: Path) -> None:
    wkb = pa.array([shapely.to_wkb(shapely.Point(1, 2))])
    whole = pa.table({"n": pa.array(["x"], pa.string_view()), "geometry": wkb})
    parquet(tmp_path / "empty.parquet", whole.slice(0, 0))
    parquet(tmp_path / "good.parquet", whole)
    parquet(tmp_path / "list.parquet", whole, "[1]")
    parquet(
        tmp_path / "twice.parquet", pa.table([whole["n"], whole["n"], wkb], ["n", "n", "geometry"])
    )
    zone = pa.timestamp("ms", "Nowhere/None")
    parquet(tmp_path / "zone.parquet", whole.append_column("t", pa.array([0], zone)))
    report = run(tmp_path, tmp_path / "out", include=["*.parquet"], on_overflow="cut")
    found = {Path(o.sources[0]).parts[-2]: (o.status, o.code) for o in report.outcomes}
    assert {found.pop(f"{name}.parquet") for name in ("empty", "good", "twice")} == {("done", None)}
    assert set(found.values()) == {("failed", "source-unreadable")}
    assert "geo" in "".join(str(o.reason) for o in report.outcomes)


def test_tables_without_geometry_are_passed_over_and_told(tmp_path: Path) -> None:
    source = write(tmp_path / "a.gpkg", frame())
    pyogrio.write_dataframe(pd.DataFrame({"n": [1]}), source, layer="notes", append=True)
    assert discover([str(source)]).ignored == ((f"{source}/notes", "a table without geometry"),)


MIXED = (
    "POINT (1 2)",
    "LINESTRING (0 0, 1 1)",
    None,
    "POINT (3 4)",
    "GEOMETRYCOLLECTION (POINT (5 6), LINESTRING (2 2, 3 3))",
    "POLYGON EMPTY",
)


def mixed(path: Path) -> Path:
    shapes = shapely.from_wkt(np.array(MIXED, dtype=object))
    return write(path, gpd.GeoDataFrame({"n": range(6)}, geometry=shapes, crs="EPSG:4326"))


def shapes_of(path: Path) -> dict[int, str | None]:
    found = pyogrio.read_dataframe(path)
    texts = shapely.to_wkt(found.geometry.to_numpy(), trim=True)
    return dict(zip(found["n"].tolist(), texts.tolist(), strict=True))


def test_mixed_layers_are_refused(tmp_path: Path) -> None:
    report = run(mixed(tmp_path / "a.geojson"), tmp_path / "out")
    assert code(report) == "mixed-types"
    assert "--on-mixed split" in str(report.outcomes[0].reason)
    assert outputs(tmp_path / "out") == []


@pytest.mark.parametrize("window", [1, 100])
@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "parquet"])
def test_mixed_layers_become_several(
    suffix: str, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WINDOW_ROWS", window)
    report = run(mixed(tmp_path / f"a.{suffix}"), tmp_path / "out", on_mixed="split")
    assert code(report) == "done", report.outcomes[0].reason
    assert outputs(tmp_path / "out") == ["a.shp", "a_line.shp"]
    own = {0: "POINT (1 2)", 2: None, 3: "POINT (3 4)", 4: "POINT (5 6)", 5: None}
    assert shapes_of(tmp_path / "out/a.shp") == own
    assert shapes_of(tmp_path / "out/a_line.shp") == {
        1: "LINESTRING (0 0, 1 1)",
        4: "LINESTRING (2 2, 3 3)",
    }
    features = report.outcomes[0].features
    assert (features.read, features.created, features.written) == (6, 1, 7)


def test_steps_see_layers_of_one_type(tmp_path: Path) -> None:
    source = mixed(tmp_path / "a.geojson")
    report = run(source, tmp_path / "out", "swap-xy ! calculate x n+1", on_mixed="split")
    assert code(report) == "done", report.outcomes[0].reason
    assert shapes_of(tmp_path / "out/a.shp")[0] == "POINT (2 1)"
    assert shapes_of(tmp_path / "out/a_line.shp")[4] == "LINESTRING (2 2, 3 3)"
    assert values(tmp_path / "out/a_line.shp", "x") == [2, 5]


def test_of_a_mixed_layer_one_type_is_extracted(tmp_path: Path) -> None:
    report = run(mixed(tmp_path / "a.geojson"), tmp_path / "out", on_mixed="extract")
    assert code(report) == "done"
    assert sorted(shapes_of(tmp_path / "out/a.shp")) == [0, 2, 3, 4, 5]
    assert report.outcomes[0].features.rejected == 1
    assert any("parts of geometries that do not fit" in n for n in report.outcomes[0].notes)


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


def test_what_a_killed_process_lent_goes_with_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one that is alive has lent stays, and what is not ours."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp/shpbatch-demo-x").mkdir(parents=True)
    code = f"""
import os, tempfile
tempfile.tempdir = {str(tmp_path / "tmp")!r}
from shpbatch.scratch import scratch
with scratch():
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with scratch() as folder:
        left = [p for p in (tmp_path / "tmp").iterdir() if p != folder.parent]
        assert len(left) == 2
        for path in (tmp_path / "tmp").iterdir():
            os.utime(path, (1, 1))
        src = write(tmp_path / "src/a.gpkg", frame())
        assert [o.status for o in run(src, tmp_path / "out").outcomes] == ["done"]
        there = {p.name for p in (tmp_path / "tmp").iterdir()}
        assert there == {folder.parent.name, "shpbatch-demo-x"}
    assert {p.name for p in (tmp_path / "tmp").iterdir()} == {"shpbatch-demo-x"}


def test_a_plan_keeps_nothing_that_was_lent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for number in range(3):
        write(tmp_path / f"src/a{number}.gpkg", frame())
    made = shpbatch.plan(tmp_path / "src", tmp_path / "out", [], include=["*.gpkg"])
    assert len(made.tasks) == 3
    assert not list((tmp_path / "tmp").iterdir())


def test_looks_at_layers_keep_nothing_that_was_lent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand layers each would hold an open file."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = write(tmp_path / "src/a.fgb", frame())
    (source,) = discover([str(path)]).sources
    (task,) = shpbatch.plan(path, tmp_path / "out", [], headers=0, repair="structure").tasks
    looks = {
        "audit": lambda: look(source).header,
        "audit --deep": lambda: everything._safely(source),
        "repair --dry-run": lambda: salvaging._examine(task).status,
        "info": lambda: CliRunner().invoke(info, [str(path)]).output,
    }
    for name, look_at in looks.items():
        assert look_at(), name
        assert not list((tmp_path / "tmp").iterdir()), name


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows has not")
def test_a_name_with_a_backslash_is_told_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a\\qb.fgb"
    path.write_bytes(b"none")
    (source,) = discover([str(path)]).sources
    assert source.problem
    assert source.problem.code == "source-unreadable"
    assert source.problem.reason.count("a\\qb.fgb") == 2
    assert "shpbatch-" not in source.problem.reason
