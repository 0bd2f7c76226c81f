"""A whole run is killed at some moment; the next call goes on as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

SAMPLES = Path(__file__).parents[1] / "sample_data"
CHAIN = ["!", "make-valid", "!", "reproject", "--dst-crs", "EPSG:3857"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs process groups")


@pytest.fixture(scope="module")
def src(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some forty layers, one with a partition's worth of rows."""
    folder = tmp_path_factory.mktemp("src")
    for number in range(12):
        for name in ("soho/SohoPeople", "places/naturalearth_cities", "transport/streets"):
            for path in (SAMPLES / name).parent.glob(f"{Path(name).name}.*"):
                shutil.copy(path, folder / f"{path.stem}{number:02}{path.suffix}")
    return folder


class Whole(NamedTuple):
    """Files that a run published, and seconds that it took."""

    files: dict[str, bytes]
    seconds: float


def start(src: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shpbatch", "run", str(src), "-o", str(out), "-j", "3", "-q"]
    return subprocess.Popen([*command, *options, *CHAIN], start_new_session=True)


def outputs(out: Path) -> dict[str, bytes]:
    """All files that were published."""
    paths = [p for p in out.rglob("*") if p.is_file() and ".shpbatch" not in p.parts]
    return {str(p.relative_to(out)): p.read_bytes() for p in paths}


def complete_or_absent(out: Path, whole: dict[str, bytes]) -> None:
    """Of every layer whose ``.shp`` is there all files are there, as they are to be."""
    found = outputs(out)
    for name in found:
        if name.endswith(".shp"):
            stem = name[: -len("shp")]
            wanted = {n: d for n, d in whole.items() if n.startswith(stem)}
            assert {n: found.get(n) for n in wanted} == wanted


@pytest.fixture(scope="module")
def whole(src: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """What an undisturbed run makes, and how long it takes."""
    out, begun = tmp_path_factory.mktemp("whole"), time.monotonic()
    assert start(src, out).wait() == 0
    return Whole(outputs(out), time.monotonic() - begun)


def kill_at_random(src: Path, out: Path, undisturbed: Whole, kills: int, seed: int) -> int:
    """Kill the parent again and again, then let it end; return how many kills hit a run."""
    rng = random.Random(seed)
    whole, hit = undisturbed.files, 0
    for _ in range(kills):
        process = start(src, out)
        time.sleep(rng.uniform(0.1, 0.8) * undisturbed.seconds)
        process.send_signal(signal.SIGKILL)
        hit += process.wait() == -signal.SIGKILL
        complete_or_absent(out, whole)
    assert start(src, out).wait() == 0
    assert outputs(out) == whole
    left = {p.name for p in (out / ".shpbatch").iterdir()} & {"stage"}
    assert not left
    assert not list((out / ".shpbatch" / "journal").iterdir())
    return hit


@POSIX
def test_a_run_that_is_killed_goes_on(src: Path, whole: Whole, tmp_path: Path) -> None:
    assert kill_at_random(src, tmp_path / "out", whole, kills=5, seed=1) >= 2
    verify = [sys.executable, "-m", "shpbatch", "verify", str(tmp_path / "out")]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


@POSIX
@pytest.mark.soak
def test_a_run_that_is_killed_fifty_times_goes_on(src: Path, whole: Whole, tmp_path: Path) -> None:
    hit = sum(kill_at_random(src, tmp_path / str(n), whole, kills=5, seed=n) for n in range(2, 12))
    assert hit >= 20


@POSIX
def test_no_worker_outlives_a_killed_run(src: Path, tmp_path: Path) -> None:
    process = start(src, tmp_path / "out", "--force")
    time.sleep(1.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 3
    while _session(process.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _session(process.pid)


def _session(leader: int) -> list[int]:
    """Live processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


@POSIX
def test_what_was_done_before_the_kill_is_not_done_again(src: Path, tmp_path: Path) -> None:
    """What a commit tells is kept: its files keep their times."""
    out = tmp_path / "out"
    process = start(src, out)
    while len(list(out.glob("*.shp"))) < 5:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert start(src, out, "--dry-run").wait() == 0
    before = {p: p.stat().st_mtime_ns for p in out.glob("*.shp")}
    assert start(src, out).wait() == 0
    after = {p: p.stat().st_mtime_ns for p in before}
    assert sum(before[p] == after[p] for p in before) >= 3
