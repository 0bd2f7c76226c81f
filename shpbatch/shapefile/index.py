"""Where the records of a ``.shp`` are: from the ``.shx``, else from the record chain.

Layout: ESRI Shapefile Technical Description (1998), "Organization of the
Main File" and "of the Index File". Lengths count 16-bit words.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ReadError
from .bundle import Bundle
from .left_out import hides_records
from .overlaps import without_overlaps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "MAGIC", "Index", "chain", "load_index"]

HEADER_BYTES = 100
MAGIC = 9994
#: Entries looked at together: 2 MB of an index that may have 600.
SLAB = 1 << 18
#: Bytes of a ``.shx`` that is mapped, not read.
MAPPED = 1 << 22


@dataclass(frozen=True, slots=True)
class Index:
    """Offsets and content lengths of records, in words, int (n, 2).

    ``entries`` may be a view of the mapped ``.shx``: a window of it costs
    what the window holds. ``rebuilt`` says that the ``.shx`` was of no use,
    ``wrong`` that it has the records, but places that cannot be theirs.
    """

    entries: NDArray[np.int32]
    rebuilt: bool = False
    wrong: bool = False

    def __len__(self) -> int:
        return len(self.entries)

    def window(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Byte of each record's header, and bytes of its content."""
        import numpy as np

        words = self.entries[start:stop].astype(np.int64) * 2
        _let_go(self.entries)
        return words[:, 0], words[:, 1]


def load_index(bundle: Bundle, check: bool = True, skip: bool = False) -> Index:
    """The index of a layer, rebuilt where there is no usable ``.shx``.

    Usable is what has the magic number and its own length, and does not leave
    out records of the ``.shp`` but for those that later ones replace.

    Parameters
    ----------
    bundle : Bundle
    check : bool
        Refuse entries that point outside the file, or into other records.
    skip : bool
        Keep what can be read instead: the place of any other record is 0.

    Raises
    ------
    ReadError
        ``chain-broken`` where neither tells where the records are;
        ``shp-truncated``, ``bad-index`` where the index points elsewhere.
    """
    import numpy as np

    entries = _read_shx(bundle)
    if entries is not None:
        total = sum(int((part[:, 1].astype(np.int64) * 2 + 8).sum()) for part in _slabs(entries))
        if HEADER_BYTES + total < bundle.size("shp") and hides_records(bundle, entries):
            found = chain(bundle, skip)
            if len(found) > len(entries):
                return Index(found, rebuilt=True)
        return _checked(bundle, entries, skip) if check or skip else Index(entries)
    return Index(chain(bundle, skip), rebuilt=True)


def _checked(bundle: Bundle, entries: NDArray[np.int32], skip: bool) -> Index:
    """The index; where it points astray and the chain has as many records, that of the chain."""
    try:
        _check(bundle, entries)
        return Index(entries)
    except ReadError:
        try:
            found = chain(bundle)
        except ReadError:  # what the index says is all that is known
            found = entries[:0]
        if len(found) == len(entries):
            return Index(found, rebuilt=True, wrong=True)
        if skip:
            return Index(without_overlaps(bundle, entries))
        raise


def _slabs(entries: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Some entries after the other; of a mapped index no more than these are in memory."""
    for i in range(0, len(entries), SLAB):
        yield entries[i : i + SLAB]
        _let_go(entries)


def _let_go(entries: NDArray[np.int32]) -> None:
    """Let go of the pages of a mapped index, which would count as the process's own."""
    import numpy as np

    base: object = entries
    while isinstance(base, np.ndarray):
        base = base.base
    view = base.obj if isinstance(base, memoryview) else None
    if isinstance(view, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        view.madvise(mmap.MADV_DONTNEED)


def _read_shx(bundle: Bundle) -> NDArray[np.int32] | None:
    """Entries of the ``.shx`` as they are; None where it is not one."""
    import numpy as np

    if "shx" not in bundle:
        return None
    head = bundle.read("shx", MAPPED)
    if len(head) < HEADER_BYTES or struct.unpack(">i", head[:4])[0] != MAGIC:
        return None
    declared = 2 * struct.unpack(">i", head[24:28])[0]
    size = len(head) if len(head) < MAPPED else bundle.size("shx")
    if not HEADER_BYTES <= declared <= size:
        return None
    n = (declared - HEADER_BYTES) // 8
    if declared <= len(head) or bundle.zipped:
        data = head if declared <= len(head) else bundle.read("shx", declared)
        return np.frombuffer(data, ">i4", 2 * n, HEADER_BYTES).reshape(n, 2)
    with bundle.open("shx") as file:
        view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(view, ">i4", 2 * n, HEADER_BYTES).reshape(n, 2)


def _check(bundle: Bundle, entries: NDArray[np.int32]) -> None:
    """Refuse an index that points outside the ``.shp``, or twice at the same bytes."""
    import numpy as np

    size, at, before = bundle.size("shp"), 0, HEADER_BYTES
    unsorted = False
    for part in _slabs(entries):
        words = part.astype(np.int64) * 2
        ends = words[:, 0] + 8 + words[:, 1]
        bad = (words[:, 0] < HEADER_BYTES) | (words[:, 1] < 0) | (ends > size)
        if bad.any():
            i = int(bad.argmax())
            raise ReadError(
                f"{bundle.name('shp')}: record {at + i + 1} should end at byte {ends[i]}, "
                f"the file has {size}; it was cut: get it again from where it came",
                "shp-truncated",
            )
        overlapping = words[:, 0] < np.concatenate([[before], ends[:-1]])
        unsorted |= bool(overlapping.any())
        at, before = at + len(part), int(ends[-1])
    if unsorted:
        _check_unsorted(bundle, entries)


def _check_unsorted(bundle: Bundle, entries: NDArray[np.int32]) -> None:
    """Records may stand in another order than their numbers, but not in each other."""
    import numpy as np

    words = entries.astype(np.int64) * 2
    order = np.argsort(words[:, 0], kind="stable")
    ends = (words[:, 0] + 8 + words[:, 1])[order]
    inside = words[order[1:], 0] < ends[:-1]
    if inside.any():
        i = int(inside.argmax())
        raise ReadError(
            f"{bundle.name('shp')}: records {order[i] + 1} and {order[i + 1] + 1} of the .shx "
            f"overlap at byte {words[order[i + 1], 0]}; shpbatch repair makes a new one",
            "bad-index",
        )


def chain(bundle: Bundle, skip: bool = False) -> NDArray[np.int32]:
    """Offset and content length in words of every record, found in the ``.shp`` alone.

    With ``skip`` those up to the first that cannot be whole, which is at 0.

    Raises
    ------
    ReadError
        ``chain-broken``, with the byte, where a record cannot be whole.
    """
    with bundle.file("shp") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= HEADER_BYTES:
            return _entries([], [])
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            found = _likely(view)
            return found if found is not None else _walk(view, bundle, skip)


def _entries(at: object, length: object) -> NDArray[np.int32]:
    import numpy as np

    found = np.column_stack([np.asarray(at, np.int64), np.asarray(length, np.int64)]) // 2
    return found.astype(np.int32)


def _likely(data: mmap.mmap) -> NDArray[np.int32] | None:
    """The chain, where all that looks like a record header makes one.

    A header is a number that may be one, a length, and the layer's shape type
    (or a null shape, of 4 bytes): few other bytes look so. None where some do.
    """
    import numpy as np

    code = struct.unpack_from("<i", data, 32)[0]
    declared = 2 * struct.unpack_from(">i", data, 24)[0]
    most, found, step = len(data) // 12, [], 4 * SLAB
    for begin in range(HEADER_BYTES, len(data) - 11, step):
        n = (min(step + 8, len(data) - begin)) // 4
        words = np.frombuffer(data, ">i4", n, begin)
        types = words[2:].view("<i4")
        number, length = words[:-2], words[1:-1]
        looks = (types == code) | ((types == 0) & (length == 2))
        looks &= (number >= 0) & (number <= most) & (length >= 2)
        at = np.flatnonzero(looks)
        found.append(np.column_stack([begin + 4 * at, 2 * length[at].astype(np.int64)]))
        del words, types, number, length, looks  # the mapping cannot be closed under a view
    if not found:
        return None
    records = np.concatenate(found)
    if not len(records) or records[0, 0] != HEADER_BYTES:
        return None
    ends = records.sum(axis=1) + 8
    last = len(data), min(declared, len(data))
    whole = (ends[:-1] == records[1:, 0]).all() and ends[-1] in last
    return _entries(records[:, 0], records[:, 1]) if whole else None


def _walk(data: mmap.mmap, bundle: Bundle, skip: bool = False) -> NDArray[np.int32]:
    """The chain record by record: 0.3 s a million."""
    starts: list[int] = []
    lengths: list[int] = []
    at, end = HEADER_BYTES, len(data)
    declared = 2 * struct.unpack_from(">i", data, 24)[0]
    while at + 8 <= end:
        words = struct.unpack_from(">i", data, at + 4)[0]
        following = at + 8 + 2 * words
        if words < 2 or following > end:
            if at == declared:  # bytes behind the records: told, and no harm
                return _entries(starts, lengths)
            if skip:
                return _entries([*starts, 0], [*lengths, 0])
            raise ReadError(
                f"{bundle.name('shp')}: no usable .shx, and the record at byte {at} does not fit "
                f"the file's {end} bytes: shpbatch repair saves what is whole",
                "chain-broken",
            )
        starts.append(at)
        lengths.append(2 * words)
        at = following
    if at not in (end, declared):
        if skip:
            return _entries([*starts, 0], [*lengths, 0])
        raise ReadError(
            f"{bundle.name('shp')}: no usable .shx, and {end - at} bytes from byte {at} on are no "
            "record: shpbatch repair saves what is whole",
            "chain-broken",
        )
    return _entries(starts, lengths)
