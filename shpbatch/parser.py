"""One file from source to sink: read, steps, write, prove, publish.

`shp_parser` is the function that is mapped over a list: by `map_parser`, by
`run`, or by a plain ``multiprocessing.Pool``. It returns an outcome and never
raises across a process border.
"""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import ReadError, ShpbatchError, WriteError
from .foreign import let_go
from .models import Outcome, Recipe, Task
from .planning.outlook import forget_headers, outlook
from .pool.messages import report_progress

__all__ = ["run_alone", "run_task", "shp_parser"]

Progress = Callable[[float], None]
#: Times that a source is read which changes meanwhile.
TRIES = 2


def shp_parser(
    path: str | os.PathLike[str],
    *,
    recipe: Recipe | list[object] | str,
    dst: str | os.PathLike[str],
    overwrite: bool = False,
) -> Outcome:
    """Read one shapefile, apply a recipe, write the result; never raise.

    Parameters
    ----------
    path : path
        The ``.shp``, or a zip that holds one layer.
    recipe : Recipe, list or str
        Steps: a checked `Recipe`, a list of steps as `run` takes it, or a
        pipeline such as ``"make-valid ! buffer --distance 5"``.
    dst : path
        Folder of the outputs.
    overwrite : bool
        Replace an output that is there.

    Returns
    -------
    Outcome
        ``done``, or ``failed`` with the code and the reason.
    """
    start = time.monotonic()
    try:
        from .planning.discover import discover
        from .planning.naming import names_of_run
        from .recipes.recipe import as_recipe

        source = discover([os.fspath(path)]).sources[0]
        sink = str(Path(dst, source.relative))
        task = Task(source, as_recipe(recipe), sink, os.fspath(dst), overwrite=overwrite)
        task = replace(task, names=names_of_run((), os.fspath(dst)))
        return run_alone(task)
    except Exception as error:
        return failure((os.fspath(path),), error, time.monotonic() - start)


def run_alone(task: Task) -> Outcome:
    """Do one task and publish it, without a run and its ledger.

    Raises
    ------
    WriteError
        ``exists``, ``disk-full``, ``write-failed``.
    """
    from .durable import Files
    from .publishing.publish import publish
    from .publishing.recovery import resume
    from .publishing.siblings import occupied

    there = None if task.overwrite else occupied(task.sink)
    if there is not None:
        if not resume(task.stage, task.sink, Files()):
            raise WriteError(f"{there}: is there already; overwrite=True replaces it", "exists")
        task = replace(task, overwrite=True)  # a worker was killed before it could tell
    outcome = run_task(task)
    try:
        return publish(task.stage, "", None, Files(), [(0, task, outcome)])[0]
    except BaseException:
        discard(outcome)
        raise


def run_task(task: Task, progress: Progress | None = None) -> Outcome:
    """Do one task of a plan; never raise.

    Parameters
    ----------
    task : Task
    progress : callable, optional
        Told the share done, 0 to 1; by default the pool's own channel.
    """
    start = time.monotonic()
    names = tuple(m.source.name for m in task.members) or (task.source.name,)
    if task.skip:
        return Outcome(names, "skipped", code=task.skip.code, reason=task.skip.reason)
    if problem := task.problem or task.source.problem:
        return Outcome(names, "failed", code=problem.code, reason=problem.reason)
    try:
        outcome = _unchanged(task, progress or report_progress)
    except Exception as error:
        return failure(names, error, time.monotonic() - start)
    finally:
        let_go()
    return replace(outcome, seconds=time.monotonic() - start)


def _unchanged(task: Task, progress: Progress) -> Outcome:
    """Do a task on sources that stay as they are meanwhile; once more where they did not.

    Raises
    ------
    ReadError
        ``source-changed``.
    """
    from .publishing.provenance import seen

    if task.policy.repair == "no":
        from .work.task import do_task
    else:
        from .repairing.repair import do_repair as do_task

    # What others read, too, or what was united by its headers, must be as it was planned.
    planned = bool(task.part or task.parts or task.members)
    for _ in range(1 if planned else TRIES):
        before = seen(task)
        if planned and _moved_on(task, before):
            break
        told = task if planned or (task.header and task.seen == before) else _looked_at(task)
        if problem := told.problem:
            return Outcome((task.source.name,), "failed", code=problem.code, reason=problem.reason)
        if passed := told.skip:
            return Outcome((task.source.name,), "skipped", code=passed.code, reason=passed.reason)
        outcome = do_task(told, progress)
        if seen(task) == before:
            return replace(outcome, seen=before)
        discard(outcome)
    raise ReadError(
        f"{task.source.name}: was changed meanwhile; run again when nobody writes it",
        "source-changed",
    )


def _looked_at(task: Task) -> Task:
    """The task with the header of its source as it is now, where the plan has read another."""
    forget_headers()
    return outlook(task)[0]


def _moved_on(task: Task, now: dict[str, Any]) -> bool:
    from .publishing.provenance import changed_files

    planned = task.provenance.get("sources", {})
    return changed_files({n: planned[n] for n in now if n in planned}, now) is not None


def discard(outcome: Outcome) -> None:
    """Remove what an outcome staged."""
    for staged in outcome.staged:
        shutil.rmtree(staged.folder, ignore_errors=True)


def failure(names: tuple[str, ...], error: Exception, seconds: float) -> Outcome:
    """A failed outcome: one sentence for people, the traceback for the log."""
    ours = isinstance(error, ShpbatchError)
    code = error.code if isinstance(error, ShpbatchError) else "unexpected"
    reason = str(error) if ours else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        code, reason = "out-of-memory", "not enough memory for this layer; use fewer workers (-j)"
    if names[0] not in reason:
        reason = f"{names[0]}: {reason}"
    return Outcome(
        names,
        "failed",
        code=code,
        reason=reason,
        seconds=seconds,
        detail=traceback.format_exc(limit=-8),
    )
