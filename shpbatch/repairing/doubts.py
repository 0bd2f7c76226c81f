"""Rows that are saved, and of which something speaks against what was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..findings import Lost, runs_of
from ..shapefile.boxes import Boxes, boxes_of
from ..shapefile.records import HEAD
from ..shapefile.types import POINT, family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..shapefile.records import Records

__all__ = ["Doubts"]

#: What is said of a record whose vertices have other ranges than it tells, of x and y, z, m.
DIFFER = tuple(
    f"its vertices have {ranges} than the record tells"
    for ranges in ("another extent", "another range of Z", "another range of M")
)
OUTSIDE = "it is outside the extent that the .shp header tells, and all others fill"
ZERO = "it is at 0, and the extent that the .shp header tells is not"
BESIDE = "bytes beside it are no record: it may be damaged, too"
LOOSE = "it has bytes for more than it tells to have"


class Doubts:
    """Collects doubtful rows of a layer that is read window by window.

    Parameters
    ----------
    code : int
        Shape type of the layer.
    extent : ndarray of float64 (4,)
        That the header of the ``.shp`` tells.
    beside : ndarray of int64
        Rows at bytes that are no record: doubtful, unless their own extent proves them.
    """

    def __init__(self, code: int, extent: NDArray[np.float64], beside: NDArray[np.int64]) -> None:
        self.code, self.extent = code, extent
        self._beside = beside
        self._told, self._found = np.zeros(3, int), np.zeros(3, int)
        self._blank = np.zeros(3, bool)
        self._differ: list[list[NDArray[np.int64]]] = [[], [], []]
        self._outside: list[NDArray[np.int64]] = []
        self._zero: list[NDArray[np.int64]] = []
        self._inside = np.full(4, np.nan)
        self._others: list[Lost] = []
        self._unproven: dict[str, list[NDArray[np.int64]]] = {BESIDE: [], LOOSE: []}

    def look(self, records: Records, rows: NDArray[np.int64]) -> None:
        """Look at some rows; their structure is known to be good."""
        if not len(rows):
            return
        types = records.words(HEAD, "<i4")
        for row in np.flatnonzero((types != self.code) & (types != 0)).tolist():
            reason = f"it is of shape type {types[row]}, the layer of {self.code}"
            self._others.append(Lost(int(rows[row]), 1, "doubtful", reason))
        own = np.flatnonzero((types == self.code) | (types == 0))
        records, rows, null = records.take(own), rows[own], types[own] == 0
        boxes = boxes_of(records, self.code)
        for row in np.flatnonzero(null & boxes.loose).tolist():
            reason = f"it is a null shape, and has {records.sizes[row] - 4:,} bytes of another"
            self._others.append(Lost(int(rows[row]), 1, "shape", reason))
        self._compare(boxes, rows)
        if family(self.code) == POINT:
            self._place(boxes.said, rows)
        unproven = ~null & (~boxes.told[:, 0] | boxes.differ.any(axis=1))
        self._unproven[BESIDE].append(rows[unproven & np.isin(rows, self._beside)])
        self._unproven[LOOSE].append(rows[unproven & boxes.loose])

    def _compare(self, boxes: Boxes, rows: NDArray[np.int64]) -> None:
        """Note which records have other ranges than they tell."""
        self._told += boxes.told.sum(axis=0)
        self._found += boxes.differ.sum(axis=0)
        for kind, columns in enumerate((slice(0, 4), slice(4, 6), slice(6, 8))):
            blank = (boxes.said[:, columns] == 0).all(axis=1) & boxes.told[:, kind]
            self._blank[kind] |= blank.any()
            self._differ[kind].append(rows[boxes.differ[:, kind]])

    def _place(self, said: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        """Note which points are outside the header's extent, and what the others fill."""
        low, high, xy = self.extent[:2], self.extent[2:], said[:, :2]
        inside = ((xy >= low) & (xy <= high)).all(axis=1)
        outside = ~inside & ~np.isnan(xy[:, 0])
        self._outside.append(rows[outside])
        self._zero.append(rows[outside & (xy == 0).any(axis=1)])
        if inside.any():
            self._inside[:2] = np.fmin(self._inside[:2], xy[inside].min(axis=0))
            self._inside[2:] = np.fmax(self._inside[2:], xy[inside].max(axis=0))

    def told(self) -> list[Lost]:
        """The doubtful rows, when all were looked at."""
        told = list(self._others)
        for kind, reason in enumerate(DIFFER):
            if self._is_known(kind):
                told += _all(self._differ[kind], reason)
        if (self._inside == self.extent).all():
            told += _all(self._outside, OUTSIDE)
        elif sum(map(len, self._outside)) == sum(map(len, self._zero)):  # no stale header
            told += _all(self._zero, ZERO)
        return told + [one for reason, rows in self._unproven.items() for one in _all(rows, reason)]

    def _is_known(self, kind: int) -> bool:
        """Whether records of this layer tell their ranges rightly: most do, or the only one may."""
        told = int(self._told[kind])
        return 2 * int(self._found[kind]) <= told or (told == 1 and not self._blank[kind])


def _all(rows: list[NDArray[np.int64]], reason: str) -> list[Lost]:
    return list(runs_of(np.concatenate([np.empty(0, np.int64), *rows]), reason))
