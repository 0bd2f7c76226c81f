"""Lock-guarded counts: of what was done, and of the bytes in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock

__all__ = ["Budget", "Tally"]


class Tally:
    """A counter that several threads change and read (LintCode 2503)."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = Lock()

    def incr(self, increase: Callable[[int], int]) -> None:
        """Replace the count by ``increase(count)``."""
        with self._lock:
            self._count = increase(self._count)

    def decr(self, decrease: Callable[[int], int]) -> None:
        """Replace the count by ``decrease(count)``."""
        with self._lock:
            self._count = decrease(self._count)

    def get_count(self) -> int:
        """Return the count as it is now."""
        return self._count  # one reference, read whole


class Budget:
    """A semaphore weighted by bytes; one too large for it runs alone."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._changed = Condition()

    def _take(self, amount: int) -> bool:
        if self._held and self._held + amount > self._limit:
            return False
        self._held += amount
        return True

    def try_acquire(self, amount: int) -> bool:
        """Take ``amount`` bytes if they are free; say whether."""
        with self._changed:
            return self._take(amount)

    def acquire(self, amount: int) -> None:
        """Take ``amount`` bytes, waiting until they are free."""
        with self._changed:
            self._changed.wait_for(lambda: self._take(amount))

    def release(self, amount: int) -> None:
        """Give ``amount`` bytes back."""
        with self._changed:
            self._held -= amount
            self._changed.notify_all()
