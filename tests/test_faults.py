"""Eleven ways for a task to go wrong, from either kind of worker: no innocent task notices."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from shpbatch.models import Outcome
from shpbatch.pool.tasks import PoolOptions, run_tasks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are those of Linux")

METHODS = ("forkserver", "spawn")
TASKS, POISONED, TIMEOUT = 12, 5, 4.0


class TwoArguments(Exception):
    """Pickles well and cannot be unpickled, which ends the pools of the standard library."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


class Unpicklable(Exception):
    def __init__(self) -> None:
        self.lock = threading.Lock()


def throw(error: BaseException) -> None:
    raise error


def hold_the_gil() -> None:
    ctypes.PyDLL(None).sleep(1_000)


def segfault() -> None:
    ctypes.string_at(0)


def too_much_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, hard))
    bytearray(8 << 30)


#: What a task does, and what becomes of it: status, code.
FAULTS: dict[str, tuple[Callable[[], Any], str, str | None]] = {
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "crashed", "worker-killed"),
    "segfault": (segfault, "crashed", "worker-killed"),
    "hang": (lambda: time.sleep(1_000), "timeout", "timeout"),
    "hang in C": (hold_the_gil, "timeout", "timeout"),
    "error that cannot be pickled": (lambda: throw(Unpicklable()), "failed", "error"),
    "error that cannot be unpickled": (lambda: throw(TwoArguments("a", "b")), "failed", "error"),
    "200 MB result": (lambda: bytes(200_000_000), "done", None),
    "silent exit": (lambda: os._exit(0), "crashed", "worker-killed"),
    "sys.exit": (lambda: sys.exit(3), "failed", "error"),
    "interrupt": (lambda: throw(KeyboardInterrupt()), "failed", "error"),
    "no memory": (too_much_memory, "failed", "error"),
}


def run(
    task: Callable[[int], Any], count: int, options: PoolOptions, **named: Any
) -> list[Outcome]:
    """Outcomes in order, exactly one each."""
    found = list(run_tasks(task, range(count), options=options, **named))
    assert sorted(index for index, _ in found) == list(range(count))
    return [outcome for _, outcome in sorted(found, key=lambda pair: pair[0])]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_innocent_task_is_lost(fault: str, method: str) -> None:
    poison, status, code = FAULTS[fault]

    def task(number: int) -> Any:
        time.sleep(0.02)
        return poison() if number == POISONED else number

    # The deadline of a task runs from its own start, not from that of a worker.
    start = time.monotonic()
    outcomes = run(task, TASKS, PoolOptions(workers=4, method=method, timeout=TIMEOUT))
    seconds = time.monotonic() - start
    others = [o for i, o in enumerate(outcomes) if i != POISONED]
    assert [(o.status, o.value) for o in others] == [
        ("done", i) for i in range(TASKS) if i != POISONED
    ]
    found = outcomes[POISONED]
    assert (found.status, found.code) == (status, code), found.reason
    if status != "timeout":  # a death is seen at once, not when the time is up
        assert found.seconds < TIMEOUT
    assert seconds < 60
    assert not multiprocessing.active_children()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("method", "pause", "count", "most"),
    # A spawned worker needs a second to start: killed faster than that, none gets to work.
    [("forkserver", 0.03, 20_000, 500), ("spawn", 1.0, 20_000, 10)],
)
def test_a_storm_of_kills(method: str, pause: float, count: int, most: int) -> None:
    """Sixteen workers, of which one is killed every few moments."""
    pids: list[int] = []
    over = threading.Event()
    kills = 0

    def killer() -> None:
        nonlocal kills
        rng = random.Random(2)
        while not over.wait(pause):
            living = [pid for pid in pids[-32:] if os.path.exists(f"/proc/{pid}")]
            with contextlib.suppress(OSError, IndexError):
                os.kill(rng.choice(living), signal.SIGKILL)
                kills += 1

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    storm = PoolOptions(workers=16, method=method, retries=1_000)
    outcomes = run(
        lambda n: (time.sleep(0.02), n)[1], count, storm, on_ready=lambda x: pids.append(x.pid)
    )
    over.set()
    thread.join()
    assert [o.value for o in outcomes] == list(range(count))
    assert kills >= most
    assert not multiprocessing.active_children()
