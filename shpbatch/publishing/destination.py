"""The destination of a run: held by one at a time, with a private folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ..durable import FULL, translated
from ..errors import BusyError, PlanError
from ..locks import lock, unlock
from .journal import pending
from .siblings import forget_names

__all__ = ["STATE", "claim", "stage"]

#: Our private folder in the destination.
STATE = ".shpbatch"
POLL = 0.2  # seconds between two tries to take a held destination


@contextmanager
def claim(dst: str, wait: float = 0.0) -> Iterator[Path]:
    """Hold a destination for one run, and clear what a killed run left staged.

    An OS file lock: it dies with its holder, so none is ever stale.

    Parameters
    ----------
    dst : str
    wait : float
        Seconds to wait for another run to end.

    Yields
    ------
    Path
        The private folder.

    Raises
    ------
    PlanError
        ``dst-unwritable``.
    WriteError
        ``disk-full``.
    BusyError
        ``busy`` where another run holds it.
    """
    state = Path(dst, STATE)
    try:
        if state.is_symlink():  # whoever made it chooses what we clear, and take for a journal
            raise _unsafe(state, "is a link")
        state.parent.mkdir(parents=True, exist_ok=True)
        state.mkdir(mode=0o700, exist_ok=True)
        if os.name != "nt":
            _check_owner(state)
            state.chmod(0o700)
        held = open(state / "run.lock", "a+b")  # noqa: SIM115 (closed by the with below)
    except OSError as error:
        with translated(dst):
            if error.errno in FULL:
                raise
        raise PlanError(
            f"{dst}: cannot be written to: {error.strerror}; choose another -o", "dst-unwritable"
        ) from None
    with held:
        until = time.monotonic() + wait
        while not lock(held, wait=False):
            if time.monotonic() >= until:
                raise BusyError(
                    f"{dst}: another run{_holder(state)} is writing there; "
                    "wait for it to end, or pass --wait",
                    "busy",
                )
            time.sleep(POLL)
        try:
            forget_names()
            clear_stage(state)
            _sign(state)
            yield state
        finally:
            # Killed workers of this run left theirs; no worker is alive any more.
            clear_stage(state)
            unlock(held)


def _check_owner(state: Path) -> None:
    """Refuse what another user made, for the same reason.

    A share may give all that we make to one user of its own, who is nobody else then.
    """
    owner = state.stat().st_uid
    if owner != os.geteuid():
        with tempfile.TemporaryFile(dir=state) as made:
            if os.fstat(made.fileno()).st_uid != owner:
                raise _unsafe(state, f"belongs to another user ({owner})")


def _unsafe(state: Path, why: str) -> PlanError:
    return PlanError(f"{state}: {why}; remove it, or choose another -o", "dst-unwritable")


def clear_stage(state: Path) -> None:
    """Remove what is staged, but for what a journal says is to be moved to its place."""
    top = state / "stage"
    try:
        kept = {
            Path(entry.staged.folder).relative_to(top).parts[0]
            for _, entries in pending(state)
            for entry in entries
        }
    except PlanError:  # what a journal needs is not known: recovery tells why
        return
    for folder in top.iterdir() if top.is_dir() else ():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # something is left
        top.rmdir()


def _sign(state: Path) -> None:
    """Say who holds the destination; on Windows nobody else can read a locked file."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started})
    with translated(str(state)):
        (state / "holder.json").write_text(text, "ascii")


def _holder(state: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        found = json.loads((state / "holder.json").read_text("ascii"))
        return f" (process {found['pid']} on {found['host']}, since {found['since']})"
    return ""


@contextmanager
def stage(dst: str) -> Iterator[Path]:
    """A new folder on the destination's file system; it goes away where its making fails."""
    folder = Path(dst, STATE, "stage", uuid.uuid4().hex)
    with translated(dst):
        folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
