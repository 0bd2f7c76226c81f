"""How tasks are run on processes, and what each of these may take."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Limits", "PoolOptions"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may take.

    Attributes
    ----------
    memory : int or None
        Bytes of its own (``RLIMIT_DATA``; where a system has not that, ``RLIMIT_AS``):
        what asks for more gets a MemoryError, and fails alone.
    nice : int
        Added to its niceness.
    """

    memory: int | None = None
    nice: int = 0

    def take_hold(self) -> None:
        """Apply to this process; on Windows there are none."""
        if self.nice and hasattr(os, "nice"):
            os.nice(self.nice)
        if self.memory is None or sys.platform == "win32":
            return
        import resource

        kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        resource.setrlimit(kind, (self.memory, self.memory))


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How tasks are run.

    Attributes
    ----------
    workers : int
        Processes; never more than there are tasks.
    timeout : float or None
        Seconds a task, looked at while the results are being iterated over.
    retries : int
        Further attempts after a worker died; none after a timeout or an error.
    method : {"auto", "forkserver", "spawn", "inline"}
        ``auto`` is forkserver where it exists; ``inline`` uses no processes
        (for debugging) and so has no timeout.
    preload : tuple of str
        Modules that the forkserver, or else each worker, imports once.
    grace : float
        Seconds that running tasks are given after a stop.
    memory : int or None
        Bytes that the tasks may need together; None is 0.8 of what is available.
    seconds : float or None
        No task is begun after so long; those that run are waited for.
    limits : Limits
        Of each worker.
    """

    workers: int = 16
    timeout: float | None = None
    retries: int = 1
    method: Literal["auto", "forkserver", "spawn", "inline"] = "auto"
    preload: tuple[str, ...] = ()
    grace: float = 2.0
    memory: int | None = None
    seconds: float | None = None
    limits: Limits = field(default_factory=Limits)
