"""Complete or absent: outputs are staged, checked, then moved in, the ``.shp`` last."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from .errors import BusyError, PlanError, WriteError
from .shapefile.bundle import INDEXES, MAIN

__all__ = ["STATE", "claim", "forget", "publish", "refuse_existing", "stage", "translated"]

#: Our private folder in the destination.
STATE = ".shpbatch"
#: Bytes of a folder that is listed each time: some hundred names on ext4, any on other systems.
SMALL_FOLDER = 1 << 14
#: Members that a new set replaces; styles and notes that it has not are kept.
_REPLACED = {*MAIN, *INDEXES, "cpg", "prj"}


@contextmanager
def claim(dst: str) -> Iterator[Path]:
    """Hold a destination for one run, and clear what a killed run left staged.

    An OS file lock: it dies with its holder, so none is ever stale.

    Yields
    ------
    Path
        The private folder.

    Raises
    ------
    PlanError
        ``dst-unwritable``.
    BusyError
        ``busy`` where another run holds it.
    """
    from .runlog import lock, unlock

    state = Path(dst, STATE)
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = open(state / "run.lock", "a+b")  # noqa: SIM115 (closed by the with below)
    except OSError as error:
        raise PlanError(
            f"{dst}: cannot be written to: {error.strerror}; choose another -o", "dst-unwritable"
        ) from None
    with held:
        if not lock(held, wait=False):
            raise BusyError(f"{dst}: another run is writing there; wait for it to end", "busy")
        try:
            shutil.rmtree(state / "stage", ignore_errors=True)
            yield state
        finally:
            # Killed workers of this run left theirs; no worker is alive any more.
            shutil.rmtree(state / "stage", ignore_errors=True)
            unlock(held)


@contextmanager
def stage(dst: str) -> Iterator[Path]:
    """An empty folder on the destination's file system; what is left in it goes away.

    Each thread has its own and keeps it: to make and remove one costs as much
    as to write a small layer.
    """
    with translated(dst):
        folder = _own_folder(dst, threading.get_ident())
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)


@lru_cache(maxsize=8)
def _own_folder(dst: str, thread: int) -> Path:
    return Path(dst, STATE, "stage", uuid.uuid4().hex)


def refuse_existing(dst: str, sink: Path) -> None:
    """Refuse to replace an output, unless a worker of this run was killed while publishing it.

    Raises
    ------
    WriteError
        ``exists``.
    """
    there = [p for p in _siblings(sink) if _extension(p, sink) == "shp"]
    if there and not _is_ours(dst, sink):
        raise WriteError(f"{there[0]}: is there already; pass --overwrite to replace it", "exists")


def forget(dst: str, sink: Path) -> None:
    """Say that the outcome of a set is about to be told: from now on it is there already.

    A run need not: its marks go with the stage when it ends.
    """
    _mark(dst, sink, "told")
    name, notes = _digest(sink), _notes(dst)
    own = str(Path(dst, STATE, "stage", f"marks-{os.getpid()}"))
    alone = {found for found, _ in notes.pop(own, [])} == {name}
    # "told" must stay where it contradicts the mark of a worker that was killed.
    if alone and not any(found == name for lines in notes.values() for found, _ in lines):
        os.unlink(own)


def _mark(dst: str, sink: Path, word: str) -> None:
    """Note that a set is being published, or told: what a retry finds of it is our own.

    A line in a file a process: a file for each set would cost as much as to
    write a small layer.
    """
    marks = Path(dst, STATE, "stage", f"marks-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError), open(marks, "a", encoding="ascii") as file:
        file.write(f"{_digest(sink)} {word}\n")


def _is_ours(dst: str, sink: Path) -> bool:
    """Whether some worker of this run was publishing a set and nobody was told."""
    name = _digest(sink)
    words = [word for lines in _notes(dst).values() for found, word in lines if found == name]
    return words[-1:] == ["begun"]


def _notes(dst: str) -> dict[str, list[tuple[str, str]]]:
    """Marks of all workers by file, the file written last at the end: set, word."""
    notes = []
    for path in Path(dst, STATE, "stage").glob("marks-*"):
        with contextlib.suppress(FileNotFoundError):  # its worker has just removed it
            lines = path.read_text("ascii").splitlines()
            notes.append((path.stat().st_mtime_ns, str(path), lines))
    return {
        path: [(found, word) for found, _, word in (line.partition(" ") for line in lines)]
        for _, path, lines in sorted(notes)
    }


def _digest(sink: Path) -> str:
    return hashlib.sha256(os.fsencode(sink)).hexdigest()[:16]


def publish(dst: str, staged: Path, sink: Path) -> None:
    """Move a staged set to its place: old ``.shp`` out first, new ``.shp`` in last.

    Readers see the old set, then for a moment none, then the new one.

    Parameters
    ----------
    dst : str
        The destination, which has our private folder.
    staged : Path
        Folder that holds ``layer.*``.
    sink : Path
        The ``.shp`` to become.
    """
    members = {p.name.partition(".")[2]: p for p in staged.iterdir()}
    with translated(str(sink)):
        _mark(dst, sink, "begun")
        try:
            _swap(members, sink)
        except BaseException:
            _mark(dst, sink, "told")
            raise


def _swap(members: dict[str, Path], sink: Path) -> None:
    sink.parent.mkdir(parents=True, exist_ok=True)
    names = {e: f"{sink.stem}.{e}" for e in members}
    old = [p for p in _siblings(sink) if _is_replaced(_extension(p, sink))]
    for path in sorted(old, key=lambda p: _extension(p, sink) != "shp"):
        extension = _extension(path, sink)
        # A.DBF beside the new a.dbf would be a second, stale one.
        if extension == "shp" or path.name != names.get(extension):
            path.unlink()
    for extension in sorted(members, key=lambda e: e == "shp"):
        os.replace(members[extension], sink.with_name(names[extension]))


def _is_replaced(extension: str) -> bool:
    return extension in _REPLACED or extension.endswith(".atx")


def _siblings(sink: Path) -> list[Path]:
    """Files of the sink's stem, without minding case."""
    parent, stem = str(sink.parent), sink.stem
    try:
        small = os.stat(parent).st_size <= SMALL_FOLDER
    except FileNotFoundError:
        return []
    if small:
        names = [n for n in os.listdir(parent) if n.casefold().startswith(stem.casefold() + ".")]
        return [sink.with_name(n) for n in names]
    found = set(_snapshot(parent).get(stem.casefold(), ()))
    found |= {f"{stem}.{e}" for e in (*_REPLACED, *(e.upper() for e in MAIN))}
    return [sink.with_name(n) for n in sorted(found) if os.path.lexists(os.path.join(parent, n))]


@lru_cache(maxsize=4)
def _snapshot(folder: str) -> dict[str, list[str]]:
    """Names in a large folder by stem, as they were when this process first looked.

    Listing it again for each of 100,000 outputs would take hours. A run gives
    no two outputs names that differ by case only, so what is added later
    matters only under its exact name, which is asked for besides.
    """
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        names.setdefault(name.partition(".")[0].casefold(), []).append(name)
    return names


def _extension(path: Path, sink: Path) -> str:
    return path.name[len(sink.stem) + 1 :].lower()


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Operating system errors of writing, as one sentence with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WriteError(
                f"{where}: the disk is full; free some space and run again", "disk-full"
            ) from error
        raise WriteError(
            f"{where}: cannot be written: {error.strerror or error}", "write-failed"
        ) from error
