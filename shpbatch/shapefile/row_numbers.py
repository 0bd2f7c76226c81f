"""Numbers of rows in little memory: a layer of 2 GB may have 76 million points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RowNumbers", "numbers_of", "packed_numbers"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows that ascend, each once: a bit for each row from the first to the last.

    Attributes
    ----------
    first, count : int
    bits : ndarray of uint8
    """

    first: int
    count: int
    bits: NDArray[np.uint8]

    def __len__(self) -> int:
        return self.count

    def numbers(self) -> NDArray[np.int64]:
        """The rows as an array."""
        found: NDArray[np.int64] = np.flatnonzero(np.unpackbits(self.bits)) + self.first
        return found


@dataclass(frozen=True, slots=True)
class Spread:
    """Rows in any order, some perhaps repeated: how far each is from the lowest.

    Attributes
    ----------
    lowest : int
    offsets : ndarray of unsigned integers
    """

    lowest: int
    offsets: NDArray[np.unsignedinteger]

    def __len__(self) -> int:
        return len(self.offsets)

    def numbers(self) -> NDArray[np.int64]:
        """The rows as an array."""
        return self.offsets.astype(np.int64) + self.lowest


RowNumbers = range | Chosen | Spread


def packed_numbers(rows: NDArray[np.int64]) -> RowNumbers:
    """Rows by number, as small as they can be held."""
    if not len(rows):
        return range(0)
    first, last, steps = int(rows[0]), int(rows[-1]), np.diff(rows)
    if (steps == 1).all():
        return range(first, last + 1)
    if (steps > 0).all() and last - first < 16 * len(rows):
        bits = np.zeros(last - first + 1, dtype=bool)
        bits[rows - first] = True
        return Chosen(first, len(rows), np.packbits(bits))
    lowest = int(rows.min())
    kind = np.min_scalar_type(int(rows.max()) - lowest)
    return Spread(lowest, (rows - lowest).astype(kind))


def numbers_of(rows: RowNumbers) -> NDArray[np.int64]:
    """Rows by number, as an array."""
    if isinstance(rows, range):
        return np.arange(rows.start, rows.stop)
    return rows.numbers()
