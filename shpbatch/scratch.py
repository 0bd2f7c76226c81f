"""Folders for a moment; those of a killed process go when the next run begins."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .locks import lock

__all__ = ["scratch", "sweep"]

PREFIX, LOCK = "shpbatch-", "lock"
#: Seconds in which a folder that is being made gets its lock.
YOUNG = 60.0


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder that goes away; who holds its lock is alive."""
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as made,
        open(os.path.join(made, LOCK), "wb") as held,
    ):
        lock(held)
        folder = Path(made, "in")
        folder.mkdir()
        yield folder


def sweep() -> None:
    """Remove the folders of this user's processes that were killed."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and _is_left(entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is one of ours that nobody holds any more."""
    try:
        found = entry.stat(follow_symlinks=False)
        if os.name != "nt" and found.st_uid != os.geteuid():
            return False
        if not entry.is_dir(follow_symlinks=False) or time.time() - found.st_mtime < YOUNG:
            return False
        with open(os.path.join(entry.path, LOCK), "r+b") as file:
            return lock(file, wait=False)
    except OSError:  # no lock in it: it is not of a run, or is going away
        return False
