"""Outputs in other formats: what a shapefile holds, and what it cannot, read back by GDAL."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import fiona
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapefiles
import shapely
from oracle import layer_path, read

import shpbatch
from shpbatch.errors import PlanError
from shpbatch.formats import compare
from shpbatch.models import Report
from shpbatch.sinks import unique

SAMPLES = Path(__file__).parents[1] / "sample_data"
FORMATS = {"GPKG": "gpkg", "FlatGeobuf": "fgb", "GeoJSON": "geojson", "Parquet": "parquet"}
#: Those that GDAL reads here; GeoParquet is read with Arrow.
BY_GDAL = [name for name in FORMATS if name != "Parquet"]


def run(src: Path, out: Path, name: str, recipe: object = (), **options: object) -> Report:
    given = {"workers": 1, "method": "inline", "format": name, **options}
    return shpbatch.run(src, out, recipe, **given)


def code(report: Report) -> str | None:
    (outcome,) = report.outcomes
    return outcome.status if outcome.status == "done" else outcome.code


def outputs(folder: Path) -> list[str]:
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(n for n in found if not n.startswith(".shpbatch"))


@pytest.fixture(params=["plain", "a!b é"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A destination, also of a name that GDAL takes for another thing."""
    return tmp_path / request.param


def rows(path: Path) -> tuple[dict[str, list[object]], np.ndarray]:
    """Values and geometries of an output, as another program reads it."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        shapes = shapely.from_wkb(table["geometry"].to_numpy())
        return table.drop_columns(["geometry"]).to_pydict(), shapes
    with open(path, "rb") as file:
        data = file.read()  # fiona has another GDAL, and must not see the path either
    with fiona.BytesCollection(data) as layer:
        found = list(layer)
        names = list(layer.schema["properties"])
    values = {n: [f["properties"][n] for f in found] for n in names}
    shapes = [
        None if f["geometry"] is None else shapely.geometry.shape(f["geometry"]) for f in found
    ]
    return values, np.array(shapes, dtype=object)


@pytest.mark.parametrize("name", FORMATS)
def test_values_and_geometries_are_those_of_the_source(name: str, out: Path) -> None:
    source = SAMPLES / "census/sids.shp"
    assert code(run(source, out, name)) == "done"
    assert outputs(out) == [f"sids.{FORMATS[name]}"]
    values, shapes = rows(out / f"sids.{FORMATS[name]}")
    meant = read(source)
    assert list(values) == meant.header.field_names()
    wanted = meant.geometry()
    order = np.arange(len(wanted))
    if name == "FlatGeobuf":  # in the order of its index
        order = np.array([meant.column("CNTY_ID").to_pylist().index(v) for v in values["CNTY_ID"]])
    for field in values:
        assert values[field] == meant.column(field).take(order).to_pylist(), field
    assert {s.geom_type for s in shapes} == {"MultiPolygon"}
    wanted = wanted[order]
    single = shapely.get_num_geometries(wanted) == 1
    assert shapely.equals_exact(shapes[~single], wanted[~single]).all()
    firsts = shapely.get_geometry(shapes[single], 0)
    assert shapely.equals_exact(shapely.normalize(firsts), shapely.normalize(wanted[single])).all()


@pytest.mark.parametrize("name", FORMATS)
def test_nulls_dates_and_texts(name: str, tmp_path: Path) -> None:
    columns = ((b"T", "C", 10, 0), (b"D", "D", 8, 0), (b"B", "L", 1, 0), (b"F", "N", 20, 3))
    table = shapefiles.dbf_bytes(
        [*columns, (b"I", "N", 12, 0)],
        [
            ("é".encode(), b"20240229", b"T", b"-1.125", b"123456789012"),
            (b"", b"", b"?", b"", b""),
            (b"2024-01-01", b"00010101", b"F", b"0.3", b"-5"),
        ],
    )
    records = [shapefiles.point(0.1 + 0.2, 1 / 3), shapefiles.NULL, shapefiles.point(1e-9, 179.9)]
    source = shapefiles.layer(tmp_path / "in", records, dbf=table, cpg=b"UTF-8")
    assert code(run(source, tmp_path / "out", name)) == "done"
    values, shapes = rows(tmp_path / f"out/a.{FORMATS[name]}")
    assert (
        [str(v) for v in values["D"]] == ["2024-02-29", "None", "0001-01-01"]
        or (
            name == "FlatGeobuf"  # which has dates with a time only
            and [str(v)[:10] for v in values["D"]] == ["2024-02-29", "None", "0001-01-01"]
        )
    )
    assert values["B"] == [True, None, False]
    assert values["F"] == [-1.125, None, 0.3]
    assert values["I"] == [123456789012, None, -5]
    assert values["T"][0] == "é"
    assert values["T"][1] is None
    assert shapes[1] is None
    assert shapely.get_coordinates(shapes).tolist() == [[0.1 + 0.2, 1 / 3], [1e-9, 179.9]]


@pytest.mark.parametrize("name", FORMATS)
def test_long_names_and_wide_texts_are_whole(name: str, tmp_path: Path) -> None:
    source = shapefiles.write(tmp_path / "in")
    recipe = [
        (
            "calculate",
            {"field": "a name longer than ten", "expression": "rpad(name, 300, 'é')"},
        )
    ]
    report = run(source, tmp_path / "out", name, recipe, on_loss="fail")
    assert code(report) == "done"
    assert report.outcomes[0].notes == ()
    assert outputs(tmp_path / "out") == [f"a.{FORMATS[name]}"]
    values, _ = rows(tmp_path / f"out/a.{FORMATS[name]}")
    found = values["a name longer than ten"]
    assert sorted(found) == [n.ljust(300, "é") for n in ("one", "three", "two")]


@pytest.mark.parametrize("name", FORMATS)
def test_times_of_day_are_kept(name: str, tmp_path: Path) -> None:
    source = shapefiles.write(tmp_path / "in")
    times = pd.to_datetime(
        ["2020-01-02 03:04:05.25", None, "1969-12-31 23:59:59"], format="ISO8601"
    )

    def timed(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return gdf.assign(at=times)

    recipe = [shpbatch.step(timed)]
    report = run(source, tmp_path / "out", name, recipe, on_overflow="cut", on_loss="fail")
    assert report.outcomes[0].reason is None
    path = tmp_path / f"out/a.{FORMATS[name]}"
    values = pq.read_table(path)["at"] if name == "Parquet" else gpd.read_file(path)["at"]
    found = pd.Series(values).dt.tz_localize(None)
    if name == "FlatGeobuf":
        found = found.sort_values(ignore_index=True, na_position="last")
        times = times.sort_values(na_position="last")
    assert [*found.dropna()] == [*times.dropna()]
    assert found.isna().sum() == 1


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_layer(name: str, tmp_path: Path) -> None:
    source = SAMPLES / "census/sids.shp"
    report = run(source, tmp_path, name, "filter --where 'FID < 0'")
    assert code(report) == "done"
    assert report.outcomes[0].features.written == 0
    if name == "Parquet":
        assert pq.read_table(tmp_path / "sids.parquet").num_rows == 0
    else:
        assert pyogrio.read_info(tmp_path / f"sids.{FORMATS[name]}")["features"] in (0, -1)
        assert len(pyogrio.raw.read(tmp_path / f"sids.{FORMATS[name]}")[2]) == 0


def test_what_a_geojson_cannot_say_is_told(tmp_path: Path) -> None:
    source = shapefiles.write(tmp_path / "in", prj=None)
    assert any("for WGS 84" in n for n in run(source, tmp_path, "GeoJSON").outcomes[0].notes)
    report = run(source, tmp_path, "GeoJSON", "filter --where FID>9", on_loss="fail")
    assert code(report) == "values-lost"
    assert "fields are not in a GeoJSON that has no features" in str(report.outcomes[0].reason)


@pytest.mark.parametrize("name", FORMATS)
def test_the_crs(name: str, tmp_path: Path) -> None:
    source = SAMPLES / "census/NY8_utm18.shp"
    assert code(run(source, tmp_path, name)) == "done"
    path = tmp_path / f"NY8_utm18.{FORMATS[name]}"
    if name == "Parquet":
        told = json.loads(pq.read_metadata(path).metadata[b"geo"])
        assert told["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 32618}
        assert told["columns"]["geometry"]["geometry_types"] == ["MultiPolygon"]
    else:
        assert pyogrio.read_info(path)["crs"] == "EPSG:32618"


@pytest.mark.parametrize("name", ["gpkg", "GeoPackage", "gPkG"])
def test_names_do_not_mind_case(name: str, tmp_path: Path) -> None:
    run(SAMPLES / "soho/SohoWater.shp", tmp_path, name)
    assert outputs(tmp_path) == ["SohoWater.gpkg"]


def test_wrong_requests(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="one of ESRI Shapefile, GPKG"):
        run(SAMPLES / "soho", tmp_path, "DXF")
    with pytest.raises(PlanError, match="do not go together"):
        run(SAMPLES / "soho", tmp_path, "GPKG", container="shz")


def test_measures_are_kept_or_told(tmp_path: Path) -> None:
    records = [shapefiles.point_m(1, 2, 7.5), shapefiles.point_m(3, 4, -1)]
    source = shapefiles.layer(tmp_path / "in", records, 21)
    for name in ("GPKG", "FlatGeobuf"):
        assert code(run(source, tmp_path / "out", name, on_loss="fail")) == "done"
    with sqlite3.connect(tmp_path / "out/a.gpkg") as db:
        told = db.execute("SELECT geometry_type_name, z, m FROM gpkg_geometry_columns").fetchone()
    assert told == ("POINT", 0, 1)
    assert code(run(source, tmp_path / "out", "GeoJSON", on_loss="fail")) == "values-lost"
    report = run(source, tmp_path / "out", "GeoJSON")
    assert any("M is dropped: the format holds none (2" in n for n in report.outcomes[0].notes)


@pytest.mark.parametrize("name", ["GeoJSON", "Parquet"])
def test_heights_stay_where_measures_go(name: str, tmp_path: Path) -> None:
    records = [shapefiles.point_zm(1, 2, 30, 4), shapefiles.NULL, shapefiles.point_zm(5, 6, 70, 8)]
    source = shapefiles.layer(tmp_path / "in", records, 11)
    assert code(run(source, tmp_path / "out", name)) == "done"
    _, shapes = rows(tmp_path / f"out/a.{FORMATS[name]}")
    found = shapely.get_coordinates(shapes, include_z=True)
    assert found.tolist() == [[1, 2, 30], [5, 6, 70]]


@pytest.mark.parametrize("name", FORMATS)
def test_large_layers_are_done_in_windows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SAMPLES / "census/sids.shp"
    run(source, tmp_path / "one", name)
    monkeypatch.setattr("shpbatch.shapefile.reader.WINDOW_ROWS", 7)
    assert code(run(source, tmp_path / "many", name)) == "done"
    values, shapes = rows(tmp_path / f"many/sids.{FORMATS[name]}")
    wanted, meant = rows(tmp_path / f"one/sids.{FORMATS[name]}")
    assert values == wanted
    assert shapely.equals_exact(shapes, meant).all()


def test_runs_are_incremental_and_outputs_are_guarded(tmp_path: Path) -> None:
    src, out = tmp_path / "src", tmp_path / "out"
    src.mkdir()
    for extension in ("shp", "shx", "dbf"):
        shutil.copy(SAMPLES / f"census/sids.{extension}", src)
    run(src, out, "GPKG")
    first = (out / "sids.gpkg").read_bytes()
    assert code(run(src, out, "GPKG")) == "up-to-date"
    assert code(run(src, out, "GPKG", force=True)) == "done"
    assert (out / "sids.gpkg").read_bytes() == first  # on any day
    (out / "sids.gpkg").write_bytes(b"mine")
    assert code(run(src, out, "GPKG")) == "output-edited"
    assert code(run(src, out, "GPKG", if_exists="overwrite")) == "done"
    assert code(run(src, out, "ESRI Shapefile")) == "done"
    assert "sids.gpkg" in outputs(out)
    os.rename(src / "sids.shp", src / "other.shp")
    run(src, out, "GPKG", prune=True)
    assert "sids.gpkg" not in outputs(out)
    assert "other.gpkg" in outputs(out)


def test_merges_partitions_and_steps(tmp_path: Path) -> None:
    src = tmp_path / "src"
    shapefiles.write(src, "a")
    shapefiles.write(src, "b")
    run(src, tmp_path / "all", "GPKG", merge="all")
    assert pyogrio.read_info(tmp_path / "all/all.gpkg")["features"] == 6
    run(src, tmp_path / "parts", "GeoJSON", "partition --field N")
    assert len(outputs(tmp_path / "parts")) == 6
    run(src, tmp_path / "each", "FlatGeobuf", "centroid ! buffer 1", each_step=True)
    assert outputs(tmp_path / "each") == [
        *("buffer/a.fgb", "buffer/b.fgb", "centroid/a.fgb", "centroid/b.fgb")
    ]


def test_styles_stay_beside_and_metadata_of_shapefiles_is_told(tmp_path: Path) -> None:
    source = shapefiles.write(tmp_path / "in", qml="<qgis/>", **{"shp.xml": "<metadata/>"})
    report = run(source, tmp_path / "out", "GPKG")
    assert outputs(tmp_path / "out") == ["a.gpkg", "a.qml"]
    assert any(".shp.xml is left behind" in n for n in report.outcomes[0].notes)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_not_read_back_as_meant_is_not_published(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_meant = compare._as_meant

    def altered(batch: object, schema: object, geometry: str) -> object:
        found = as_meant(batch, schema, geometry)  # type: ignore[arg-type]
        values = found.column(0).take([*range(1, found.num_rows), 0])
        return found.set_column(0, found.schema.names[0], values)

    monkeypatch.setattr(compare, "_as_meant", altered)
    source = SAMPLES / "census/NY8_utm18.shp"
    report = run(source, tmp_path, name)
    assert code(report) == "write-differs"
    assert outputs(tmp_path) == []
    assert code(run(source, tmp_path, name, proof=False)) == "done"


def test_names_are_made_unique() -> None:
    assert unique(["a", "A", "b", "a_2"]) == ["a", "A_2", "b", "a_2_2"]


@pytest.mark.parametrize("name", BY_GDAL)
def test_fields_called_as_columns_of_the_format(name: str, tmp_path: Path) -> None:
    columns = tuple((n, "N", 5, 0) for n in (b"fid", b"geom", b"FID", b"geometry", b"ogc_fid"))
    table = shapefiles.dbf_bytes(columns, [[b"1"] * 5, [b"2"] * 5, [b"1"] * 5])
    source = shapefiles.write(tmp_path / "in", dbf=table)
    assert code(run(source, tmp_path / "out", name)) == "done"
    values, _ = rows(tmp_path / f"out/a.{FORMATS[name]}")
    assert [sorted(v) for v in values.values()] == [[1, 1, 2]] * 5  # type: ignore[type-var]


def test_a_time_that_gdal_would_alter_is_a_loss(tmp_path: Path) -> None:
    source = shapefiles.write(tmp_path / "in")

    def timed(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return gdf.assign(at=pd.to_datetime(["1969-12-31 23:59:59.5"] * 3))

    report = run(source, tmp_path / "out", "GPKG", [timed], on_overflow="cut")
    assert any("field at: values are not kept whole (3" in n for n in report.outcomes[0].notes)
    assert outputs(tmp_path / "out") == ["a.gpkg"]
    assert code(run(source, tmp_path / "side", "GPKG", [timed], on_overflow="sidecar")) == "done"
    assert outputs(tmp_path / "side") == ["a.gpkg", "a.overflow.csv"]


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_beside_names_the_features_of_the_file(name: str, tmp_path: Path) -> None:
    def stamp(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        hours = pd.to_timedelta(gdf["CNTY_ID"], unit="h")
        return gdf.assign(at=pd.Timestamp("1950-01-01T00:00:00.5") + hours)

    source = SAMPLES / "census/sids.shp"
    assert code(run(source, tmp_path, name, [stamp], on_overflow="sidecar")) == "done"
    numbers = rows(tmp_path / f"sids.{FORMATS[name]}")[0]["CNTY_ID"]
    beside = pd.read_csv(tmp_path / "sids.overflow.csv")
    found = pd.to_datetime(beside["value"], format="ISO8601") - pd.Timestamp(
        "1950-01-01T00:00:00.5"
    )
    assert [numbers[row] for row in beside["row"]] == (found / pd.Timedelta(hours=1)).tolist()
    assert sorted(beside["row"]) == list(range(len(numbers)))


@pytest.mark.parametrize("name", FORMATS)
def test_surfaces_become_polygons_and_that_is_told(name: str, tmp_path: Path) -> None:
    source = layer_path("corpus:shapelib-a2ad7b3/mpatch3.shp")
    report = run(source, tmp_path, name)
    assert report.outcomes[0].features.written == 473
    assert any("surfaces of a MultiPatch" in n for n in report.outcomes[0].notes)
    _, shapes = rows(tmp_path / f"mpatch3.{FORMATS[name]}")
    assert {s.geom_type for s in shapes} == {"MultiPolygon"}
    assert shapely.has_z(shapes).all()


def test_what_sqlite_left_of_an_old_file_goes_with_it(tmp_path: Path) -> None:
    """A write-ahead log is replayed into whatever database stands beside it."""
    source = shapefiles.write(tmp_path / "in")
    run(source, tmp_path / "out", "GPKG")
    db = sqlite3.connect(tmp_path / "out/a.gpkg")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE mine (x)")
    left = (tmp_path / "out/a.gpkg-wal").read_bytes()
    db.close()
    (tmp_path / "out/a.gpkg-wal").write_bytes(left)
    assert code(run(source, tmp_path / "out", "GPKG", if_exists="overwrite")) == "done"
    assert outputs(tmp_path / "out") == ["a.gpkg"]
    with sqlite3.connect(tmp_path / "out/a.gpkg") as new:
        assert not new.execute("SELECT 1 FROM sqlite_master WHERE name = 'mine'").fetchall()
