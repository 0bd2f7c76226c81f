"""What becomes of an outcome while its sets are published."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..durable import FULL, Files
from ..errors import ShpbatchError, WriteError
from ..models import Features, Outcome, Sink, Task
from .journal import finish
from .ledger import key_of
from .moving import Untouched
from .sets import Entry
from .siblings import is_aside, is_derived
from .staleness import edited

__all__ = ["Fate", "forget", "in_the_way", "lean", "refused", "sparing", "told", "unknown"]
__all__ += ["waiting"]


@dataclass
class Fate:
    """What became of sets that were to be moved, each with all others of its task.

    Attributes
    ----------
    made : list of Entry
        In their places, or changed there since.
    left : list of Entry
        To be moved later: one of them cannot be now.
    void : list of Entry
        Not to be moved at all: what they were to replace was changed meanwhile.
    """

    made: list[Entry] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    void: list[Entry] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry], failed: Mapping[str, Exception]) -> Fate:
        """Of sets, some of which `move_all` could not move."""
        tasks: dict[str, list[Entry]] = {}
        for entry in entries:
            tasks.setdefault(entry.note["key"], []).append(entry)
        fate = cls()
        for sets in tasks.values():
            errors = [failed.get(e.staged.sink) for e in sets]
            if any(isinstance(error, OSError) for error in errors):
                fate.left += sets
            elif all(isinstance(error, Untouched) for error in errors):
                fate.void += sets
            else:
                fate.made += sets
        return fate


def forget(path: Path, fate: Fate, files: Files) -> None:
    """Forget a journal, but for what is left; one that stays says again what is so already."""
    with suppress(OSError):
        finish(path, [*fate.made, *fate.void], fate.left, files)


def sparing(dst: str, entry: Entry, ours: Mapping[str, list[Any]]) -> Entry:
    """A set that leaves alone what tells of single features of another output of its name."""
    aside = [name for name in entry.stale() if is_aside(name)]
    spared = {name for name in aside if key_of(dst, entry.path(name)) not in ours}
    return replace(entry, before={n: s for n, s in entry.before.items() if n not in spared})


#: One for all: each {} is another object.
NOTHING: dict[str, Any] = {}


def in_the_way(
    dst: str, entries: Iterable[Entry], ours: Mapping[str, list[Any]]
) -> WriteError | None:
    """Why sets may not replace what is in their places; the plan, which asked, may be hours old."""
    remedy = "pass --overwrite to replace it, or move it away"
    if changed := edited(ours, dst):
        return WriteError(f"{Path(dst, changed[0])}: was edited; {remedy}", "output-edited")
    for entry in entries:
        for path in map(entry.path, entry.before):
            if key_of(dst, path) not in ours and not is_derived(path):
                told = f"{path}: is there already and was not made here; {remedy}"
                return WriteError(told, "exists")
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


def told(outcome: Outcome, failed: Mapping[str, Exception]) -> Outcome:
    """A published outcome; one whose files could not be moved is pending."""
    for sink in (staged.sink for staged in outcome.staged):
        if error := failed.get(sink):
            ours = isinstance(error, WriteError)
            return replace(
                outcome,
                status="failed",
                code=error.code if isinstance(error, WriteError) else "pending",
                reason=str(error) if ours else waiting(sink, error),
                sinks=(),
                staged=(),
                features=Features(),
            )
    return replace(outcome, staged=())


def waiting(sink: str, error: Exception | None) -> str:
    """Why an output is not in its place yet, and what to do about it."""
    number = getattr(error, "errno", None)
    what, remedy = getattr(error, "strerror", None) or str(error), "see to its disk"
    if number in FULL:
        what, remedy = "the disk is full", "free some space"
    elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
        held = os.name == "nt"
        remedy = "close the program that has it open" if held else "let its folder be written to"
    return (
        f"{sink}: cannot be moved to its place yet: {what}; {remedy}, "
        "and the next run will move it there"
    )


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
        seen=NOTHING,
    )


@lru_cache(maxsize=1024)
def _same(features: Features) -> Features:
    """Accounts of small layers are alike."""
    return features


@lru_cache(maxsize=1024)
def _same_names(renamed: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    """Names that fields are written under are those of the whole run."""
    return renamed
