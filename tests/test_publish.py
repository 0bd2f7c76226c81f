"""Complete or absent: what is in the destination after good runs, bad disks and killed holders."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make

from shpbatch.check import staged_count
from shpbatch.errors import BusyError, PlanError, ShpbatchError, WriteError
from shpbatch.parser import shp_parser
from shpbatch.publish import STATE, claim, forget, publish, stage

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
MINDS_CASE = pytest.mark.skipif(sys.platform != "linux", reason="the file system must mind case")


def put(dst: Path, name: str, *extensions: str) -> None:
    """Publish a set of these members (by default .shp, .shx, .dbf), each saying that it is new."""
    with stage(str(dst)) as folder:
        for extension in extensions or ("shp", "shx", "dbf"):
            (folder / f"layer.{extension}").write_text(f"new {extension}")
        publish(str(dst), folder, dst / name)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != STATE)


def in_stage(dst: Path) -> list[str]:
    folder = dst / STATE / "stage"
    return sorted(os.listdir(folder)) if folder.exists() else []


# --- destinations that cannot be written --------------------------------------


def test_a_destination_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for dst in ("file", "file/out", "file/deep/er"):
        with (
            pytest.raises(PlanError, match="choose another -o") as error,
            claim(str(tmp_path / dst)),
        ):
            pass
        assert error.value.code == "dst-unwritable"
    assert (tmp_path / "file").read_text() == "mine"


@POSIX
def test_a_destination_without_permission(tmp_path: Path) -> None:
    """As another user where the tests run as root, which may write anywhere."""
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    code = textwrap.dedent(
        f"""
        from shpbatch.publish import claim
        from shpbatch.errors import PlanError
        import shpbatch.runlog, os
        if {ROOT}:
            os.setgid(65534); os.setuid(65534)
        try:
            with claim({str(closed / "out")!r}):
                print("claimed")
        except PlanError as error:
            print(error.code, error)
        """
    )
    for folder in closed.parents:  # pytest's own folders are closed to others
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("dst-unwritable"), done.stdout + done.stderr
    assert "Permission denied" in done.stdout


# --- the claim ---------------------------------------------------------------


def test_a_second_claim_is_busy(tmp_path: Path) -> None:
    with claim(str(tmp_path)) as state:
        assert state == tmp_path / STATE
        for _ in range(2):
            with pytest.raises(BusyError) as error, claim(str(tmp_path)):
                pass
            assert error.value.code == "busy"
    with claim(str(tmp_path)):
        pass


def test_another_destination_is_not_busy(tmp_path: Path) -> None:
    with claim(str(tmp_path / "a")), claim(str(tmp_path / "b")):
        pass


def test_a_busy_claim_leaves_the_holders_stage_alone(tmp_path: Path) -> None:
    with claim(str(tmp_path)), stage(str(tmp_path)) as folder:
        with pytest.raises(BusyError), claim(str(tmp_path)):
            pass
        assert folder.is_dir()


def test_a_claim_ends_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claim(str(tmp_path)):
        raise ZeroDivisionError
    with claim(str(tmp_path)):
        pass


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a destination and has something staged there."""
    code = textwrap.dedent(
        f"""
        import time
        from shpbatch.publish import claim, stage
        with claim({str(tmp_path)!r}), stage({str(tmp_path)!r}) as folder:
            (folder / "layer.shp").write_text("half")
            print("held", flush=True)
            time.sleep(60)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@POSIX
def test_a_killed_holder_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(BusyError), claim(str(tmp_path)):
        pass
    assert len(in_stage(tmp_path)) == 1
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with claim(str(tmp_path)):
        assert in_stage(tmp_path) == []


def test_a_claim_clears_the_stage_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / STATE / "stage" / "old" / "deep").mkdir(parents=True)
    (tmp_path / STATE / "stage" / "old" / "layer.shp").write_text("half")
    (tmp_path / STATE / "log").mkdir()
    (tmp_path / STATE / "log" / "run.jsonl").write_text("{}")
    (tmp_path / "a.shp").write_text("mine")
    with claim(str(tmp_path)):
        assert in_stage(tmp_path) == []
    assert (tmp_path / STATE / "log" / "run.jsonl").read_text() == "{}"
    assert names(tmp_path) == ["a.shp"]


# --- the stage ---------------------------------------------------------------


def test_a_stage_goes_away_whatever_happens(tmp_path: Path) -> None:
    with stage(str(tmp_path)) as folder:
        assert folder.parent == tmp_path / STATE / "stage"
        (folder / "layer.shp").write_text("x")
        assert len(in_stage(tmp_path)) == 1
    assert in_stage(tmp_path) == []
    with pytest.raises(KeyboardInterrupt), stage(str(tmp_path)) as folder:
        (folder / "layer.shp").write_text("x")
        raise KeyboardInterrupt
    assert in_stage(tmp_path) == []


def test_stages_do_not_meet(tmp_path: Path) -> None:
    with stage(str(tmp_path)) as one, stage(str(tmp_path)) as two:
        assert one != two


def test_a_stage_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError) as error, stage(str(tmp_path / "file")):
        pass
    assert error.value.code == "write-failed"


# --- publishing --------------------------------------------------------------


def test_a_new_set(tmp_path: Path) -> None:
    sink = tmp_path / "deep" / "er" / "a.shp"
    put(tmp_path, "deep/er/a.shp", "shp", "shx", "dbf", "shp.xml", "qml")
    forget(str(tmp_path), sink)
    assert in_stage(tmp_path) == []
    assert names(sink.parent) == ["a.dbf", "a.qml", "a.shp", "a.shp.xml", "a.shx"]
    assert sink.read_text() == "new shp"
    assert sink.with_suffix(".shp.xml").read_text() == "new shp.xml"


def test_an_old_set_is_replaced_whole(tmp_path: Path) -> None:
    old = ("shp", "shx", "dbf", "prj", "cpg", "qix", "sbn", "sbx", "fbn", "qpj")
    kept = ("qml", "sld", "shp.xml", "txt")
    for extension in old + kept:
        (tmp_path / f"a.{extension}").write_text(f"old {extension}")
    others = ("ab.shp", "a.b.shp", "a.b.qix", "b.qix", "a")
    for name in others:
        (tmp_path / name).write_text("other")
    put(tmp_path, "a.shp", "shp", "shx")
    assert names(tmp_path) == sorted(["a.shp", "a.shx", *[f"a.{e}" for e in kept], *others])
    assert (tmp_path / "a.shp").read_text() == "new shp"
    assert (tmp_path / "a.qml").read_text() == "old qml"


def test_stale_attribute_indexes_are_removed(tmp_path: Path) -> None:
    for name in ("a.NAME.atx", "a.pop.atx"):
        (tmp_path / name).write_text("old")
    put(tmp_path, "a.shp")
    assert not list(tmp_path.glob("*.atx"))


@MINDS_CASE
def test_case_variants_that_are_replaced_go_away(tmp_path: Path) -> None:
    for name in ("A.SHP", "a.QIX", "A.Sbn", "A.PRJ", "A.QML"):
        (tmp_path / name).write_text("old")
    put(tmp_path, "a.shp")
    assert names(tmp_path) == ["A.QML", "a.dbf", "a.shp", "a.shx"]


@MINDS_CASE
def test_case_variants_of_the_new_members_go_away(tmp_path: Path) -> None:
    for name in ("A.SHP", "A.SHX", "A.DBF", "a.Dbf", "A.CPG"):
        (tmp_path / name).write_text("old")
    put(tmp_path, "a.shp", "shp", "shx", "dbf", "cpg")
    assert names(tmp_path) == ["a.cpg", "a.dbf", "a.shp", "a.shx"]


@MINDS_CASE
def test_a_case_variant_is_not_replaced_without_overwrite(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "A.SHP").write_text("somebody's")
    shp_parser(path, recipe=[], dst=tmp_path / "out")
    assert (tmp_path / "out" / "A.SHP").exists()


def test_the_shp_goes_first_and_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever moment a reader comes in, a .shp is never beside members of another set."""
    for extension in ("shp", "shx", "dbf", "prj"):
        (tmp_path / f"a.{extension}").write_text("old")
    moved: list[str] = []
    replace = os.replace

    def watched(source: Any, target: Any) -> None:
        assert not (tmp_path / "a.shp").exists()
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    put(tmp_path, "a.shp", "shp", "shx", "dbf", "cpg")
    assert moved[-1] == "a.shp"
    assert sorted(moved) == ["a.cpg", "a.dbf", "a.shp", "a.shx"]


# --- a full disk -------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EROFS, "write-failed")],
)
def test_no_room_to_publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def full(source: Any, target: Any) -> None:
        raise OSError(number, os.strerror(number))

    path = make.write(tmp_path / "src")
    monkeypatch.setattr(os, "replace", full)
    outcome = shp_parser(path, recipe=[], dst=tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", code)
    assert str(tmp_path / "out" / "a.shp") in (outcome.reason or "")
    assert not list((tmp_path / "out").glob("*.shp"))
    assert not list((tmp_path / "out").rglob("layer.*"))


def test_a_failed_publish_does_not_allow_a_later_one_to_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    path = make.write(tmp_path / "src")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert shp_parser(path, recipe=[], dst=tmp_path / "out").code == "disk-full"
    (tmp_path / "out" / "a.shp").write_text("somebody's")
    outcome = shp_parser(path, recipe=[], dst=tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "exists")
    assert (tmp_path / "out" / "a.shp").read_text() == "somebody's"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = ROOT and subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("cannot mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("points", [1_000, 2_000, 5_000])
def test_a_disk_that_is_really_full(tmp_path: Path, small_disk: Path, points: int) -> None:
    shp, shx = make.shp_bytes([make.point(i, i) for i in range(points)])
    rows = make.rows_of(*[b"name"] * points)
    path = make.write(tmp_path / "src", shp=shp, shx=shx, dbf=make.dbf_bytes(make.NAMES, rows))
    outcome = shp_parser(path, recipe=[], dst=small_disk / "out")
    assert outcome.status == "failed"
    assert outcome.code in ("disk-full", "write-incomplete", "write-failed")
    assert not list((small_disk / "out").glob("a.*"))
    assert in_stage(small_disk / "out") == []


# --- no writer is believed ---------------------------------------------------


def whole(folder: Path) -> Path:
    return make.write(folder, "layer").parent


def test_a_whole_set_is_counted(tmp_path: Path) -> None:
    assert staged_count(whole(tmp_path)) == 3


@pytest.mark.parametrize(
    ("extension", "size"),
    [
        ("shp", 0), ("shp", 50), ("shp", 100), ("shp", 128), ("shp", 156), ("shp", 183),
        ("shx", 0), ("shx", 99), ("shx", 100), ("shx", 108), ("shx", 123),
        ("dbf", 0), ("dbf", 20), ("dbf", 97), ("dbf", 110), ("dbf", 170),
    ],
)  # fmt: skip
def test_what_gdal_calls_success_on_a_full_disk(tmp_path: Path, extension: str, size: int) -> None:
    os.truncate(whole(tmp_path) / f"layer.{extension}", size)
    with pytest.raises(WriteError, match="disk full") as error:
        staged_count(tmp_path)
    assert error.value.code == "write-incomplete"


@pytest.mark.parametrize("size", [33, 60, 90])
def test_a_written_dbf_cut_within_its_header(tmp_path: Path, size: int) -> None:
    os.truncate(whole(tmp_path) / "layer.dbf", size)
    with pytest.raises(WriteError) as error:
        staged_count(tmp_path)
    assert error.value.code == "write-incomplete"


def test_a_set_without_a_shp(tmp_path: Path) -> None:
    (whole(tmp_path) / "layer.shp").unlink()
    with pytest.raises(WriteError) as error:
        staged_count(tmp_path)
    assert error.value.code == "write-incomplete"


def test_a_written_shp_with_a_gap(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes()
    gap = bytearray(shp + bytes(28))
    gap[24:28] = (len(gap) // 2).to_bytes(4, "big")
    with pytest.raises(WriteError, match="gaps") as error:
        staged_count(make.write(tmp_path, "layer", shp=bytes(gap), shx=shx).parent)
    assert error.value.code == "write-incomplete"


def test_rows_and_shapes_that_disagree(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b"))
    with pytest.raises(WriteError, match="3 shapes but 2 rows"):
        staged_count(make.write(tmp_path, "layer", dbf=dbf).parent)


@pytest.mark.parametrize("extension", ["shp", "shx", "dbf"])
def test_a_writer_that_lies_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    from shpbatch.formats import arrow

    write_layer = arrow.write_layer

    def lying(layer: Any, folder: Path, *rest: Any) -> None:
        write_layer(layer, folder, *rest)
        member = folder / f"layer.{extension}"
        os.truncate(member, member.stat().st_size - 20)

    monkeypatch.setattr(arrow, "write_layer", lying)
    make.write(tmp_path / "out", "a", shp=b"old")
    before = make.snapshot(tmp_path / "out")
    path = make.write(tmp_path / "src")
    outcome = shp_parser(path, recipe=[], dst=tmp_path / "out", overwrite=True)
    assert (outcome.status, outcome.code) == ("failed", "write-incomplete")
    after = make.snapshot(tmp_path / "out")
    assert {k: v for k, v in after.items() if not k.startswith(STATE)} == before
    assert in_stage(tmp_path / "out") == []


def test_an_output_that_is_there_stays(tmp_path: Path) -> None:
    make.write(tmp_path / "out", "a", shp=b"old")
    outcome = shp_parser(make.write(tmp_path / "src"), recipe=[], dst=tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "exists")
    assert (tmp_path / "out" / "a.shp").read_bytes() == b"old"


def test_errors_of_publishing_are_ours() -> None:
    for kind, code in ((BusyError, "busy"), (PlanError, "bad-plan"), (WriteError, "write-failed")):
        assert issubclass(kind, ShpbatchError)
        assert kind("x").code == code
