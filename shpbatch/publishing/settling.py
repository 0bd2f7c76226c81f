"""What becomes of an outcome while its sets are published."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import lru_cache

from ..errors import ShpbatchError, WriteError
from ..models import Features, Outcome, Sink, Task
from .siblings import occupied

__all__ = ["in_the_way", "lean", "refused", "told", "unknown"]


def in_the_way(task: Task, outcome: Outcome) -> Outcome | None:
    """A failure where a set would replace what is not the task's own."""
    if outcome.status != "done" or task.overwrite:
        return None
    for staged in outcome.staged:
        there = None if staged.sink in task.owned else occupied(staged.sink)
        if there is not None:
            reason = f"{there}: is there already; pass --overwrite to replace it"
            return refused(outcome, WriteError(reason, "exists"))
    return None


def refused(outcome: Outcome, error: Exception) -> Outcome:
    """A failure; what was staged goes away."""
    for staged in outcome.staged:
        shutil.rmtree(staged.folder, ignore_errors=True)  # a full disk needs the room
    ours = isinstance(error, ShpbatchError)
    code = error.code if isinstance(error, ShpbatchError) else "write-failed"
    reason = str(error) if ours else f"cannot be written: {error}"
    return replace(
        outcome, status="failed", code=code, reason=reason, sinks=(), staged=(), features=Features()
    )


def told(outcome: Outcome, failed: dict[str, Exception]) -> Outcome:
    """A published outcome; one whose files could not be moved is pending."""
    for staged in outcome.staged:
        if error := failed.get(staged.sink):
            code = error.code if isinstance(error, WriteError) else "pending"
            reason = (
                str(error)
                if isinstance(error, WriteError)
                else (
                    f"{staged.sink}: {getattr(error, 'strerror', error)}; "
                    "the next run will move it to its place"
                )
            )
            return replace(
                outcome,
                status="failed",
                code=code,
                reason=reason,
                sinks=(),
                staged=(),
                features=Features(),
            )
    return replace(outcome, staged=())


def unknown(outcome: Outcome, error: WriteError) -> Outcome:
    """An outcome that the ledger could not be told: nothing is done before that is."""
    if outcome.status != "done":
        return outcome
    return replace(
        outcome, status="failed", code=error.code, reason=str(error), sinks=(), features=Features()
    )


def lean(outcome: Outcome, task: Task) -> Outcome:
    """An outcome as it is kept: there may be 100,000, so texts that are ours already are shared."""
    known = {task.sink: task.sink, task.source.name: task.source.name}
    return replace(
        outcome,
        sources=tuple(known.get(name, name) for name in outcome.sources),
        sinks=tuple(Sink(known.get(s.path, s.path), s.features) for s in outcome.sinks),
        features=_same(outcome.features),
        renamed=_same_names(outcome.renamed),
        why=task.why,
        seen={},
    )


@lru_cache(maxsize=1024)
def _same(features: Features) -> Features:
    """Accounts of small layers are alike."""
    return features


@lru_cache(maxsize=1024)
def _same_names(renamed: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    """Names that fields are written under are those of the whole run."""
    return renamed
