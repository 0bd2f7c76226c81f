"""Sets of files that wait in the stage, and what is in the places they are to take."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .siblings import siblings

__all__ = ["Entry", "Member", "Staged", "State", "entry_of", "hash_of", "keep_modes", "state_of"]

#: Of a file: bytes, modification time in ns.
State = list[int]


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

    def source(self, extension: str) -> str:
        """Where a member lies."""
        return os.path.join(self.folder, f"layer.{extension}")

    def place(self, extension: str) -> str:
        """Where a member goes."""
        return f"{os.path.splitext(self.sink)[0]}.{extension}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A set in the journal, what it takes the place of, and what the ledger is to know of it.

    Attributes
    ----------
    staged : Staged
    before : dict of str to State
        Files that it replaces, or that go with those, as they were when that was
        decided; by their path below the folder of the sink.
    note : dict
    """

    staged: Staged
    before: dict[str, State] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Where a file of `before` is."""
        return _beside(self.staged.sink, name)

    def stale(self) -> list[str]:
        """Names of `before` that the new set has not."""
        if not self.before:
            return []
        new = {os.path.basename(self.staged.place(e)) for e in self.staged.members}
        return [name for name in self.before if name not in new]


def entry_of(staged: Staged, note: dict[str, Any], more: Iterable[str] = ()) -> Entry:
    """A set with what is in its place now; ``more`` are further files that are to go."""
    folder = os.path.dirname(staged.sink)
    names = [
        *siblings(staged.sink),  # indexes and other spellings are among them
        *(os.path.basename(staged.place(e)) for e in staged.members),
        *(os.path.relpath(path, folder) for path in more),
    ]
    states = {name: state_of(_beside(staged.sink, name)) for name in dict.fromkeys(names)}
    return Entry(staged, {n: state for n, state in states.items() if state is not None}, note)


def _beside(sink: str, name: str) -> str:
    """A path from the folder of a sink, which need not exist to be left again by ``..``."""
    path = os.path.join(os.path.dirname(sink), name)
    return os.path.normpath(path) if name.startswith(os.pardir) else path


def keep_modes(entry: Entry) -> None:
    """Let a new set be open to whom the old one was, whatever the umask is today."""
    if not entry.before or os.name == "nt":
        return
    old = _mode(entry.staged.sink)
    for extension in entry.staged.members:
        source, mode = entry.staged.source(extension), _mode(entry.staged.place(extension)) or old
        if mode is not None and mode != _mode(source):
            with contextlib.suppress(PermissionError):  # a share that has modes of its own
                os.chmod(source, mode)


def _mode(path: str) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o777
    except FileNotFoundError:
        return None


def state_of(path: str) -> State | None:
    """State of a file, None where there is none; of a link that leads nowhere its own."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        with contextlib.suppress(OSError):
            found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
