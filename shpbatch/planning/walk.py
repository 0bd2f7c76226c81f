"""Walk folders for files that may be layers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..durable import is_there
from ..foreign import FOREIGN
from ..models import Problem, Source
from ..publishing.destination import STATE
from ..publishing.ledger import LEDGER

__all__ = ["UNLISTED", "Walk"]

#: Code of a folder that cannot be listed: what is in it is not known.
UNLISTED = "folder-unreadable"
#: Folders that hold no layers of the user's: our own state, what systems keep for themselves.
_SKIPPED = {STATE, "__MACOSX", "lost+found", "System Volume Information", "$RECYCLE.BIN"}


@dataclass
class Walk:
    """Looks below folders; links to folders are not followed.

    Attributes
    ----------
    avoid : str or None
        The destination of a run: neither that nor an output of an earlier run
        is looked into, unless it is what the user named.
    foreign : bool
        Whether files of other formats are meant.
    ignored : list of (path, reason)
        What was passed over.
    """

    avoid: str | None = None
    foreign: bool = False
    ignored: list[tuple[str, str]] = field(default_factory=list)
    _unlisted: list[OSError] = field(default_factory=list)

    def files(self, folder: str) -> Iterator[str]:
        """Files below a folder that may be layers, sorted."""
        avoided = os.path.abspath(self.avoid) if self.avoid else None
        suffixes = (".shp", ".shz", ".zip", *(FOREIGN if self.foreign else ()))
        for root, folders, files in os.walk(folder, onerror=self._unlisted.append):
            if avoided and root != folder and STATE in folders and _is_output(root):
                self.ignored.append((root, "outputs of another run; name it to have it done"))
                folders.clear()
                continue
            if self.foreign:
                yield from (os.path.join(root, f) for f in sorted(folders) if _is_gdb(f))
            folders[:] = sorted(
                f
                for f in folders
                if f not in _SKIPPED
                and not _is_gdb(f)
                and os.path.abspath(os.path.join(root, f)) != avoided
            )
            for file in sorted(files):
                if file.lower().endswith(suffixes) and not file.startswith("._"):
                    yield os.path.join(root, file)

    def unlisted(self, start: int) -> Iterator[Source]:
        """A source that cannot be done for each folder that could not be listed.

        ``start`` is the length of the path of the folder that was named.
        """
        while self._unlisted:
            error = self._unlisted.pop(0)
            path = str(error.filename)
            reason = (
                f"{path}: this folder cannot be listed: {error.strerror}; nothing in it is done"
            )
            relative = path[start:].replace(os.sep, "/") or os.path.basename(os.path.abspath(path))
            yield Source(path, relative, problem=Problem(UNLISTED, reason))


def _is_gdb(folder: str) -> bool:
    return folder.lower().endswith(".gdb")


def _is_output(folder: str) -> bool:
    """Whether runs write there; the private folder may be one that we may not look into."""
    try:
        return is_there(Path(folder, STATE, LEDGER))
    except OSError:
        return True
