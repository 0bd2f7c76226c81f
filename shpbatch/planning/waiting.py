"""What waits to be moved to its place is left alone by a plan, and told as a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..models import Problem, Source, Task
from ..publishing.ledger import key_of
from ..publishing.recovery import Waiting
from .plan import Plan

__all__ = ["without_waiting"]


def without_waiting(plan: Plan, waiting: Mapping[str, Waiting]) -> Plan:
    """A plan whose tasks do not make what waits; ``waiting`` is told by key, planned or not."""
    if not waiting:
        return plan
    keys = [key_of(plan.dst, t.sink) for t in plan.tasks]
    tasks = [
        _told(task, waiting[key]) if key in waiting else task
        for task, key in zip(plan.tasks, keys, strict=True)
    ]
    others = [_task(plan, key, waiting[key]) for key in sorted(waiting.keys() - {*keys})]
    return replace(
        plan,
        tasks=(*tasks, *others),
        headers=(*plan.headers, *[None] * len(others)),
        vanished=tuple(key for key in plan.vanished if key not in waiting),
    )


def _told(task: Task, waiting: Waiting) -> Task:
    return replace(task, skip=None, problem=Problem("pending", waiting.reason))


def _task(plan: Plan, key: str, waiting: Waiting) -> Task:
    """A task in the place of one that is not planned this time."""
    sink, first = str(Path(plan.dst, key)), plan.tasks[0]
    source = Source(next(iter(waiting.provenance["sources"]), sink), key)
    task = replace(
        first, source=source, sink=sink, members=(), union=None, why="", owned=frozenset()
    )
    return _told(replace(task, provenance=waiting.provenance), waiting)
