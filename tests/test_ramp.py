"""As many workers as CPUs at first, and all that were asked for where tasks take long or wait."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest

from shpbatch.pool import ramp
from shpbatch.pool.ramp import ENOUGH, LONG, Ramp
from shpbatch.pool.tasks import PoolOptions, run_tasks


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Ramp:
    """A ramp up to 16 on two CPUs."""
    monkeypatch.setattr(ramp, "cpus", lambda: 2)
    return Ramp(16)


def test_one_a_cpu_and_never_more_than_asked_for(two: Ramp) -> None:
    assert (two.wanted, Ramp(1).wanted) == (2, 1)
    for _ in range(9):
        two.look(two.wanted, [LONG] * two.wanted)
    assert two.wanted == 16
    assert two.patience([LONG] * 16) == math.inf


def test_small_files_that_keep_the_cpus_busy_need_no_more(two: Ramp) -> None:
    for _ in range(1_000):
        two.ended(0.005, 0.004)
        two.look(2, [0.004, 0.0])
    assert two.wanted == 2


def test_tasks_that_wait_for_a_disk_get_more(two: Ramp) -> None:
    for _ in range(round(2 * ENOUGH / 0.005)):
        two.ended(0.005, 0.001)
    two.look(1, [0.0])  # one is not up yet
    assert two.wanted == 2
    two.look(2, [0.0])
    assert two.wanted == 4
    two.look(4, [])  # what is known was of two
    assert two.wanted == 4


def test_workers_that_are_long_at_their_tasks_get_company(two: Ramp) -> None:
    assert two.patience([0.0]) == math.inf  # one has nothing to do
    assert two.patience([2 * LONG, LONG / 2]) == pytest.approx(LONG / 2)
    two.look(2, [2 * LONG, LONG / 2])
    assert two.wanted == 2
    two.look(2, [2 * LONG, LONG])
    assert two.wanted == 4


def test_all_that_were_asked_for_work_at_once(tmp_path: Path) -> None:
    def wait_for_all(item: int) -> int:
        (tmp_path / str(item)).touch()
        end = time.monotonic() + 120
        while len(list(tmp_path.iterdir())) < 6 and time.monotonic() < end:
            time.sleep(0.01)
        return os.getpid()

    outcomes = [o for _, o in run_tasks(wait_for_all, range(6), options=PoolOptions(workers=6))]
    assert len({o.value for o in outcomes}) == 6


def test_workers_that_share_the_cpus_do_not_wait(two: Ramp) -> None:
    two.look(2, [LONG, LONG])
    assert two.wanted == 4
    for _ in range(1_000):  # four on two CPUs: each is busy half of its time
        two.ended(0.01, 0.004)
        two.look(4, [0.01] * 4)
    assert two.wanted == 4
