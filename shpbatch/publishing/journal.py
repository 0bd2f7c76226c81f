"""Sets of files move from the stage to their places as one: all of a set, or none.

A shapefile is five or more files, and no system renames five at once. So what
is to move is written down first, durably: from then on it will be done, by us
or by whoever opens the destination next. Readers see the old set, then for a
moment none, then the new one; never a mixture, as the ``.shp`` goes first and
comes last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..durable import Files
from ..errors import PlanError
from .sets import Entry, Member, Staged, keep_modes

__all__ = ["JOURNAL", "Undecided", "commit", "drop_torn", "finish", "pending"]

JOURNAL = "journal"


class Undecided(OSError):
    """A journal has its name, which may not last, and it cannot be taken back either."""


def commit(state: Path, entries: Sequence[Entry], files: Files) -> Path:
    """Write down what is to move; from here on it will be done.

    Parameters
    ----------
    state : Path
        Private folder of the destination.
    entries : sequence of Entry
    files : Files

    Returns
    -------
    Path
        The journal.

    Raises
    ------
    Undecided
        The next run finds the journal, or none; what is staged must stay.
    OSError
        There is no journal.
    """
    for entry in entries:
        keep_modes(entry)
    files.sync_all(_unsynced(entries, state.parent))
    folder = state / JOURNAL
    folder.mkdir(exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.json"
    _write(path, entries, state.parent, files)
    try:
        files.sync(folder)
    except OSError as error:
        try:
            files.unlink(path)
        except OSError:
            raise Undecided(*error.args) from error
        raise
    return path


def finish(path: Path, done: Iterable[Entry], left: Sequence[Entry], files: Files) -> None:
    """Forget a journal, but for what is left: sets that cannot be in their places yet.

    The ledger must know of the others before: only the journal does until then.
    """
    if left:
        _write(path, left, path.parents[2], files)
    else:
        files.unlink(path)
    files.sync(path.parent)
    for entry in done:
        _remove_folder(Path(entry.staged.folder))


def pending(state: Path) -> Iterator[tuple[Path, list[Entry]]]:
    """Journals of which the sets may not all be in their places.

    Raises
    ------
    PlanError
        ``journal-unreadable``.
    """
    folder = state / JOURNAL
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):  # its writer has just finished
                if (found := _read(path)) is not None:
                    yield path, [_entry(e, state.parent) for e in found]
    except OSError as error:
        reason = f"{folder}: cannot be read: {error.strerror}; see to its disk and its permissions"
        raise PlanError(reason, "journal-unreadable") from error


def drop_torn(state: Path, files: Files) -> None:
    """Remove journals that were never whole: nothing had been moved. Nobody may be writing one."""
    folder = state / JOURNAL
    for path in folder.iterdir() if folder.is_dir() else ():
        if _read(path) is None:
            files.unlink(path)


def _read(path: Path) -> list[dict[str, Any]] | None:
    text, _, digest = path.read_bytes().rpartition(b"\n")
    whole = hashlib.sha256(text).hexdigest().encode() == digest
    return json.loads(text) if whole and path.suffix == ".json" else None


def _write(path: Path, entries: Sequence[Entry], dst: Path, files: Files) -> None:
    """Write a journal, whole or not at all; its name is not durable yet."""
    text = json.dumps([_written(e, dst) for e in entries]).encode("ascii")
    draft = path.with_suffix(".tmp")
    files.write(draft, text + b"\n" + hashlib.sha256(text).hexdigest().encode())
    files.sync(draft)
    files.rename(draft, path)


def _written(entry: Entry, dst: Path) -> dict[str, Any]:
    """An entry as it is written: the destination may be reached by another path later."""
    staged = entry.staged
    return {
        "staged": {
            "folder": os.path.relpath(staged.folder, dst),
            "sink": os.path.relpath(staged.sink, dst),
            "members": {e: {"size": m.size, "sha256": m.sha256} for e, m in staged.members.items()},
            "features": staged.features,
        },
        "before": entry.before,
        "note": entry.note,
    }


def _entry(found: dict[str, Any], dst: Path) -> Entry:
    staged = found["staged"]
    members = {e: Member(**m) for e, m in staged["members"].items()}
    folder, sink = (str(dst / staged[name]) for name in ("folder", "sink"))
    set_ = Staged(folder, sink, members, staged["features"])
    return Entry(set_, found.get("before", {}), found["note"])


def _unsynced(entries: Sequence[Entry], dst: Path) -> list[Path]:
    """Staged files, the folders with their names, and folders that are new in the destination."""
    sets = [e.staged for e in entries]
    members = [Path(s.source(extension)) for s in sets for extension in s.members]
    folders = {dst}
    for own in {s.folder for s in sets} | {os.path.dirname(s.sink) for s in sets}:
        folder = Path(own)
        while folder not in folders and folder != folder.parent:
            folders.add(folder)
            folder = folder.parent
    return [*members, *sorted(folders)]


def _remove_folder(folder: Path) -> None:
    """Remove an emptied folder of the stage; what is left goes with the stage."""
    for path in (folder, folder.parent):  # of a set that is one of several: theirs, too
        with contextlib.suppress(OSError):
            if path.name != "stage":
                path.rmdir()
