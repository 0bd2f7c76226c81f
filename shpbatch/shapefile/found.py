"""The records of a damaged ``.shp`` by row: what the chain and what the ``.shx`` tell, united."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .index import HEADER_BYTES
from .records import HEAD, NO_RECORDS, Records
from .salvage import Gone, allowed_sizes, walk
from .shp import BadRecords, Where, check

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Places", "heads", "places"]

#: Records that are looked at together.
WINDOW_BYTES, WINDOW_ROWS = 8 << 20, 32_768
#: A null shape with its header.
NULL = np.frombuffer(bytes(7) + b"\2" + bytes(4), np.uint8)


@dataclass
class Places:
    """Where the record of each row is.

    Attributes
    ----------
    starts, sizes : ndarray of int64 (n,)
        Byte of its header, 0 where it is lost; bytes of its content.
    gone : list of Gone
        The lost ones, and why.
    repairs : Counter
        What was wrong with the others.
    """

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    gone: list[Gone]
    repairs: Counter[str]

    def extend(self, rows: int, byte: int, reason: str) -> None:
        """Count rows at the end that are known to have been there."""
        missing = rows - len(self.starts)
        if missing > 0:
            self.gone.append(Gone(len(self.starts), missing, byte, reason))
            self.starts = np.concatenate([self.starts, np.zeros(missing, np.int64)])
            self.sizes = np.concatenate([self.sizes, np.zeros(missing, np.int64)])

    def end_at(self, rows: int) -> None:
        """Believe that there were so many rows where only bytes at the end speak for another."""
        tail = self.gone[-1] if self.gone else None
        if tail is None or tail.sure or tail.first != rows or len(self.starts) > rows + 1:
            return
        self.gone.pop()
        self.starts, self.sizes = self.starts[:rows], self.sizes[:rows]
        self.repairs["bytes behind the records were none"] += 1

    def spread(self, data: mmap.mmap, rows: int) -> None:
        """Where there are more rows than records, and numbers are missing: those rows are lost.

        Bytes that were cut out between two records leave no other trace.
        """
        whole = np.flatnonzero(self.starts)
        if not len(whole) or len(self.starts) >= rows:
            return
        numbers = heads(data, self.starts[whole])[:, 0]
        told = numbers - (numbers[0] - whole[0])
        if (np.diff(told) < 1).any() or told[-1] >= rows or told[-1] == whole[-1]:
            return
        starts, sizes = np.zeros(told[-1] + 1, np.int64), np.zeros(told[-1] + 1, np.int64)
        starts[told], sizes[told] = self.starts[whole], self.sizes[whole]
        known = {row for g in self.gone for row in range(g.first, g.first + g.rows)}
        self.starts, self.sizes = starts, sizes
        lost = np.flatnonzero(starts == 0).tolist()
        reason = "its number is missing among the records"
        self.gone += [Gone(row, 1, 0, reason) for row in lost if row not in known]

    @property
    def is_cut(self) -> bool:
        """Whether the last row has no record, so that there may have been more."""
        return any(g.first + g.rows == len(self.starts) for g in self.gone)

    @property
    def whole(self) -> int:
        """How many rows have their record."""
        return int((self.starts > 0).sum())

    def windows(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The rows in bits of some bytes each."""
        most = np.cumsum(self.sizes[rows] + HEAD)
        at = 0
        while at < len(rows):
            before = most[at - 1] if at else 0
            end = int(np.searchsorted(most, before + WINDOW_BYTES))
            end = min(max(end, at + 1), at + WINDOW_ROWS)
            yield rows[at:end]
            at = end

    def records(self, view: NDArray[np.uint8], rows: NDArray[np.int64]) -> Records:
        """The records of some rows; lost ones as null shapes."""
        given = self.starts[rows] > 0
        if given.all() and len(rows):
            return _picked(view, self.starts[rows], self.sizes[rows])
        sizes = np.where(given, self.sizes[rows], len(NULL) - HEAD)
        kept = _picked(view, self.starts[rows[given]], self.sizes[rows[given]])
        starts = np.full(len(rows), len(kept.data))
        starts[given] = kept.starts
        return Records(np.concatenate([kept.data, NULL]), starts, sizes)


def places(data: mmap.mmap, code: int, entries: NDArray[np.int64] | None) -> Places:
    """Where the records are.

    Parameters
    ----------
    data : mmap
        The ``.shp``.
    code : int
        Shape type of the layer.
    entries : ndarray of int64 (k, 2) or None
        Of the ``.shx``: byte of each header, bytes of each content.
    """
    known = np.empty((0, 2), np.int64) if entries is None else entries
    told = _inside(data, known)
    found = walk(data, code, np.sort(known[told, 0]))
    rows, starts, sizes = (np.asarray(a, np.int64) for a in (found.rows, found.starts, found.sizes))
    last = max([*found.rows[-1:], *(g.first + g.rows - 1 for g in found.gone)], default=-1)
    by_row = Places(
        np.zeros(last + 1, np.int64), np.zeros(last + 1, np.int64), found.gone, found.repairs
    )
    by_row.starts[rows], by_row.sizes[rows] = starts, sizes
    if told.any():
        same = known[: len(by_row.starts), 0] == by_row.starts[: len(known)]
        if same.all():
            by_row.end_at(len(known))
        _unite(data, by_row, known, told)
    _drop_broken(data, code, by_row)
    return by_row


def _picked(
    view: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Records:
    """Records at places of the file, one after the other."""
    if not len(starts):
        return NO_RECORDS
    low, high = int(starts.min()), int((starts + sizes).max()) + HEAD
    return Records(view[low:high], starts - low, sizes).packed()


def _inside(data: mmap.mmap, entries: NDArray[np.int64]) -> NDArray[np.bool_]:
    ends = entries[:, 0] + HEAD + entries[:, 1]
    inside: NDArray[np.bool_] = (
        (entries[:, 0] >= HEADER_BYTES) & (entries[:, 1] >= 4) & (ends <= len(data))
    )
    return inside


def _unite(
    data: mmap.mmap, by_row: Places, entries: NDArray[np.int64], told: NDArray[np.bool_]
) -> None:
    """Believe entries of the ``.shx`` whose records say the same number and length.

    Where most of them do, it is the index of this file: records may stand in
    another order than their numbers, among others that were given up. Else it
    is of another state of the file, and the chain alone is believed.
    """
    rows = np.flatnonzero(told)
    said = heads(data, entries[rows, 0])
    shift = _shift(data, by_row)
    rows = rows[(said[:, 0] - rows == shift) & (2 * said[:, 1] == entries[rows, 1])]
    if 2 * len(rows) < len(entries) or not len(rows):
        return
    rows = rows[[entries[r, 1] in allowed_sizes(data, int(entries[r, 0])) for r in rows]]
    chain = np.setdiff1d(np.flatnonzero(by_row.starts), rows)
    chain = chain[heads(data, by_row.starts[chain])[:, 0] - chain == shift]
    # One that holds the head of another has lost bytes of its own.
    own = entries[rows]
    apart = _apart(own[:, 0], own[:, 1], by_row.starts[chain], by_row.sizes[chain])
    rows = _in_a_row(entries, rows[apart])
    moved = [r for r in rows.tolist() if r >= len(by_row.starts) or _differs(by_row, entries, r)]
    if not moved:
        return
    cut = [g.first for g in by_row.gone[-1:] if g.byte >= by_row.starts.max()]
    size = max([len(entries), *(chain + 1).tolist()[-1:], *(row + 1 for row in cut)])
    starts, sizes = np.zeros(size, np.int64), np.zeros(size, np.int64)
    starts[chain], sizes[chain] = by_row.starts[chain], by_row.sizes[chain]
    starts[rows], sizes[rows] = entries[rows].T
    by_row.repairs["records were found by the .shx alone"] += len(moved)
    # What the chain took for lost may be only elsewhere: it is told again by row.
    reasons = _by_row(by_row.gone, size)
    by_row.starts, by_row.sizes = starts, sizes
    lost = np.flatnonzero(starts == 0).tolist()
    by_row.gone = [reasons.get(r, Gone(r, 1, 0, "the record is broken")) for r in lost]


def _shift(data: mmap.mmap, by_row: Places) -> int:
    """By how much the numbers of records are higher than their rows; 1, but for odd writers."""
    whole = np.flatnonzero(by_row.starts)
    if not len(whole):
        return 1
    shifts, counts = np.unique(heads(data, by_row.starts[whole])[:, 0] - whole, return_counts=True)
    return int(shifts[counts.argmax()])


def _in_a_row(entries: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose records do not begin within another one, so that no byte is read twice."""
    order = rows[np.argsort(entries[rows, 0], kind="stable")]
    ends = np.maximum.accumulate(entries[order].sum(axis=1) + HEAD)
    free = np.ones(len(order), bool)
    free[1:] = entries[order[1:], 0] >= ends[:-1]
    return np.sort(order[free])


def _differs(by_row: Places, entries: NDArray[np.int64], row: int) -> bool:
    return bool(by_row.starts[row] != entries[row, 0])


def _by_row(gone: list[Gone], size: int) -> dict[int, Gone]:
    return {
        row: g._replace(first=row, rows=1)
        for g in gone
        for row in range(g.first, min(size, g.first + g.rows))
    }


def heads(data: mmap.mmap | NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number and length of records, int64 (n, 2)."""
    view = np.frombuffer(data, np.uint8)
    found: NDArray[np.int64] = view[starts[:, None] + np.arange(8)].view(">i4").astype(np.int64)
    return found


def _apart(
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    others: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which records do not stand in the bytes of others, that do not stand in each other."""
    if not len(others):
        return np.ones(len(starts), bool)
    order = np.argsort(others)
    begins, ends = others[order], (others + lengths)[order] + HEAD
    after = np.searchsorted(begins, starts, side="right")
    clear = (after == 0) | (ends[np.maximum(after, 1) - 1] <= starts)
    following = np.append(begins, np.iinfo(np.int64).max)[after]
    apart: NDArray[np.bool_] = clear & (starts + sizes + HEAD <= following)
    return apart


def _drop_broken(data: mmap.mmap, code: int, by_row: Places) -> None:
    """Count as lost the records whose inside cannot be: parts out of range, an unknown type."""
    whole = np.flatnonzero(by_row.starts)
    view = np.frombuffer(data, np.uint8)
    for rows in by_row.windows(whole):
        bad = _broken(view, code, rows, by_row)
        for row in bad.tolist():
            place = int(by_row.starts[row])
            by_row.gone.append(Gone(row, 1, place, "its parts or vertices cannot be"))
        by_row.starts[bad] = 0
    by_row.gone.sort()


def _broken(
    view: NDArray[np.uint8], code: int, rows: NDArray[np.int64], by_row: Places
) -> NDArray[np.int64]:
    """Rows whose records the reader refuses."""
    starts, records = by_row.starts[rows], by_row.records(view, rows)
    good = np.arange(len(rows))
    while len(good):
        try:
            check(records.take(good), code, Where("layer", rows[good], starts[good]))
            break
        except BadRecords as error:
            good = np.delete(good, error.rows)
    return np.delete(rows, good)
