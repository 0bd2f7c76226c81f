"""Complete or absent: of what a power cut, a kill or a full disk leaves, old or new is made."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from failing import Failing

from shpbatch.durable import Files
from shpbatch.errors import WriteError
from shpbatch.publishing.journal import commit, drop_torn, finish, pending
from shpbatch.publishing.moving import Conflict, move, settle
from shpbatch.publishing.sets import Entry, Member, Staged, entry_of

OLD = {f"o.{e}": f"old {e}".encode() * 9 for e in ("shp", "shx", "dbf", "prj", "qix", "cpg")}
NEW = {f"o.{e}": f"NEW {e}".encode() * 11 for e in ("shp", "shx", "dbf", "prj", "cpg")}
KEPT = {"o.qml": b"style", "other.shp": b"other"}
#: Another set in the same commit, and a sub-folder that is new.
MORE = {f"sub/p.{e}": f"more {e}".encode() for e in ("shp", "shx", "dbf")}
#: When they were made: a power cut leaves the times of what it leaves.
AGE = (1_000_000_000, 1_000_000_000)
Without = Callable[[str, str], bool]


def prepare(dst: Path) -> list[Staged]:
    """An old set in its place, two new ones in the stage."""
    stage = dst / ".shpbatch/stage"
    for name, data in {**OLD, **KEPT}.items():
        (dst / name).write_bytes(data)
        os.utime(dst / name, AGE)
    sets = []
    for folder, sink, files in (("tx", "o.shp", NEW), ("ty", "sub/p.shp", MORE)):
        (stage / folder).mkdir(parents=True)
        members = {}
        for name, data in files.items():
            extension = name.rpartition(".")[2]
            (stage / folder / f"layer.{extension}").write_bytes(data)
            members[extension] = Member(len(data), hashlib.sha256(data).hexdigest())
        sets.append(Staged(str(stage / folder), str(dst / sink), members))
    return sets


def entries_of(sets: list[Staged]) -> list[Entry]:
    return [entry_of(s, {"key": s.sink}) for s in sets]


def publish(dst: Path, sets: list[Staged], files: Files) -> None:
    (dst / "sub").mkdir(exist_ok=True)
    entries = entries_of(sets)
    _end(commit(dst / ".shpbatch", entries, files), entries, files)


def recover(dst: Path, files: Files) -> None:
    drop_torn(dst / ".shpbatch", files)
    (dst / "sub").mkdir(exist_ok=True)
    for path, entries in pending(dst / ".shpbatch"):
        _end(path, entries, files)


def _end(path: Path, entries: list[Entry], files: Files) -> None:
    for entry in entries:
        move(entry, files)
    settle(entries, files)
    finish(path, entries, [], files)


def state_of(dst: Path) -> str:
    """Whether both sets are old (the second: absent), or new; else what there is."""
    paths = [p for p in dst.rglob("*") if p.is_file() and ".shpbatch" not in p.parts]
    found = {str(p.relative_to(dst)): p.read_bytes() for p in paths}
    if found == {**OLD, **KEPT}:
        return "old"
    return "new" if found == {**NEW, **MORE, **KEPT} else f"MIXED {sorted(found)}"


# -- the power is cut ---------------------------------------------------------


class Recorded(Files):
    """Works, and writes down what it did, in paths below the destination."""

    def __init__(self, dst: Path, without: Without) -> None:
        self.dst, self.without = dst, without
        self.did: list[tuple[str, ...]] = []

    def _note(self, what: str, *paths: Path) -> None:
        names = [os.path.relpath(p, self.dst) for p in paths]
        if not self.without(what, names[0]):
            self.did.append((what, *names))

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data)
        self.did.append(("write", os.path.relpath(path, self.dst), data.decode("latin-1")))

    def sync(self, path: Path) -> None:
        self._note("sync", path)

    def sync_all(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._note("sync", path)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._note("rename", source, target)

    def unlink(self, path: Path) -> None:
        if path.exists():
            self._note("unlink", path)
        super().unlink(path)


def soft(before: dict[str, bytes], past: list[tuple[str, ...]]) -> list[object]:
    """What a power cut may undo: operations by number, names and contents that are not synced."""

    def synced(path: str, since: int) -> bool:
        return ("sync", path) in past[since:]

    def folder(path: str) -> str:
        return os.path.dirname(path) or "."

    changed = {"rename": 1, "unlink": 0, "write": 0}
    found: list[object] = [
        i
        for i, (what, *paths) in enumerate(past)
        if what in changed and not synced(folder(paths[changed[what]]), i)
    ]
    staged = [p for p in before if "/stage/" in p]
    found += [("name", p) for p in staged if not synced(folder(p), 0)]
    found += [("data", p) for p in staged if not synced(p, 0)]
    written = [(i, o[1]) for i, o in enumerate(past) if o[0] == "write"]
    return found + [("data", p) for i, p in written if not synced(p, i)]


def subsets(of: list[object], most: int, rng: random.Random) -> Iterator[set[object]]:
    """All of them where they are few; else none, all, each, and some at random."""
    if 2 ** len(of) <= most:
        for size in range(len(of) + 1):
            yield from map(set, itertools.combinations(of, size))
        return
    yield from (set(), set(of), *({one} for one in of))
    for _ in range(most):
        share = rng.choice((0.1, 0.5, 0.9))
        yield {one for one in of if rng.random() < share}


def after(
    before: dict[str, bytes], past: list[tuple[str, ...]], lost: set[object]
) -> dict[str, bytes]:
    """What is on the disk when some of it is lost."""
    disk = {p: b"" if ("data", p) in lost else d for p, d in before.items()}
    disk = {p: d for p, d in disk.items() if ("name", p) not in lost}
    for i, (what, *paths) in enumerate(past):
        if i in lost:
            continue
        if what == "write":
            disk[paths[0]] = b"" if ("data", paths[0]) in lost else paths[1].encode("latin-1")
        elif what == "unlink":
            disk.pop(paths[0], None)
        elif what == "rename" and paths[0] in disk:
            disk[paths[1]] = disk.pop(paths[0])
    return disk


def power_cuts(
    tmp_path: Path, most: int, without: Without, first_bad: bool = False
) -> dict[str, int]:
    """Crash states by what recovery makes of them."""
    dst = tmp_path / "recorded"
    dst.mkdir()
    sets = prepare(dst)
    before = {str(p.relative_to(dst)): p.read_bytes() for p in dst.rglob("*") if p.is_file()}
    files = Recorded(dst, without)
    publish(dst, sets, files)
    found: dict[str, int] = {}
    rng = random.Random(1)
    memory = Path("/dev/shm")  # thousands of small files
    crash = (memory if memory.is_dir() else tmp_path) / f"shpbatch-crash-{os.getpid()}"
    for done in range(len(files.did) + 1):
        past = files.did[:done]
        for lost in subsets(soft(before, past), most, rng):
            state = _recovered(crash, after(before, past, lost))
            if state == "old" and done == len(files.did):
                state = "LOST after it was told"
            found[state] = found.get(state, 0) + 1
            if first_bad and state not in ("old", "new"):
                return found
    return found


def _recovered(dst: Path, disk: dict[str, bytes]) -> str:
    for folder in (".shpbatch/stage", ".shpbatch/journal"):
        (dst / folder).mkdir(parents=True)
    for name, data in disk.items():
        (dst / name).parent.mkdir(parents=True, exist_ok=True)
        (dst / name).write_bytes(data)
        os.utime(dst / name, AGE)
    try:
        recover(dst, Files())
        return state_of(dst)
    except (WriteError, OSError) as error:
        return f"NOT RECOVERED: {type(error).__name__}"
    finally:
        shutil.rmtree(dst)


def test_a_power_cut_leaves_old_or_new(tmp_path: Path) -> None:
    found = power_cuts(tmp_path, 12, lambda what, path: False)
    assert set(found) == {"old", "new"}
    assert found["old"] > 100
    assert found["new"] > 100


@pytest.mark.soak
def test_many_power_cuts_leave_old_or_new(tmp_path: Path) -> None:
    found = power_cuts(tmp_path, 2_000, lambda what, path: False)
    assert set(found) == {"old", "new"}


SYNCS = {
    "contents of staged files": lambda what, path: what == "sync" and "/layer." in path,
    "names in the stage": lambda what, path: what == "sync" and path.endswith(("/tx", "/ty")),
    "the journal": lambda what, path: what == "sync" and path.endswith(".tmp"),
    "the journal's name": lambda what, path: what == "sync" and path.endswith("journal"),
    "names in the destination": lambda what, path: what == "sync" and path in (".", "sub"),
}


@pytest.mark.parametrize("left_out", SYNCS)
def test_the_model_notices_each_sync_that_is_left_out(left_out: str, tmp_path: Path) -> None:
    """A model that passes without a sync proves nothing."""
    found = power_cuts(tmp_path, 40, SYNCS[left_out], first_bad=True)
    assert set(found) - {"old", "new"}, found


# -- the process is killed ----------------------------------------------------


class Killing(Files):
    """Ends the process at the n-th change; a file may be half written."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, path: Path, data: bytes) -> None:
        self._count()
        path.write_bytes(data[: len(data) // 2])
        self._count()
        super().write(path, data)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._count()
        super().unlink(path)


def killed(what: Callable[[Files], None], at: int) -> bool:
    """Run in a child that is killed at a change; whether it was."""
    child = os.fork()
    if not child:
        try:
            what(Killing(at))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_a_kill_at_every_change_and_again_in_recovery(tmp_path: Path) -> None:
    found: dict[str, int] = {}
    for at in range(100):
        dst = tmp_path / str(at)
        dst.mkdir()
        sets = prepare(dst)
        if not killed(lambda files, dst=dst, sets=sets: publish(dst, sets, files), at):
            assert at >= 15
            break
        for again in range(100):
            copy = tmp_path / f"{at}-{again}"
            shutil.copytree(dst, copy)
            ended = not killed(lambda files, copy=copy: recover(copy, files), again)
            recover(copy, Files())
            found[state_of(copy)] = found.get(state_of(copy), 0) + 1
            assert not [*(copy / ".shpbatch").glob("journal/*")]
            if ended:
                break
    else:
        pytest.fail("the kills never end")
    assert set(found) == {"old", "new"}


# -- a call fails ---------------------------------------------------------------


@pytest.mark.parametrize("number", [5, 28, 13, 4], ids=["EIO", "ENOSPC", "EACCES", "EINTR"])
@pytest.mark.parametrize("kind", ["write", "sync", "rename", "unlink"])
def test_an_error_at_each_call_leaves_old_or_new(kind: str, number: int, tmp_path: Path) -> None:
    for at in range(100):
        dst = tmp_path / str(at)
        dst.mkdir()
        files = Failing(kind, at, number)
        try:
            publish(dst, prepare(dst), files)
        except OSError:
            assert files.failed
        recover(dst, Files())
        assert state_of(dst) in (("old", "new") if files.failed else ("new",))
        if not files.failed:
            return
    pytest.fail("it fails for ever")


# -- what is not ours ----------------------------------------------------------


def test_a_member_that_is_neither_staged_nor_in_place_stops_recovery(tmp_path: Path) -> None:
    sets = prepare(tmp_path)
    commit(tmp_path / ".shpbatch", entries_of(sets), Files())
    (tmp_path / ".shpbatch/stage/tx/layer.dbf").unlink()
    with pytest.raises(Conflict, match=r"o\.dbf: was changed"):
        recover(tmp_path, Files())
    assert [*pending(tmp_path / ".shpbatch")], "the journal stays"


def test_the_destination_may_be_moved_before_recovery(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    commit(before / ".shpbatch", entries_of(prepare(before)), Files())
    recover(before.rename(tmp_path / "after"), Files())
    assert state_of(tmp_path / "after") == "new"


def test_a_torn_journal_is_dropped(tmp_path: Path) -> None:
    path = commit(tmp_path / ".shpbatch", entries_of(prepare(tmp_path)), Files())
    path.write_bytes(path.read_bytes()[:-9])
    recover(tmp_path, Files())
    assert not [*(tmp_path / ".shpbatch/journal").iterdir()]
    (tmp_path / "sub").rmdir()
    assert state_of(tmp_path) == "old"


def test_a_file_of_another_spelling_goes_and_further_files_too(tmp_path: Path) -> None:
    sets = prepare(tmp_path)
    for name in ("O.SHP", "O.DBF", "gone.shp", "gone.dbf"):
        (tmp_path / name).write_bytes(b"old")
    more = [str(tmp_path / "gone.shp"), str(tmp_path / "gone.dbf")]
    entries = [entry_of(sets[0], {}, more)]
    path = commit(tmp_path / ".shpbatch", entries, Files())
    assert json.loads(path.read_bytes().partition(b"\n")[0])[0]["staged"]["sink"] == "o.shp"
    move(entries[0], Files())
    assert {p.name for p in tmp_path.iterdir()} - {".shpbatch"} == {*NEW, *KEPT}


def test_a_real_disk_is_synced(tmp_path: Path) -> None:
    """In a process of its own: here no test waits for a disk."""
    code = f"""
from pathlib import Path
from shpbatch.durable import Files
folder = Path({str(tmp_path)!r})
paths = [folder / str(n) for n in range(40)]
for path in paths:
    path.write_text("x")
Files().sync(paths[0])
Files().sync(folder)
Files().sync_all(paths[:3])
Files().sync_all([*paths, folder])
print("synced")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "synced\n", done.stderr
