"""Layers of more than 2 GB: refused, divided at the same rows always, or a GeoPackage.

The 2 GB are some hundred bytes here.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapefiles as make
from pyarrow.parquet import read_table

import shpbatch
from shpbatch.errors import PlanError, WriteError
from shpbatch.models import Outcome
from shpbatch.planning import divide
from shpbatch.shapefile import reader, writer

LINES = [make.poly(3, [(i, 0), (i + 0.5, 1), (i + 1, 0)][: 2 + i % 2]) for i in range(40)]
NAMES = [f"street number {i}".encode() for i in range(40)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files hold 1,000 bytes."""
    monkeypatch.setattr(writer, "LARGEST", 1_000)


def roads(folder: Path, stem: str = "roads") -> Path:
    shp, shx = make.shp_bytes(LINES, 3, (0, 0, 40, 1))
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*NAMES))
    return make.write(folder, stem, shp=shp, shx=shx, dbf=dbf)


def ran(src: Path, out: Path, chain: object = "", **options: object) -> Outcome:
    (outcome,) = shpbatch.run(src, out, chain, method="inline", **options).outcomes
    return outcome


def rows(paths: list[Path]) -> list[tuple[str, bytes]]:
    """Names and geometries of all features of some layers, in order."""
    found = []
    for path in paths:
        _, _, geometry, columns = pyogrio.raw.read(path, columns=["NAME"])
        found += list(zip(columns[0].tolist(), [bytes(g) for g in geometry], strict=True))
    return found


def sinks(outcome: Outcome) -> list[Path]:
    return [Path(s.path) for s in outcome.sinks]


@pytest.mark.usefixtures("small")
def test_it_fails_and_says_what_to_do(tmp_path: Path) -> None:
    path = roads(tmp_path / "in")
    outcome = ran(path, tmp_path / "out", "segmentize 0.7")
    assert (outcome.status, outcome.code) == ("failed", "too-large")
    assert "--on-too-large split" in str(outcome.reason)
    assert not list((tmp_path / "out").glob("roads*"))


@pytest.fixture
def limited(chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, or as much as the .shp has of which nothing is touched."""
    monkeypatch.setattr(writer, "LARGEST", 4_000 if "calculate" in chain else 1_000)


#: What makes the .shp too large, the .dbf by a new field, the .dbf by a wider one.
CHAINS = ["segmentize 0.7", f"calculate LONG {'||'.join(['NAME'] * 12)}", "reproject EPSG:3857"]


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("chain", CHAINS)
def test_split(chain: str, tmp_path: Path) -> None:
    path = roads(tmp_path / "in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "LARGEST", 2**31 - 1)
        whole = ran(path, tmp_path / "whole", chain)
    outcome = ran(path, tmp_path / "out", chain, on_too_large="split")
    assert outcome.status == "done", outcome.reason
    made = sinks(outcome)
    assert [p.stem for p in made] == [f"roads_{i + 1}" for i in range(len(made))]
    assert len(made) >= 2
    assert rows(made) == rows(sinks(whole))
    for p in made:
        for extension in ("shp", "shx", "dbf"):
            assert p.with_suffix(f".{extension}").stat().st_size <= writer.LARGEST
        assert p.with_suffix(".prj").read_bytes() == path.with_suffix(".prj").read_bytes() or (
            "reproject" in chain
        )
    assert sum(s.features for s in outcome.sinks) == outcome.features.written == len(LINES)
    assert any("more than 2 GB" in n and f"({len(made)})" in n for n in outcome.notes)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("chain", CHAINS)
def test_it_is_divided_at_the_same_rows_in_windows_and_parts(
    chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = roads(tmp_path / "in")
    sets = []
    for number, (window, large) in enumerate(((1 << 20, 1 << 20), (100, 1 << 20), (300, 500))):
        monkeypatch.setattr(reader, "WINDOW_BYTES", window)
        monkeypatch.setattr(divide, "LARGE", large)
        monkeypatch.setattr(divide, "PART", large)
        out = tmp_path / str(number)
        ran(path, out, chain, on_too_large="split")
        sets.append({p.name: p.read_bytes() for p in sorted(out.glob("roads*"))})
    assert len(sets[0]) >= 8
    assert sets[0] == sets[1] == sets[2]


@pytest.mark.usefixtures("small")
def test_each_takes_rows_while_the_next_one_fits(tmp_path: Path) -> None:
    made = sinks(ran(roads(tmp_path / "in"), tmp_path / "out", on_too_large="split", merge="all"))
    assert len(made) > 2
    for p in made[:-1]:
        shapes, table = (writer.LARGEST - p.with_suffix(e).stat().st_size for e in (".shp", ".dbf"))
        assert shapes < 8 + 48 + 3 * 16 or table < 26, "there was room for the next one"


@pytest.mark.usefixtures("small")
def test_a_merge(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        roads(tmp_path / "in", stem)
    with pytest.raises(PlanError, match="--on-too-large split") as error:
        ran(tmp_path / "in", tmp_path / "out", merge="all")
    assert error.value.code == "too-large"
    outcome = ran(tmp_path / "in", tmp_path / "out", merge="all", on_too_large="split")
    assert outcome.status == "done", outcome.reason
    assert rows(sinks(outcome)) == 2 * rows([tmp_path / "in/a.shp"])
    assert sinks(outcome)[0].name == "all_1.shp"


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("chain", CHAINS)
def test_format(chain: str, tmp_path: Path) -> None:
    path = roads(tmp_path / "in")
    outcome = ran(path, tmp_path / "out", chain, on_too_large="format")
    assert outcome.status == "done", outcome.reason
    assert [p.name for p in sinks(outcome)] == ["roads.gpkg"]
    assert pyogrio.read_info(tmp_path / "out/roads.gpkg")["features"] == len(LINES)
    split = ran(path, tmp_path / "split", chain, on_too_large="split")
    names = [name for name, _ in rows(sinks(split))]
    assert [name for name, _ in rows([tmp_path / "out/roads.gpkg"])] == names


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("options", [{"format": "GPKG"}, {"on_too_large": "format"}])
def test_what_is_beside_is_of_all_sets(options: dict[str, str], tmp_path: Path) -> None:
    def stamp(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        hours = pd.to_timedelta(np.arange(len(gdf)), unit="h")
        return gdf.assign(
            at=pd.Timestamp("1950-01-01T00:00:00.5") + hours, long=["x" * 300] * len(gdf)
        )

    given = {"on_too_large": "split", **options}
    assert (
        ran(roads(tmp_path / "in"), tmp_path, [stamp], on_overflow="sidecar", **given).status
        == "done"
    )
    found = pd.read_csv(tmp_path / "roads.overflow.csv")
    assert set(found["field"]) == {"at"}
    assert found["row"].tolist() == list(range(40))
    hours = (
        pd.to_datetime(found["value"], format="ISO8601") - pd.Timestamp("1950")
    ).dt.total_seconds()
    assert (hours // 3600).tolist() == list(range(40))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["GPKG", "FlatGeobuf", "GeoJSON", "Parquet"])
def test_other_formats_have_no_such_limit(name: str, tmp_path: Path) -> None:
    outcome = ran(roads(tmp_path / "in"), tmp_path / "out", "segmentize 0.7", format=name)
    assert outcome.status == "done", outcome.reason
    (sink,) = sinks(outcome)
    assert outcome.sinks[0].features == len(LINES)
    table = read_table(sink) if name == "Parquet" else pyogrio.read_arrow(sink)[1]
    assert sorted(table["NAME"].to_pylist()) == sorted(n.decode() for n in NAMES)


@pytest.mark.usefixtures("small")
def test_the_plan_of_another_format_knows_no_such_limit(tmp_path: Path) -> None:
    chain = [("calculate", {"field": f"f{i}", "expression": "NAME"}) for i in range(12)]
    source = roads(tmp_path / "in")
    with pytest.raises(PlanError, match="--on-too-large split, or format"):
        ran(source, tmp_path / "no", chain)
    outcome = ran(source, tmp_path / "out", chain, format="GPKG")
    assert outcome.status == "done", outcome.reason
    assert ran(source, tmp_path / "all", merge="x", format="GPKG").status == "done"


def test_what_is_lent_is_not_divided_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sinks(ran(roads(tmp_path / "in"), tmp_path / "in", format="GPKG"))[0]
    monkeypatch.setattr(writer, "LARGEST", 1_000)
    outcome = ran(source, tmp_path / "out", format="FlatGeobuf", on_too_large="split")
    assert (outcome.status, outcome.code) == ("failed", "too-large")
    assert "ogr2ogr -where" in str(outcome.reason)
    assert "--on-too-large" not in str(outcome.reason)


def test_what_fits_stays_one(tmp_path: Path) -> None:
    path = roads(tmp_path / "in")
    for policy in ("split", "format"):
        outcome = ran(path, tmp_path / policy, on_too_large=policy)
        assert [p.name for p in sinks(outcome)] == ["roads.shp"]
        assert (tmp_path / policy / "roads.shp").read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("small")
def test_sets_of_an_earlier_run_go(tmp_path: Path) -> None:
    path, out = roads(tmp_path / "in"), tmp_path / "out"
    ran(path, out, "segmentize 0.3", on_too_large="split")
    before = len(list(out.glob("*.shp")))
    ran(path, out, "segmentize 0.7", on_too_large="split")
    after = sorted(p.name for p in out.glob("*.shp"))
    assert 1 < len(after) < before
    assert ran(path, out, "segmentize 0.7", on_too_large="split").code == "up-to-date"


@pytest.mark.usefixtures("small")
def test_one_feature_that_is_too_large_is_no_matter_of_policy(tmp_path: Path) -> None:
    ring = [(np.cos(a), np.sin(a)) for a in np.linspace(0, 6, 80)]
    path = make.layer(tmp_path / "in", [make.poly(3, ring)], 3)
    for policy in ("split", "format"):
        outcome = ran(path, tmp_path / "out", "segmentize 9", on_too_large=policy)
        assert (outcome.status, outcome.code) == ("failed", "too-large")


def test_a_sink_that_another_source_becomes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shpbatch.planning import plan as planning

    roads(tmp_path / "in", "roads")
    roads(tmp_path / "in", "roads_2")
    monkeypatch.setattr(planning, "LARGEST", 3_000)
    with pytest.raises(PlanError) as error:
        shpbatch.plan(tmp_path / "in", tmp_path / "out", "segmentize 1", on_too_large="split")
    assert error.value.code == "sink-clash"


def test_the_error_of_a_file_that_is_too_large_names_the_option() -> None:
    with pytest.raises(WriteError, match="--on-too-large"):
        writer.check_size(Path("a.dbf"), 2**31)
