"""OS file locks: they die with their holder, so none is ever stale."""

from __future__ import annotations

import os
from typing import IO, Any

__all__ = ["lock", "unlock"]

if os.name == "nt":
    import msvcrt

    def lock(file: IO[Any], wait: bool = True) -> bool:
        """Take the OS lock of an open file; False where it is held and ``wait`` is not set."""
        file.seek(0)
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
                return True
            except OSError:
                if not wait:
                    return False

    def unlock(file: IO[Any]) -> None:
        """Give the lock back."""
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]

else:
    import fcntl

    def lock(file: IO[Any], wait: bool = True) -> bool:
        """Take the OS lock of an open file; False where it is held and ``wait`` is not set."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def unlock(file: IO[Any]) -> None:
        """Give the lock back."""
        fcntl.flock(file, fcntl.LOCK_UN)
