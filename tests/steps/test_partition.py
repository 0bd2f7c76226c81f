"""partition: an output for each value of a field."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import geopandas as gpd
import oracle
import pyarrow as pa
import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine.reading import read_layer
from shpbatch.sinks import file_name, sink_paths
from shpbatch.steps.partition import NULL, partition

EXAMPLES = ["--field FIRST"]
PEOPLE = oracle.SAMPLES / "soho/SohoPeople.shp"


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (pa.array(["a", None, "b/c"]), ["a", NULL, "b/c"]),
        (pa.array([1, None, -7], pa.int32()), ["1", NULL, "-7"]),
        (pa.array([1.0, 2.5, None, -0.0, 0.0]), ["1", "2.5", NULL, "0", "0"]),
        (pa.array([True, False, None]), ["true", "false", NULL]),
        (pa.array([0, None], pa.date32()), ["1970-01-01", NULL]),
    ],
)
def test_labels_of_each_type(values: pa.Array, labels: list[str]) -> None:
    assert partition(pa.table({"f": values}), field="f").to_pylist() == labels


def test_every_feature_is_in_the_output_of_its_value(tmp_path: Path) -> None:
    report = shpbatch.run(PEOPLE, tmp_path, [("partition", {"field": "Count"})], workers=1)
    (outcome,) = report.outcomes
    source = read_layer(make.source(PEOPLE))
    counts = Counter(source.column("Count").to_pylist())
    assert {Path(s.path).stem: s.features for s in outcome.sinks} == {
        str(value): count for value, count in counts.items()
    }
    assert outcome.features.written == outcome.features.read == len(source)
    for sink in outcome.sinks:
        layer = read_layer(make.source(Path(sink.path)))
        assert set(layer.column("Count").to_pylist()) == {int(Path(sink.path).stem)}
        assert layer.header.fields == source.header.fields
        assert (
            Path(sink.path).with_suffix(".prj").read_bytes()
            == PEOPLE.with_suffix(".prj").read_bytes()
        )


@pytest.mark.parametrize(
    "labels", [["a", "A", "A~2", "a~2"], ["A~2", "a", "A"], ["a", "A", "a~2", "A~2", "a~2~2"]]
)
def test_no_two_labels_share_a_path(labels: list[str]) -> None:
    """Also where one is spelled like the path that another was given."""
    paths = sink_paths("out/x.shp", labels)
    assert len({str(p).casefold() for p in paths}) == len(labels)
    assert paths[0].stem == labels[0]


def test_steps_before_and_after_are_applied(tmp_path: Path) -> None:
    chain = "filter --where 'Count < 3' ! partition --field Count ! buffer 5 ! calculate --field x"
    report = shpbatch.run(PEOPLE, tmp_path, f"{chain} --expression 'Count * 1.5'", workers=1)
    (outcome,) = report.outcomes
    assert outcome.status == "done", outcome.reason
    for sink in outcome.sinks:
        layer = read_layer(make.source(Path(sink.path)))
        assert layer.header.geometry_type == "Polygon"
        (x,) = set(layer.column("x").to_pylist())
        assert x == 1.5 * int(Path(sink.path).stem)


def test_rows_in_another_order_keep_their_attributes(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(i, -i) for i in range(6)])
    cells = [(str(i).encode(), b"xy"[i % 2 : i % 2 + 1]) for i in range(6)]
    dbf = make.dbf_bytes([(b"N", "N", 2, 0), (b"K", "C", 1, 0)], cells)
    path = make.write(tmp_path / "src", shp=shp, shx=shx, dbf=dbf)

    def reordered(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return gdf.iloc[[2, 0, 4, 5, 3, 5, 1]]

    recipe = [reordered, ("partition", {"field": "K"})]
    (outcome,) = shpbatch.run(path, tmp_path / "out", recipe, method="inline").outcomes
    assert outcome.status == "done", outcome.reason
    found = {}
    for sink in outcome.sinks:
        layer = read_layer(make.source(Path(sink.path)))
        found[Path(sink.path).stem] = layer.column("N").to_pylist()
        assert [g.x for g in layer.geometry()] == found[Path(sink.path).stem]
    assert found == {"x": [2, 0, 4], "y": [5, 3, 5, 1]}


def test_an_output_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    recipe = [("partition", {"field": "Count"})]
    assert shpbatch.run(PEOPLE, tmp_path, recipe, workers=1).outcomes[0].status == "done"
    before = make.snapshot(tmp_path / "SohoPeople")
    again = shpbatch.run(PEOPLE, tmp_path, recipe, workers=1).outcomes[0]
    assert (again.status, again.code) == ("skipped", "up-to-date")
    shutil.rmtree(tmp_path / ".shpbatch")  # now it is anybody's
    again = shpbatch.run(PEOPLE, tmp_path, recipe, workers=1).outcomes[0]
    assert (again.status, again.code) == ("failed", "exists")
    assert make.snapshot(tmp_path / "SohoPeople") == before
    redone = shpbatch.run(PEOPLE, tmp_path, recipe, workers=1, if_exists="overwrite").outcomes[0]
    assert redone.status == "done"


def test_names_that_files_cannot_have() -> None:
    assert file_name("a/b") == "a%2Fb"
    assert file_name("..") == "%2E%2E"
    assert file_name("") == "%"
    assert file_name("NUL") == "%NUL"
    assert file_name("50%") == "50%25"
    assert file_name("x\n") == "x%0A"
    long = [file_name("é" * 200 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name.encode()) < 120 for name in long)


def test_names_that_differ_by_case_only() -> None:
    paths = sink_paths("out/a.shp", ["Road", "road", "ROAD", "x"])
    assert [p.name for p in paths] == ["Road.shp", "road~2.shp", "ROAD~3.shp", "x.shp"]
    assert {str(p.parent) for p in paths} == {str(Path("out/a"))}
    assert sink_paths("out/a.shp", [""]) == [Path("out/a.shp")]
