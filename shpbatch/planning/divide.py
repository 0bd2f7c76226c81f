"""Large layers become several tasks on the same pool, and one that joins them."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..engine.traits import traits_of
from ..errors import ShpbatchError
from ..models import Task
from ..pool.feed import Needs
from ..publishing.provenance import sources_of
from ..shapefile.reader import WINDOW_BYTES, Reader
from ..work.parts import header_of
from .outlook import outlook

__all__ = ["Divided", "divided"]

#: Bytes of ``.shp`` and ``.dbf`` from which on a layer is divided, and of a part.
LARGE, PART = 64 << 20, 24 << 20
MOST_PARTS = 256
#: A task holds what it works on several times over: as bytes, as vertices, as geometries.
MEMORY_FACTOR = 8
LEAST_MEMORY = 8 << 20


@dataclass(frozen=True, slots=True)
class Divided:
    """Tasks with their weights and the memory they take; joins need their parts."""

    tasks: tuple[Task, ...]
    costs: tuple[int, ...]
    memory: tuple[int, ...]
    needs: Needs


def divided(tasks: Sequence[Task]) -> Divided:
    """Divide tasks on large layers whose recipes work row by row."""
    found: list[Task] = []
    needs: dict[int, list[int]] = {}
    for task in tasks:
        read = bool(task.members) or task.cost >= LARGE
        before = task.seen or (sources_of(task) if read else {})
        members = [_divided(m, number) for number, m in enumerate(task.members or (task,))]
        parts = [part for _, made in members for part in made]
        if not parts:
            found.append(task)
            continue
        needs[len(found) + len(parts)] = list(range(len(found), len(found) + len(parts)))
        joined = tuple(m for m, _ in members)
        join = replace(task, members=joined) if task.members else joined[0]
        # All of them must read what the first one reads, or what was united by the plan.
        told = {"sources": before, **task.provenance}
        found += [replace(part, provenance=told) for part in parts]
        found.append(replace(join, cost=task.cost // 8, provenance=told))
    return Divided(
        tuple(found), tuple(t.cost for t in found), tuple(_memory(t) for t in found), needs
    )


def _divided(task: Task, number: int) -> tuple[Task, list[Task]]:
    """A task that joins parts, and the tasks that make them; itself and none where it is whole."""
    parts = _parts(task)
    name = hashlib.sha256(os.fsencode(f"{task.sink}|{number}")).hexdigest()[:16]
    if len(parts) < 2 and not (task.union and task.recipe.steps):
        return task, []
    parts = [replace(p, part=f"{name}-{i}", members=()) for i, p in enumerate(parts or [task])]
    return replace(task, parts=tuple(p.part for p in parts)), parts


def _parts(task: Task) -> list[Task]:
    """A task for each part of a layer; none where it is to stay whole."""
    if task.cost < LARGE or task.problem or task.skip or task.source.member:
        return []
    traits = traits_of(task.recipe)
    if not traits.row_wise or traits.partitions or task.policy.repair != "no":
        return []
    if traits.carries_shapes and not traits.fields:  # as fast as it can be copied
        return []
    task, _ = outlook(task) if task.header is None else (task, None)
    if task.problem:  # the worker that does the task says so
        return []
    try:
        with Reader(task.source, task.policy.on_bad_record) as reader:
            cuts = _cuts(reader)
        header = header_of(task)
    except ShpbatchError:  # the worker that does the task says what is wrong
        return []
    count = max(1, cuts[-1])
    return [
        replace(
            task,
            header=header,
            rows=(start, stop),
            cost=task.cost * (stop - start) // count,
        )
        for start, stop in pairwise(cuts)
    ]


def _cuts(reader: Reader) -> list[int]:
    """Rows at which the parts begin and the last one ends: of equal bytes, not rows."""
    count = reader.count
    length = reader.table.length if reader.table is not None else 0
    shapes = len(reader.index)
    if not shapes:  # rows without shapes: none of them can be read
        return [0, count]

    def bytes_before(row: int) -> int:
        return int(reader.index.window(row, row + 1)[0][0]) + row * length

    total = bytes_before(shapes - 1) + length
    parts = min(MOST_PARTS, max(1, total // PART), max(1, count))
    # A record's place is the sum of all before it; where they are out of order any cut will do.
    rows = (
        bisect_left(range(shapes), part * (total / parts), key=bytes_before)
        for part in range(1, parts)
    )
    return sorted({0, *rows, count})


def _memory(task: Task) -> int:
    """Bytes that a task may need: of windows, or of a whole layer."""
    if task.problem or task.skip:
        return 0
    row_wise = traits_of(task.recipe).row_wise
    held = min(task.cost, 2 * WINDOW_BYTES) if row_wise else task.cost
    return max(LEAST_MEMORY, held * MEMORY_FACTOR)
