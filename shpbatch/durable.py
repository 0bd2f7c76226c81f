"""What publishing does to the file system, one call each: the seam where tests cut the power."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Literal

from .errors import WriteError

__all__ = ["FULL", "Durability", "Files", "Unsynced", "files_of", "is_there", "translated"]

Durability = Literal["full", "fast"]
#: Seconds that a file which another program holds open is waited for (Windows: errors 5 and 32).
PATIENCE = 30.0
#: Files from which on one call for the whole file system is cheaper than one a file.
MANY = 16
#: Errors of a disk, or of a share of one, that has no room.
FULL = (errno.ENOSPC, errno.EDQUOT)


class Files:
    """Changes that survive a power cut once they are synced."""

    def write(self, path: Path, data: bytes) -> None:
        """Write a small file."""
        path.write_bytes(data)

    def sync(self, path: Path) -> None:
        """Make the contents of a file durable, or the names in a folder."""
        if path.is_dir():
            if os.name == "nt":  # a folder cannot be synced there
                return
            handle = os.open(path, os.O_RDONLY)
        else:  # Windows syncs only what is open for writing
            handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def sync_all(self, paths: Iterable[Path]) -> None:
        """Make files and folders of one file system durable; many of them in one call."""
        paths = list(paths)
        whole = _syncfs() if len(paths) >= MANY else None
        if whole is None:
            for path in paths:
                self.sync(path)
            return
        handle = os.open(paths[0], os.O_RDONLY)
        try:
            whole(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Move a file over another, waiting where a program holds that open."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                os.replace(source, target)
                return
            except PermissionError:
                if os.name != "nt" or time.monotonic() > until:
                    raise
                time.sleep(0.2)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._carry(source, target)
                return

    def _carry(self, source: Path, target: Path) -> None:
        """Move a file to a folder of another file system, where only a copy can be renamed."""
        near = target.with_name(f".shpbatch-{zlib.crc32(os.fsencode(target.name)):08x}")
        try:
            shutil.copyfile(source, near)
            shutil.copymode(source, near)
            self.sync(near)
            os.replace(near, target)
        except BaseException:
            near.unlink(missing_ok=True)
            raise
        device = os.stat(target).st_dev  # which no other call makes durable
        for folder in target.parents:
            if os.stat(folder).st_dev == device:
                self.sync(folder)
        self.unlink(source)

    def unlink(self, path: Path) -> None:
        """Remove a file that may be gone already."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


class Unsynced(Files):
    """The same without waiting for the disk: safe against kills, not against power cuts."""

    def sync(self, path: Path) -> None:
        """Nothing."""

    def sync_all(self, paths: Iterable[Path]) -> None:
        """Nothing."""


def files_of(durability: Durability) -> Files:
    """The calls for a durability."""
    return Files() if durability == "full" else Unsynced()


@lru_cache(maxsize=1)
def _syncfs() -> Callable[[int], None] | None:
    """``syncfs(2)`` of Linux, which Python does not have; errors are told since 5.8."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None

    def syncfs(handle: int) -> None:
        if call(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs


def is_there(path: Path) -> bool:
    """Whether a file exists; ``Path.exists`` does not tell that from one that may not be seen."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Operating system errors of writing, as one sentence with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise WriteError(
                f"{where}: the disk is full; free some space and run again", "disk-full"
            ) from error
        raise WriteError(
            f"{where}: cannot be written: {error.strerror or error}", "write-failed"
        ) from error
