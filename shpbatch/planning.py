"""Sources, recipe and destination become tasks; every mistake that can be known is known here."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from .discover import Found
from .errors import LayerError, PlanError, ShpbatchError, WriteError
from .header import read_header, with_encoding
from .merging import Merge, merged
from .models import Header, Policy, Problem, Recipe, Source, Task
from .past import Past
from .shapefile.writer import LARGEST
from .sinks import SUFFIXES, Container

__all__ = ["Layout", "Plan", "make_plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: one task a sink, in source order.

    ``headers`` stand beside ``tasks``: what each sink's header will be (the
    source's own where a step refuses it), None where the source cannot be read
    or need not be. ``vanished`` are outputs whose sources are gone, by key.
    """

    tasks: tuple[Task, ...]
    headers: tuple[Header | None, ...]
    dst: str
    ignored: tuple[tuple[str, str], ...] = ()
    vanished: tuple[str, ...] = ()
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How sinks are named, and what happens to what is bad."""

    flat: bool = False
    each_step: bool = False
    container: Container = "files"
    policy: Policy = field(default_factory=Policy)
    merge: Merge | None = None


def make_plan(
    found: Found, recipe: Recipe, dst: str, layout: Layout, past: Past | None = None
) -> Plan:
    """Plan a run; nothing is written.

    Raises
    ------
    PlanError
        ``sink-clash``, ``source-is-sink``, ``exists``, ``dst-is-file``, or
        the steps' own code where they refuse every source.
    """
    if os.path.exists(dst) and not os.path.isdir(dst):
        raise PlanError(f"{dst}: is a file; -o names a folder", "dst-is-file")
    past = past or Past(dst)
    _header.cache_clear()  # a .prj may have been written since the last plan
    tasks: list[Task] = []
    headers: list[Header | None] = []
    clash, suffix = Clashes(found.sources), SUFFIXES[layout.container]
    for source in found.sources:
        for part, folder in _recipes(recipe, layout.each_step):
            sink = str(_sink(source, dst, folder, layout.flat).with_suffix(suffix))
            if layout.merge:
                sink = str(Path(layout.merge.sink(dst)).with_suffix(suffix))
                clash.check_source(sink)
            else:
                clash.check(source, sink)
            task = Task(source, part, sink, stage=dst, cost=source.size, policy=layout.policy)
            task = task if layout.merge else past.judged(task)
            task, after = _planned(task, whole=layout.merge is not None)
            tasks.append(task)
            headers.append(after)
    if layout.merge:
        tasks, headers = _merged(tasks, headers, layout.merge, past)
    _refuse_all(tasks, headers)
    return Plan(tuple(tasks), tuple(headers), dst, found.ignored, past.vanished(tasks), past.stamp)


def _merged(
    tasks: list[Task], headers: list[Header | None], merge: Merge, past: Past
) -> tuple[list[Task], list[Header | None]]:
    """The one task of a merge; sources that are the same as last time need not fit again."""
    judged = past.judged(replace(tasks[0], members=tuple(tasks)), merge)
    if judged.skip or judged.problem:
        return [judged], [None]
    task = merged(tasks, headers, merge)
    kept = ("provenance", "why", "owned", "overwrite")
    return [replace(task, **{name: getattr(judged, name) for name in kept})], [task.union.header]


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


def _sink(source: Source, dst: str, folder: str, flat: bool) -> Path:
    relative = PurePosixPath(source.relative)
    place = PurePosixPath(relative.name) if flat else relative
    return Path(dst, folder, place)


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


def _planned(task: Task, whole: bool) -> tuple[Task, Header | None]:
    """A task with the header of its source, and what the steps will make of that.

    What the first 64 kB let guess of an encoding is not enough where layers of one
    encoding are joined as bytes: ``whole`` looks at all of the text then.
    """
    from .engine import apply_header

    if task.skip or task.problem:
        return task, None
    name = task.source.name
    try:
        header = _header(task.source, task.policy.on_bad_record == "skip")
        header = with_encoding(task.source, header, ()) if whole else header
    except ShpbatchError as error:
        reason = str(error) if name in str(error) else f"{name}: {error}"
        return replace(task, problem=Problem(error.code, reason)), None
    try:
        after = apply_header(task.recipe, header)
        _check_size(task.recipe, header, after)
        return replace(task, header=header), after
    except LayerError as error:
        return replace(task, problem=Problem(error.code, f"{name}: {error}")), header


@lru_cache(maxsize=1)
def _header(source: Source, skip: bool) -> Header:
    """The header of a source; with ``--each-step`` it is asked for again and again."""
    return read_header(source, skip=skip)


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


def _refuse_all(tasks: list[Task], headers: list[Header | None]) -> None:
    """Refuse a request of which nothing can be done, where every file has the same reason."""
    problems = [t.problem for t in tasks]
    first = problems[0] if problems else None
    if first and first.code == "exists" and all(p and p.code == "exists" for p in problems):
        more = f" (and {len(tasks) - 1:,} more outputs)" if len(tasks) > 1 else ""
        raise PlanError(first.reason + more, "exists")
    if any(t.skip for t in tasks):
        return
    readable = [t.problem for t, header in zip(tasks, headers, strict=True) if header]
    first = readable[0] if readable else None
    if first and all(readable):
        more = f" (and so for all {len(readable)} layers)" if len(readable) > 1 else ""
        raise PlanError(first.reason + more, first.code)
