"""Geometries that a layer's type cannot hold: rejected, reduced, or in layers of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapefiles as make
import shapely
from ringed import SQUARE, Ring, shifted

import shpbatch
from shpbatch.engine.aspects import Geometry
from shpbatch.engine.registry import step
from shpbatch.errors import PlanError
from shpbatch.planning import divide
from shpbatch.shapefile import reader
from shpbatch.sinks import in_order, kind_of, of_kind, sink_paths

FLAT: Ring = [(5, 5), (6, 5), (7, 5), (5, 5)]
SPIKED: Ring = [*SQUARE[:3], (4, 9), *SQUARE[2:]]
#: A square; nothing but a line; a square with a line on it; null; a line and a square.
ROWS = ([SQUARE], [FLAT], [SPIKED], make.NULL, [FLAT, shifted(SQUARE, 20)])
NAMES = (b"square", b"flat", b"spiked", b"null", b"both")
CHAIN = "make-valid --keep-lower-dim"
MERCATOR = f"{CHAIN} ! reproject EPSG:3857 ! calculate --field twice --expression 'N * 2'"


def polygons(folder: Path, stem: str = "a", times: int = 1) -> Path:
    rows = [r if isinstance(r, bytes) else make.poly(5, *r) for r in ROWS] * times
    shp, shx = make.shp_bytes(rows, 5)
    table = make.dbf_bytes(make.NAMES, make.rows_of(*NAMES * times))
    return make.write(folder, stem, shp=shp, shx=shx, dbf=table)


def run(source: Path, out: Path, chain: Any, on_mixed: str, **options: Any) -> Any:
    options = {"method": "inline", "on_mixed": on_mixed, **options}
    (outcome,) = shpbatch.run(source, out, chain, **options).outcomes
    assert outcome.status == "done", outcome.reason
    assert outcome.features.balances()
    assert outcome.features.written == sum(s.features for s in outcome.sinks)
    return outcome


def rows(path: Path) -> dict[str, str]:
    """Names with the type of their geometry, as GDAL reads them."""
    frame = pyogrio.read_dataframe(path)
    frames = (frame.NAME, frame.geometry)
    return {n: "null" if g is None else g.geom_type for n, g in zip(*frames, strict=True)}


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


def test_reject(tmp_path: Path) -> None:
    outcome = run(polygons(tmp_path / "in"), tmp_path / "out", CHAIN, "reject")
    assert rows(tmp_path / "out/a.shp") == {"square": "Polygon", "null": "null"}
    assert outcome.features.rejected == 3


def test_extract(tmp_path: Path) -> None:
    outcome = run(polygons(tmp_path / "in"), tmp_path / "out", CHAIN, "extract")
    found = rows(tmp_path / "out/a.shp")
    assert found == {"square": "Polygon", "spiked": "Polygon", "null": "null", "both": "Polygon"}
    assert outcome.features.rejected == 1
    assert any("are dropped (2, the first 'FID 2')" in note for note in outcome.notes)
    (line,) = (tmp_path / "out/a.rejects.geojsonl").read_text().splitlines()
    assert json.loads(line)["properties"]["fid"] == 1
    (failed,) = shpbatch.run(
        tmp_path / "in", tmp_path / "b", CHAIN, on_mixed="extract", on_loss="fail", method="inline"
    ).outcomes
    assert failed.code == "values-lost"


@pytest.mark.parametrize("chain", [CHAIN, MERCATOR])
def test_split(tmp_path: Path, chain: str) -> None:
    outcome = run(polygons(tmp_path / "in"), tmp_path / "out", chain, "split")
    assert [Path(s.path).name for s in outcome.sinks] == ["a.shp", "a_line.shp"]
    found = rows(tmp_path / "out/a.shp")
    assert found == {"square": "Polygon", "spiked": "Polygon", "null": "null", "both": "Polygon"}
    lines = rows(tmp_path / "out/a_line.shp")
    assert [*lines] == ["flat", "spiked", "both"]
    assert "Polygon" not in lines.values()
    features = outcome.features
    assert (features.read, features.created, features.written, features.rejected) == (5, 2, 7, 0)
    infos = [pyogrio.read_info(tmp_path / f"out/{n}.shp") for n in ("a", "a_line")]
    assert infos[0]["crs"] == infos[1]["crs"]
    assert infos[0]["fields"].tolist() == infos[1]["fields"].tolist()
    if chain == MERCATOR:
        twice = pyogrio.read_dataframe(tmp_path / "out/a_line.shp")
        assert (twice.twice == 2 * twice.N).all()
        assert twice.total_bounds[0] > 100_000


@pytest.mark.parametrize("policy", ["null", "reject"])
def test_values_that_are_none_are_told_and_rejected_wherever_their_rows_are(
    policy: str, tmp_path: Path
) -> None:
    """A bad value of the layer, one of what was split off it, and one of a row that is in both."""
    cells = zip(NAMES, (b"abc", b"xyz", b"q", b"7", b"8"), strict=True)
    source = polygons(tmp_path / "in")
    source.with_suffix(".dbf").write_bytes(make.dbf_bytes(make.NAMES, cells))
    outcome = run(source, tmp_path / "out", MERCATOR, "split", on_bad_value=policy)
    own, lines = rows(tmp_path / "out/a.shp"), rows(tmp_path / "out/a_line.shp")
    told = [
        n for n in outcome.notes if "values are not whole numbers, and are read as NULL (3" in n
    ]
    if policy == "null":
        assert [*own, *lines] == ["square", "spiked", "null", "both", "flat", "spiked", "both"]
        assert told
        return
    assert [*own, *lines] == ["null", "both", "both"]
    assert not told
    text = (tmp_path / "out/a.rejects.geojsonl").read_text()
    found = [json.loads(line)["properties"] for line in text.splitlines()]
    assert sorted(p["fid"] for p in found) == [0, 1, 2, 2]
    assert {p["reason"] for p in found} == {"field N holds what is not whole numbers"}


def test_the_bytes_do_not_depend_on_windows_or_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = polygons(tmp_path / "in", times=20)
    for on_mixed in ("extract", "split"):
        whole = run(source, tmp_path / on_mixed, MERCATOR, on_mixed)
        for name, window, large in (("windows", 3, 1 << 40), ("parts", 2, 1)):
            with monkeypatch.context() as patch:
                patch.setattr(reader, "WINDOW_ROWS", window)
                patch.setattr(divide, "LARGE", large)
                patch.setattr(divide, "PART", 2_000)
                out = tmp_path / f"{on_mixed}-{name}"
                again = run(source, out, MERCATOR, on_mixed)
            assert files(out) == files(tmp_path / on_mixed)
            assert (again.features, again.notes) == (whole.features, whole.notes)


def test_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stem in ("a", "b"):
        polygons(tmp_path / "in", stem)
    options = {"merge": "all", "source_field": "src"}
    for large in (1 << 40, 1):
        monkeypatch.setattr(divide, "LARGE", large)
        out = tmp_path / str(large)
        outcome = run(tmp_path / "in", out, MERCATOR, "split", **options)
        assert [(Path(s.path).name, s.features) for s in outcome.sinks] == [
            ("all.shp", 8),
            ("all_line.shp", 6),
        ]
        lines = pyogrio.read_dataframe(out / "all_line.shp")
        assert lines.src.str[-5:].tolist() == ["a.shp"] * 3 + ["b.shp"] * 3
    assert files(tmp_path / "1") == files(tmp_path / str(1 << 40))


def test_partition(tmp_path: Path) -> None:
    chain = f"{MERCATOR} ! partition --field NAME"
    outcome = run(polygons(tmp_path / "in"), tmp_path / "out", chain, "split")
    assert [Path(s.path).stem for s in outcome.sinks] == [
        "square", "spiked", "spiked_line", "null", "both", "both_line", "flat_line",
    ]  # fmt: skip
    assert rows(tmp_path / "out/a/spiked_line.shp").keys() == {"spiked"}


@pytest.mark.parametrize("container", ["files", "shz"])
def test_containers_zips_and_each_step(tmp_path: Path, container: str) -> None:
    polygons(tmp_path / "in", "größe")
    archive = make.zipped(tmp_path / "in.zip", tmp_path / "in")
    options = {"on_mixed": "split", "method": "inline", "container": container, "each_step": True}
    report = shpbatch.run(archive, tmp_path / "out", f"{CHAIN} ! close-rings", **options)
    assert [o.status for o in report.outcomes] == ["done", "done"]
    sinks = [Path(s.path).relative_to(tmp_path / "out") for o in report.outcomes for s in o.sinks]
    suffix = ".shp" if container == "files" else ".shz"
    assert [(s.parts[0], s.stem) for s in sinks] == [
        ("make-valid", "größe"), ("make-valid", "größe_line"), ("close-rings", "größe"),
    ]  # fmt: skip
    assert {s.suffix for s in sinks} == {suffix}
    assert rows(tmp_path / "out" / sinks[1]).keys() == {"flat", "spiked", "both"}


def test_what_is_no_longer_split_off_goes(tmp_path: Path) -> None:
    source = polygons(tmp_path / "in")
    run(source, tmp_path / "out", CHAIN, "split")
    again = shpbatch.run(source, tmp_path / "out", CHAIN, method="inline", on_mixed="split")
    assert [o.status for o in again.outcomes] == ["skipped"]
    run(source, tmp_path / "out", CHAIN, "reject")
    assert {p.stem for p in (tmp_path / "out").glob("*.shp")} == {"a"}
    assert not list((tmp_path / "out").glob("a_line.*"))


def test_a_sink_that_another_source_has_is_refused(tmp_path: Path) -> None:
    for stem in ("a", "a_line"):
        polygons(tmp_path / "in", stem)
    with pytest.raises(PlanError, match="a_line") as refused:
        shpbatch.run(tmp_path / "in", tmp_path / "out", CHAIN, on_mixed="split")
    assert refused.value.code == "sink-clash"
    shpbatch.run(tmp_path / "in", tmp_path / "out", CHAIN, on_mixed="extract", method="inline")


@step
def everything(geometry: Geometry) -> Geometry:
    """Make a collection of a point, a line and a polygon of each geometry."""
    made = geometry.copy()
    for i in np.flatnonzero(~shapely.is_missing(geometry)):
        point = shapely.Point(i, 0)
        line = shapely.LineString([(i, 0), (i, 5)])
        made[i] = shapely.GeometryCollection([point, line, shapely.box(i, 0, i + 1, 1), point])
    return made


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("points", {"": "Point", "_line": "LineString", "_point": "Point", "_polygon": "Polygon"}),
        ("multipoints", {"": "MultiPoint", "_line": "LineString", "_polygon": "Polygon"}),
        ("lines", {"": "LineString", "_point": "MultiPoint", "_polygon": "Polygon"}),
        ("polygons", {"": "Polygon", "_point": "MultiPoint", "_line": "LineString"}),
        ("null_type", {"": "Unknown"}),
    ],
)
def test_user_steps_on_each_type(kind: str, types: dict[str, str], shapefile: Any) -> None:
    """In a Point layer two points do not fit: they are a MultiPoint beside it."""
    source = shapefile(kind)
    out = source.parent / "out"
    outcome = run(source, out, [everything], "split")
    stems = {Path(s.path).stem.removeprefix(kind) for s in outcome.sinks}
    assert stems == types.keys() if kind != "null_type" else {""}
    read = outcome.features.read
    for suffix in stems - {""}:
        info = pyogrio.read_info(out / f"{kind}{suffix}.shp", force_feature_count=True)
        assert info["features"] == read
    if kind == "points":
        assert outcome.sinks[0].features == 0
        assert outcome.features.created == 2 * read


@pytest.mark.parametrize("kind", ["polygons_z", "lines_zm", "lines_m"])
def test_z_and_m(kind: str, shapefile: Any) -> None:
    source = shapefile(kind)
    run(source, source.parent / "out", [everything], "split")
    made = sorted((source.parent / "out").glob("*.shp"))
    assert len(made) == 3
    codes = {int.from_bytes(p.read_bytes()[32:36], "little") // 10 for p in made}
    assert codes == {1 if "z" in kind else 2}


def test_a_line_is_no_polygon_of_its_vertices(tmp_path: Path) -> None:
    """Vertices are read of what fits the layer only: a line went through as a ring of 2."""
    outcome = run(polygons(tmp_path / "in"), tmp_path / "out", MERCATOR, "reject")
    assert outcome.features.rejected == 3
    shapes = pyogrio.read_dataframe(tmp_path / "out/a.shp").geometry
    assert shapely.is_valid(shapes[shapes.notna()]).all()


@step
def flattened(geometry: Geometry) -> Geometry:
    """Lose the heights."""
    return shapely.force_2d(geometry)


def test_what_was_told_before_a_step_on_vertices_is_not_told_again(shapefile: Any) -> None:
    source = shapefile("polygons_z")
    outcome = run(source, source.parent / "out", [flattened, "close-rings"], "split")
    (note,) = [n for n in outcome.notes if "no Z in a layer that has" in n]
    assert "(1, the first 'FID 0')" in note


def test_layers_beside_are_fitted_too(shapefile: Any) -> None:
    """In them what does not fit is dropped: the second step makes all of all three."""
    source = shapefile("polygons")
    out = source.parent / "out"
    outcome = run(source, out, [everything, "close-rings"] * 2, "split")
    for suffix, kind in (("", "Polygon"), ("_line", "LineString"), ("_point", "Point")):
        frame = pyogrio.read_dataframe(out / f"polygons{suffix}.shp")
        assert all(kind in t for t in frame.geom_type)
    assert any("are dropped" in note for note in outcome.notes)


def test_clip_that_touches(tmp_path: Path) -> None:
    """What only touches the box has no area in it, and is left out as what lies outside."""
    outcome = run(polygons(tmp_path / "in"), tmp_path / "out", "clip --bbox 4,0,4.5,4", "split")
    assert [s.features for s in outcome.sinks] == [0]


def test_labels() -> None:
    labels = [of_kind("b", "line"), "b", of_kind("a", "point"), of_kind("b", "point")]
    assert [kind_of(label) for label in labels] == ["line", "", "point", "point"]
    ordered = in_order(labels)
    names = ["b.shp", "b_point.shp", "b_line.shp", "a_point.shp"]
    assert [p.name for p in sink_paths("x/r.shp", ordered)] == names
    assert sink_paths("x/r.shp", ["", of_kind("", "line")]) == [
        Path("x/r.shp"), Path("x/r_line.shp"),
    ]  # fmt: skip
    assert kind_of("odd\0label") == ""
