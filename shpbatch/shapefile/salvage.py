"""Whole records of a ``.shp`` whose chain is broken, cut or wrongly indexed.

Nothing is guessed: a record is taken where the one before it ends, or where
its number, its length, its type and its own counts agree.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .headlike import LEAST, headlike
from .index import HEADER_BYTES
from .records import HEAD
from .types import KNOWN, MULTIPOINT, PATCH, family, has_m, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Found", "Gone", "allowed_sizes", "walk"]

#: Contents of the types that have no counts: a PointZ may lack its measure.
FIXED = {0: (4,), 1: (20,), 11: (36, 28), 21: (28,)}


class Gone(NamedTuple):
    """Rows, one after the other, that have no whole record; ``byte`` is where they should be.

    ``sure`` says that there was a record: bytes at the end may be none.
    """

    first: int
    rows: int
    byte: int
    reason: str
    sure: bool = True


@dataclass
class Found:
    """Records found in a ``.shp``.

    Attributes
    ----------
    rows, starts, sizes : array of int64
        Row of each record, byte of its header, bytes of its content.
    gone : list of Gone
        What is missing between them, and at the end.
    repairs : Counter
        What was wrong and is known all the same.
    """

    rows: array[int] = field(default_factory=lambda: array("q"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    gone: list[Gone] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)


def walk(data: mmap.mmap, code: int, told: NDArray[np.int64]) -> Found:
    """Find the records of a ``.shp``, from the first one on, over gaps where there are some.

    Parameters
    ----------
    data : mmap
        The file.
    code : int
        Shape type of the layer.
    told : ndarray of int64
        Bytes at which the ``.shx`` says that records begin, sorted.
    """
    walker = _Walk(data, code, array("q", told.astype(np.int64).tobytes()))
    walker.run()
    return walker.found


def allowed_sizes(data: mmap.mmap, at: int) -> tuple[int, ...]:
    """Bytes that the content of a record at a byte may have, by its type and its own counts.

    The size with measures comes first; none where it cannot be a record.
    """
    content, end = at + HEAD, len(data)
    if content + 4 > end:
        return ()
    kind = _little(data, content)
    if kind in FIXED:
        return FIXED[kind]
    base = family(kind)
    head = 40 if base == MULTIPOINT else 44
    if kind not in KNOWN or content + head > end:
        return ()
    parts = 0 if base == MULTIPOINT else _little(data, content + 36)
    points = _little(data, content + head - 4)
    if parts < 0 or points < 0 or (base != MULTIPOINT and points and not parts):
        return ()
    size = head + (8 if base == PATCH else 4) * parts + 16 * points
    size += 16 + 8 * points if has_z(kind) else 0
    if not has_m(kind):
        return (size,)
    return (size + 16 + 8 * points, size)


def _big(data: mmap.mmap, at: int) -> int:
    number: int = struct.unpack_from(">i", data, at)[0]
    return number


def _little(data: mmap.mmap, at: int) -> int:
    number: int = struct.unpack_from("<i", data, at)[0]
    return number


class _Walk:
    """The way through a file: ``row`` of the next record, and its number less that as ``shift``."""

    def __init__(self, data: mmap.mmap, code: int, told: array[int]) -> None:
        self.data, self.code, self.told = data, code, told
        self.end, self.declared = len(data), 2 * _big(data, 24)
        self.row, self.shift, self.before = 0, 1, 0
        self.found = Found()
        self.heads = headlike(data, code)

    def run(self) -> None:
        at = HEADER_BYTES
        while at + LEAST <= self.end and not self._is_over(at):
            if (following := self._run(at)) is not None:
                at = following
            elif (size := self._size(at)) is not None:
                self._take(at, size)
                at += HEAD + size
            elif (over := self._unreadable(at)) is not None:
                self._lose(1, at, "the record is broken")
                at += HEAD + over
            elif (following := self._resumed(at)) is not None:
                at = following
            else:
                break
        self._tell_tail(at)

    def _is_over(self, at: int) -> bool:
        """Whether the records end here by the header, and what follows is no further one."""
        return at == self.declared and _big(self.data, at) != self.row + self.shift

    def _run(self, at: int) -> int | None:
        """Take records that follow each other by place and number at once; where they end."""
        run = self.heads.run(at, self.row + self.shift)
        count = run.stop - run.start
        if not count:
            return None
        self.found.rows.extend(range(self.row, self.row + count))
        self.found.starts.frombytes(self.heads.starts[run].tobytes())
        self.found.sizes.frombytes(self.heads.sizes[run].tobytes())
        self.row += count
        self.before = self.row + self.shift - 1
        return int(self.heads.starts[run.stop])

    # -- a record where one should be -----------------------------------------

    def _size(self, at: int) -> int | None:
        """Bytes of the content of the record at a byte; None where it is not whole."""
        allowed = allowed_sizes(self.data, at)
        if not allowed:
            return None
        declared = 2 * _big(self.data, at + 4)
        if declared in allowed and self._leads_on(at, declared):
            return declared
        for size in allowed:
            # A shorter one would leave measures out, which the header says are there.
            fits = declared not in allowed or declared < size != self.end - at - HEAD
            if fits and self._is_proven(at, size):
                self.found.repairs["lengths of records were wrong"] += 1
                return size
        longer = declared >= min(allowed) and self._is_proven(at, declared)
        whole = declared in allowed and at + HEAD + declared <= self.end
        return declared if longer or (whole and not self._swallows(at, declared)) else None

    def _is_proven(self, at: int, size: int) -> bool:
        """Whether a length that the counts tell, and the header does not, leads on.

        Not by the end of a file that was cut: that may be anywhere; nor where the
        measures that this one would have are the next record.
        """
        following = at + HEAD + size
        if following == self.end:
            return self.end >= self.declared and not self._swallows(at, size)
        if following + LEAST > self.end:
            return False
        if _big(self.data, following) != self.row + self.shift + 1:
            return False
        return _little(self.data, at + HEAD) != 0 and self._leads_on(at, size)

    def _swallows(self, at: int, size: int) -> bool:
        """Whether the next record begins within this one, which then lost some of its bytes."""
        following = self.row + self.shift + 1
        places = self.heads.numbered(following, at + 4, at + HEAD + size).tolist()
        return any(self._lost_before(at, place) is not None for place in places)

    def _leads_on(self, at: int, size: int) -> bool:
        """Whether a content of so many bytes ends where a record begins, or the file ends."""
        following = at + HEAD + size
        if following > self.end or size < 4:
            return False
        if following in (self.end, self.declared):
            return True
        if following + LEAST > self.end:
            return False
        allowed = allowed_sizes(self.data, following)
        numbered = _big(self.data, following) == self.row + self.shift + 1
        if numbered and (self._is_told(following) or (allowed and allowed != FIXED[0])):
            return True
        return 2 * _big(self.data, following + 4) in allowed

    def _is_told(self, at: int) -> bool:
        i = bisect_left(self.told, at)
        return i < len(self.told) and self.told[i] == at

    def _take(self, at: int, size: int) -> None:
        number = _big(self.data, at)
        if number == self.before + 1 and number - self.row >= 0:
            self.shift = number - self.row
        self.before = number
        self.found.rows.append(self.row)
        self.found.starts.append(at)
        self.found.sizes.append(size)
        self.row += 1

    def _unreadable(self, at: int) -> int | None:
        """Bytes of a record that cannot be read, but whose header leads on to the next one."""
        declared = 2 * _big(self.data, at + 4)
        known = _big(self.data, at) == self.row + self.shift
        return declared if known and self._leads_on(at, declared) else None

    # -- over a gap -----------------------------------------------------------

    def _resumed(self, at: int) -> int | None:
        """Where the next record is that proves itself; what is lost until then is counted."""
        for i in range(self.heads.after(at + 1), len(self.heads.starts)):
            place = int(self.heads.starts[i])
            lost = self._lost_before(at, place)
            if lost is not None:
                if lost:
                    self._lose(lost, at, "the bytes here are no record")
                else:
                    self.found.repairs["bytes between records were none"] += 1
                self.before = _big(self.data, place) - 1
                return place
        return None

    def _lost_before(self, at: int, place: int) -> int | None:
        """Records lost between two bytes if one is at the second; None where that is not proven."""
        size = 2 * _big(self.data, place + 4)
        if size not in allowed_sizes(self.data, place) or place + HEAD + size > self.end:
            return None
        if size == 4 and not self._numbers_on(place):  # few zeros look like a null shape
            return None
        lost = _big(self.data, place) - self.shift - self.row
        return lost if 0 <= lost <= max(1, (place - at) // LEAST) else None

    def _numbers_on(self, place: int) -> bool:
        """Whether a null shape is followed by the next number, or nothing."""
        following = place + LEAST
        if following == self.end:
            return self.end >= self.declared  # one that was cut ends anywhere
        ahead = following + LEAST <= self.end and self._leads_on(place, 4)
        return ahead and _big(self.data, following) == _big(self.data, place) + 1

    def _lose(self, count: int, at: int, reason: str) -> None:
        self.found.gone.append(Gone(self.row, count, at, reason))
        self.row += count

    def _tell_tail(self, at: int) -> None:
        """What is behind the last whole record: one that was cut, or bytes that are none."""
        if at >= self.end:
            return
        left = self.end - at
        begun = left < 4 or _big(self.data, at) == self.row + self.shift or self._is_told(at)
        if at == self.declared or (not begun and self.declared < at):
            self.found.repairs[f"{left:,} bytes behind the records were none"] += 1
            return
        reason = f"the file ends within the record, at byte {self.end}"
        if self.declared <= self.end:
            reason = f"the {left:,} bytes from here on are no record, and may have been several"
        self.found.gone.append(Gone(self.row, 1, at, reason, sure=begun))
        self.row += 1
