"""Bytes of a ``.shp`` at which something like a record header stands."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .index import HEADER_BYTES, SLAB
from .records import HEAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEAST", "Headlike", "headlike"]

#: A null shape with its header: no record is shorter.
LEAST = 12


@dataclass
class Headlike:
    """What looks like a record header, by place.

    Attributes
    ----------
    starts, numbers, sizes : ndarray of int64 (n,)
        Byte of it, the record number, the bytes of content that it tells.
    """

    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def after(self, at: int) -> int:
        """The first one at a byte or behind it."""
        return int(np.searchsorted(self.starts, at))

    def run(self, at: int, number: int) -> slice:
        """Those from one of this place and number on that follow by place and by number.

        The last of them is left out: nothing follows it.
        """
        i = self.after(at)
        if i == len(self.starts) or self.starts[i] != at or self.numbers[i] != number:
            return slice(0, 0)
        return slice(i, int(self._ends[np.searchsorted(self._ends, i)]))

    def numbered(self, number: int, low: int, high: int) -> NDArray[np.int64]:
        """Places from ``low`` up to ``high`` of those with a number."""
        order, numbers = self._by_number
        first, last = np.searchsorted(numbers, (number, number + 1))
        places = self.starts[order[first:last]]
        return places[slice(*np.searchsorted(places, (low, high)))]

    @cached_property
    def _by_number(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.numbers, kind="stable")
        return order, self.numbers[order]

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Those that no other one follows."""
        linked = self.starts[:-1] + HEAD + self.sizes[:-1] == self.starts[1:]
        linked &= self.numbers[:-1] + 1 == self.numbers[1:]
        return np.append(np.flatnonzero(~linked), len(self.starts) - 1)


def headlike(data: mmap.mmap, code: int) -> Headlike:
    """Find a number, a length and the layer's type, one after the other.

    At any byte: one that was lost in a transfer moves all that follow.
    """
    found, step = [np.empty((0, 3), np.int64)], 4 * SLAB
    for begin in range(HEADER_BYTES, len(data) - LEAST + 1, step):
        for at in range(begin, begin + 4):
            n = min(step + 8, len(data) - at) // 4
            if n > 2:
                words = np.frombuffer(data, ">i4", n, at)
                found.append(_in_words(words, at, len(data), code))
    rows = np.concatenate(found)
    rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
    return Headlike(rows[:, 0].copy(), rows[:, 1].copy(), 2 * rows[:, 2])


def _in_words(words: NDArray[np.int32], at: int, size: int, code: int) -> NDArray[np.int64]:
    """Place, number and length of what looks so among words that begin at a byte."""
    types = words[2:].view("<i4")
    looks = np.flatnonzero((types == code) | (types == 0))  # few words do
    number, length = words[looks].astype(np.int64), words[looks + 1].astype(np.int64)
    good = np.where(types[looks] == 0, (length == 2) & (number > 0), length >= 10)
    good &= (number >= 0) & (number <= size // LEAST) & (length <= size // 2)
    return np.column_stack([at + 4 * looks, number, length])[good]
