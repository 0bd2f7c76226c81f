"""Items in order, none before what it needs."""

from __future__ import annotations

from typing import Any

import pytest

from shpbatch.models import Outcome
from shpbatch.pool.feed import Feed
from shpbatch.pool.tasks import PoolOptions, run_tasks


def test_items_that_need_nothing_come_in_their_order() -> None:
    feed = Feed([2, 0, 1], {})
    assert [feed.next() for _ in range(4)] == [2, 0, 1, None]


def test_an_item_comes_when_all_that_it_needs_is_done_and_then_first() -> None:
    feed = Feed([0, 1, 2, 3], {3: [0, 1]})
    assert [feed.next(), feed.next()] == [0, 1]
    assert feed.ended(1, done=True) == []
    assert feed.ended(0, done=True) == []
    assert [feed.next(), feed.next(), feed.next()] == [3, 2, None]


def test_an_item_whose_need_fails_is_lost_once() -> None:
    feed = Feed([0, 1, 2], {2: [0, 1]})
    assert feed.ended(0, done=False) == [2]
    assert feed.ended(1, done=False) == []
    assert [feed.next(), feed.next(), feed.next()] == [0, 1, None]


def work(item: int) -> Any:
    if item == 1:
        raise ValueError("one")
    return item


@pytest.mark.parametrize("method", ["inline", "auto"])
def test_a_pool_minds_needs(method: Any) -> None:
    options = PoolOptions(workers=2, method=method)
    needs = {4: [0, 2], 5: [1, 3], 6: [5]}
    seen: list[int] = []
    outcomes: dict[int, Outcome] = {}
    for index, outcome in run_tasks(work, range(7), options=options, needs=needs):
        seen.append(index)
        outcomes[index] = outcome
    assert sorted(seen) == list(range(7))
    assert seen.index(4) > max(seen.index(0), seen.index(2))
    assert outcomes[4].value == 4
    assert [outcomes[i].status for i in (1, 5, 6)] == ["failed"] * 3
    assert outcomes[6].reason == outcomes[1].reason
    assert {outcomes[i].status for i in (0, 2, 3, 4)} == {"done"}
