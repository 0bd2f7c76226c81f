"""Move sets to their places, without ever taking away what is not theirs to replace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..durable import Files
from ..errors import WriteError
from .sets import Entry, Member, hash_of, state_of
from .siblings import is_derived

__all__ = ["Conflict", "Untouched", "move", "move_all", "settle"]


class Conflict(WriteError):
    """A file of a set was changed by somebody while the set was on its way."""


class Untouched(Conflict):
    """The same, and no file of the set had been moved: it is as if there had been none."""


def move_all(entries: Sequence[Entry], files: Files) -> dict[str, Exception]:
    """Move sets to their places, durably; the errors of those that are not there, by sink."""
    failed: dict[str, Exception] = {}
    for entry in entries:
        try:
            os.makedirs(os.path.dirname(entry.staged.sink) or ".", exist_ok=True)
            move(entry, files)
        except (OSError, Conflict) as error:
            failed[entry.staged.sink] = error
    moved = [e for e in entries if e.staged.sink not in failed]
    try:
        settle(moved, files)
    except OSError as error:
        failed |= {e.staged.sink: error for e in moved}
    return failed


def move(entry: Entry, files: Files) -> None:
    """Move a set to its place; again, where that was interrupted.

    Nothing is touched before all of the set is known to be at hand, and all
    that it replaces to be what it was to replace.

    Raises
    ------
    Conflict
        A member is neither staged nor in its place, or something else came
        into its place.
    OSError
        A file that cannot be moved now; the journal keeps it for later.
    """
    staged, target = entry.staged, Path(entry.staged.sink)
    own = target.suffix[1:]  # what names the set comes last
    left = _left(entry)
    if own == "shp" and own in left:  # an output of one file is replaced in one instant
        files.unlink(target)
    for name in entry.stale():  # on a replay too: that they went may have been lost
        if not _is_other(entry, name, entry.path(name)):
            files.unlink(Path(entry.path(name)))
    for extension in sorted(left, key=lambda e: (e == own, e)):
        files.rename(Path(staged.source(extension)), Path(staged.place(extension)))


def settle(moved: Sequence[Entry], files: Files) -> None:
    """Make the names in the destination durable."""
    folders = {os.path.dirname(e.staged.sink) or "." for e in moved}
    folders |= {e.staged.folder for e in moved if os.path.isdir(e.staged.folder)}
    files.sync_all(Path(folder) for folder in sorted(folders))


def _left(entry: Entry) -> list[str]:
    """Extensions of the members that are still to be moved."""
    staged = entry.staged
    places = {extension: staged.place(extension) for extension in staged.members}
    left = [e for e in places if os.path.exists(staged.source(e))]
    moved = [e for e in places if e not in left and _is(places[e], staged.members[e])]
    lost = [places[e] for e in places if e not in left and e not in moved]
    if left:
        lost += [places[e] for e in left if _is_taken(entry, places[e], staged.members[e])]
        stale = [(name, entry.path(name)) for name in entry.stale()]
        lost += [path for name, path in stale if _is_other(entry, name, path)]
    if lost:
        raise (Conflict if moved else Untouched)(
            f"{lost[0]}: was changed while it was being published; run again", "publish-conflict"
        )
    return left


def _is_taken(entry: Entry, place: str, member: Member) -> bool:
    """Whether something is in the place of a member that it is not to replace."""
    return _is_other(entry, os.path.basename(place), place) and not _is(place, member)


def _is_other(entry: Entry, name: str, path: str) -> bool:
    """Whether a file is there that was not, or is another than it was; an index is remade."""
    now = state_of(path)
    return now is not None and now != entry.before.get(name) and not is_derived(name)


def _is(place: str, member: Member) -> bool:
    try:
        return os.stat(place).st_size == member.size and hash_of(Path(place)) == member.sha256
    except FileNotFoundError:
        return False
