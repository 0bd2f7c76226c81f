"""A run does what is stale and says why; what is not ours it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest

import shpbatch
from shpbatch import api
from shpbatch.engine.aspects import Coords, Geometry, Rejected
from shpbatch.engine.registry import step
from shpbatch.errors import PlanError, WriteError
from shpbatch.models import Outcome, Report
from shpbatch.publishing.database import Database
from shpbatch.publishing.destination import STATE, claim
from shpbatch.publishing.ledger import LEDGER, Ledger, Quarantined
from shpbatch.publishing.provenance import sources_of
from shpbatch.reporting.report import exit_code, summary

SAMPLES = Path(__file__).parents[1] / "sample_data"
SIMPLE = [("simplify", {"tolerance": 5.0})]


@pytest.fixture
def src(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    for name in ("soho/SohoPeople", "soho/SohoWater", "places/cities"):
        for path in (SAMPLES / name).parent.glob(f"{Path(name).name}.*"):
            shutil.copy(path, folder)
    return folder


def run(src: Path, recipe: Any = SIMPLE, **options: Any) -> Report:
    return shpbatch.run(src, src.parent / "out", recipe, method="inline", **options)


def told(report: Report) -> dict[str, str]:
    """Status, code and reason to make it, by name."""
    return {
        Path(o.sources[0]).stem: f"{o.status} {o.code or o.why}".strip() for o in report.outcomes
    }


def outputs(src: Path) -> dict[str, int]:
    """When each output was written."""
    return {p.name: p.stat().st_mtime_ns for p in (src.parent / "out").iterdir() if p.is_file()}


FRESH = dict.fromkeys(["SohoPeople", "SohoWater", "cities"], "skipped up-to-date")


def test_first_all_are_new_and_then_nothing_is_to_be_done(src: Path) -> None:
    assert set(told(run(src)).values()) == {"done new"}
    before = outputs(src)
    assert told(run(src)) == FRESH
    assert outputs(src) == before


def test_a_run_from_another_folder_knows_the_same_files(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(src)
    monkeypatch.chdir(src.parent)
    assert told(shpbatch.run("src", "out", SIMPLE, method="inline")) == FRESH


@pytest.mark.parametrize("extension", ["shp", "dbf", "prj"])
def test_a_changed_source_is_told_by_its_file(src: Path, extension: str) -> None:
    run(src)
    os.utime(src / f"cities.{extension}", ns=(1, 1))
    assert told(run(src)) == {**FRESH, "cities": f"done source changed: .{extension}"}
    assert told(run(src)) == FRESH


def test_a_side_file_that_comes_or_goes_is_a_change(src: Path) -> None:
    run(src)
    (src / "cities.qml").write_text("<qgis/>")
    assert told(run(src))["cities"] == "done source changed: .qml"
    assert (src.parent / "out/cities.qml").exists()
    (src / "cities.qml").unlink()
    assert told(run(src))["cities"] == "done source changed: .qml"


def test_with_hashes_a_new_time_is_no_change(src: Path) -> None:
    run(src, verify="hash")
    os.utime(src / "cities.dbf", ns=(1, 1))
    assert told(run(src, verify="hash")) == FRESH
    data = bytearray((src / "cities.dbf").read_bytes())
    data[-2] ^= 1
    (src / "cities.dbf").write_bytes(data)
    os.utime(src / "cities.dbf", ns=(1, 1))
    assert told(run(src, verify="hash"))["cities"] == "done source changed: .dbf"


def test_a_changed_recipe_is_told_by_its_parameter(src: Path) -> None:
    run(src)
    found = told(run(src, [("simplify", {"tolerance": 10.0})]))
    assert found["cities"] == "done recipe changed: simplify.tolerance 5.0 → 10.0"
    found = told(run(src, ["make-valid"]))
    assert found["cities"] == "done recipe changed: simplify → make-valid"
    found = told(run(src, ["make-valid"], on_bad_value="reject"))
    assert found["cities"] == "done recipe changed: policy.on_bad_value null → reject"


def test_a_function_of_the_users_is_known_by_its_code(src: Path) -> None:
    def shift(by: float) -> Any:
        if by == 1:

            def moved(coords: Coords) -> Coords:
                return coords + 1

        else:

            def moved(coords: Coords) -> Coords:
                return coords + 2

        return step(moved)

    run(src, [shift(1)])
    assert told(run(src, [shift(1)])) == FRESH
    assert "the code of" in told(run(src, [shift(2)]))["cities"]


def test_a_second_layer_is_a_source_too(src: Path) -> None:
    mask = src.parent / "mask"
    mask.mkdir()
    for path in (SAMPLES / "census").glob("boston_tracts.*"):
        shutil.copy(path, mask)
    recipe = [("assign-crs", {"crs": "EPSG:4326"})]
    recipe += [("clip", {"like": str(mask / "boston_tracts.shp")})]
    run(src, recipe)
    assert told(run(src, recipe)) == FRESH
    os.utime(mask / "boston_tracts.shp", ns=(1, 1))
    assert "second layer changed" in told(run(src, recipe))["cities"]


def test_a_second_layer_is_the_same_from_any_folder_and_by_its_content(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = src.parent / "mask"
    mask.mkdir()
    for path in (SAMPLES / "census").glob("boston_tracts.*"):
        shutil.copy(path, mask)

    def clipped(folder: Path, like: str) -> Report:
        monkeypatch.chdir(folder)
        steps = [("assign-crs", {"crs": "EPSG:4326"}), ("clip", {"like": like})]
        return run(src, steps, verify="hash")

    clipped(src.parent, "mask/boston_tracts.shp")
    assert told(clipped(mask, "boston_tracts.shp")) == FRESH
    os.utime(mask / "boston_tracts.dbf", ns=(1, 1))
    assert told(clipped(mask, "boston_tracts.shp")) == FRESH
    (mask / "boston_tracts.dbf").write_bytes((mask / "boston_tracts.dbf").read_bytes() + b" ")
    assert "second layer changed" in told(clipped(mask, "boston_tracts.shp"))["cities"]


def test_other_versions_are_a_reason_unless_they_are_not_asked_for(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(src)
    monkeypatch.setattr("shpbatch.publishing.provenance.__version__", "99")
    everything = ["source", "recipe", "layer", "libraries"]
    assert told(run(src, rerun_triggers=everything)) == FRESH
    assert told(run(src))["cities"].startswith("done code changed: shpbatch ")
    monkeypatch.setattr("shpbatch.publishing.provenance._version", lambda name: "0.0")
    assert told(run(src))["cities"].startswith("done library changed: shapely ")
    with pytest.raises(PlanError, match="'age' is none of"):
        run(src, rerun_triggers=["age"])


def test_an_output_that_is_gone_is_made_again(src: Path) -> None:
    run(src)
    (src.parent / "out/cities.dbf").unlink()
    assert told(run(src)) == {**FRESH, "cities": "done output is gone: cities.dbf"}


def test_an_edited_output_is_only_replaced_where_that_is_allowed(src: Path) -> None:
    run(src)
    output = src.parent / "out/cities.dbf"
    whole = output.read_bytes()
    output.write_bytes(whole[:-9] + b"edited by"[:9])
    (edited,) = (o for o in run(src).outcomes if o.status == "failed")
    assert edited.code == "output-edited"
    assert "--overwrite" in (edited.reason or "")
    assert output.read_bytes() != whole
    assert told(run(src, if_exists="overwrite"))["cities"] == "done output was edited by hand"
    assert output.read_bytes() == whole


def test_an_output_that_was_only_touched_is_as_it_was(src: Path) -> None:
    run(src)
    os.utime(src.parent / "out/cities.dbf", ns=(1, 1))
    assert told(run(src)) == FRESH


def test_what_was_not_made_here_is_not_replaced(src: Path) -> None:
    out = src.parent / "out"
    out.mkdir()
    (out / "cities.shp").write_text("somebody's")
    found = told(run(src))
    assert found == {"SohoPeople": "done new", "SohoWater": "done new", "cities": "failed exists"}
    assert (out / "cities.shp").read_text() == "somebody's"
    assert told(run(src, if_exists="overwrite"))["cities"] == "done replaces what was there"
    assert told(run(src)) == FRESH


def test_force_makes_our_outputs_anew(src: Path) -> None:
    run(src)
    assert set(told(run(src, force=True)).values()) == {"done forced"}


def test_a_source_that_vanished_is_told_and_pruned_where_that_is_asked_for(src: Path) -> None:
    run(src)
    for path in src.glob("cities.*"):
        path.unlink()
    assert run(src, limit=1).vanished == ("cities.shp",)
    assert (src.parent / "out/cities.shp").exists()
    pruned = run(src, prune=True)
    assert (pruned.vanished, pruned.pruned) == ((), ("cities.shp",))
    assert "removed, as their sources are gone:\n  cities.shp" in summary(pruned)
    assert not list(src.parent.glob("out/cities.*"))
    assert run(src).vanished == ()


def test_a_pruned_output_that_was_edited_stays(src: Path) -> None:
    run(src)
    for path in src.glob("cities.*"):
        path.unlink()
    (src.parent / "out/cities.dbf").write_text("mine now")
    (told,) = shpbatch.plan(src, src.parent / "out", SIMPLE).staying.values()
    assert told.code == "output-edited"
    report = run(src, prune=True)
    assert report.vanished == ("cities.shp",)
    assert report.kept == {"cities.shp": told}
    assert "--prune" not in summary(report)
    assert "cities.dbf was edited by hand" in summary(report)
    assert (src.parent / "out/cities.dbf").read_text() == "mine now"


def test_what_was_taken_out_of_a_zip_is_gone(src: Path) -> None:
    archive = src / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (*src.glob("cities.*"), *src.glob("SohoWater.*")):
            file.write(path, path.name)
    run(src)
    assert run(src, exclude=["*.zip/*"]).vanished == ()  # not named is not gone
    with zipfile.ZipFile(archive, "w") as file:
        for path in src.glob("cities.*"):
            file.write(path, path.name)
    assert run(src, include=["SohoPeople.shp"]).vanished == ("all.zip/SohoWater.shp",)
    archive.write_bytes(archive.read_bytes()[:-30])  # half of an upload
    assert run(src).vanished == ()
    archive.unlink()
    assert set(run(src).vanished) == {"all.zip/SohoWater.shp", "all.zip/cities.shp"}


def test_what_was_taken_out_of_a_geopackage_is_gone(src: Path) -> None:
    package = src / "all.gpkg"
    for name in ("cities", "SohoWater"):
        pyogrio.write_dataframe(pyogrio.read_dataframe(src / f"{name}.shp"), package, layer=name)
    run(package)
    package.unlink()
    pyogrio.write_dataframe(pyogrio.read_dataframe(src / "cities.shp"), package, layer="cities")
    report = shpbatch.run(package, src / "out", SIMPLE, method="inline", prune=True)
    assert report.pruned == ("all/SohoWater.shp",)


def test_nothing_is_gone_that_cannot_be_looked_at(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that fails amid the walk, or a folder without rights, loses no output."""
    (src / "share").mkdir()
    for path in src.glob("cities.*"):
        path.rename(src / "share" / path.name)
    run(src)
    (src / "share").rename(src / "away")
    (src / "share").mkdir()
    real = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("share"):
            raise OSError(116, "Stale file handle", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = run(src, prune=True, exclude=["away/*"])
    assert [o.code for o in report.outcomes if o.status == "failed"] == ["folder-unreadable"]
    assert (report.vanished, report.pruned) == ((), ())
    assert (src.parent / "out/share/cities.shp").exists()


def test_nothing_is_pruned_by_a_run_that_was_stopped(src: Path) -> None:
    """The source was renamed: what takes the output's place is not there yet."""
    run(src)
    for path in src.glob("cities.*"):
        path.rename(path.with_stem("towns"))
    report = run(src, prune=True, max_seconds=1e-9)
    assert (report.stopped, report.vanished, report.pruned) == ("max-seconds", ("cities.shp",), ())
    assert "cities.shp: the run was stopped" in summary(report)
    assert (src.parent / "out/cities.shp").exists()
    assert run(src, prune=True).pruned == ("cities.shp",)


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_private_folder_that_is_a_link_is_refused(src: Path) -> None:
    """Else who may write to the destination chooses what is cleared, and taken for a journal."""
    victim = src.parent / "victim/stage/precious"
    victim.mkdir(parents=True)
    (src.parent / "out").mkdir()
    (src.parent / "out" / STATE).symlink_to(victim.parents[1])
    with pytest.raises(PlanError, match="is a link"):
        run(src)
    assert victim.exists()


def test_an_output_that_cannot_be_removed_is_told(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(src)
    for path in (*src.glob("cities.*"), *src.glob("SohoWater.*")):
        path.unlink()
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("cities"):
            raise PermissionError(13, "Permission denied")
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    report = run(src, prune=True)
    assert (report.vanished, report.pruned) == (("cities.shp",), ("SohoWater.shp",))
    assert "cities.shp cannot be removed: Permission denied" in summary(report)
    assert exit_code(report) == 1
    monkeypatch.undo()
    report = run(src, prune=True)
    assert (report.pruned, exit_code(report)) == (("cities.shp",), 0)


def test_nothing_is_pruned_of_a_folder_that_is_empty(src: Path) -> None:
    """Such as a share that is not mounted."""
    share = src.parent / "share"
    share.mkdir()
    for path in src.glob("cities.*"):
        path.rename(share / path.name)
    named = [src, share]
    dst = src.parent / "out"
    made = shpbatch.run(named, dst, SIMPLE, method="inline")
    assert {o.status for o in made.outcomes} == {"done"}
    for path in share.iterdir():
        path.unlink()
    report = shpbatch.run(named, dst, SIMPLE, prune=True, method="inline")
    assert (report.vanished, report.pruned) == (("cities.shp",), ())
    assert (dst / "cities.shp").exists()


def test_a_source_that_is_not_named_is_not_gone(src: Path) -> None:
    run(src)
    assert run(src, include=["Soho*"]).vanished == ()


def test_retry_failed_does_what_failed_only(src: Path) -> None:
    whole = (src / "cities.shp").read_bytes()
    (src / "cities.shp").write_bytes(whole[:150])
    assert told(run(src))["cities"] == "failed shp-truncated"
    os.utime(src / "SohoWater.dbf", ns=(1, 1))
    found = told(run(src, retry_failed=True))
    assert found == {
        "cities": "failed shp-truncated",
        "SohoPeople": "skipped not-failed",
        "SohoWater": "skipped not-failed",
    }
    (src / "cities.shp").write_bytes(whole)
    assert told(run(src, retry_failed=True))["cities"] == "done new"
    assert told(run(src, retry_failed=True))["cities"] == "skipped not-failed"


def test_what_killed_its_workers_is_left_alone_until_it_changes(src: Path) -> None:
    report = run(src)
    made = shpbatch.plan(src, src.parent / "out", SIMPLE, force=True)
    (task,) = (t for t in made.tasks if t.source.path.endswith("cities.shp"))
    with Ledger(src.parent / "out" / STATE / LEDGER) as ledger:
        trouble = Quarantined(
            "crashed", "killed by SIGSEGV", {**task.provenance, "sources": sources_of(task)}
        )
        ledger.put_trouble("cities.shp", report.run_id, trouble)
    (outcome,) = (o for o in run(src).outcomes if o.status == "failed")
    assert outcome.code == "quarantined"
    assert "SIGSEGV" in (outcome.reason or "")
    assert "--retry-failed" in (outcome.reason or "")
    os.utime(src / "cities.dbf", ns=(1, 1))
    assert told(run(src))["cities"] == "done source changed: .dbf"


def test_a_partition_that_makes_fewer_takes_the_others_away(src: Path) -> None:
    recipe = [("partition", {"field": "Count"})]
    first = run(src, recipe, include=["SohoPeople*"]).outcomes[0]
    fewer = [("filter", {"where": "Count > 5"}), *recipe]
    second = run(src, fewer, include=["SohoPeople*"]).outcomes[0]
    assert 0 < len(second.sinks) < len(first.sinks)
    there = {str(p) for p in (src.parent / "out").rglob("*.shp")}
    assert there == {s.path for s in second.sinks}
    assert told(run(src, fewer, include=["SohoPeople*"])) == {"SohoPeople": "skipped up-to-date"}


def test_a_partition_that_makes_none_takes_the_others_away(src: Path) -> None:
    recipe = [("partition", {"field": "Count"})]
    out, only = src.parent / "out", {"include": ["SohoPeople*"]}
    first = run(src, recipe, **only).outcomes[0]
    none = [("filter", {"where": "Count > 99"}), *recipe]
    second = run(src, none, **only).outcomes[0]
    assert (second.status, second.sinks) == ("done", ())
    assert not [p for p in out.rglob("*.*") if p.is_file() and STATE not in p.parts]
    assert told(run(src, none, **only)) == {"SohoPeople": "skipped up-to-date"}
    assert run(src, recipe, **only).outcomes[0].sinks == first.sinks


def test_rejects_of_a_partition_that_makes_none(src: Path) -> None:
    """They are beside the output that it is not, and go when there are none any more."""

    def doubtful(geometry: Geometry, *, odd: bool = True) -> tuple[Geometry, Rejected]:
        rows = np.arange(len(geometry) if odd else 0)
        return geometry, Rejected(rows, ("is odd",) * len(rows))

    aside, only = src.parent / "out/SohoPeople.rejects.geojsonl", {"include": ["SohoPeople*"]}
    for odd in (True, False, True):
        recipe = [(doubtful, {"odd": odd}), ("partition", {"field": "Count"})]
        outcome = run(src, recipe, **only).outcomes[0]
        assert outcome.status == "done", outcome.reason
        assert bool(outcome.sinks) != odd
        assert aside.exists() == odd
        if odd:
            assert len(aside.read_text().splitlines()) == outcome.features.rejected == 324
        with Ledger(src.parent / "out" / STATE / LEDGER) as ledger:
            (made,) = (made for _, made in ledger.made())
        assert (aside.name in made.members) == odd


def test_a_merge_is_stale_where_one_of_its_sources_is(src: Path) -> None:
    def again(**options: Any) -> Outcome:
        return run(src, [], merge="all", include=["SohoPeople*", "cities*"], **options).outcomes[0]

    for path in src.glob("SohoPeople.prj"):
        shutil.copy(path, src / "cities.prj")
    assert again().why == "new"
    assert again().code == "up-to-date"
    os.utime(src / "cities.dbf", ns=(1, 1))
    assert again().why == f"source changed: {src / 'cities.shp'} (.dbf)"
    for path in src.glob("cities.*"):
        path.unlink()
    assert again().why == f"source changed: {src / 'cities.shp'} left"


def test_a_source_that_changes_while_it_is_read_is_read_again(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shpbatch.work import task as work

    changes = [1]
    apply = work.apply_recipe

    def changing(*given: Any) -> Any:
        result = apply(*given)
        if changes:
            os.utime(src / "cities.dbf", ns=(1, changes.pop()))
        return result

    monkeypatch.setattr(work, "apply_recipe", changing)
    report = run(src, include=["cities*"])
    assert told(report) == {"cities": "done new"}
    assert not changes
    assert told(run(src, include=["cities*"])) == {"cities": "skipped up-to-date"}
    changes[:] = [2, 3]
    os.utime(src / "cities.shp", ns=(1, 1))
    assert told(run(src, include=["cities*"])) == {"cities": "failed source-changed"}
    assert not list((src.parent / "out" / STATE).glob("stage/*"))


def test_a_broken_ledger_is_refused_with_the_remedy(src: Path) -> None:
    run(src)
    (src.parent / "out" / STATE / LEDGER).write_bytes(b"no database" * 99)
    with pytest.raises(PlanError, match="move it away") as refused:
        run(src)
    assert refused.value.code == "ledger-broken"


def test_a_ledger_that_a_run_could_not_begin_blocks_no_later_one(src: Path) -> None:
    """A full disk, or a kill, before there was a table in it."""
    ledger = src.parent / "out" / STATE / LEDGER
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"")
    assert shpbatch.plan(src, src.parent / "out", SIMPLE).tasks
    assert set(told(run(src)).values()) == {"done new"}
    assert told(run(src)) == FRESH


def test_a_kill_amid_a_commit_of_the_ledger_blocks_no_later_run(src: Path) -> None:
    """SQLite leaves its journal beside the file; who reads it next rolls it back."""
    run(src)
    ledger = src.parent / "out" / STATE / LEDGER
    code = f"""
import os, sqlite3
db = sqlite3.connect({str(ledger)!r}, isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("DELETE FROM outputs")
db.executemany("INSERT INTO runs (run_id, started) VALUES (?, 'x')", [("x" * 999 + str(n),)
    for n in range(999)])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code])
    assert ledger.with_name(f"{LEDGER}-journal").stat().st_size
    assert [t.skip and t.skip.code for t in shpbatch.plan(src, src.parent / "out", SIMPLE).tasks]
    assert not ledger.with_name(f"{LEDGER}-journal").exists()
    assert told(run(src)) == FRESH


def test_a_disk_that_is_full_is_no_broken_ledger(
    src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(src)
    whole = Database._open

    def full(self: Database, read_only: bool) -> sqlite3.Connection:
        opened = whole(self, read_only)
        pages = opened.execute("PRAGMA page_count").fetchone()[0]
        opened.execute(f"PRAGMA max_page_count = {pages}")
        return opened

    monkeypatch.setattr(Database, "_open", full)
    with pytest.raises(WriteError, match="free some space") as refused:
        for _ in range(99):
            run(src, force=True)
    assert refused.value.code == "disk-full"


def test_the_last_run_is_the_last_one_whatever_the_clock_says(tmp_path: Path) -> None:
    with Ledger(tmp_path / LEDGER) as ledger:
        for run_id, started in (("b", "2031-01-02"), ("a", "2031-01-01"), ("c", "2030-01-01")):
            ledger.begin(run_id, started, "copy")
        assert [r["run_id"] for r in ledger.runs()] == ["c", "a", "b"]


def test_who_looks_at_every_output_holds_up_no_run(src: Path) -> None:
    run(src)
    ledger = src.parent / "out" / STATE / LEDGER
    with Ledger(ledger, read_only=True) as looked_at:
        keys = []
        for key, _ in looked_at.made():
            keys.append(key)
            with sqlite3.connect(ledger, timeout=0) as other:
                other.execute("DELETE FROM troubles")
    assert keys == ["SohoPeople.shp", "SohoWater.shp", "cities.shp"]


@pytest.mark.parametrize("command", ["run", "plan", "verify", "log"])
def test_a_ledger_with_broken_pages_is_told_with_the_remedy(command: str, src: Path) -> None:
    for number in range(30):
        for path in src.glob("SohoWater.*"):
            shutil.copy(path, src / f"w{number}{path.suffix}")
    run(src)
    out = src.parent / "out"
    data = bytearray((out / STATE / LEDGER).read_bytes())
    data[8192:] = bytes(len(data) - 8192)
    (out / STATE / LEDGER).write_bytes(data)
    words = [src, "-o", out] if command in ("run", "plan") else [out]
    code, text = shell(command, *words)
    assert code == 2, text
    assert "Traceback" not in text
    assert "move it away and run again with --overwrite" in text


def test_a_ledger_that_is_held_for_too_long(src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(src)
    monkeypatch.setattr("shpbatch.publishing.database.PATIENCE", 0)
    with sqlite3.connect(src.parent / "out" / STATE / LEDGER) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PlanError, match="another program holds the ledger") as refused:
            run(src)
    assert refused.value.code == "ledger-busy"


@pytest.mark.parametrize(("runs", "outcomes", "kept"), [(3, 99, 3), (99, 7, 3), (99, 1, 2)])
def test_runs_long_past_are_forgotten_with_their_logs(
    runs: int, outcomes: int, kept: int, src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three outcomes a run; the last one that did something is kept whole."""
    monkeypatch.setattr("shpbatch.publishing.ledger.KEPT_RUNS", runs)
    monkeypatch.setattr("shpbatch.publishing.ledger.KEPT_OUTCOMES", outcomes)
    done = [run(src, force=True).run_id for _ in range(5)]
    state = src.parent / "out" / STATE
    with Ledger(state / LEDGER, read_only=True) as ledger:
        assert [r["run_id"] for r in ledger.runs()] == done[: -kept - 1 : -1]
        assert [len(ledger.outcomes(run_id)) for run_id in done] == [0] * (5 - kept) + [3] * kept
    assert {p.stem for p in (state / "log").iterdir()} == {*done[-kept:]}


# -- the commands ----------------------------------------------------------------


def shell(*words: object) -> tuple[int, str]:
    command = [sys.executable, "-m", "shpbatch", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_runs_log_and_verify(src: Path) -> None:
    out = src.parent / "out"
    assert shell("runs", src)[0] == 2
    chain = ["!", "simplify", "5"]
    assert shell("run", src, "-o", out, "-j", 2, *chain)[0] == 0
    code, text = shell("run", src, "-o", out, "-j", 2, "--exit-nothing", 99, *chain)
    assert code == 99
    assert "3 up to date" in text
    (src / "cities.shp").write_bytes(b"")
    assert shell("run", src, "-o", out, "-j", 2, *chain)[0] == 1
    code, text = shell("runs", out)
    assert [line.split()[1] for line in text.splitlines()] == ["failed", "done", "done"]
    runs = json.loads(shell("runs", out, "--json")[1])["runs"]
    assert runs[-1]["files"]["done"] == 3
    code, text = shell("log", out)
    assert text.startswith("failed ")
    assert shell("log", out, "--status", "done")[1] == ""
    found = json.loads(shell("log", out, runs[-1]["run_id"], "--json", "--file", "cities*")[1])
    assert [o["key"] for o in found["outcomes"]] == ["cities.shp"]
    assert shell("log", out, "nonsense")[0] == 2
    assert shell("verify", out) == (0, "3 of 3 outputs are as they were published\n")
    data = bytearray((out / "cities.shp").read_bytes())
    data[-1] ^= 1
    times = (out / "cities.shp").stat()
    (out / "cities.shp").write_bytes(data)
    os.utime(out / "cities.shp", ns=(times.st_atime_ns, times.st_mtime_ns))
    (out / "SohoWater.prj").unlink()
    code, text = shell("verify", out)
    assert code == 1
    assert "changed  cities.shp" in text
    assert "missing  SohoWater.prj" in text
    (out / "SohoPeople.fpt").write_text("mine")
    wrong = json.loads(shell("verify", out, "--json")[1])["wrong"]
    assert {w["what"] for w in wrong} == {"changed", "missing", "added"}


def test_a_second_run_waits_or_is_told_who_holds_the_destination(src: Path) -> None:
    out = src.parent / "out"
    code = f"""
import sys
from shpbatch.publishing.destination import claim
with claim({str(out)!r}):
    print("held", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.readline()
        status, text = shell("run", src, "-o", out, "-j", 1, "!", "simplify", "5")
        assert status == 75
        assert f"process {holder.pid} on " in text
        words = ["run", src, "-o", out, "-j", 1, "--wait", 60, "!", "simplify", "5"]
        waiting = subprocess.Popen([sys.executable, "-m", "shpbatch", *map(str, words)])
        time.sleep(1)
        assert waiting.poll() is None
        holder.stdin.close()
        assert waiting.wait(60) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="finds out through /proc who heeds a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_hears_a_signal(src: Path, number: signal.Signals) -> None:
    out = src.parent / "out"
    words = ["run", src, "-o", out, "-j", 1, "--wait", "--json"]
    with claim(str(out)):
        command = [sys.executable, "-m", "shpbatch", *map(str, words)]
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE)
        end = time.monotonic() + 60
        while not _catches(waiting.pid, signal.SIGTERM) and time.monotonic() < end:
            time.sleep(0.05)
        waiting.send_signal(number)
        record = json.loads(waiting.communicate(timeout=60)[0])
    assert waiting.returncode == record["exit_code"] == 128 + number
    assert (record["status"], record["reason"]) == ("interrupted", number.name)


def _catches(process: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (number - 1) & 1)


def test_after_so_many_seconds_no_file_is_begun(src: Path) -> None:
    report = run(src, max_seconds=1e-9)
    assert report.stopped == "max-seconds"
    assert {o.code for o in report.outcomes} == {"not-run"}
    assert set(told(run(src)).values()) == {"done new"}


@pytest.mark.parametrize("change", ["edited", "gone", "nothing"])
def test_an_output_that_changed_after_a_killed_publish_blocks_nobody(
    src: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of a run that was killed before it could forget it, and a user meanwhile."""
    out = src.parent / "out"
    with monkeypatch.context() as patch:
        patch.setattr("shpbatch.publishing.publish.forget", lambda *given: None)
        patch.setattr(Ledger, "put_made", lambda *given: None)
        run(src)
    assert list((out / STATE / "journal").iterdir())
    if change == "edited":
        (out / "cities.dbf").write_text("mine")
    elif change == "gone":
        (out / "cities.dbf").unlink()
    told_now = {
        "edited": "failed output-edited",
        "gone": "done output is gone: cities.dbf",
        "nothing": "skipped up-to-date",
    }
    assert told(run(src)) == {**FRESH, "cities": told_now[change]}
    assert not list((out / STATE / "journal").iterdir())


def test_a_plan_is_made_once(src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no ledger yet: of 100,000 files it takes seconds."""
    made: list[object] = []
    plan = api.make_plan
    monkeypatch.setattr(api, "make_plan", lambda *given: made.append(given) or plan(*given))
    run(src)
    run(src)
    assert len(made) == 2


def test_a_side_file_written_between_two_runs_is_seen(src: Path) -> None:
    """In one process, as in a notebook."""
    (src / "cities.prj").unlink(missing_ok=True)
    recipe = [("reproject", {"dst_crs": "EPSG:3857"})]
    with pytest.raises(PlanError):
        run(src, recipe, include=["cities*"])
    shutil.copy(SAMPLES / "places/naturalearth_cities.prj", src / "cities.prj")
    assert told(run(src, recipe, include=["cities*"])) == {"cities": "done new"}


@pytest.mark.parametrize("merge", [None, "all"])
def test_a_source_that_is_another_when_its_turn_comes(
    merge: str | None, src: Path, tmp_path: Path
) -> None:
    """The plan may be hours old; only what was united by its headers must be as it was."""
    made = shpbatch.plan(src, tmp_path / "out", SIMPLE, include=["cities*"], merge=merge)
    for member in SAMPLES.glob("soho/SohoWater.*"):
        shutil.copy(member, src / f"cities{member.suffix}")
    (outcome,) = api.execute(made, api.RunOptions(method="inline", merge=merge)).outcomes
    if merge:
        assert outcome.code == "source-changed"
    else:
        assert outcome.status == "done", outcome.reason
        assert pyogrio.read_info(tmp_path / "out/cities.shp")["features"] == 13


def test_a_dry_run_shows_what_prune_would_remove(tmp_path: Path) -> None:
    """Before `--prune` removes an output, `--dry-run` names it."""
    import shutil
    import subprocess
    import sys

    import shpbatch

    sample = Path(shpbatch.__file__).parents[1] / "sample_data" / "census"
    for stem in ("a", "b"):
        for suffix in ("shp", "shx", "dbf"):
            (tmp_path / "in").mkdir(exist_ok=True)
            shutil.copy(sample / f"sids.{suffix}", tmp_path / "in" / f"{stem}.{suffix}")
    call = [sys.executable, "-m", "shpbatch", "run", "in", "-o", "out", "-j", "1"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    for path in (tmp_path / "in").glob("b.*"):
        path.unlink()
    shown = subprocess.run(
        [*call, "--prune", "-n"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "gone    b.shp" in shown.stdout
    assert (tmp_path / "out" / "b.shp").exists()
