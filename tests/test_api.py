"""The public calls on real files: the user's example in its own shape, and run()."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from functools import partial
from pathlib import Path

import pyogrio
import pytest

import shpbatch
from shpbatch import Outcome, Recipe, map_parser, shp_parser
from shpbatch.errors import BusyError, PlanError, RecipeError, SourceError
from shpbatch.publishing.destination import claim

SAMPLE = Path(__file__).parents[1] / "sample_data"
TO_WEB = [("reproject", {"dst_crs": "EPSG:3857", "src_crs_default": "EPSG:4326"})]
FAST = {"workers": 2, "progress": "none"}


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder of a few small layers: two good ones, one cut in the middle."""
    src = tmp_path / "src"
    for name in ("places/cities", "soho/SohoWater", "awkward/virginia"):
        for member in SAMPLE.glob(name + ".*"):
            target = src / member.relative_to(SAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(member, target)
    return src


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
        for p in folder.rglob("*")
    }


def test_the_example_in_its_own_shape(places: Path, tmp_path: Path) -> None:
    step_lst = [str(p) for p in places.rglob("*.shp")]
    step_lst.sort()
    f = partial(shp_parser, recipe=TO_WEB, dst=tmp_path / "out")
    outcomes = map_parser(f, step_lst, workers=16, bar=False, log=tmp_path / "run.jsonl")
    assert [o.sources[0] for o in outcomes] == step_lst
    assert [o.status for o in outcomes] == ["failed", "done", "done"]
    assert outcomes[0].code == "shp-truncated"
    assert pyogrio.read_info(tmp_path / "out/cities.shp")["crs"] == "EPSG:3857"
    events = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events] == ["start", "outcome", "outcome", "outcome", "end"]


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_the_same_function_in_a_plain_pool(places: Path, tmp_path: Path, method: str) -> None:
    step_lst = sorted(str(p) for p in places.rglob("*.shp"))
    f = partial(shp_parser, recipe="reproject --dst-crs EPSG:3857", dst=str(tmp_path / "out"))
    with multiprocessing.get_context(method).Pool(2) as pools:
        outcomes = pools.map_async(f, step_lst).get(timeout=120)
    assert [o.status for o in outcomes] == ["failed", "done", "done"]


def test_any_function_and_any_value() -> None:
    outcomes = map_parser(lambda x: {"square": x * x}, range(5), workers=3, bar=False)
    assert [o.value for o in outcomes] == [{"square": x * x} for x in range(5)]
    assert {o.status for o in outcomes} == {"done"}


def test_a_killed_worker_costs_one_item() -> None:
    def f(x: int) -> int:
        if x == 2:
            os.kill(os.getpid(), 9)
        return x

    outcomes = map_parser(f, range(6), workers=3, bar=False, retries=0)
    assert [o.status for o in outcomes] == ["done", "done", "crashed", "done", "done", "done"]


def test_run_mirrors_the_tree_and_accounts_for_every_file(places: Path, tmp_path: Path) -> None:
    before = snapshot(places)
    report = shpbatch.run(places, tmp_path / "out", TO_WEB, **FAST)
    assert [o.status for o in report.outcomes] == ["failed", "done", "done"]
    assert all(o.features.balances() for o in report.outcomes)
    assert (tmp_path / "out/places/cities.shp").exists()
    assert (tmp_path / "out/soho/SohoWater.prj").exists()
    assert not list((tmp_path / "out").rglob("virginia*"))
    assert not (tmp_path / "out/.shpbatch/stage").exists() or not list(
        (tmp_path / "out/.shpbatch/stage").iterdir()
    )
    assert snapshot(places) == before


def test_flat_include_exclude_limit(places: Path, tmp_path: Path) -> None:
    flat = shpbatch.plan(places, tmp_path / "o", TO_WEB, flat=True, exclude=["virginia.shp"])
    assert [Path(t.sink).name for t in flat.tasks] == ["cities.shp", "SohoWater.shp"]
    assert {Path(t.sink).parent for t in flat.tasks} == {tmp_path / "o"}
    only = shpbatch.plan(places, tmp_path / "o", TO_WEB, include=["soho/*"])
    assert [t.source.relative for t in only.tasks] == ["soho/SohoWater.shp"]
    first = shpbatch.plan(places, tmp_path / "o", TO_WEB, include=["*s.shp"], limit=1)
    assert len(first.tasks) == 1


def test_existing_outputs_are_refused_skipped_or_replaced(places: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kwargs = {**FAST, "exclude": ["virginia*"]}
    shpbatch.run(places, out, TO_WEB, **kwargs)
    before = snapshot(out / "places")
    again = shpbatch.run(places, out, TO_WEB, **kwargs)
    assert {o.code for o in again.outcomes} == {"up-to-date"}
    with pytest.raises(PlanError, match="--if-exists fail") as refused:
        shpbatch.run(places, out, TO_WEB, if_exists="fail", **kwargs)
    assert refused.value.code == "exists"
    skipped = shpbatch.run(places, out, TO_WEB, if_exists="skip", **kwargs)
    assert {o.status for o in skipped.outcomes} == {"skipped"}
    assert snapshot(out / "places") == before
    again = shpbatch.run(places, out, TO_WEB, if_exists="overwrite", force=True, **kwargs)
    assert {o.status for o in again.outcomes} == {"done"}
    assert snapshot(out / "places") != before


def test_each_step_maps_steps_as_well_as_files(places: Path, tmp_path: Path) -> None:
    recipe = [("reproject", {"dst_crs": "EPSG:3857"}), ("reproject", {"dst_crs": "EPSG:4326"})]
    report = shpbatch.run(
        places, tmp_path / "out", recipe, each_step=True, include=["cities.shp"], **FAST
    )
    assert [
        Path(o.sinks[0].path).relative_to(tmp_path / "out").parts[0] for o in report.outcomes
    ] == [
        "reproject",
        "reproject-2",
    ]
    for folder, crs in (("reproject", "EPSG:3857"), ("reproject-2", "EPSG:4326")):
        assert pyogrio.read_info(tmp_path / f"out/{folder}/places/cities.shp")["crs"] == crs


def test_a_users_function_is_a_step(places: Path, tmp_path: Path) -> None:
    def wide(gdf, metres=10.0):  # type: ignore[no-untyped-def]
        gdf = gdf.assign(big=gdf["Population"] > 1_000_000)
        gdf["geometry"] = gdf.geometry.buffer(metres)
        return gdf[gdf["big"]]

    recipe = [("reproject", {"dst_crs": "EPSG:3857"}), (wide, {"metres": 100.0})]
    report = shpbatch.run(places, tmp_path / "out", recipe, include=["cities.shp"], **FAST)
    (outcome,) = report.outcomes
    assert outcome.status == "done", outcome.reason
    assert outcome.features.filtered + outcome.features.written == outcome.features.read == 3
    info = pyogrio.read_info(outcome.sinks[0].path)
    assert info["geometry_type"] == "Polygon"
    assert dict(zip(info["fields"], info["ogr_types"], strict=True))["Created"] == "OFTDate"


def test_mistakes_are_told_before_anything_is_written(places: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cases: list[tuple[type[Exception], str, object]] = [
        (RecipeError, "unknown-step", lambda: shpbatch.run(places, out, ["bufer"])),
        (SourceError, "source-missing", lambda: shpbatch.run(tmp_path / "no", out, TO_WEB)),
        (PlanError, "source-is-sink", lambda: shpbatch.run(places, places, TO_WEB)),
        (PlanError, "bad-value", lambda: shpbatch.run(places, out, TO_WEB, max_failures="x")),
        (
            PlanError,
            "field-missing",
            lambda: shpbatch.run(places, out, [("select", {"fields": ["nope"]})]),
        ),
    ]
    for kind, code, call in cases:
        with pytest.raises(kind) as error:
            call()  # type: ignore[operator]
        assert error.value.code == code  # type: ignore[attr-defined]
    assert not (out / "places").exists()


def test_two_sources_for_one_sink(places: Path, tmp_path: Path) -> None:
    other = tmp_path / "src" / "more"
    other.mkdir()
    for member in (places / "places").glob("cities.*"):
        shutil.copy(member, other / member.name.replace("cities", "CITIES"))
    with pytest.raises(PlanError, match="both become") as error:
        shpbatch.plan(places, tmp_path / "out", TO_WEB, flat=True)
    assert error.value.code == "sink-clash"


def test_a_held_destination_is_busy(places: Path, tmp_path: Path) -> None:
    with claim(str(tmp_path / "out")), pytest.raises(BusyError, match="another run"):
        shpbatch.run(places, tmp_path / "out", TO_WEB, **FAST)


def test_max_failures_stops_and_accounts_for_the_rest(tmp_path: Path) -> None:
    src = tmp_path / "src"
    src.mkdir()
    for i in range(12):
        (src / f"bad{i:02}.shp").write_text("no shapefile")
    report = shpbatch.run(src, tmp_path / "out", TO_WEB, max_failures="25%", **FAST)
    failed = [o for o in report.outcomes if o.status == "failed"]
    not_run = [o for o in report.outcomes if o.code == "not-run"]
    assert report.stopped == "max-failures"
    assert len(failed) >= 3
    assert len(failed) + len(not_run) == 12


def test_recipe_read_is_public(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("steps:\n  - reproject: {dst_crs: EPSG:3857}\n")
    recipe = Recipe.read(path)
    assert recipe.steps[0].params == {"dst_crs": "EPSG:3857"}
    assert isinstance(Outcome((), "done"), Outcome)


def test_a_retry_knows_the_output_of_a_worker_killed_after_publishing(
    places: Path, tmp_path: Path
) -> None:
    """Killed between the last rename and the report: the second try is no 'exists'."""
    marker = tmp_path / "killed-once"

    def deadly(path: str) -> Outcome:
        import shpbatch.publishing.publish

        forget = shpbatch.publishing.publish.forget

        def fatal(*given: object) -> None:
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), 9)
            forget(*given)

        shpbatch.publishing.publish.forget = fatal
        return shp_parser(path, recipe="! centroid", dst=tmp_path / "out")

    path = str(places / "soho/SohoWater.shp")
    (outcome,) = map_parser(deadly, [path], bar=False)
    assert marker.exists()
    assert (outcome.status, outcome.attempts) == ("done", 2), outcome.reason
    (again,) = map_parser(deadly, [path], bar=False)
    assert again.code == "exists"
