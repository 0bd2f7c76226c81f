"""Move what was staged to its places, and let the ledger know; go on where that was interrupted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..durable import Files, translated
from ..errors import WriteError
from ..models import Outcome, Task
from ..reporting.runlog import outcome_record
from .destination import STATE
from .journal import Conflict, Entry, Staged, commit, drop_torn, finish, move, pending, settle
from .ledger import Ledger, Made, Quarantined
from .provenance import changed_files, sources_of
from .settling import in_the_way, lean, told, unknown
from .siblings import siblings
from .staleness import edited

__all__ = ["key_of", "publish", "record", "recover", "resume"]


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
    WriteError, OSError
        Before the commit: nothing was touched.
    """
    state = Path(dst, STATE)
    outcomes = [in_the_way(task, outcome) or outcome for _, task, outcome in batch]
    wanted = [
        (
            staged,
            _note(dst, run_id, task, outcome),
            (*_left_over(task, outcome), *_outdated(dst, ledger, task, outcome)) if first else (),
        )
        for (_, task, _), outcome in zip(batch, outcomes, strict=True)
        if outcome.status == "done"
        for first, staged in zip(_FIRST, outcome.staged, strict=False)
    ]
    path: Path | None = None
    entries: list[Entry] = []
    failed: dict[str, Exception] = {}
    if wanted:
        with translated(wanted[0][0].sink):
            for folder in {os.path.dirname(staged.sink) for staged, _, _ in wanted}:
                os.makedirs(folder or ".", exist_ok=True)
            path, entries = commit(state, wanted, files)
        failed = _moved(entries, files)
    moved = [e for e in entries if e.staged.sink not in failed]
    outcomes = [told(o, failed) for o in outcomes]
    if ledger is not None and (error := _noted(dst, run_id, ledger, moved, batch, outcomes)):
        return [unknown(o, error) for o in outcomes]  # the journal stays: the next run tells it
    if path and not failed:
        finish(path, moved, files)
    return [lean(o, task) for o, (_, task, _) in zip(outcomes, batch, strict=True)]


def _noted(
    dst: str,
    run_id: str,
    ledger: Ledger,
    moved: Sequence[Entry],
    batch: Sequence[tuple[int, Task, Outcome]],
    outcomes: Sequence[Outcome],
) -> WriteError | None:
    """Tell the ledger of a batch; the error where it cannot be written."""
    try:
        with ledger.together():
            remember(dst, ledger, moved)
            for (_, task, _), outcome in zip(batch, outcomes, strict=True):
                record(dst, run_id, ledger, task, outcome)
    except WriteError as error:
        return error
    return None


def _moved(entries: Sequence[Entry], files: Files) -> dict[str, Exception]:
    """Move sets to their places; the errors of those that cannot be moved now, by sink."""
    failed: dict[str, Exception] = {}
    for entry in entries:
        try:
            move(entry, files)
        except (OSError, WriteError) as error:
            failed[entry.staged.sink] = error
    settle([e for e in entries if e.staged.sink not in failed], files)
    return failed


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


def remember(dst: str, ledger: Ledger, moved: Sequence[Entry]) -> None:
    """Tell the ledger of sets that are in their places; those of one task belong together."""
    tasks: dict[str, list[Entry]] = {}
    for entry in moved:
        tasks.setdefault(entry.note["key"], []).append(entry)
    for key, entries in tasks.items():
        if len(entries) < entries[0].note["sets"]:
            continue  # the others are pending: the journal keeps them all
        members: dict[str, list[Any]] = {}
        for entry in entries:
            members |= members_of(dst, entry.staged)
        note = entries[0].note
        ledger.put_made(key, note["run_id"], Made(note["provenance"], members))


def members_of(dst: str, staged: Staged) -> dict[str, list[Any]]:
    """Files of a published set as the ledger keeps them."""
    found = {}
    for extension, member in staged.members.items():
        place = staged.place(extension)
        try:
            mtime = os.stat(place).st_mtime_ns
        except FileNotFoundError:  # somebody was quick
            mtime = 0
        found[key_of(dst, place)] = [member.size, mtime, member.sha256]
    return found


def recover(dst: str, ledger: Ledger, files: Files) -> int:
    """Finish what an earlier run had committed; return how many sets.

    A file that is neither staged nor as it was published was edited or removed
    since: it is left alone, and the plan finds that out by the ledger.

    Raises
    ------
    WriteError
        ``disk-full``, ``write-failed``.
    """
    count = 0
    state = Path(dst, STATE)
    drop_torn(state, files)
    for path, entries in pending(state):
        with translated(dst):
            for entry in entries:
                os.makedirs(os.path.dirname(entry.staged.sink), exist_ok=True)
                with suppress(Conflict):
                    move(entry, files)
            settle(entries, files)
        with ledger.together():
            remember(dst, ledger, entries)
        finish(path, entries, files)
        count += len(entries)
    return count


def resume(dst: str, sink: str, files: Files) -> bool:
    """Whether a worker was killed while it published a sink; it is in its place then."""
    for path, entries in pending(Path(dst, STATE)):
        if any(
            os.path.samefile(os.path.dirname(e.staged.sink), os.path.dirname(sink) or ".")
            and os.path.basename(e.staged.sink) == os.path.basename(sink)
            for e in entries
        ):
            for entry in entries:
                move(entry, files)
            settle(entries, files)
            finish(path, entries, files)
            return True
    return False


def key_of(dst: str, sink: str) -> str:
    """Name of an output in the ledger: its path below the destination."""
    inside = os.path.join(dst, "")
    below = sink[len(inside) :] if sink.startswith(inside) else os.path.relpath(sink, dst)
    return below.replace(os.sep, "/")


def _note(dst: str, run_id: str, task: Task, outcome: Outcome) -> dict[str, Any]:
    return {
        "key": key_of(dst, task.sink),
        "run_id": run_id,
        "sets": len(outcome.staged),
        "provenance": _provenance(task, outcome),
    }


#: True for the first set of a task, to which the others' leavings are added.
_FIRST = (True, *([False] * 100_000))


def _left_over(task: Task, outcome: Outcome) -> list[str]:
    """Files of outputs that an earlier run made of this task and this one does not."""
    made = {s.sink for s in outcome.staged}
    return [
        os.path.join(os.path.dirname(sink), name)
        for sink in sorted(task.owned - made)
        for name in siblings(sink)
    ]


def _outdated(dst: str, ledger: Ledger | None, task: Task, outcome: Outcome) -> list[str]:
    """What an earlier run wrote beside its outputs, and this one has not.

    Metadata for names of fields; rejects and repairs where a partition had no output.
    """
    made = None if ledger is None else ledger.made_of(key_of(dst, task.sink))
    if made is None:
        return []
    new = {key_of(dst, s.place(e)) for s in outcome.staged for e in s.members}
    ours = {n: m for n, m in made.members.items() if n.endswith(_BESIDE) and n not in new}
    return [os.path.join(dst, n) for n in ours if n not in edited(ours, dst)]


_BESIDE = (".shp.xml", ".rejects.geojsonl", ".repairs.jsonl")


def _provenance(task: Task, outcome: Outcome) -> dict[str, Any]:
    """What an output was made of, the sources as they were read if they were."""
    sources = _as_read(task, outcome) if outcome.seen else sources_of(task)
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
