"""Windows of the records and rows of an open shapefile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .dbf import DELETED
from .index import HEADER_BYTES
from .opened import Opened
from .records import HEAD, Records
from .shp import BadRecords, Where, check

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Reader", "Window"]

#: A window of this size is decoded, moved and encoded near the cache.
WINDOW_BYTES = 8 << 20
WINDOW_ROWS = 32_768


@dataclass(frozen=True, slots=True)
class Window:
    """Some rows of a source as bytes.

    Attributes
    ----------
    rows : ndarray of int64 (n,)
        Row numbers in the source; deleted and unreadable ones are left out.
    start, stop : int
        The rows that were asked for.
    records : Records
    body : ndarray of uint8 (n, row length) or None
        Rows of the ``.dbf``.
    deleted, unreadable : int
        Rows that are left out.
    flaws : tuple of str
        Why the ``.shp`` is not to be copied as it is here.
    """

    rows: NDArray[np.int64]
    start: int
    stop: int
    records: Records
    body: NDArray[np.uint8] | None
    deleted: int
    unreadable: int
    flaws: tuple[str, ...]


class Reader(Opened):
    """A source, open for reading window by window; a context manager."""

    def windows(
        self,
        start: int = 0,
        stop: int | None = None,
        whole: bool = False,
        checked: bool = True,
    ) -> Iterator[Window]:
        """Windows of some bytes each, or one of all; one, empty, for a layer without rows.

        Features differ in size a thousandfold: 100 of the 188,259 coastlines
        of GSHHG hold half of all vertices.
        """
        stop = self.count if stop is None else min(stop, self.count)
        at = start
        if whole:
            yield self.window(start, stop, checked)
            return
        while at < stop or at == start:
            sizes = self.index.window(at, min(at + WINDOW_ROWS, stop))[1]
            length = self.table.length if self.table is not None else 0
            fit = int(np.searchsorted(np.cumsum(sizes + length), WINDOW_BYTES))
            following = min(stop, at + max(1, fit)) if len(sizes) else stop
            yield self.window(at, following, checked)
            at = max(following, at + 1)

    def window(self, start: int, stop: int, checked: bool = True) -> Window:
        """Rows from ``start`` up to ``stop``; the structure of records is looked at if ``checked``.

        Raises
        ------
        ReadError
            ``bad-record``, ``source-changed``.
        """
        readable = min(stop, len(self.index), *((self.table_rows,) if self.table else ()))
        body = self.body(start, readable)
        rows = np.arange(start, max(start, readable))
        deleted = 0
        if body is not None and (gone := body[:, 0] == DELETED).any():
            deleted = int(gone.sum())
            rows, body = rows[~gone], body[~gone]
        starts, sizes = self.index.window(start, readable)
        whole, flaws = self._records(starts, sizes, start)
        if self.index.wrong:
            flaws = (*flaws, "the .shx had wrong places, those of the .shp's own chain were taken")
        records = whole if not deleted else whole.take(rows - start)
        if deleted:
            flaws = (*flaws, "rows flagged as deleted were left out")
        good = self.good(records, rows) if checked or self.skip else np.arange(len(rows))
        if len(good) < len(rows):
            flaws = (*flaws, "records that could not be read were left out")
            rows, records = rows[good], records.take(good)
            body = None if body is None else body[good]
        unreadable = stop - start - deleted - len(rows)
        return Window(rows, start, stop, records, body, deleted, unreadable, flaws)

    @contextmanager
    def told(self, rows: NDArray[np.int64]) -> Iterator[None]:
        """Where a record among these rows turns out to be broken, say which one of the file."""
        try:
            yield
        except BadRecords:
            self.window(int(rows.min()), int(rows.max()) + 1)  # raises, with number and byte
            raise

    def records(self, rows: NDArray[np.int64]) -> Records:
        """Records of some rows, which are read already and found good."""
        low, high = int(rows.min()), int(rows.max()) + 1
        starts, sizes = self.index.window(low, high)
        starts, sizes = starts[rows - low], sizes[rows - low]
        begin, end = int(starts.min()), int((starts + sizes).max()) + HEAD
        return Records(self.bytes_at("shp", begin, end - begin), starts - begin, sizes)

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows of the ``.dbf`` by number: fewer, repeated or in another order."""
        low, high = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
        body = self.body(low, high)
        assert body is not None
        if high - low == len(rows) and (np.diff(rows) == 1).all():
            return body
        return body[rows - low]

    def body(self, start: int, stop: int) -> NDArray[np.uint8] | None:
        """Rows of the ``.dbf`` as they are, deleted ones too; None where there is no ``.dbf``."""
        if self.table is None:
            return None
        length = self.table.length
        begin = self.table.start + start * length
        if stop <= start:
            return np.empty((0, length), np.uint8)
        data = self.bytes_at("dbf", begin, max(0, stop - start) * length)
        return data.reshape(-1, length)

    def _records(
        self, starts: NDArray[np.int64], sizes: NDArray[np.int64], first: int
    ) -> tuple[Records, tuple[str, ...]]:
        """Records at places of the file, and why their bytes are not to be copied as they are."""
        if not len(starts):
            return Records(np.empty(0, np.uint8), starts, sizes), ()
        ends = starts + sizes + HEAD
        if self.skip:  # places outside the file are not read
            inside = (starts >= HEADER_BYTES) & (sizes >= 0) & (ends <= self.size("shp"))
            starts, sizes = np.where(inside, starts, HEADER_BYTES), np.where(inside, sizes, -HEAD)
            ends = starts + sizes + HEAD
        low, high = int(starts.min()), int(ends.max())
        records = Records(self.bytes_at("shp", low, high - low), starts - low, sizes)
        flaws = []
        before = HEADER_BYTES
        if first:
            place, length = self.index.window(first - 1, first)
            before = int(place[0] + length[0] + HEAD)
        if low != before or (starts[1:] != ends[:-1]).any():
            flaws.append("records stood with gaps or out of order")
        whole = np.flatnonzero(sizes >= 0)
        heads = records.take(whole)
        if (heads.words(0, ">i4") != whole + first + 1).any():
            flaws.append("record numbers were not 1, 2, 3, …")
        if (heads.words(4, ">i4").astype(np.int64) * 2 != heads.sizes).any():
            flaws.append("record lengths and the .shx did not agree")
        return records, tuple(flaws)

    def good(self, records: Records, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which records have a structure that can be."""
        good = np.flatnonzero(records.sizes >= 0)
        places = self.index.window(int(rows[0]), int(rows[-1]) + 1)[0] if len(rows) else rows
        while True:
            numbers = rows[good]
            where = Where(self.name, numbers, places[numbers - rows[0]] if len(good) else numbers)
            try:
                check(records.take(good), self.code, where)
                return good
            except BadRecords as error:
                if not self.skip:
                    raise
                good = np.delete(good, error.rows)
