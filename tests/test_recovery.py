"""A disk that fails, a place that is closed, a user who edits: the next run puts all right."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from failing import Failing

import shpbatch
from shpbatch import api
from shpbatch.durable import Files
from shpbatch.engine.aspects import Coords
from shpbatch.errors import ShpbatchError
from shpbatch.models import Report
from shpbatch.publishing.destination import STATE
from shpbatch.publishing.ledger import LEDGER, Ledger
from shpbatch.publishing.staleness import edited
from shpbatch.reporting.report import summary

SAMPLES = Path(__file__).parents[1] / "sample_data"
MINDS_CASE = pytest.mark.skipif(sys.platform != "linux", reason="the file system must mind case")
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and file systems of POSIX")
FEWER = [("filter", {"where": "SID74 < 2"}), ("partition", {"field": "SID74"})]
MORE = [("filter", {"where": "SID74 < 4"}), ("partition", {"field": "SID74"})]


def copied(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        for path in (SAMPLES / name).parent.glob(f"{Path(name).name}.*"):
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """Two layers, of which each is in a folder of its own."""
    copied(tmp_path / "src/soho", "soho/SohoWater")
    copied(tmp_path / "src/places", "places/cities")
    return tmp_path / "src"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(src: Path, out: Path, recipe: Any = (), **options: Any) -> Report:
    return shpbatch.run(src, out, recipe, method="inline", progress="none", **options)


def told(report: Report) -> dict[str, str]:
    return {
        Path(o.sources[0]).stem: f"{o.status} {o.code or o.why}".strip() for o in report.outcomes
    }


def touch(src: Path, stem: str) -> None:
    for path in src.rglob(f"{stem}.dbf"):
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))


def edit(path: Path) -> bytes:
    """A last digit that is another one."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    return bytes(data)


def published(out: Path) -> dict[str, bytes]:
    paths = [p for p in out.rglob("*") if p.is_file() and STATE not in p.parts]
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in paths}


def nothing_is_left(out: Path) -> None:
    """No staged set, no journal, and every output is what the ledger says."""
    assert not (out / STATE / "stage").exists()
    assert not list((out / STATE / "journal").iterdir())
    with Ledger(out / STATE / LEDGER, read_only=True) as ledger:
        for _, made in ledger.made():
            assert not [n for n in made.members if not (out / n).exists()]
            assert not edited(made.members, str(out), hashed=True)


# -- a call fails ------------------------------------------------------------------


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("kind", ["write", "sync", "rename", "unlink"])
def test_an_error_at_each_call_of_a_run_leaves_old_or_new_and_the_next_run_puts_it_right(
    kind: str, number: int, lasting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    src = copied(tmp_path / "src", "census/sids")
    base, whole = tmp_path / "base", tmp_path / "whole"
    run(src, base, MORE)
    run(src, whole, FEWER)
    old, new = published(base), published(whole)
    for at in range(100):
        out = tmp_path / str(at)
        shutil.copytree(base, out)
        files = Failing(kind, at, number, lasting)
        with monkeypatch.context() as patch:
            patch.setattr("shpbatch.running.run.files_of", lambda durability, files=files: files)
            try:
                done = {o.status for o in run(src, out, FEWER).outcomes} == {"done"}
            except ShpbatchError:
                done = False
            never_mixed(published(out), old, new)
            assert published(out) == new if done else files.failed
        again = run(src, out, FEWER)
        assert {o.status for o in again.outcomes} <= {"done", "skipped"}, told(again)
        assert published(out) == new
        nothing_is_left(out)
        if not files.failed:
            return
    pytest.fail("it fails for ever")


def never_mixed(found: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> None:
    """Where a ``.shp`` is, all files of its set are the old ones, or the new ones."""
    for name in found:
        if name.endswith(".shp"):
            stem = name[: -len("shp")]
            own = {n: d for n, d in found.items() if n.startswith(stem)}
            ways = [{n: d for n, d in way.items() if n.startswith(stem)} for way in (old, new)]
            assert own in ways, name


@pytest.mark.parametrize("taken_back", [True, False])
def test_a_journal_whose_name_may_not_last_costs_no_old_output(
    taken_back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the last sync before the commit; then the journal cannot be removed either."""

    class Sick(Files):
        sick = False

        def sync(self, path: Path) -> None:
            if path.name == "journal":
                self.sick = True
                raise OSError(errno.EIO, "Input/output error")

        def unlink(self, path: Path) -> None:
            if self.sick and not taken_back:
                raise OSError(errno.EIO, "Input/output error")
            super().unlink(path)

    src, out = copied(tmp_path / "src", "census/sids"), tmp_path / "out"
    run(src, out, MORE)
    old = published(out)
    with monkeypatch.context() as patch:
        patch.setattr("shpbatch.running.run.files_of", lambda durability: Sick())
        assert told(run(src, out, FEWER)) == {
            "sids": "failed write-failed" if taken_back else "failed pending"
        }
    assert published(out) == old
    assert told(run(src, out, FEWER))["sids"].split()[0] == ("done" if taken_back else "skipped")
    run(src, tmp_path / "whole", FEWER)
    assert published(out) == published(tmp_path / "whole")
    nothing_is_left(out)


def test_a_journal_that_cannot_be_read_is_told_and_keeps_its_sets(
    src: Path, out: Path, waiting: pytest.MonkeyPatch
) -> None:
    def sick(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = sorted((out / STATE / "stage").rglob("*"))
    with waiting.context() as patch:
        patch.setattr("shpbatch.publishing.journal._read", sick)
        with pytest.raises(ShpbatchError, match="Input/output error"):
            run(src, out)
    assert sorted((out / STATE / "stage").rglob("*")) == before
    waiting.undo()
    assert run(src, out).recovered == 1
    nothing_is_left(out)


# -- a place that is closed -----------------------------------------------------------


class Closed(Files):
    """Nothing can be moved to, or removed from, some folder."""

    def __init__(self, folder: Path, number: int = errno.EACCES) -> None:
        self.folder, self.number = folder, number

    def _check(self, path: Path) -> None:
        if path.parent == self.folder:
            raise OSError(self.number, os.strerror(self.number))

    def rename(self, source: Path, target: Path) -> None:
        self._check(target)
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._check(path)
        super().unlink(path)


@pytest.fixture
def waiting(src: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One output waits to be moved to its place, which is closed until that is undone."""
    run(src, out)
    touch(src, "SohoWater")
    monkeypatch.setattr("shpbatch.running.run.files_of", lambda durability: Closed(out / "soho"))
    report = run(src, out)
    assert told(report) == {"SohoWater": "failed pending", "cities": "skipped up-to-date"}
    return monkeypatch


def test_what_cannot_be_moved_yet_stops_nothing_else(
    src: Path, out: Path, waiting: pytest.MonkeyPatch
) -> None:
    old = published(out)
    for _ in range(2):
        touch(src, "cities")
        report = run(src, out)
        assert told(report) == {
            "SohoWater": "failed pending",
            "cities": "done source changed: .dbf",
        }
        (failed,) = (o for o in report.outcomes if o.code == "pending")
        assert str(out / "soho/SohoWater.shp") in str(failed.reason)
        assert "let its folder be written to" in str(failed.reason)
    assert published(out) == old
    waiting.undo()
    report = run(src, out)
    assert told(report) == dict.fromkeys(("SohoWater", "cities"), "skipped up-to-date")
    assert report.recovered == 1
    assert "for an earlier run: 1 output" in summary(report)
    nothing_is_left(out)


def test_what_waits_is_told_by_a_run_on_other_sources_too(
    src: Path, out: Path, waiting: pytest.MonkeyPatch
) -> None:
    report = run(src / "places", out, flat=True)
    assert told(report) == {"cities": "done new", "SohoWater": "failed pending"}
    waiting.undo()
    assert told(run(src / "places", out, flat=True)) == {"cities": "skipped up-to-date"}
    nothing_is_left(out)


def test_a_plan_is_carried_out_though_something_waits(
    src: Path, out: Path, waiting: pytest.MonkeyPatch
) -> None:
    touch(src, "cities")
    report = api.execute(api.plan(src, out, []), api.RunOptions(method="inline"))
    assert told(report) == {"SohoWater": "failed pending", "cities": "done source changed: .dbf"}


def test_an_output_that_is_edited_while_a_new_one_waits_stays(
    src: Path, out: Path, waiting: pytest.MonkeyPatch
) -> None:
    mine = edit(out / "soho/SohoWater.dbf")
    waiting.undo()
    assert told(run(src, out))["SohoWater"] == "failed output-edited"
    assert (out / "soho/SohoWater.dbf").read_bytes() == mine
    assert told(run(src, out, if_exists="overwrite"))["SohoWater"].startswith("done ")
    assert told(run(src, out))["SohoWater"] == "skipped up-to-date"
    nothing_is_left(out)


def test_one_of_several_sets_that_waits_keeps_the_others_known(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sets of one task are one output."""

    class Held(Files):
        def rename(self, source: Path, target: Path) -> None:
            if target.name == "1.dbf":
                raise PermissionError(errno.EACCES, "in use")
            super().rename(source, target)

    src = copied(tmp_path / "src", "census/sids")
    with monkeypatch.context() as patch:
        patch.setattr("shpbatch.running.run.files_of", lambda durability: Held())
        assert told(run(src, out, MORE)) == {"sids": "failed pending"}
        assert told(run(src, out, MORE)) == {"sids": "failed pending"}
    assert told(run(src, out, MORE)) == {"sids": "skipped up-to-date"}
    nothing_is_left(out)
    run(src, out, FEWER)
    assert {p.stem for p in out.rglob("*.shp")} == {"0", "1"}


def test_a_destination_that_spans_file_systems(src: Path, out: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == src.stat().st_dev:
        pytest.skip("there is one file system only")
    folder = other / f"shpbatch-test-{os.getpid()}"
    folder.mkdir()
    try:
        out.mkdir()
        (out / "soho").symlink_to(folder)
        assert told(run(src, out)) == dict.fromkeys(("SohoWater", "cities"), "done new")
        touch(src, "SohoWater")
        assert told(run(src, out))["SohoWater"] == "done source changed: .dbf"
        names = {f"SohoWater.{p.suffix[1:]}" for p in (src / "soho").iterdir()}
        assert {p.name for p in folder.iterdir()} <= names
        assert {p.name for p in folder.iterdir()} >= {"SohoWater.shp", "SohoWater.dbf"}
        nothing_is_left(out)
    finally:
        shutil.rmtree(folder)


# -- what is not ours to replace ---------------------------------------------------------


def test_an_output_that_is_edited_while_the_run_goes_on_stays(src: Path, out: Path) -> None:
    run(src, out)
    touch(src, "SohoWater")

    def meanwhile(coords: Coords) -> Coords:
        edit(out / "soho/SohoWater.dbf")
        return coords

    report = run(src, out, [meanwhile], include=["SohoWater*"])
    assert told(report) == {"SohoWater": "failed output-edited"}
    run(src, out / "again", [], include=["SohoWater*"])
    mine = (out / "soho/SohoWater.dbf").read_bytes()
    assert mine != (out / "again/soho/SohoWater.dbf").read_bytes()
    report = run(src, out, include=["SohoWater*"], if_exists="overwrite")
    assert told(report)["SohoWater"].startswith("done ")


@pytest.mark.parametrize(
    "name", ["SohoWater.cpg", "SohoWater.fpt", pytest.param("SOHOWATER.PRJ", marks=MINDS_CASE)]
)
def test_a_file_that_was_put_beside_an_output_is_not_taken_away(
    name: str, src: Path, out: Path
) -> None:
    """An output that is up to date is left alone; one that is not would take it away."""
    for path in src.rglob("SohoWater.cpg"):
        path.unlink()
    run(src, out)
    (out / "soho" / name).write_text("mine")
    assert told(run(src, out))["SohoWater"] == "skipped up-to-date"
    touch(src, "SohoWater")
    report = run(src, out)
    assert told(report)["SohoWater"] == "failed output-edited"
    assert str(out / "soho" / name) in str(report.outcomes[1].reason)
    assert (out / "soho" / name).read_text() == "mine"
    assert told(run(src, out, if_exists="overwrite"))["SohoWater"] == "done source changed: .dbf"
    assert not (out / "soho" / name).exists()


def test_rejects_of_another_output_of_the_name_stay(src: Path, out: Path) -> None:
    """A shapefile and a GeoPackage in one folder."""
    run(src, out)
    path = out / "soho/SohoWater.rejects.geojsonl"
    path.write_text("of another format")
    touch(src, "SohoWater")
    assert told(run(src, out))["SohoWater"] == "done source changed: .dbf"
    assert path.read_text() == "of another format"
    assert told(run(src, out, format="GPKG"))["SohoWater"] == "done new"
    assert path.read_text() == "of another format"


def test_an_index_beside_an_output_is_nobodys_work(src: Path, out: Path) -> None:
    run(src, out)
    (out / "soho/SohoWater.qix").write_bytes(b"made by some GIS")
    touch(src, "SohoWater")
    assert told(run(src, out))["SohoWater"] == "done source changed: .dbf"
    assert not (out / "soho/SohoWater.qix").exists()


def test_a_file_in_the_place_of_a_new_output_is_not_replaced(src: Path, out: Path) -> None:
    """A table without a layer, say."""
    (out / "soho").mkdir(parents=True)
    (out / "soho/SohoWater.dbf").write_text("mine")
    assert told(run(src, out)) == {"cities": "done new", "SohoWater": "failed exists"}
    assert (out / "soho/SohoWater.dbf").read_text() == "mine"
    assert not (out / "soho/SohoWater.shp").exists()


def test_an_output_of_another_source_that_is_still_there_is_not_replaced(
    tmp_path: Path, out: Path
) -> None:
    """Two folders in turn into one destination would undo each other every night."""
    one, two = (copied(tmp_path / name, "soho/SohoWater") for name in ("one", "two"))
    run(one, out)
    before = published(out)
    report = run(two, out)
    assert told(report) == {"SohoWater": "failed sink-clash"}
    assert str(one / "SohoWater.shp") in str(report.outcomes[0].reason)
    assert published(out) == before
    assert told(run(one, out)) == {"SohoWater": "skipped up-to-date"}
    shutil.rmtree(one)
    assert told(run(two, out))["SohoWater"].startswith("done source changed: ")


@POSIX
def test_the_same_source_by_another_path_is_no_other_source(tmp_path: Path, out: Path) -> None:
    run(copied(tmp_path / "one", "soho/SohoWater"), out)
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert told(run(tmp_path / "link", out))["SohoWater"].startswith("done source changed: ")


@POSIX
def test_a_new_output_is_open_to_whom_the_old_one_was(src: Path, out: Path) -> None:
    run(src, out)
    for path in (out / "soho").iterdir():
        path.chmod(0o664)
    touch(src, "SohoWater")
    (src / "soho/SohoWater.qml").write_text("<qgis/>")
    before = os.umask(0o077)
    try:
        assert told(run(src, out))["SohoWater"].startswith("done ")
        run(src, out / "new")
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o777 for p in (out / "soho").iterdir()}
    assert "SohoWater.qml" in modes
    assert set(modes.values()) == {0o664}
    assert (out / "new/soho/SohoWater.shp").stat().st_mode & 0o777 == 0o600


def test_an_edit_before_the_journal_is_forgotten_is_not_taken_for_ours(
    src: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run was killed after its sets were in their places; somebody edits, of the same size."""
    with monkeypatch.context() as patch:
        patch.setattr("shpbatch.publishing.publish.forget", lambda *given: None)
        run(src, out)
    table = out / "soho/SohoWater.dbf"
    edit = table.read_bytes()[:-3] + b"9" + table.read_bytes()[-2:]
    table.write_bytes(edit)
    run(src, out)  # recovers
    os.utime(src / "soho/SohoWater.dbf", ns=(1, 1))
    assert "output-edited" in told(run(src, out))["SohoWater"]
    assert table.read_bytes() == edit
