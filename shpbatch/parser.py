"""One file from source to sink: read, steps, write, prove, publish.

`shp_parser` is the function that is mapped over a list: by `map_parser`, by
`run`, or by a plain ``multiprocessing.Pool``. It returns an outcome and never
raises across a process border.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .errors import ShpbatchError
from .messages import report_progress
from .models import Outcome, Recipe, Task

__all__ = ["run_task", "shp_parser"]

Progress = Callable[[float], None]


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
    from .publish import forget

    try:
        from .discover import discover
        from .recipe import as_recipe

        source = discover([os.fspath(path)]).sources[0]
        sink = str(Path(dst, source.relative))
        task = Task(source, as_recipe(recipe), sink, os.fspath(dst), overwrite=overwrite)
    except Exception as error:
        return failure((os.fspath(path),), error, time.monotonic() - start)
    outcome = run_task(task)
    forget(task.stage, Path(sink))
    return outcome


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
        return Outcome(names, "skipped", code="exists", reason=task.skip)
    if problem := task.problem or task.source.problem:
        return Outcome(names, "failed", code=problem.code, reason=problem.reason)
    try:
        from .work import do_task

        outcome = do_task(task, progress or report_progress)
    except Exception as error:
        return failure(names, error, time.monotonic() - start)
    return replace(outcome, seconds=time.monotonic() - start)


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
