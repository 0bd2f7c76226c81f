"""The public calls: run, plan, map_parser.

They join the modules below; the command line calls only these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from .errors import PlanError
from .models import Outcome, Recipe, Report
from .planning.discover import discover
from .planning.lists import Listed, read_lists
from .planning.merging import Merge
from .planning.past import Past
from .planning.plan import HEADERS, Layout, Plan, make_plan
from .planning.preload import preload_for
from .pool.tasks import Stop
from .recipes.recipe import as_recipe
from .reporting.runlog import RunLog
from .running.mapping import Mapping, new_run_id
from .running.run import execute
from .running.settings import RunOptions, policy_of, pool_options, rules_of
from .sinks import Container, container_of

__all__ = ["RunOptions", "execute", "map_parser", "plan", "planner", "run"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


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
    return execute(planner(src, dst, recipe, headers=HEADERS, **options), RunOptions(**options))


def plan(
    src: Paths,
    dst: str | os.PathLike[str],
    recipe: Any,
    *,
    headers: int | None = None,
    **options: Any,
) -> Plan:
    """Plan a run without writing anything; parameters as for `run`.

    ``headers`` are read of all sources, or of so many: it takes 1 ms each,
    and a worker can do it as well.
    """
    return planner(src, dst, recipe, headers=headers, **options)()


def planner(
    src: Paths,
    dst: str | os.PathLike[str],
    recipe: Any,
    *,
    headers: int | None = None,
    **options: Any,
) -> Callable[[], Plan]:
    """What plans a run, again and again: lists and recipes, which may be pipes, are read now.

    Parameters as for `plan`.
    """
    settings, dst = RunOptions(**options), str(Path(dst))
    named = [src] if isinstance(src, str | os.PathLike) else list(src)
    lists = read_lists([os.fspath(s) for s in named])
    return partial(_planned, lists, dst, as_recipe(recipe), settings, headers)


def _planned(
    named: list[str | Listed], dst: str, recipe: Recipe, settings: RunOptions, headers: int | None
) -> Plan:
    found = discover(
        named,
        include=settings.include,
        exclude=settings.exclude,
        avoid=dst,
        limit=settings.limit,
    )
    if settings.gate or settings.expect:
        from .auditing.gate import check_gate

        check_gate(found, settings.gate or "error", settings.expect, settings.workers)
    policy = policy_of(settings)
    merge, container = _together(settings)
    layout = Layout(settings.flat, settings.each_step, container, policy, merge)
    with Past.of(dst, rules_of(settings)) as past:
        return make_plan(found, recipe, dst, layout, past, headers)


def _together(settings: RunOptions) -> tuple[Merge | None, Container]:
    """How sources become one output, if they do, and how outputs are kept."""
    container = container_of(settings.format, settings.container)
    name = settings.merge if settings.merge is not None else settings.package
    if name is None:
        return None, container
    option = "merge" if settings.merge is not None else "package"
    if settings.each_step:
        raise PlanError(f"--{option} and --each-step do not go together", "bad-value")
    if option == "merge":
        if settings.package is not None:
            raise PlanError("--merge and --package do not go together", "bad-value")
        return Merge(name, settings.field_strategy, settings.source_field), container
    if container not in ("files", "gpkg"):
        raise PlanError(f"--package {name}: only a GeoPackage holds many layers", "bad-value")
    return Merge(name, package=True), "gpkg"


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
    with RunLog(os.fspath(log) if log is not None else None, new_run_id()) as run_log:
        mapping = Mapping(
            log=run_log,
            options=pool_options(settings, preload_for(Recipe())),
            progress="auto" if bar else "none",
            desc=desc,
            costs=[_weight(item) for item in listed],
        )
        names = [str(item) for item in listed]
        return list(mapping.run(function, listed, names, Stop()).outcomes)


def _weight(item: Any) -> int:
    """Bytes of a file, 1 for what is no file."""
    try:
        return max(1, os.stat(item).st_size)
    except (OSError, TypeError, ValueError):
        return 1
