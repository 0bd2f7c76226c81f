"""One file from source to sink: read, steps, write, check, publish.

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

from .errors import LayerError, ShpbatchError, WriteError
from .messages import report_progress
from .models import Features, Header, Outcome, Recipe, Sink, Source, Task

__all__ = ["run_task", "shp_parser"]

#: Shares of a file's work, for the bar: reading, steps, writing.
_READ, _STEPS = 0.35, 0.75


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


def run_task(task: Task, progress: Callable[[float], None] | None = None) -> Outcome:
    """Do one task of a plan; never raise.

    Parameters
    ----------
    task : Task
    progress : callable, optional
        Told the share done, 0 to 1; by default the pool's own channel.
    """
    start = time.monotonic()
    names = (task.source.name,)
    if task.skip:
        return Outcome(names, "skipped", code="exists", reason=task.skip)
    if problem := task.problem or task.source.problem:
        return Outcome(names, "failed", code=problem.code, reason=problem.reason)
    try:
        outcome = _work(task, progress or report_progress)
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


def _work(task: Task, progress: Callable[[float], None]) -> Outcome:
    from .check import staged_count
    from .engine import apply_recipe
    from .fit import fit
    from .formats.arrow import read_layer, write_layer
    from .publish import publish, refuse_existing, stage, translated

    sink = Path(task.sink)
    if not task.overwrite:
        refuse_existing(task.stage, sink)
    layer = read_layer(task.source, lambda part: progress(part * _READ))
    source = layer.header
    declared = source.count
    layer = apply_recipe(task.recipe, layer, lambda part: progress(_READ + part * (_STEPS - _READ)))
    layer = fit(layer)
    features = layer.account.features(declared, len(layer))
    if not features.balances():
        raise LayerError(f"the account of features does not balance: {features}", "unbalanced")
    with stage(task.stage) as folder, translated(str(sink)):
        write_layer(layer, folder, lambda part: progress(_STEPS + part * (1 - _STEPS)))
        _check_written(folder, len(layer), staged_count(folder))
        write_sidecars(task.source, source, layer.header, folder)
        publish(task.stage, folder, sink)
    return Outcome(
        (task.source.name,),
        "done",
        sinks=(Sink(str(sink), len(layer)),),
        features=features,
        notes=_notes(source, layer.account.notes, features),
    )


def _check_written(folder: Path, meant: int, written: int) -> None:
    if meant != written:
        raise WriteError(
            f"{meant} features were meant, {written} were written; is the disk full?",
            "write-incomplete",
        )


def _notes(source: Header, notes: dict[str, int], features: Features) -> tuple[str, ...]:
    """What a person should know of a complete output."""
    found = [
        p.reason
        for p in source.problems
        if p.code in ("encoding-doubtful", "shx-missing", "length-lies")
    ]
    found += [f"{text} ({count:,})" for text, count in notes.items()]
    if features.deleted:
        found.append(f"{features.deleted:,} features were flagged as deleted and left out")
    return tuple(found)


def write_sidecars(source: Source, before: Header, after: Header, folder: Path) -> None:
    """Stage ``.prj``, ``.cpg`` and the sidecars that stay true; stale indexes are left."""
    from .shapefile.bundle import TRAVELLING, Bundle

    bundle = Bundle.of(source)
    for extension in TRAVELLING:
        if extension in bundle:
            bundle.copy(extension, folder / f"layer.{extension}")
    if after.crs == before.crs:
        if "prj" in bundle:
            bundle.copy("prj", folder / "layer.prj")
    elif after.crs is not None:
        (folder / "layer.prj").write_text(esri_wkt(after.crs), "utf-8")
    cpg = folder / "layer.cpg"
    cpg.unlink(missing_ok=True)
    if not after.fields:
        return
    if before.encoding_from == "cpg" and "cpg" in bundle:
        bundle.copy("cpg", cpg)
    elif before.encoding_from != "ldid":
        cpg.write_text("UTF-8" if after.encoding == "utf-8" else after.encoding, "ascii")


def esri_wkt(crs: str) -> str:
    """A CRS as a ``.prj`` holds it.

    Raises
    ------
    WriteError
        ``crs-unwritable`` for one that ESRI's WKT cannot express.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(crs).to_wkt("WKT1_ESRI")
    except CRSError as error:
        raise WriteError(
            f"the CRS {crs} cannot be written as a .prj: {error}", "crs-unwritable"
        ) from None
