"""Records of a ``.shp`` as bytes: carried, picked and packed without being understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEAD", "NO_RECORDS", "Records", "join_records", "ragged_index", "run_mask"]

#: Bytes of a record header: number and content length in words, both big-endian.
HEAD = 8


def ragged_index(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of every element of runs that begin at ``starts``, run by run."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(total)


@dataclass(frozen=True, slots=True)
class Records:
    """Records in one buffer.

    Attributes
    ----------
    data : ndarray of uint8
    starts : ndarray of int64 (n,)
        Where each record header begins in ``data``.
    sizes : ndarray of int64 (n,)
        Bytes of content, without the header.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def packed_from(cls, data: NDArray[np.uint8], sizes: NDArray[np.int64]) -> Records:
        """Records that stand one after the other from the first byte on."""
        return cls(data, np.cumsum(sizes + HEAD) - sizes - HEAD, sizes)

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Records by number: fewer, repeated or in another order; no byte is moved."""
        return Records(self.data, self.starts[rows], self.sizes[rows])

    def are_packed(self) -> bool:
        """Whether they fill the buffer in order, without gaps."""
        ends = np.cumsum(self.sizes + HEAD)
        return bool(
            len(self.data) == (ends[-1] if len(ends) else 0)
            and (self.starts == ends - self.sizes - HEAD).all()
        )

    def packed(self) -> Records:
        """The same records one after the other, in their order."""
        if self.are_packed():
            return self
        whole = self.sizes + HEAD
        unit = 4 if not ((self.starts | whole) & 3).any() and len(self.data) % 4 == 0 else 1
        data = self.data.view(np.uint32) if unit == 4 else self.data
        starts, lengths = self.starts // unit, whole // unit
        if (starts[1:] >= (starts + lengths)[:-1]).all():
            picked = data[
                run_mask(starts, lengths, len(data))
            ]  # long runs: 5 times the index below
        else:
            picked = data[ragged_index(starts, lengths)]
        return Records.packed_from(picked.view(np.uint8), self.sizes)

    def words(self, offset: int, kind: str) -> NDArray[np.int32]:
        """The 4-byte integers at ``offset`` bytes from the start of each record."""
        if len(self.data) % 4 == 0 and not ((self.starts + offset) & 3).any():
            return self.data.view(kind)[(self.starts + offset) // 4]
        at = (self.starts + offset)[:, None] + np.arange(4)
        return np.ascontiguousarray(self.data[at]).view(kind)[:, 0]

    def numbered(self, first: int) -> NDArray[np.uint8]:
        """The bytes of packed records, numbered from ``first`` on, lengths as they are."""
        records = self.packed()
        numbers, words = np.arange(first, first + len(records)), records.sizes // 2
        if (records.words(0, ">i4") == numbers).all() and (records.words(4, ">i4") == words).all():
            return records.data
        heads = np.column_stack([numbers, words]).astype(">i4").view(np.uint8)
        data = records.data.copy()
        data[records.starts[:, None] + np.arange(HEAD)] = heads
        return data


NO_RECORDS = Records.packed_from(np.empty(0, np.uint8), np.empty(0, np.int64))


def run_mask(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], total: int
) -> NDArray[np.bool_]:
    """True within the runs, which are in order and do not overlap."""
    ends = starts + lengths
    runs = np.empty(2 * len(starts) + 1, dtype=np.int64)
    runs[0:-1:2] = starts - np.concatenate([[0], ends[:-1]])
    runs[1::2] = lengths
    runs[-1] = total - (ends[-1] if len(ends) else 0)
    kinds = np.zeros(len(runs), dtype=bool)
    kinds[1::2] = True
    return np.repeat(kinds, runs)


def join_records(first: Records, second: Records, from_second: NDArray[np.bool_]) -> Records:
    """Records of two buffers in one, each row of the one that the mask says."""
    first, second = first.packed(), second.packed()
    starts = np.empty(len(from_second), dtype=np.int64)
    sizes = np.empty(len(from_second), dtype=np.int64)
    starts[~from_second], sizes[~from_second] = first.starts, first.sizes
    starts[from_second], sizes[from_second] = second.starts + len(first.data), second.sizes
    return Records(np.concatenate([first.data, second.data]), starts, sizes)
