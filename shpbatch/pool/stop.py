"""How a run is asked to end."""

from __future__ import annotations

import multiprocessing

__all__ = ["Stop"]


class Stop:
    """Asks a run to end; may be set from a signal handler or another thread.

    Set once, running tasks get their grace; set twice, they are killed at once.

    Before tasks are run, nothing looks at it: a run waits for another one, plans,
    hashes. Who sets it then has to raise `Stopped` in the main thread.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.count = 0
        self.heeded = False
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)

    def set(self, reason: str = "stopped") -> None:
        """Ask, with a reason such as ``"SIGINT"``; the first one is kept."""
        self.reason = self.reason or reason
        self.count += 1
        if self.count == 1:  # never read, so it wakes every run that waits on it
            self._writer.send_bytes(b"stop")

    def heed(self) -> None:
        """From now on it is looked at."""
        self.heeded = True

    def fileno(self) -> int:
        """Return what the pool waits on."""
        return self._reader.fileno()
