"""Runs again and again in one process, with poison in each: nothing grows, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapefiles as make

import shpbatch
from shpbatch import Report
from shpbatch.engine.aspects import Coords

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
FILES = 200
#: Two of a hundred: stem, x of its points, and what becomes of it.
POISON = {
    "t050": (666.0, ("crashed", "worker-killed")),
    "t100": (667.0, ("timeout", "timeout")),
    "t150": (668.0, ("failed", "step-failed")),
    "t199": (1.0, ("failed", "shp-truncated")),
}
#: What may come on top between the first and the last quarter: files, and bytes of a process, of
#: which the allocator keeps and gives back 4 MB at a time; and some a run, for functions as steps.
MORE_FILES, MORE_BYTES, BYTES_A_RUN = 6, 12 << 20, 12 << 10


def poisoned() -> Callable[[Coords], Coords]:
    """A step that kills its worker, hangs or raises where it meets a certain x."""

    def poisonous(coords: Coords) -> Coords:
        import os
        import time

        if coords[0, 0] == 666:
            os.kill(os.getpid(), 9)
        if coords[0, 0] == 667:
            time.sleep(1000)
        if coords[0, 0] == 668:
            raise ArithmeticError("poison")
        return coords + 1

    return poisonous


def filled(folder: Path) -> Path:
    """The layers, four of them poison."""
    for number in range(FILES):
        stem = f"t{number:03}"
        shp, shx = make.shp_bytes([make.point(POISON.get(stem, (1.0,))[0], n) for n in range(3)])
        make.write(folder, stem, shp=shp[:-9] if stem == "t199" else shp, shx=shx)
    return folder


class Watch(threading.Thread):
    """Notes the most that any of our child processes takes while a run goes on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = self.files = self.processes = 0
        self.already = set(below(os.getpid()))  # of other tests
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            found = [p for p in map(taken, set(below(os.getpid())) - self.already) if p]
            self.processes = max(self.processes, len(found))
            self.bytes = max([self.bytes, *(b for b, _ in found)])
            self.files = max([self.files, *(f for _, f in found)])

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


def taken(pid: int) -> tuple[int, int] | None:
    """Bytes in memory and open files of a process; None where it is gone."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))
    return None


def below(pid: int) -> list[int]:
    """Processes below a process: the forkserver, the tracker, workers."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
            for child in map(int, children):
                found += [child, *below(child)]
    return found


def one_run(src: Path, out: Path, force: bool, recipe: list[Any]) -> Report:
    """All but the poison is done, whatever that does; it is met anew in each run."""
    now = time.time_ns()
    for stem in POISON:  # else what killed its workers is left alone
        os.utime(src / f"{stem}.dbf", ns=(now, now))
    report = shpbatch.run(src, out, recipe, workers=4, timeout=2, force=force, durability="fast")
    found = {Path(o.sources[0]).stem: (o.status, o.code) for o in report.outcomes}
    assert {s: found[s] for s in POISON} == {s: told for s, (_, told) in POISON.items()}
    others = Counter(told for stem, told in found.items() if stem not in POISON)
    assert others == {("done", None) if force else ("skipped", "up-to-date"): FILES - len(POISON)}
    return report


def soak(seconds: float, folder: Path) -> dict[str, list[float]]:
    """Run on and on; what the parent, and the largest of its children, took in each run."""
    src, out, recipe = filled(folder / "src"), folder / "out", [poisoned()]
    told: dict[str, list[float]] = {
        name: []
        for name in ("bytes", "files", "threads", "child bytes", "child files", "processes")
    }
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end or number < 10:
        with Watch() as watch:
            one_run(src, out, number % 2 == 0, recipe)
        own = taken(os.getpid())
        assert own is not None
        row = (*own, threading.active_count(), watch.bytes, watch.files, watch.processes)
        for values, value in zip(told.values(), row, strict=True):
            values.append(value)
        number += 1
        assert len(list(out.glob("*.shp"))) == FILES - len(POISON)
        assert not (out / ".shpbatch/stage").exists()
        assert not list((out / ".shpbatch/journal").iterdir())
    for shp in out.glob("*0.shp"):
        assert pyogrio.read_info(shp)["features"] == 3
    return told


def stays_flat(told: dict[str, list[float]]) -> None:
    """The median of the last quarter is that of the first, but for a little; two runs warm up."""
    for name, values in told.items():
        warm = values[2:]
        quarter = max(2, len(warm) // 4)
        first, last = (statistics.median(v) for v in (warm[:quarter], warm[-quarter:]))
        more = MORE_BYTES + BYTES_A_RUN * len(values) if "bytes" in name else MORE_FILES
        print(f"{name}: {first:,.0f} -> {last:,.0f} in {len(values)} runs")
        assert last <= first + more, f"{name}: {values}"
    assert max(told["processes"]) <= 2 + 4 + 3  # forkserver, tracker, workers; some just replaced


@pytest.mark.timeout(600)
def test_two_minutes_of_runs(tmp_path: Path) -> None:
    stays_flat(soak(120, tmp_path))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_an_hour_of_runs(tmp_path: Path) -> None:
    stays_flat(soak(float(os.environ.get("SHPBATCH_SOAK_SECONDS", "3600")), tmp_path))


@pytest.mark.parametrize(
    "name, more", [("bytes", 1 << 20), ("files", 1), ("threads", 1), ("child files", 1)]
)
def test_what_grows_is_found(name: str, more: int) -> None:
    """The measure itself: one more a run is found in twenty runs."""
    flat = {n: [100.0] * 20 for n in ("bytes", "files", "threads", "child files", "processes")}
    flat["processes"] = [6.0] * 20
    stays_flat(flat)
    flat[name] = [100.0 + more * n for n in range(20)]
    with pytest.raises(AssertionError, match=name):
        stays_flat(flat)
