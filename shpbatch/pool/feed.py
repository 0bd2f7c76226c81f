"""Which item is to be done next: the largest first, none before what it needs."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Feed", "Needs"]

#: Items that must be done before an item, by its index; others need nothing.
Needs = Mapping[int, Sequence[int]]


class Feed:
    """Hands out the indexes of items.

    Parameters
    ----------
    order : iterable of int
        Indexes in the order wanted; taken lazily.
    needs : mapping
        Of an index to the indexes that must be done first.
    """

    def __init__(self, order: Iterable[int], needs: Needs) -> None:
        self._order = (index for index in order if index not in needs)
        self._waiting = {index: set(first) for index, first in needs.items()}
        self._ready: deque[int] = deque()
        self._wanted_by: dict[int, list[int]] = defaultdict(list)
        for index, first in needs.items():
            for needed in first:
                self._wanted_by[needed].append(index)

    def next(self) -> int | None:
        """The next index, None where none can be done now."""
        return self._ready.popleft() if self._ready else next(self._order, None)

    def ended(self, index: int, done: bool) -> list[int]:
        """Note that an item has ended; return those that can never be done now."""
        lost = []
        for waiting in self._wanted_by.pop(index, ()):
            needed = self._waiting.get(waiting)
            if needed is None:
                continue
            if not done:
                del self._waiting[waiting]
                lost.append(waiting)
                continue
            needed.discard(index)
            if not needed:
                del self._waiting[waiting]
                self._ready.append(waiting)
        return lost
