"""Sources, recipe and destination become tasks; every mistake that can be known is known here."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import PlanError, ShpbatchError
from ..foreign import lending
from ..models import Header, Problem, Recipe, Source, Task
from ..policy import Policy
from ..publishing.provenance import seen, sources_of
from ..shapefile.writer import LARGEST
from ..sinks import KINDS, SUFFIXES, Container, beside, is_set, numbered
from .clashes import Clashes
from .discover import Found
from .merging import Merge, merged, packaged
from .naming import has_long_names, names_of_run
from .outlook import forget_headers, outlook
from .past import Past

__all__ = ["Layout", "Plan", "make_plan"]

#: Sources whose headers are read by a plan that is to be carried out; it takes 1 ms each.
HEADERS = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: one task a sink, in source order.

    ``headers`` stand beside ``tasks``: what each sink's header will be (the
    source's own where a step refuses it), None where the source cannot be read
    or need not be. ``vanished`` are outputs whose sources are gone, by key;
    ``staying`` tells of those that are not to be removed why.
    ``names`` says how fields are written whose names a ``.dbf`` does not hold;
    ``empty`` are named folders that hold no source.
    """

    tasks: tuple[Task, ...]
    headers: tuple[Header | None, ...]
    dst: str
    ignored: tuple[tuple[str, str], ...] = ()
    vanished: tuple[str, ...] = ()
    stamp: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    staying: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """How sinks are named, and what happens to what is bad."""

    flat: bool = False
    each_step: bool = False
    container: Container = "files"
    policy: Policy = field(default_factory=Policy)
    merge: Merge | None = None


def make_plan(
    found: Found,
    recipe: Recipe,
    dst: str,
    layout: Layout,
    past: Past | None = None,
    headers: int | None = HEADERS,
) -> Plan:
    """Plan a run; nothing is written.

    Parameters
    ----------
    found : Found
    recipe : Recipe
    dst : str
    layout : Layout
    past : Past, optional
    headers : int or None
        Sources whose headers are read, as many as are to be done; None for all.

    Raises
    ------
    PlanError
        ``sink-clash``, ``source-is-sink``, ``exists``, ``dst-is-file``,
        ``bad-mapping``, or the steps' own code where they refuse every source.
    """
    if os.path.exists(dst) and not os.path.isdir(dst):
        raise PlanError(f"{dst}: is a file; -o names a folder", "dst-is-file")
    past = past or Past(dst)
    forget_headers()
    tasks = _tasks(found, recipe, dst, layout)
    if layout.merge:
        planned, after = _merged(list(tasks), layout.merge, past)
    else:
        planned, after = _outlooks((past.judged(task) for task in tasks), headers)
    _refuse_all(planned, after)
    as_set = is_set(SUFFIXES[layout.container])
    names = names_of_run(_all_headers(planned, after), dst) if as_set else {}
    if names:
        planned = [t if t.skip or t.problem else replace(t, names=names) for t in planned]
    gone = past.vanished(planned)
    return Plan(
        tuple(planned),
        tuple(after),
        dst,
        found.ignored,
        gone,
        past.stamp,
        names,
        found.empty,
        past.staying(gone, found.empty),
    )


def _tasks(found: Found, recipe: Recipe, dst: str, layout: Layout) -> Iterator[Task]:
    """A task for each source, or for each step of it; no two with one sink."""
    clash, suffix = Clashes(found.sources), SUFFIXES[layout.container]
    recipes = list(_recipes(recipe, layout.each_step))
    for source in found.sources:
        for part, folder in recipes:
            if layout.merge:
                sink = str(Path(layout.merge.sink(dst)).with_suffix(suffix))
                clash.check_source(sink)
            else:
                sink = _sink(source, dst, folder, layout.flat, suffix)
                if source.problem is None:  # else nothing will become of it
                    for own in (sink, *_beside(sink, layout.policy, source.size)):
                        clash.check(source, own)
            yield Task(source, part, sink, stage=dst, cost=source.size, policy=layout.policy)


def _beside(sink: str, policy: Policy, size: int) -> list[str]:
    """Sinks that what is split off a layer may become, or a layer of more than 2 GB."""
    path, count = Path(sink), 1 + 4 * size // LARGEST
    kinds = KINDS if policy.on_mixed == "split" else ()
    several = policy.on_too_large == "split" and count > 1
    volumes = numbered(path, count) if several else []
    return [str(p) for p in (*(beside(path, kind) for kind in kinds), *volumes)]


#: Tasks, and beside each what its header will be, as far as that was asked.
Planned = tuple[list[Task], list[Header | None]]


def _outlooks(judged: Iterable[Task], limit: int | None) -> Planned:
    """Tasks with what their headers let know, as far as headers are to be read."""
    tasks: list[Task] = []
    headers: list[Header | None] = []
    read = 0
    for task in judged:
        wanted = not (task.skip or task.problem) and (limit is None or read < limit)
        told, header = _seen(task) if wanted else (task, None)
        tasks.append(told)
        headers.append(header)
        read += wanted
    refused = [t.problem for t, header in zip(tasks, headers, strict=True) if header]
    if limit is not None and read == limit and all(refused):
        return _outlooks(tasks, None)  # perhaps nothing can be done at all
    return tasks, headers


def _seen(task: Task) -> tuple[Task, Header | None]:
    """A task with its header, which holds while the files are as they were before it was read."""
    try:
        before = seen(task)
    except (ShpbatchError, OSError):  # its outlook tells what is wrong
        before = {}
    told, header = _looked_at(task)
    return (replace(told, seen=before) if told.header else told), header


@lending()
def _looked_at(task: Task, whole: bool = False) -> tuple[Task, Header | None]:
    """The outlook of a task."""
    return outlook(task, whole)


def _all_headers(tasks: list[Task], headers: list[Header | None]) -> list[Header | None]:
    """The headers; where some have names to be planned, also those that were not asked for."""
    if len(tasks) <= HEADERS or not any(map(has_long_names, headers)):
        return headers
    pairs = zip(tasks, headers, strict=True)
    return [header or _looked_at(task)[1] for task, header in pairs]


def _merged(tasks: list[Task], merge: Merge, past: Past) -> Planned:
    """The one task of a merge; sources that are the same as last time need not fit again."""
    judged = past.judged(replace(tasks[0], members=tuple(tasks)), merge)
    if judged.skip or judged.problem:
        return [judged], [None]
    sources = judged.provenance.get("sources") or sources_of(judged)  # before they are read
    looked = [_looked_at(task, whole=True) for task in tasks]
    tasks, headers = [t for t, _ in looked], [header for _, header in looked]
    task = packaged(tasks) if merge.package else merged(tasks, headers, merge)
    kept = ("why", "owned", "overwrite")
    depends = {**judged.provenance, "sources": sources}
    task = replace(task, provenance=depends, **{name: getattr(judged, name) for name in kept})
    return [task], [task.union.header if task.union else headers[0]]


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


def _sink(source: Source, dst: str, folder: str, flat: bool, suffix: str) -> str:
    place = os.path.basename(source.relative) if flat else source.relative
    return os.path.join(dst, folder, os.path.splitext(place)[0]) + suffix


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
