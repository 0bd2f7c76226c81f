"""Whole runs on a machine that is short of something: room, rights, files, memory, time, peace."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapefiles as make

from shpbatch.publishing.destination import STATE
from shpbatch.publishing.ledger import LEDGER, Ledger
from shpbatch.publishing.staleness import edited

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and signals of Linux")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
root = pytest.mark.skipif(not ROOT, reason="only root may mount a disk or be somebody else")
NOBODY = 65534
LIBC = ctypes.CDLL(None, use_errno=True)
SAMPLES = Path(__file__).parents[1] / "sample_data"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def start(*words: object, **named: Any) -> subprocess.Popen[str]:
    """A run of the command line, in a process group of its own."""
    command = [sys.executable, "-m", "shpbatch", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **named
    )


def ended(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, dict[str, Any], str]:
    """Exit code, ``--json`` object and stderr; a run that hangs is killed, and the test fails."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert "Traceback" not in err, err
    record = json.loads(out)
    assert record["exit_code"] == process.returncode
    return process.returncode, record, err


def run(src: Path, out: Path, *words: object, **named: Any) -> tuple[int, dict[str, Any], str]:
    """A run of the command line to its end; ``workers`` and ``chain`` may be given."""
    return ended(begin(src, out, *words, **named))


def begin(
    src: Path,
    out: Path,
    *words: object,
    workers: int = 2,
    chain: tuple[str, ...] = (),
    **named: Any,
) -> subprocess.Popen[str]:
    options = ["-o", out, "-j", workers, "--json", "--progress", "none"]
    return start("run", src, *options, *words, *chain, **named)


def told(record: dict[str, Any]) -> Counter[tuple[str, str | None]]:
    return Counter((o["status"], o["code"]) for o in record["outcomes"])


def tiny(folder: Path, count: int) -> Path:
    """A folder of layers of three points each."""
    made = {p.suffix: p.read_bytes() for p in make.write(folder / "first").parent.iterdir()}
    shutil.rmtree(folder / "first")
    for number in range(count):
        for suffix, data in made.items():
            (folder / f"t{number:04}{suffix}").write_bytes(data)
    return folder


def done_is_whole(record: dict[str, Any]) -> int:
    """What is told to be done is there, and another library reads as many features in it."""
    sinks = [s for o in record["outcomes"] if o["status"] == "done" for s in o["sinks"]]
    for sink in sinks:
        assert pyogrio.read_info(sink["path"])["features"] == sink["features"]
        assert len(pyogrio.raw.read_arrow(sink["path"])[1]) == sink["features"]
    return len(sinks)


def as_published(out: Path) -> None:
    """Every output is, by its content, what the ledger says."""
    with Ledger(out / STATE / LEDGER, read_only=True) as ledger:
        for _, made in ledger.made():
            assert not edited(made.members, str(out), hashed=True)


def nothing_is_left(out: Path) -> None:
    """No staged set, no journal: a run came to its end."""
    assert not (out / ".shpbatch/stage").exists()
    assert not list((out / ".shpbatch/journal").glob("*"))


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def workers_of(leader: int) -> list[int]:
    """Live processes of a run that are at work: children of its forkserver."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] not in "ZX":
                parents[int(entry.parent.name)] = int(fields[1])
    below = {p for p, parent in parents.items() if parent == leader}
    return [p for p, parent in parents.items() if parent in below]


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Options for a step of the user's that takes a third of a second."""
    (tmp_path / "slowly.py").write_text(
        "import select\n"  # time.sleep fails under libfaketime
        "from shpbatch.engine.aspects import Coords\n"
        "def slow(coords: Coords) -> Coords:\n"
        "    select.select([], [], [], 0.3)\n"
        "    return coords + 1\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return ("--step", "slowly:slow")


# --- a disk that is full ------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory with so much room."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(line, capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six layers of 4 to 35 kB, which need some 290 kB while they are made."""
    folder = tmp_path_factory.mktemp("cities")
    for number in range(3):
        for name in ("soho/SohoPeople", "places/naturalearth_cities"):
            for path in (SAMPLES / name).parent.glob(f"{Path(name).name}.*"):
                shutil.copy(path, folder / f"{path.stem}{number}{path.suffix}")
    return folder


#: kB from nothing at all, over the ledger, the log and each of the layers, to enough.
SIZES = [4, 24, 44, 52, 56, 60, 76, 92, 116, 140, 164, 196, 240, 280, 320, 400]


@root
@pytest.mark.parametrize("size", SIZES)
def test_a_disk_of_any_size(size: int, cities: Path, tmp_path: Path) -> None:
    """What fits is done, what does not says why; with more room the next run does the rest."""
    with small_disk(tmp_path / "disk", f"size={size}k") as disk:
        code, record, _ = run(cities, disk / "out")
        codes = {o["code"] for o in record["outcomes"] if o["status"] != "done"}
        if record["status"] == "refused":
            codes.add(record["code"])
        assert (code, codes) in ((0, set()), (1, {"disk-full"}))
        assert done_is_whole(record) == record["files"]["done"]
        assert not list((disk / "out/.shpbatch").glob("stage/*/*.dbf"))
        assert code or size > 240
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        code, after, err = run(cities, disk / "out")
        assert code == 0, err
        done_is_whole(after)
        assert len(list((disk / "out").glob("*.shp"))) == 6
        assert sum(told(after)[k] for k in (("done", None), ("skipped", "up-to-date"))) == 6
        nothing_is_left(disk / "out")
        as_published(disk / "out")


@root
@pytest.mark.parametrize("names", [2, 5, 7, 26])
def test_a_disk_without_a_name_left(names: int, tmp_path: Path) -> None:
    """Files cost an inode each; SQLite does not say why it cannot make one."""
    src = tiny(tmp_path / "src", 4)
    with small_disk(tmp_path / "disk", f"nr_inodes={names}") as disk:
        code, record, _ = run(src, disk / "out")
        assert code in (1, 2)
        codes = {o["code"] for o in record["outcomes"] if o["status"] != "done"}
        codes.add(record.get("code") or "disk-full")
        assert codes <= {"disk-full", "write-failed", "ledger-unusable"}
        assert done_is_whole(record) == record["files"]["done"]
        subprocess.run(["mount", "-o", "remount,nr_inodes=1000", disk], check=True)
        code, _, err = run(src, disk / "out")
        assert code == 0, err
        nothing_is_left(disk / "out")
        as_published(disk / "out")


# --- rights -------------------------------------------------------------------


def plain() -> None:
    """Mind permissions as any user, in a child between fork and exec: root would not.

    Root without CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER (a user such as nobody
    could often not even start the Python of the tests).
    """
    if ROOT:
        for capability in (1, 2, 3):
            if LIBC.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                os._exit(97)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which ``src`` has four layers."""
    tiny(tmp_path / "src", 4)
    return tmp_path


@pytest.mark.parametrize("there", ["out", "parent"])
def test_a_folder_that_may_not_be_written(there: str, place: Path) -> None:
    """The output folder, or the one in which it would be made."""
    closed = {"out": "out", "parent": "other"}[there]
    out = place / ("other/out" if there == "parent" else "out")
    (place / closed).mkdir(parents=True)
    (place / closed).chmod(0o555)
    (place / "out").mkdir(exist_ok=True)
    code, record, err = run(place / "src", out, preexec_fn=plain)
    assert (code, record["status"], record["code"]) == (2, "refused", "dst-unwritable")
    assert "cannot be written to" in err
    assert len(err.splitlines()) == 1
    assert not list(place.rglob("out/**/*.shp"))


@root
@pytest.mark.parametrize("mode", [0o700, 0o555])
def test_a_state_that_another_user_made(mode: int, place: Path) -> None:
    """As when a job changes its account."""
    assert run(place / "src", place / "out")[0] == 0
    state = place / "out" / STATE
    for path in (state, *state.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    state.chmod(mode)
    code, record, err = run(place / "src", place / "out", "--force", preexec_fn=plain)
    assert (code, record["status"]) == (2, "refused")
    assert record["code"] == ("ledger-unusable" if mode == 0o700 else "dst-unwritable")
    assert str(place / "out") in err
    assert len(err.splitlines()) == 1
    runs = start("runs", place / "out", preexec_fn=plain)
    _, err = runs.communicate()
    assert runs.returncode == (2 if mode == 0o700 else 0)
    assert "Traceback" not in err


def test_a_ledger_that_may_not_be_written(place: Path) -> None:
    assert run(place / "src", place / "out", preexec_fn=plain)[0] == 0
    ledger = place / "out" / STATE / LEDGER
    ledger.chmod(0o444)
    code, record, err = run(place / "src", place / "out", "--force", preexec_fn=plain)
    assert (code, record["code"]) in ((1, "write-failed"), (2, "ledger-unusable")), err
    assert str(ledger) in err
    assert start("log", place / "out", preexec_fn=plain).wait() == 0
    ledger.chmod(0)
    code, record, err = run(place / "src", place / "out", "--force", preexec_fn=plain)
    assert (code, record["code"]) == (2, "ledger-unusable"), err
    assert start("log", place / "out", preexec_fn=plain).wait() == 2


def test_a_sub_folder_that_may_not_be_written(place: Path) -> None:
    shutil.copytree(place / "src", place / "src/deep")
    (place / "out/deep").mkdir(parents=True)
    (place / "out/deep").chmod(0o555)
    code, record, _ = run(place / "src", place / "out", preexec_fn=plain)
    assert code == 1
    assert record["files"] == {"total": 8, "done": 4, "failed": 4, "skipped": 0}
    assert {o["code"] for o in record["outcomes"]} <= {None, "write-failed", "pending"}
    assert done_is_whole(record) == 4
    (place / "out/deep").chmod(0o777)
    code, record, _ = run(place / "src", place / "out", preexec_fn=plain)
    assert code == 0
    assert len(list((place / "out").rglob("*.shp"))) == 8
    nothing_is_left(place / "out")


def test_sources_that_may_not_be_read(place: Path) -> None:
    """A file, a member of a set and a folder; what is good is done."""
    shutil.copytree(place / "src", place / "src/closed")
    for name in ("t0000.shp", "t0001.dbf", "closed"):
        (place / "src" / name).chmod(0)
    code, record, err = run(place / "src", place / "out", preexec_fn=plain)
    assert code == 1
    by_name = {Path(o["sources"][0]).stem: (o["status"], o["code"]) for o in record["outcomes"]}
    assert by_name["t0002"] == by_name["t0003"] == ("done", None)
    assert by_name["t0000"] == by_name["t0001"] == ("failed", "source-unreadable")
    assert by_name["closed"] == ("failed", "folder-unreadable")
    assert "Permission denied" in err


@pytest.mark.parametrize("option", ["--log", "--log-file", "--metrics-file"])
def test_a_file_of_lines_that_may_not_be_written(option: str, place: Path) -> None:
    code, record, err = run(
        place / "src", place / "out", option, "/proc/version/x.prom", preexec_fn=plain
    )
    assert (code, record["code"]) == (1, "write-failed")
    assert "/proc/version/x.prom" in err


# --- few files may be open ----------------------------------------------------


def few_files(limit: int) -> Callable[[], None]:
    import resource

    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


@pytest.mark.parametrize("limit", [64, 40])
def test_few_files_may_be_open(limit: int, tmp_path: Path) -> None:
    src = tiny(tmp_path / "src", 200)
    code, record, err = run(src, tmp_path / "out", workers=16, preexec_fn=few_files(limit))
    assert code == 0, err
    assert done_is_whole(record) == 200


def test_a_partition_into_more_sets_than_files_may_be_open(tmp_path: Path) -> None:
    rows = make.rows_of(*(b"v%d" % (n % 300) for n in range(900)))
    shp, shx = make.shp_bytes([make.point(n, n) for n in range(900)], bounds=(0, 0, 899, 899))
    make.write(tmp_path / "src", shp=shp, shx=shx, dbf=make.dbf_bytes(make.NAMES, rows))
    chain = ("!", "partition", "--field", "NAME")
    code, record, err = run(
        tmp_path / "src", tmp_path / "out", chain=chain, preexec_fn=few_files(64)
    )
    assert code == 0, err
    assert done_is_whole(record) == 300
    assert {s["features"] for s in record["outcomes"][0]["sinks"]} == {3}


# --- little memory ------------------------------------------------------------


@pytest.mark.parametrize("limit", ["1K", "40M"])
def test_workers_that_may_not_even_start(limit: str, tmp_path: Path) -> None:
    """A limit below what Python needs is the request's fault, and is told soon."""
    code, record, err = run(tiny(tmp_path / "src", 4), tmp_path / "out", "--mem-limit", limit)
    assert code == 1
    codes = {record.get("code"), *(o["code"] for o in record["outcomes"])} - {None, "not-run"}
    assert codes <= {"workers-dead", "out-of-memory", "worker-killed", "function-not-loadable"}
    assert not list((tmp_path / "out").glob("*.shp"))
    assert "--mem-limit" in err or "code" not in record


def test_a_parent_with_little_memory(tmp_path: Path) -> None:
    """All of the run within 1 GB of addresses, of which libraries take most."""
    import resource

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    src = tiny(tmp_path / "src", 20)
    shp, shx = make.shp_bytes([make.point(n, n) for n in range(400_000)])
    dbf = make.dbf_bytes(((b"NAME", "C", 200, 0),), [(b"x",)] * 400_000)
    make.write(src, "t9999", shp=shp, shx=shx, dbf=dbf)
    code, record, err = run(src, tmp_path / "out", preexec_fn=little)
    assert code in (0, 1), err
    assert {o["code"] for o in record["outcomes"]} <= {None, "out-of-memory"}
    assert done_is_whole(record) >= 20


# --- a clock that jumps -------------------------------------------------------

faketime = pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
DAY = 86_400


def clock(offset: str, **more: str) -> dict[str, str]:
    """An environment in which the time of day is another; the monotonic clock is not."""
    named = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {**os.environ, **named, "FAKETIME_NO_CACHE": "1", **more}


@faketime
def test_a_clock_that_jumps_between_runs(tmp_path: Path) -> None:
    """A day ahead, a day back: nothing is made anew, and the last run is the last one."""
    src, out = tiny(tmp_path / "src", 3), tmp_path / "out"
    ids = []
    for offset in ("+1d", "-1d", "+0d", "+1d"):
        _, record, err = run(src, out, "--timeout", 60, "--wait", 5, env=clock(offset))
        ids.append(record["run_id"])
        found = ("skipped", "up-to-date") if ids[1:] else ("done", None)
        assert told(record) == {found: 3}, err
    assert ids[1] < ids[2] < ids[0], "the clock did not jump"
    listed = start("runs", out, "--json")
    runs = json.loads(listed.communicate()[0])["runs"]
    assert [r["run_id"] for r in runs] == ids[::-1]


@faketime
@pytest.mark.parametrize("there", ["+1d", "-1d"])
def test_a_clock_that_jumps_amid_a_run(there: str, slow: tuple[str, str], tmp_path: Path) -> None:
    """No timeout comes from it, and no file is done twice."""
    src, out = tiny(tmp_path / "src", 12), tmp_path / "out"
    told_by = tmp_path / "offset"
    told_by.write_text("+0d")
    env = clock("", FAKETIME_TIMESTAMP_FILE=str(told_by))
    del env["FAKETIME"]
    process = begin(src, out, *slow, "--timeout", 30, "--max-seconds", 600, env=env)
    wait_for(lambda: len(list(out.glob("*.shp"))) >= 2)
    told_by.write_text(there)
    code, record, err = ended(process)
    assert code == 0, err
    assert told(record) == {("done", None): 12}
    assert {o["attempts"] for o in record["outcomes"]} == {1}
    assert all(0 <= o["seconds"] < 60 for o in record["outcomes"])
    times = [json.loads(line)["time"][:10] for line in Path(record["log"]).read_text().splitlines()]
    assert len(set(times)) > 1, "the clock did not jump"
    assert told(run(src, out, *slow)[1]) == {("skipped", "up-to-date"): 12}


def test_files_of_another_age(tmp_path: Path) -> None:
    """Sources of 1970, of before, of the future and of the far one; times that come again."""
    src, out = tiny(tmp_path / "src", 5), tmp_path / "out"
    ages = [0, -DAY, time.time() + DAY, 2**32 + DAY, time.time()]
    for number, age in enumerate(ages):
        for path in src.glob(f"t{number:04}.*"):
            os.utime(path, (age, age))
    assert told(run(src, out)[1]) == {("done", None): 5}
    assert told(run(src, out)[1]) == {("skipped", "up-to-date"): 5}
    os.utime(src / "t0002.dbf", (1, 1))
    for path in out.glob("t0001.*"):  # an output that is older than its source is no reason
        os.utime(path, (0, 0))
    _, record, _ = run(src, out)
    assert [o["why"] for o in record["outcomes"] if o["why"]] == ["source changed: .dbf"]
    assert record["files"]["done"] == 1


# --- a run that is stopped, or killed ------------------------------------------


@pytest.mark.parametrize("whom", ["parent", "worker"])
def test_a_process_that_stands_still(whom: str, slow: tuple[str, str], tmp_path: Path) -> None:
    """As when a laptop sleeps or a container is paused: afterwards the run goes on."""
    src, out = tiny(tmp_path / "src", 16), tmp_path / "out"
    process = begin(src, out, *slow, "--timeout", 60)
    wait_for(lambda: len(list(out.glob("*.shp"))) >= 2)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    frozen = process.pid if whom == "parent" else workers[0]
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(3)
    os.kill(frozen, signal.SIGCONT)
    code, record, err = ended(process)
    assert code == 0, err
    assert told(record) == {("done", None): 16}
    assert {o["attempts"] for o in record["outcomes"]} == {1}
    nothing_is_left(out)


def test_a_worker_that_stands_still_for_too_long_is_replaced(
    slow: tuple[str, str], tmp_path: Path
) -> None:
    """SIGKILL reaches one that is stopped, too."""
    src, out = tiny(tmp_path / "src", 12), tmp_path / "out"
    process = begin(src, out, *slow, "--timeout", 3)
    wait_for(lambda: len(list(out.glob("*.shp"))) >= 2)
    os.kill(workers_of(process.pid)[0], signal.SIGSTOP)
    code, record, err = ended(process)
    assert code == 1, err
    assert told(record) == {("done", None): 11, ("timeout", "timeout"): 1}
    assert told(run(src, out, *slow, "--retry-failed")[1])[("done", None)] == 1
    nothing_is_left(out)


def test_an_orphan_publishes_nothing(slow: tuple[str, str], tmp_path: Path) -> None:
    """A worker that was stopped while its run was killed; it goes on beside the next run."""
    src, out = tiny(tmp_path / "src", 12), tmp_path / "out"
    process = begin(src, out, *slow)
    wait_for(lambda: len(list(out.glob("*.shp"))) >= 2)
    workers = workers_of(process.pid)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = {p: p.stat().st_mtime_ns for p in out.glob("t*.*")}
    following = begin(src, out, *slow)
    wait_for(lambda: len(list(out.glob("*.shp"))) >= 5)
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    code, record, err = ended(following)
    assert code == 0, err
    assert set(told(record)) <= {("done", None), ("skipped", "up-to-date")}
    assert done_is_whole(record) >= 12 - len(before) // 3
    assert not set(workers) & {int(p.name) for p in Path("/proc").glob("[0-9]*")}
    assert {p: p.stat().st_mtime_ns for p in before} == before
    as_published(out)
    nothing_is_left(out)
    assert told(run(src, out, *slow)[1]) == {("skipped", "up-to-date"): 12}


# --- somebody else at the same time --------------------------------------------


def test_two_runs_at_once(slow: tuple[str, str], tmp_path: Path) -> None:
    """The second is told who is there; or it waits, and does what is left."""
    src, out = tiny(tmp_path / "src", 10), tmp_path / "out"
    first = begin(src, out, *slow)
    wait_for(lambda: list(out.glob("*.shp")))
    workers = workers_of(first.pid)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    more = begin(src, out, *slow, "--wait")
    code, record, err = run(src, out, *slow)
    assert (code, record["code"]) == (75, "busy")
    assert f"process {first.pid} on " in err
    assert more.poll() is None
    make.write(src, "t9999")  # after both have made their plans
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    code, record, err = ended(first)
    assert code == 0, err
    assert told(record) == {("done", None): 10}
    code, record, err = ended(more)
    assert code == 0, err
    assert told(record) == {("done", None): 1, ("skipped", "up-to-date"): 10}
    nothing_is_left(out)


def test_eight_runs_at_once_do_each_file_once(tmp_path: Path) -> None:
    src, out = tiny(tmp_path / "src", 6), tmp_path / "out"
    runs = [begin(src, out, "--wait", "100", workers=1) for _ in range(8)]
    counts = sum((told(ended(r)[1]) for r in runs), Counter())
    assert counts == {("done", None): 6, ("skipped", "up-to-date"): 42}
    as_published(out)


def test_one_stem_from_two_folders_in_a_flat_output(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        tiny(tmp_path / "src" / folder, 2)
    code, record, err = run(tmp_path / "src", tmp_path / "out", "--flat")
    assert (code, record["status"]) == (2, "refused")
    assert "a/t0000" in err and "b/t0000" in err
    assert not list((tmp_path / "out").glob("*.shp"))
    assert run(tmp_path / "src", tmp_path / "out")[1]["files"]["done"] == 4


def test_sources_that_change_while_they_are_read(tmp_path: Path) -> None:
    """A writer goes on all the time: an output is one of its states, whole, or it is not there."""
    src, out = tmp_path / "src", tmp_path / "out"
    states = []
    for number, count in enumerate((20_000, 30_000)):
        shp, shx = make.shp_bytes([make.point(number, n) for n in range(count)])
        dbf = make.dbf_bytes(make.NAMES[:1], [(b"s%d" % number,)] * count)
        states.append({"shp": shp, "shx": shx, "dbf": dbf})
    for stem in "abcdef":
        make.write(src, stem, **states[0])
    process = begin(src, out, "--retries", 0)
    changes = 0
    while process.poll() is None:
        changes += 1
        for stem in "abc":  # one after the other, as an editor saves a layer
            for extension, data in states[changes % 2].items():
                (src / f"{stem}.{extension}").write_bytes(data)
        time.sleep(0.01)
    code, record, err = ended(process)
    assert changes > 3
    assert code in (0, 1), err
    for outcome in record["outcomes"]:
        stem = Path(outcome["sources"][0]).stem
        if outcome["status"] != "done":
            assert stem in "abc", outcome
            assert not (out / f"{stem}.shp").exists()
            continue
        table = pyogrio.raw.read_arrow(out / f"{stem}.shp")[1]
        assert len(set(table.column("NAME").to_pylist())) == 1
        assert len(table) == {"s0": 20_000, "s1": 30_000}[table.column("NAME")[0].as_py()]
    code, _, err = run(src, out)  # nobody writes any more
    assert code == 0, err
    assert len(list(out.glob("*.shp"))) == 6


# --- many files -----------------------------------------------------------------


def many_files(count: int, folder: Path) -> None:
    """A run over many small files: all done, once, with few files open and nothing left."""
    src, out = tiny(folder / "src", count), folder / "out"
    process = begin(src, out, "--durability", "fast")
    files, children = [0], [0]

    def watch() -> None:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                files.append(len(os.listdir(f"/proc/{process.pid}/fd")))
                children.append(len(workers_of(process.pid)))
            time.sleep(0.2)

    watching = threading.Thread(target=watch)
    watching.start()
    code, record, err = ended(process, 3600)
    watching.join()
    assert code == 0, err
    assert told(record) == {("done", None): count}
    assert 0 < max(files) < 64
    assert 0 < max(children) <= 2
    assert len(list(out.glob("*.shp"))) == count
    nothing_is_left(out)
    as_published(out)
    _, record, _ = run(src, out, "--durability", "fast")
    assert told(record) == {("skipped", "up-to-date"): count}


@pytest.mark.timeout(900)
def test_five_thousand_tiny_files(tmp_path: Path) -> None:
    many_files(5_000, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_hundred_thousand_tiny_files(tmp_path: Path) -> None:
    many_files(100_000, tmp_path)
