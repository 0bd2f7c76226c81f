"""The public calls: run, plan, map_parser.

They join the modules below; the command line calls only these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .discover import discover
from .divide import divided
from .errors import PlanError
from .mapping import Mapping, new_run_id
from .merging import Merge
from .models import Outcome, Policy, Recipe, Report
from .planning import IfExists, Layout, Plan, make_plan
from .pool import PoolOptions, Stop
from .preload import preload_for
from .progress import Mode
from .publish import claim
from .recipe import as_recipe

__all__ = ["RunOptions", "execute", "map_parser", "plan", "run"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is done.

    Attributes
    ----------
    workers : int
        Processes, never more than tasks; 0 = the CPUs this process may use.
    timeout : float or None
        Seconds a file may take.
    retries : int
        Further tries of a file whose worker died.
    max_failures : str or int or None
        Stop after so many failed files, or ``"10%"`` of them.
    if_exists : {"fail", "skip", "overwrite"}
        What to do where an output is there already.
    flat : bool
        Do not mirror the tree of folders.
    each_step : bool
        One output for each step, in the step's own sub-folder.
    include, exclude : sequence of str
        Globs on the path below the named folder.
    limit : int or None
        Only the first so many files.
    merge : str or None
        Join all sources into one output of this name.
    field_strategy : {"union", "intersection"}
        Of a merge: the fields of any source, or those of all.
    source_field : str or None
        Of a merge: a text field for the name of each feature's source.
    on_bad_record : {"fail", "skip"}
        What a record whose structure is broken does: it fails its layer, or
        is left out and counted as unreadable.
    on_bad_value : {"null", "reject"}
        What a cell that a step reads and that holds no value of its type
        becomes: NULL, counted, or its row is rejected.
    proof : bool
        Read back what was written before it is published.
    log : str or None
        The run log; by default in the destination's ``.shpbatch/log``.
    progress : {"none", "auto", "bar", "lines"}
    method : str
        How workers start: ``auto``, ``forkserver``, ``spawn``, ``inline``.
    """

    workers: int = 16
    timeout: float | None = None
    retries: int = 1
    max_failures: str | int | None = None
    if_exists: IfExists = "fail"
    flat: bool = False
    each_step: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    limit: int | None = None
    merge: str | None = None
    field_strategy: Literal["union", "intersection"] = "union"
    source_field: str | None = None
    on_bad_record: Literal["fail", "skip"] = "fail"
    on_bad_value: Literal["null", "reject"] = "null"
    proof: bool = True
    log: str | None = None
    progress: Mode = "none"
    method: str = "auto"


def run(src: Paths, dst: str | os.PathLike[str], recipe: Any, **options: Any) -> Report:
    """Run a recipe over shapefiles, on a pool of processes.

    Parameters
    ----------
    src : path or iterable of paths
        Files, folders, globs, zips, ``@list.txt``.
    dst : path
        Folder of the outputs.
    recipe : Recipe, list, str or path
        See `as_recipe`; ``["make-valid", ("reproject", {"dst_crs": "EPSG:4326"})]``.
    **options
        Fields of `RunOptions`.

    Returns
    -------
    Report
        Outcomes in source order; a failed file is an outcome, not an exception.

    Raises
    ------
    RecipeError, PlanError, SourceError
        The request is wrong; nothing was written.
    BusyError
        Another run holds the destination.
    """
    settings = RunOptions(**options)
    return execute(plan(src, dst, recipe, **options), settings)


def plan(src: Paths, dst: str | os.PathLike[str], recipe: Any, **options: Any) -> Plan:
    """Plan a run without writing anything; parameters as for `run`."""
    settings = RunOptions(**options)
    named = [src] if isinstance(src, str | os.PathLike) else list(src)
    checked = as_recipe(recipe)
    found = discover(
        [os.fspath(s) for s in named],
        include=settings.include,
        exclude=settings.exclude,
        avoid=os.fspath(dst),
        limit=settings.limit,
    )
    policy = Policy(settings.on_bad_record, settings.on_bad_value, settings.proof)
    merge = None
    if settings.merge is not None:
        if settings.each_step:
            raise PlanError("--merge and --each-step do not go together", "bad-value")
        merge = Merge(settings.merge, settings.field_strategy, settings.source_field)
    layout = Layout(settings.flat, settings.each_step, settings.if_exists, policy, merge)
    return make_plan(found, checked, os.fspath(dst), layout)


def execute(planned: Plan, settings: RunOptions, stop: Stop | None = None) -> Report:
    """Carry a plan out.

    Parameters
    ----------
    planned : Plan
    settings : RunOptions
    stop : Stop, optional
        Set by a signal handler to end the run early.
    """
    from .parser import run_task

    stop = stop or Stop()
    work = divided(planned.tasks)
    tasks = work.tasks
    with claim(planned.dst) as state:
        run_id = new_run_id()
        log = settings.log or str(state / "log" / f"{run_id}.jsonl")
        mapping = Mapping(
            run_id=run_id,
            log=log,
            options=_pool_options(settings, preload_for(tasks[0].recipe)),
            progress=settings.progress,
            max_failures=_failure_limit(settings.max_failures, len(planned.tasks)),
            costs=work.costs,
            memory=work.memory,
            needs=work.needs,
        )
        report = mapping.run(run_task, tasks, [t.source.name for t in tasks], stop)
    return replace(report, dst=planned.dst)


def map_parser(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    workers: int = 16,
    bar: bool = True,
    desc: str = "shpbatch",
    log: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    retries: int = 1,
) -> list[Outcome]:
    """Map a function over a list on a pool of processes; outcomes in the list's order.

    Parameters
    ----------
    function : callable
        ``partial(shp_parser, recipe=…, dst=…)`` or any function of one item,
        also a lambda or one defined in a notebook. What it returns is in
        ``outcome.value``, an `Outcome` is handed on.
    items : iterable
        Paths, or anything that can be pickled.
    workers : int
        Processes, never more than items; 0 = the CPUs this process may use.
    bar : bool
        Show a bar (a line each 30 s where there is no terminal).
    desc : str
        Stands before the bar.
    log : path, optional
        JSON-lines file to append outcomes to.
    timeout : float, optional
        Seconds an item may take.
    retries : int
        Further tries of an item whose worker died.

    Returns
    -------
    list of Outcome
        One for each item; an item that raised, crashed or hung is ``failed``,
        ``crashed`` or ``timeout``, and costs no other item anything.
    """
    listed = list(items)
    settings = RunOptions(workers=workers, timeout=timeout, retries=retries)
    mapping = Mapping(
        run_id=new_run_id(),
        log=os.fspath(log) if log is not None else None,
        options=_pool_options(settings, preload_for(Recipe())),
        progress="auto" if bar else "none",
        desc=desc,
        costs=[_weight(item) for item in listed],
    )
    return list(mapping.run(function, listed, [str(item) for item in listed], Stop()).outcomes)


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool_options(settings: RunOptions, preload: tuple[str, ...]) -> PoolOptions:
    workers = settings.workers or usable_cpus()
    if workers < 1:
        raise PlanError(f"workers must be 1 or more, not {settings.workers}", "bad-value")
    return PoolOptions(
        workers=workers,
        timeout=settings.timeout,
        retries=settings.retries,
        method=settings.method,  # type: ignore[arg-type]
        preload=preload,
    )


def _failure_limit(limit: str | int | None, total: int) -> int | None:
    """Number of failed files that ends the run.

    Raises
    ------
    PlanError
        ``bad-value`` for what is neither a count nor a percentage.
    """
    if limit is None:
        return None
    text = str(limit).strip()
    try:
        number = float(text[:-1]) * total / 100 if text.endswith("%") else int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise PlanError(f"--max-failures is a number or a percentage, not '{limit}'", "bad-value")
    return max(1, round(number))


def _weight(item: Any) -> int:
    """Bytes of a file, 1 for what is no file."""
    try:
        return max(1, os.stat(item).st_size)
    except (OSError, TypeError, ValueError):
        return 1
