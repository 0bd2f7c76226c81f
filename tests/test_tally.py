"""Counters and budgets under 16 threads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from threading import Lock, Thread

import pytest

from shpbatch.reporting.tally import Budget, Tally

THREADS = 16


@pytest.fixture(autouse=True)
def _eager_switching() -> Iterator[None]:
    """Make lost updates likely where a lock is missing."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[], None]) -> None:
    threads = [Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_tally_loses_no_count() -> None:
    tally = Tally()

    def work() -> None:
        for _ in range(2_000):
            tally.incr(lambda count: count + 3)
            tally.decr(lambda count: count - 1)

    in_threads(work)
    assert tally.get_count() == THREADS * 2_000 * 2


def test_tally_survives_a_failing_change() -> None:
    tally = Tally()
    with pytest.raises(ZeroDivisionError):
        tally.incr(lambda count: count // 0)
    tally.incr(lambda count: count + 1)
    assert tally.get_count() == 1


def test_budget_is_never_exceeded() -> None:
    budget, lock, held, most = Budget(100), Lock(), 0, 0

    def work() -> None:
        nonlocal held, most
        for amount in (10, 40, 25) * 60:
            budget.acquire(amount)
            with lock:
                held += amount
                most = max(most, held)
            with lock:
                held -= amount
            budget.release(amount)

    in_threads(work)
    assert held == 0
    assert 40 <= most <= 100


def test_budget_refuses_what_does_not_fit() -> None:
    budget = Budget(100)
    assert budget.try_acquire(60)
    assert not budget.try_acquire(41)
    assert budget.try_acquire(40)
    budget.release(60)
    assert budget.try_acquire(60)


def test_one_larger_than_the_budget_runs_alone() -> None:
    budget = Budget(100)
    assert budget.try_acquire(1_000)
    assert not budget.try_acquire(1)
    budget.release(1_000)
    assert budget.try_acquire(1)
    assert not budget.try_acquire(1_000)


def test_acquire_waits_for_a_release() -> None:
    budget = Budget(10)
    budget.acquire(10)
    waiting = Thread(target=budget.acquire, args=(10,), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    budget.release(10)
    waiting.join(30)
    assert not waiting.is_alive()
