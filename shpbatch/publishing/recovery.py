"""Go on where publishing was interrupted: what can be moved is, what cannot waits and is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..durable import Files, translated
from ..errors import WriteError
from .destination import STATE
from .journal import drop_torn, pending
from .ledger import Ledger
from .moving import move_all
from .publish import remember
from .sets import Entry
from .settling import Fate, forget, waiting

__all__ = ["Recovered", "Waiting", "recover", "resume"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An output that waits to be moved to its place: why, and what it was made of."""

    reason: str
    provenance: Mapping[str, Any]


@dataclass
class Recovered:
    """What was done about the journals of earlier runs.

    Attributes
    ----------
    moved : int
        Outputs that are in their places now.
    dropped : int
        Outputs that are to be made anew, as somebody changed what they were to replace.
    waiting : dict of str to Waiting
        By key.
    """

    moved: int = 0
    dropped: int = 0
    waiting: dict[str, Waiting] = field(default_factory=dict)


def recover(dst: str, ledger: Ledger, files: Files) -> Recovered:
    """Finish what an earlier run had committed, as far as that is possible today.

    A file that is neither staged nor as it was published was edited or removed
    since: it is left alone, and the plan finds that out by the ledger. So is
    what a set was to replace and that is not as it was any more.

    Raises
    ------
    WriteError
        ``disk-full``, ``write-failed``: the private folder cannot be used.
    """
    found = Recovered()
    with translated(dst):
        drop_torn(Path(dst, STATE), files)
        journals = list(pending(Path(dst, STATE)))
    for path, entries in journals:
        failed = move_all(entries, files)
        fate = Fate.of(entries, failed)
        with ledger.together():
            remember(dst, ledger, fate.made, failed)
        forget(path, fate, files)
        found.moved += len({e.note["key"] for e in fate.made})
        found.dropped += len(fate.void)
        found.waiting |= {e.note["key"]: _waiting(e, failed) for e in fate.left}
    return found


def _waiting(entry: Entry, failed: Mapping[str, Exception]) -> Waiting:
    sink = entry.staged.sink
    return Waiting(waiting(sink, failed.get(sink)), entry.note["provenance"])


def resume(dst: str, sink: str, files: Files) -> bool:
    """Whether a worker was killed while it published a sink; it is in its place then.

    Raises
    ------
    WriteError
        ``pending`` where it cannot be moved there yet.
    """
    for path, entries in pending(Path(dst, STATE)):
        for own in (e.staged.sink for e in entries if _is_same(e.staged.sink, sink)):
            failed = move_all(entries, files)
            forget(path, Fate.of(entries, failed), files)
            if isinstance(error := failed.get(own), OSError):
                raise WriteError(waiting(own, error), "pending")
            return own not in failed
    return False


def _is_same(one: str, other: str) -> bool:
    folders = (os.path.realpath(os.path.dirname(path)) for path in (one, other))
    return os.path.basename(one) == os.path.basename(other) and len(set(folders)) == 1
