"""How many workers there are: one a CPU at first, more where these leave the CPUs idle.

A worker costs some 80 ms of CPU before its first result (PROJ opens its database, modules
are copied as they are written to), which is as much as 20 small layers take.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Ramp", "cpus"]

#: Seconds at a task after which a worker is no sign of a folder of small files.
LONG = 0.3
#: Seconds of tasks after which their share of CPU time tells something.
ENOUGH = 0.5


def cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class Ramp:
    """Decides how many workers there are to be.

    Attributes
    ----------
    most : int
        As many as were asked for.
    wanted : int
        Now.
    """

    most: int
    wanted: int = field(init=False)
    _seconds: float = 0.0
    _busy: float = 0.0

    def __post_init__(self) -> None:
        self.wanted = min(self.most, cpus())

    def ended(self, seconds: float, busy: float) -> None:
        """A task took so long, of which its worker was busy for some."""
        self._seconds += seconds
        self._busy += busy

    def look(self, ready: int, ages: Sequence[float]) -> None:
        """Double the workers where all of them work, and either long or mostly waiting.

        Parameters
        ----------
        ready : int
            Workers that are up.
        ages : sequence of float
            Seconds since each working one began its task.
        """
        # Of CPU-bound tasks each gets its share of the CPUs: that is no waiting.
        share = min(1.0, cpus() / self.wanted)
        waiting = self._seconds >= ENOUGH and 2 * self._busy < self._seconds * share
        if ready >= self.wanted and (waiting or self.patience(ages) <= 0):
            self.wanted = min(self.most, 2 * self.wanted)
            self._seconds = self._busy = 0.0

    def patience(self, ages: Sequence[float]) -> float:
        """Seconds until all of the workers are at work for long."""
        if self.wanted == self.most or len(ages) < self.wanted:
            return math.inf
        return LONG - min(ages)
