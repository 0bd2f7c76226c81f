"""Sources, recipe and destination become tasks; every mistake that can be known is known here."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from .discover import Found
from .errors import LayerError, PlanError, ShpbatchError, WriteError
from .header import read_header
from .merging import Merge, merged
from .models import Header, Policy, Problem, Recipe, Source, Task
from .shapefile.writer import LARGEST

__all__ = ["IfExists", "Layout", "Plan", "make_plan"]

IfExists = Literal["fail", "skip", "overwrite"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: one task a sink, in source order.

    ``headers`` stand beside ``tasks``: what each sink's header will be (the
    source's own where a step refuses it), None where the source cannot be read.
    """

    tasks: tuple[Task, ...]
    headers: tuple[Header | None, ...]
    dst: str
    ignored: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """How sinks are named, and what happens to what is bad or there already."""

    flat: bool = False
    each_step: bool = False
    if_exists: IfExists = "fail"
    policy: Policy = field(default_factory=Policy)
    merge: Merge | None = None


def make_plan(found: Found, recipe: Recipe, dst: str, layout: Layout) -> Plan:
    """Plan a run; nothing is written.

    Raises
    ------
    PlanError
        ``sink-clash``, ``source-is-sink``, ``exists``, ``dst-is-file``, or
        the steps' own code where they refuse every source.
    """
    if os.path.exists(dst) and not os.path.isdir(dst):
        raise PlanError(f"{dst}: is a file; -o names a folder", "dst-is-file")
    tasks: list[Task] = []
    headers: list[Header | None] = []
    clash = Clashes(found.sources)
    for source in found.sources:
        header = _header(source)
        for part, folder in _recipes(recipe, layout.each_step):
            sink = _sink(source, dst, folder, layout.flat)
            if layout.merge:
                sink = layout.merge.sink(dst)
                clash.check_source(sink)
            else:
                clash.check(source, sink)
            task, after = _task(source, part, sink, header)
            task = replace(task, policy=layout.policy)
            tasks.append(_existing(task, dst, layout.if_exists))
            headers.append(after)
    if layout.merge:
        tasks, headers = [merged(tasks, headers, layout.merge)], headers[:1]
        headers = [tasks[0].union.header]
    _refuse_existing([t.sink for t in tasks if t.sink and not t.overwrite and not t.skip])
    _refuse_all(tasks, headers)
    return Plan(tuple(tasks), tuple(headers), dst, found.ignored)


def _recipes(recipe: Recipe, each_step: bool) -> Iterator[tuple[Recipe, str]]:
    """The recipes to run on a source, each with the sub-folder of its sinks."""
    if not each_step:
        yield recipe, ""
        return
    seen: dict[str, int] = defaultdict(int)
    for call in recipe.steps:
        name = call.name.replace(":", "-")
        seen[name] += 1
        yield Recipe((call,)), name if seen[name] == 1 else f"{name}-{seen[name]}"


def _sink(source: Source, dst: str, folder: str, flat: bool) -> str:
    relative = PurePosixPath(source.relative)
    place = PurePosixPath(relative.name) if flat else relative
    return str(Path(dst, folder, place).with_suffix(".shp"))


class Clashes:
    """Sinks and sources by true path without case: what would overwrite what."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = {_folded(s.path): s.path for s in sources if not s.member}
        self._sinks: dict[str, str] = {}

    def check(self, source: Source, sink: str) -> None:
        """Refuse a sink that is a source, or another source's sink."""
        self.check_source(sink)
        key = _folded(sink)
        if other := self._sinks.get(key):
            raise PlanError(
                f"{source.name} and {other} would both become {sink}; "
                "leave one out with --exclude, run without --flat, or give each its own -o",
                "sink-clash",
            )
        self._sinks[key] = source.name

    def check_source(self, sink: str) -> None:
        """Refuse a sink that is a source."""
        if original := self._sources.get(_folded(sink)):
            raise PlanError(
                f"{original}: the output would replace this source; choose another folder for -o",
                "source-is-sink",
            )


def _folded(path: str) -> str:
    return os.path.realpath(path).casefold()


def _header(source: Source) -> Header | Problem:
    if source.problem:
        return source.problem
    try:
        return read_header(source)
    except ShpbatchError as error:
        reason = str(error)
        return Problem(error.code, reason if source.name in reason else f"{source.name}: {reason}")


def _task(
    source: Source, recipe: Recipe, sink: str, header: Header | Problem
) -> tuple[Task, Header | None]:
    from .engine import apply_header

    if isinstance(header, Problem):
        return Task(source, recipe, sink, problem=header), None
    try:
        task = Task(source, recipe, sink, cost=source.size, header=header)
        after = apply_header(recipe, header)
        _check_size(recipe, header, after)
        return task, after
    except LayerError as error:
        problem = Problem(error.code, f"{source.name}: {error}")
        return Task(source, recipe, sink, problem=problem), header


def _check_size(recipe: Recipe, before: Header, after: Header) -> None:
    """Refuse columns that cannot fit a .dbf of 2 GB however narrow the new ones become.

    What is not known here (filtered rows, new geometry) is stopped while it is written.
    """
    from .traits import traits_of

    if after.fields == before.fields or not traits_of(recipe).keeps_rows:
        return
    row = 1 + sum(1 if f.fresh else f.width for f in after.fields)
    if row * before.count > LARGEST:
        raise WriteError(
            f"the .dbf would have {row * before.count:,} bytes or more, a shapefile holds "
            f"{LARGEST:,}; drop fields with select, or split the layer with partition",
            "too-large",
        )


def _existing(task: Task, dst: str, if_exists: IfExists) -> Task:
    task = replace(task, stage=dst, overwrite=if_exists == "overwrite")
    if if_exists == "skip" and not task.problem and os.path.exists(task.sink):
        return replace(task, skip=f"{task.sink}: is there already (--if-exists skip)")
    return task


def _refuse_existing(sinks: list[str]) -> None:
    there = [sink for sink in sinks if os.path.exists(sink)]
    if there:
        others = f" and {len(there) - 1:,} more outputs" if len(there) > 1 else ""
        raise PlanError(
            f"{there[0]}{others}: there already; pass --overwrite to replace, "
            "--if-exists skip to keep, or choose another -o",
            "exists",
        )


def _refuse_all(tasks: list[Task], headers: list[Header | None]) -> None:
    """Refuse the request where its steps refuse every layer that can be read."""
    readable = [t.problem for t, header in zip(tasks, headers, strict=True) if header]
    first = readable[0] if readable else None
    if first and all(readable):
        more = f" (and so for all {len(readable)} layers)" if len(readable) > 1 else ""
        raise PlanError(first.reason + more, first.code)
