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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..durable import Files
from ..errors import WriteError
from .siblings import siblings

__all__ = [
    "JOURNAL",
    "Conflict",
    "Entry",
    "Member",
    "Staged",
    "commit",
    "drop_torn",
    "finish",
    "hash_of",
    "move",
    "pending",
    "settle",
]

JOURNAL = "journal"


class Conflict(WriteError):
    """A file of a set was changed by somebody while the set was on its way."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a set: bytes, and SHA-256 as hexadecimal text."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Staged:
    """A set that lies complete in the stage.

    Attributes
    ----------
    folder : str
        Where its members lie, as ``layer.*``.
    sink : str
        The ``.shp`` to become.
    members : dict of str to Member
        By extension.
    features : int
    """

    folder: str
    sink: str
    members: dict[str, Member]
    features: int = 0

    def place(self, extension: str) -> str:
        """Where a member goes."""
        return f"{os.path.splitext(self.sink)[0]}.{extension}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A set in the journal, what to remove for it, and what the ledger is to know of it."""

    staged: Staged
    stale: tuple[str, ...] = ()
    note: dict[str, Any] = field(default_factory=dict)


def commit(
    state: Path, sets: Sequence[tuple[Staged, dict[str, Any], Sequence[str]]], files: Files
) -> tuple[Path, list[Entry]]:
    """Write down what is to move; from here on it will be done.

    Parameters
    ----------
    state : Path
        Private folder of the destination.
    sets : sequence of (Staged, dict, sequence of str)
        With what the ledger is to know, and further files that are to go.
    files : Files

    Returns
    -------
    tuple of Path and list of Entry
        The journal, and its entries for `move`.
    """
    entries = [
        Entry(staged, (*_stale(staged), *_beside(staged, more)), note)
        for staged, note, more in sets
    ]
    files.sync_all(_unsynced(entries, state.parent))
    folder = state / JOURNAL
    folder.mkdir(exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.json"
    text = json.dumps([_written(e, state.parent) for e in entries]).encode("ascii")
    draft = path.with_suffix(".tmp")
    files.write(draft, text + b"\n" + hashlib.sha256(text).hexdigest().encode())
    files.sync(draft)
    files.rename(draft, path)
    files.sync(folder)
    return path, entries


def move(entry: Entry, files: Files) -> None:
    """Move a set to its place; again, where that was interrupted.

    Raises
    ------
    Conflict
        A member is neither staged nor in its place.
    OSError
        A file that cannot be moved now; the journal keeps it for later.
    """
    staged, target = entry.staged, Path(entry.staged.sink)
    own = target.suffix[1:]  # what names the set comes last
    if os.path.exists(os.path.join(staged.folder, "layer.shp")):
        files.unlink(target)
    for name in entry.stale:  # on a replay too: that they went may have been lost
        files.unlink(target.parent / name)
    for extension in sorted(staged.members, key=lambda e: (e == own, e)):
        source, place = os.path.join(staged.folder, f"layer.{extension}"), staged.place(extension)
        if os.path.exists(source):
            files.rename(Path(source), Path(place))
        elif not _is(Path(place), staged.members[extension]):
            raise Conflict(
                f"{place}: was changed while it was being published; run again", "publish-conflict"
            )


def finish(path: Path, moved: Iterable[Entry], files: Files) -> None:
    """Forget a journal whose sets are all in their places.

    The ledger must know of them before: only the journal does until then.
    """
    files.unlink(path)
    files.sync(path.parent)
    for entry in moved:
        _remove_folder(Path(entry.staged.folder))


def settle(moved: Sequence[Entry], files: Files) -> None:
    """Make the names in the destination durable."""
    folders = {os.path.dirname(e.staged.sink) for e in moved} | {e.staged.folder for e in moved}
    files.sync_all(Path(folder) for folder in sorted(folders))


def pending(state: Path) -> Iterator[tuple[Path, list[Entry]]]:
    """Journals of which the sets may not all be in their places."""
    folder = state / JOURNAL
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # its writer has just finished
            if (found := _read(path)) is not None:
                yield path, [_entry(e, state.parent) for e in found]


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
        "stale": entry.stale,
        "note": entry.note,
    }


def _entry(found: dict[str, Any], dst: Path) -> Entry:
    staged = found["staged"]
    members = {e: Member(**m) for e, m in staged["members"].items()}
    folder, sink = (str(dst / staged[name]) for name in ("folder", "sink"))
    return Entry(
        Staged(folder, sink, members, staged["features"]), tuple(found["stale"]), found["note"]
    )


def _unsynced(entries: Sequence[Entry], dst: Path) -> list[Path]:
    """Staged files, the folders with their names, and folders that are new in the destination."""
    sets = [e.staged for e in entries]
    members = [Path(s.folder, f"layer.{extension}") for s in sets for extension in s.members]
    own = {s.folder for s in sets} | {os.path.dirname(s.sink) for s in sets}
    folders = {p for path in map(Path, own) for p in (path, *path.parents) if p.is_relative_to(dst)}
    return [*members, *sorted(folders)]


def _stale(staged: Staged) -> Iterator[str]:
    """Names of files beside the new set that belong to an old one: indexes, other spellings."""
    new = {os.path.basename(staged.place(e)) for e in staged.members}
    return (name for name in siblings(staged.sink) if name not in new)


def _beside(staged: Staged, paths: Iterable[str]) -> Iterator[str]:
    return (os.path.relpath(p, os.path.dirname(staged.sink)) for p in paths)


def _is(path: Path, member: Member) -> bool:
    try:
        if path.stat().st_size != member.size:
            return False
        return hash_of(path) == member.sha256
    except FileNotFoundError:
        return False


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_folder(folder: Path) -> None:
    """Remove an emptied folder of the stage; what is left goes with the stage."""
    for path in (folder, folder.parent):  # of a set that is one of several: theirs, too
        with contextlib.suppress(OSError):
            if path.name != "stage":
                path.rmdir()
