"""Move what was staged to its places, and let the ledger know."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..durable import Files, translated
from ..errors import WriteError
from ..models import Outcome, Task
from ..reporting.runlog import outcome_record
from .destination import STATE
from .journal import Undecided, commit
from .ledger import Ledger, Made, Quarantined, key_of
from .moving import move_all
from .provenance import changed_files, sources_of
from .sets import Entry, Staged, entry_of
from .settling import Fate, forget, in_the_way, lean, refused, sparing, told, unknown
from .siblings import siblings
from .staleness import edited

__all__ = ["publish", "record", "remember"]


def publish(
    dst: str,
    run_id: str,
    ledger: Ledger | None,
    files: Files,
    batch: Sequence[tuple[int, Task, Outcome]],
) -> list[Outcome]:
    """Publish what some tasks staged, in one commit.

    Returns
    -------
    list of Outcome
        ``done``, or ``failed`` where an output is in the way or a file cannot
        be moved; the others are not concerned.

    Raises
    ------
    WriteError
        Before the commit: nothing was touched.
    """
    outcomes: list[Outcome] = []
    entries: list[Entry] = []
    for _, task, outcome in batch:
        with translated(task.sink):
            told_now, own = _prepared(dst, run_id, ledger, task, outcome)
        outcomes.append(told_now)
        entries += own
    path, failed = _committed(dst, entries, files)
    outcomes = [told(o, failed) for o in outcomes]
    if ledger is not None and (
        error := _noted(dst, run_id, ledger, entries, failed, batch, outcomes)
    ):
        return [unknown(o, error) for o in outcomes]  # the journal stays: the next run tells it
    if path:
        forget(path, Fate.of(entries, failed), files)
    return [lean(o, task) for o, (_, task, _) in zip(outcomes, batch, strict=True)]


def _prepared(
    dst: str, run_id: str, ledger: Ledger | None, task: Task, outcome: Outcome
) -> tuple[Outcome, list[Entry]]:
    """The sets of a task with what they replace; none where that is not the task's own."""
    if outcome.status != "done":
        return outcome, []
    made = None if ledger is None else ledger.made_of(key_of(dst, task.sink))
    ours = {} if made is None else made.members
    note = _note(dst, run_id, task, outcome)
    more = [*_left_over(task, outcome), *_outdated(dst, ours, outcome)]
    entries = [
        entry_of(staged, note, () if number else more)
        for number, staged in enumerate(outcome.staged)
    ]
    if task.overwrite:
        return outcome, entries
    entries = [sparing(dst, entry, ours) if entry.before else entry for entry in entries]
    if error := in_the_way(dst, entries, ours):
        return refused(outcome, error), []
    return outcome, entries


def _committed(
    dst: str, entries: list[Entry], files: Files
) -> tuple[Path | None, dict[str, Exception]]:
    """Commit sets and move them; the journal, and what is not in its place, by sink."""
    if not entries:
        return None, {}
    with translated(entries[0].staged.sink):
        for folder in {os.path.dirname(e.staged.sink) for e in entries}:
            os.makedirs(folder or ".", exist_ok=True)
        try:
            path = commit(Path(dst, STATE), entries, files)
        except Undecided as error:
            return None, {e.staged.sink: error for e in entries}
    return path, move_all(entries, files)


def _noted(
    dst: str,
    run_id: str,
    ledger: Ledger,
    entries: Sequence[Entry],
    failed: Mapping[str, Exception],
    batch: Sequence[tuple[int, Task, Outcome]],
    outcomes: Sequence[Outcome],
) -> WriteError | None:
    """Tell the ledger of a batch; the error where it cannot be written."""
    try:
        with ledger.together():
            remember(dst, ledger, Fate.of(entries, failed).made, failed)
            for (_, task, _), outcome in zip(batch, outcomes, strict=True):
                record(dst, run_id, ledger, task, outcome)
    except WriteError as error:
        return error
    return None


def record(dst: str, run_id: str, ledger: Ledger, task: Task, outcome: Outcome) -> None:
    """Tell the ledger what became of a task."""
    key = key_of(dst, task.sink)
    if outcome.code == "up-to-date":
        return
    ledger.put_outcome(run_id, key, outcome_record(outcome), task.why or None)
    if outcome.status in ("failed", "crashed", "timeout") and outcome.code != "quarantined":
        made_of = _provenance(task, outcome)
        trouble = Quarantined(outcome.status, outcome.reason or "", made_of)
        ledger.put_trouble(key, run_id, trouble)


def remember(
    dst: str, ledger: Ledger, entries: Sequence[Entry], failed: Mapping[str, Exception]
) -> None:
    """Tell the ledger of sets that were moved; those of one task are one output.

    ``failed`` are sinks of which somebody changed a file since.
    """
    tasks: dict[str, list[Entry]] = {}
    for entry in entries:
        tasks.setdefault(entry.note["key"], []).append(entry)
    for key, sets in tasks.items():
        members: dict[str, list[Any]] = {}
        for entry in sets:
            members |= members_of(dst, entry.staged, entry.staged.sink in failed)
        note = sets[0].note
        ledger.put_made(key, note["run_id"], Made(note["provenance"], members))


def members_of(dst: str, staged: Staged, changed: bool = False) -> dict[str, list[Any]]:
    """Files of a published set as the ledger keeps them.

    Of one that was ``changed`` no time is kept: it would be that of the change, and the
    file taken for ours.
    """
    found = {}
    for extension, member in staged.members.items():
        place = staged.place(extension)
        try:
            mtime = 0 if changed else os.stat(place).st_mtime_ns
        except OSError:  # somebody was quick, or a share is away: contents will be compared
            mtime = 0
        found[key_of(dst, place)] = [member.size, mtime, member.sha256]
    return found


def _note(dst: str, run_id: str, task: Task, outcome: Outcome) -> dict[str, Any]:
    return {
        "key": key_of(dst, task.sink),
        "run_id": run_id,
        "provenance": _provenance(task, outcome),
    }


def _left_over(task: Task, outcome: Outcome) -> list[str]:
    """Files of outputs that an earlier run made of this task and this one does not."""
    made = {s.sink for s in outcome.staged}
    return [
        os.path.join(os.path.dirname(sink), name)
        for sink in sorted(task.owned - made)
        for name in siblings(sink)
    ]


def _outdated(dst: str, ours: Mapping[str, list[Any]], outcome: Outcome) -> list[str]:
    """What an earlier run wrote beside its outputs, and this one has not.

    Metadata for names of fields; rejects and repairs where a partition had no output.
    """
    new = {key_of(dst, s.place(e)) for s in outcome.staged for e in s.members}
    old = {n: m for n, m in ours.items() if n.endswith(_BESIDE) and n not in new}
    return [os.path.join(dst, n) for n in old if n not in edited(old, dst)]


_BESIDE = (".shp.xml", ".rejects.geojsonl", ".repairs.jsonl")


def _provenance(task: Task, outcome: Outcome) -> dict[str, Any]:
    """What an output was made of, the sources as they were read if they were."""
    # What killed a worker may be another file by now: as it was planned, where that is known.
    planned = task.provenance.get("sources") or task.seen
    sources = _as_read(task, outcome) if outcome.seen else planned or sources_of(task)
    return {**task.provenance, "sources": sources}


def _as_read(task: Task, outcome: Outcome) -> dict[str, Any]:
    """State of the sources as they were read, with the hashes of the plan where it holds still."""
    planned = task.provenance.get("sources", {})
    return {
        name: planned[name]
        if name in planned and not changed_files({name: planned[name]}, {name: state})
        else state
        for name, state in outcome.seen.items()
    }
