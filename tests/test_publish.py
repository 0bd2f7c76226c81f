"""Complete or absent: what is in the destination after good runs, bad disks and killed holders."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make

from shpbatch.durable import Files
from shpbatch.engine.aspects import Coords
from shpbatch.errors import BusyError, PlanError, ShpbatchError, WriteError
from shpbatch.models import Outcome, Policy, Recipe, Task
from shpbatch.parser import run_alone, shp_parser
from shpbatch.publishing.destination import STATE, claim, stage
from shpbatch.publishing.publish import publish
from shpbatch.publishing.sets import Member, Staged, hash_of
from shpbatch.running.publisher import MOST, Publisher
from shpbatch.shapefile import reader
from shpbatch.writing.output import Output

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
MINDS_CASE = pytest.mark.skipif(sys.platform != "linux", reason="the file system must mind case")


def put(dst: Path, name: str, *extensions: str) -> None:
    """Publish a set of these members (by default .shp, .shx, .dbf), each saying that it is new."""
    with stage(str(dst)) as folder:
        members = {}
        for extension in extensions or ("shp", "shx", "dbf"):
            path = folder / f"layer.{extension}"
            path.write_text(f"new {extension}")
            members[extension] = Member(path.stat().st_size, hash_of(path))
        staged = Staged(str(folder), str(dst / name), members)
        task = Task(make.source(dst / name), Recipe(), str(dst / name), str(dst), overwrite=True)
        outcome = Outcome((name,), "done", staged=(staged,))
        (told,) = publish(str(dst), "", None, Files(), [(0, task, outcome)])
        assert (told.status, told.staged) == ("done", ()), told.reason


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != STATE)


def in_stage(dst: Path) -> list[str]:
    """Files that are staged."""
    folder = dst / STATE / "stage"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


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
        from shpbatch.publishing.destination import claim
        from shpbatch.errors import PlanError
        import shpbatch.reporting.runlog, os
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


@pytest.mark.skipif(not ROOT, reason="only root may give files away")
def test_a_private_folder_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    """Its journal could say that anything is to be removed."""
    with claim(str(tmp_path)) as state:
        pass
    os.chown(state, 65534, 65534)
    with pytest.raises(PlanError, match=r"another user \(65534\)"), claim(str(tmp_path)):
        pass
    assert not [p for p in state.iterdir() if p.name not in ("run.lock", "holder.json")]


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
        from shpbatch.publishing.destination import claim, stage
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


def test_a_stage_goes_away_where_its_making_fails(tmp_path: Path) -> None:
    with stage(str(tmp_path)) as folder:
        assert folder.parent == tmp_path / STATE / "stage"
        (folder / "layer.shp").write_text("x")
    assert len(in_stage(tmp_path)) == 1, "it waits to be published"
    with pytest.raises(KeyboardInterrupt), stage(str(tmp_path)) as folder:
        (folder / "layer.shp").write_text("x")
        raise KeyboardInterrupt
    assert len(in_stage(tmp_path)) == 1


def test_stages_of_two_threads_do_not_meet(tmp_path: Path) -> None:
    def other() -> Path:
        with stage(str(tmp_path)) as folder:
            (folder / "layer.shp").write_text("other")
            return folder

    with stage(str(tmp_path)) as mine, ThreadPoolExecutor(1) as pool:
        (mine / "layer.shp").write_text("mine")
        assert pool.submit(other).result() != mine
        assert (mine / "layer.shp").read_text() == "mine"


def test_a_stage_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError) as error, stage(str(tmp_path / "file")):
        pass
    assert error.value.code == "write-failed"


# --- publishing --------------------------------------------------------------


def test_a_new_set(tmp_path: Path) -> None:
    sink = tmp_path / "deep" / "er" / "a.shp"
    put(tmp_path, "deep/er/a.shp", "shp", "shx", "dbf", "shp.xml", "qml")
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
        if Path(target).suffix != ".json":  # the journal
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

POLYGONS = [
    make.poly(5, [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)]),
    make.NULL,
    make.poly(5, [(5, 5), (5, 9), (9, 9), (5, 5)], [(6, 7), (7, 8), (6, 8), (6, 7)]),
    make.poly(5, [(3, 3), (3, 4), (4, 4), (3, 3)]),
]
TABLE = make.dbf_bytes(make.NAMES, make.rows_of(b"one", b"two", b"three", b"four"))
#: Where the rows of that table begin, and the bytes of each.
ROWS, ROW = 97, 26


def nudge(coords: Coords) -> Coords:
    """A step on coordinates."""
    return coords + 0.5


#: What is written: copied, moved, picked, with another column, with fewer, with new text.
RECIPES: dict[str, Any] = {
    "copied": [],
    "moved": [nudge],
    "picked": 'filter --where "N <> 1"',
    "added": 'calculate --field twice --expression "N * 2.5"',
    "changed": "calculate --field NAME --expression \"NAME || '!'\"",
    "selected": "select N",
}


def polygons(folder: Path, **members: bytes | None) -> Path:
    return make.layer(folder, POLYGONS, 5, **({"dbf": TABLE} | members))


def damaged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe: Any,
    damage: Callable[[Path], None],
    **members: bytes | None,
) -> Outcome:
    """The outcome of a run whose staged files are damaged before they are proved."""
    close = Output.close

    def closed(output: Output) -> None:
        close(output)
        damage(output.folder)

    monkeypatch.setattr(Output, "close", closed)
    path = polygons(tmp_path / "src", **members)
    make.write(tmp_path / "out", "a", shp=b"old")
    before = make.snapshot(tmp_path / "out")
    outcome = shp_parser(path, recipe=recipe, dst=tmp_path / "out", overwrite=True)
    if outcome.status == "failed":
        after = make.snapshot(tmp_path / "out")
        assert {k: v for k, v in after.items() if not k.startswith(STATE)} == before
    assert in_stage(tmp_path / "out") == []
    return outcome


def flip(extension: str, at: int, bit: int = 1) -> Callable[[Path], None]:
    """Change one bit of a member; a place below 0 counts from the end."""

    def damage(folder: Path) -> None:
        path = folder / f"layer.{extension}"
        data = bytearray(path.read_bytes())
        data[at] ^= bit
        path.write_bytes(data)

    return damage


def cut(extension: str, size: int) -> Callable[[Path], None]:
    """Cut a member to a size; one below 0 is cut off its end."""

    def damage(folder: Path) -> None:
        path = folder / f"layer.{extension}"
        os.truncate(path, size if size >= 0 else max(0, path.stat().st_size + size))

    return damage


EVERY_RECIPE = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


@EVERY_RECIPE
def test_what_is_not_damaged_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any
) -> None:
    outcome = damaged(tmp_path, monkeypatch, recipe, lambda folder: None)
    assert outcome.status == "done", outcome.reason
    assert outcome.features.written == (3 if recipe == RECIPES["picked"] else 4)


@pytest.mark.parametrize(
    ("extension", "size"),
    [
        ("shp", 0), ("shp", 50), ("shp", 100), ("shp", 128), ("shp", 244), ("shp", -1),
        ("shp", -4), ("shx", 0), ("shx", 99), ("shx", 100), ("shx", 108), ("shx", -1),
        ("shx", -8), ("dbf", 0), ("dbf", 20), ("dbf", 33), ("dbf", 60), ("dbf", 70),
        ("dbf", -2), ("dbf", -12), ("dbf", -30),
    ],
)  # fmt: skip
@EVERY_RECIPE
def test_what_a_full_disk_leaves_is_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, extension: str, size: int
) -> None:
    outcome = damaged(tmp_path, monkeypatch, recipe, cut(extension, size))
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs")


@pytest.mark.parametrize("extension", ["shp", "shx", "dbf"])
@EVERY_RECIPE
def test_a_member_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, extension: str
) -> None:
    outcome = damaged(
        tmp_path, monkeypatch, recipe, lambda folder: (folder / f"layer.{extension}").unlink()
    )
    assert (outcome.status, outcome.code) == ("failed", "write-incomplete")


#: Bytes of the .shp: of a box, of counts, of part indexes, of coordinates.
PLACES = {
    "a box": 116, "a count": 144, "a part index": 152, "a coordinate": 160,
    "the last coordinate": -1, "a length": 107,
}  # fmt: skip


@pytest.mark.parametrize("at", PLACES.values(), ids=PLACES)
@EVERY_RECIPE
def test_a_flipped_bit_of_a_record_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("shp", at))
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs")


@EVERY_RECIPE
@pytest.mark.parametrize("at", [160, -1])
def test_a_flipped_bit_is_found_where_the_source_was_not_well_formed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    """Records are carried one by one then, not copied with their file."""
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("shp", at), shx=None)
    assert (outcome.status, outcome.code) == ("failed", "write-differs")


@EVERY_RECIPE
@pytest.mark.parametrize("at", [101, 103, 105, 107, -1, -5])
def test_a_flipped_bit_of_the_index_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("shx", at))
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs")


@EVERY_RECIPE
@pytest.mark.parametrize("at", [-2, -3, -8, -20])
def test_a_flipped_bit_of_a_cell_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    """Carried cells and those that a step wrote."""
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("dbf", at))
    assert (outcome.status, outcome.code) == ("failed", "write-differs")


@EVERY_RECIPE
@pytest.mark.parametrize("at", [4, 10])
def test_a_wrong_count_in_the_dbf_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    """Of rows, of bytes of a row."""
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("dbf", at))
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs")


@EVERY_RECIPE
@pytest.mark.parametrize("at", [32, 43, 48])
def test_a_flipped_bit_of_a_field_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    """Of its name, of its type, of its width."""
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("dbf", at))
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs")


@EVERY_RECIPE
@pytest.mark.parametrize("at", [27, 32, 42])
def test_a_flipped_bit_of_the_head_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, at: int
) -> None:
    """Of its length, of its type, of its bounds."""
    outcome = damaged(tmp_path, monkeypatch, recipe, flip("shp", at))
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs")


def test_a_row_too_few_and_a_row_too_many_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole set, only not of as many features."""
    for i, records in enumerate((POLYGONS[:3], [*POLYGONS, POLYGONS[0]])):
        with monkeypatch.context() as patch:
            names = [b"one", b"two", b"three", b"four", b"five"][: len(records)]
            shp, shx = make.shp_bytes(records, 5)
            table = make.dbf_bytes(make.NAMES, make.rows_of(*names))

            def other(folder: Path, shp: bytes = shp, shx: bytes = shx, dbf: bytes = table) -> None:
                make.write(folder, "layer", shp=shp, shx=shx, dbf=dbf, prj=None)

            outcome = damaged(tmp_path / str(i), patch, [], other)
            assert (outcome.status, outcome.code) == ("failed", "write-incomplete")
            assert outcome.code == "write-incomplete"


def test_rows_in_another_order_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(folder: Path) -> None:
        path = folder / "layer.dbf"
        data = path.read_bytes()
        first, second = data[ROWS : ROWS + ROW], data[ROWS + ROW : ROWS + 2 * ROW]
        path.write_bytes(data[:ROWS] + second + first + data[ROWS + 2 * ROW :])

    outcome = damaged(tmp_path, monkeypatch, [nudge], swapped)
    assert (outcome.status, outcome.code) == ("failed", "write-differs")


@pytest.mark.parametrize("row", [0, 29_999])
def test_the_ends_of_a_large_layer_are_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    count = 30_000
    monkeypatch.setattr(reader, "WINDOW_ROWS", 1_000)
    shp, shx = make.shp_bytes([make.point(i, i) for i in range(count)])
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*[b"name"] * count))
    recipe = RECIPES["added"]
    damage = flip("shp", 100 + 28 * row + 20)
    outcome = damaged(tmp_path, monkeypatch, recipe, damage, shp=shp, shx=shx, dbf=dbf)
    assert (outcome.status, outcome.code) == ("failed", "write-differs")


def test_what_is_kept_for_the_proof_of_a_large_layer_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[list[int]] = []
    close = Output.close

    def closed(output: Output) -> None:
        kept.append([k.first for k in output.kept])
        close(output)

    monkeypatch.setattr(Output, "close", closed)
    monkeypatch.setattr(reader, "WINDOW_ROWS", 1_000)
    count = 30_000
    shp, shx = make.shp_bytes([make.point(i, i) for i in range(count)])
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*[b"name"] * count))
    path = make.write(tmp_path / "src", shp=shp, shx=shx, dbf=dbf)
    outcome = shp_parser(path, recipe=RECIPES["added"], dst=tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert len(kept[0]) == 3
    assert (kept[0][0], kept[0][-1]) == (0, 29_000)


def test_without_proof_nothing_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Output.close

    def closed(output: Output) -> None:
        close(output)
        flip("shp", -1)(output.folder)

    monkeypatch.setattr(Output, "close", closed)
    path = polygons(tmp_path / "src")
    for proof, status in ((False, "done"), (True, "failed")):
        sink = tmp_path / f"out{proof}" / "a.shp"
        policy = Policy(proof=proof)
        task = Task(make.source(path), Recipe(), str(sink), str(sink.parent), policy=policy)
        assert run_alone(task).status == status


def test_an_output_that_is_there_stays(tmp_path: Path) -> None:
    make.write(tmp_path / "out", "a", shp=b"old")
    outcome = shp_parser(make.write(tmp_path / "src"), recipe=[], dst=tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "exists")
    assert (tmp_path / "out" / "a.shp").read_bytes() == b"old"


def test_errors_of_publishing_are_ours() -> None:
    for kind, code in ((BusyError, "busy"), (PlanError, "bad-plan"), (WriteError, "write-failed")):
        assert issubclass(kind, ShpbatchError)
        assert kind("x").code == code


def test_a_disk_that_is_slower_than_the_workers_holds_them_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Outcomes that wait for it would fill the memory; all of them are published at last."""
    may_go_on, put, settled = threading.Event(), [], []

    def slowly(dst: str, run_id: str, ledger: Any, files: Files, batch: Any) -> list[Outcome]:
        assert may_go_on.wait(30)
        return [outcome for _, _, outcome in batch]

    monkeypatch.setattr("shpbatch.running.publisher.publish", slowly)
    monkeypatch.setattr("shpbatch.running.publisher.clear_parts", lambda task: None)
    found: Any = None
    with Publisher("out", "r", found, Files(), lambda index, outcome: settled.append(index)) as one:

        def work() -> None:
            for index in range(5 * MOST):
                one.put(index, found, Outcome(("a",), "done"))
                put.append(index)

        worker = threading.Thread(target=work)
        worker.start()
        worker.join(1)
        assert MOST <= len(put) <= 2 * MOST + 1  # what is being published, and what waits
        may_go_on.set()
        worker.join(30)
    assert settled == put == list(range(5 * MOST))


def test_a_publisher_that_ended_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[Outcome]:
        raise ZeroDivisionError

    monkeypatch.setattr("shpbatch.running.publisher.publish", broken)
    nothing: Any = None
    with pytest.raises(ZeroDivisionError), Publisher("out", "r", nothing, Files(), print) as one:
        for index in range(5 * MOST):
            one.put(index, nothing, Outcome(("a",), "done"))
