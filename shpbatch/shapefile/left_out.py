"""Records of a ``.shp`` that its ``.shx`` leaves out: older versions of others, or rows it hides.

An editor that makes a record longer writes it anew at the end of the file, and
the old one stays where it was: two records of one number, of which the ``.shx``
has the later one. A ``.shx`` that was cut leaves out the numbers as well.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .bundle import Bundle
from .types import KNOWN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["hides_records"]

FIRST = 100


def hides_records(bundle: Bundle, entries: NDArray[np.int32]) -> bool:
    """Whether records stand beside those of an index that are no older versions of these."""
    import numpy as np

    words = entries.astype(np.int64) * 2
    with (
        bundle.file("shp") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        gaps, following = _gaps(words, len(view)), len(words) + 1
        found = (record for gap in gaps for record in _records(view, following, *gap))
        return any(not _is_replaced(view, words, *record) for record in found)


def _gaps(words: NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """Bytes that no entry covers, from and to."""
    import numpy as np

    order = np.argsort(words[:, 0], kind="stable")
    starts = words[order, 0]
    reached = np.concatenate([[FIRST], starts + 8 + words[order, 1]])
    reached = np.maximum.accumulate(reached)
    following = np.minimum(np.concatenate([starts, [size]]), size)
    some = np.flatnonzero(following > reached)
    return zip(reached[some].tolist(), following[some].tolist(), strict=True)


def _records(view: mmap.mmap, following: int, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Number and place of the records of a gap, up to what is none.

    Where the file ends within a record, that is one if its number is the next.
    """
    while at + 8 <= end:
        number, words = struct.unpack_from(">2i", view, at)
        stop = at + 8 + 2 * words
        cut = stop > end == len(view) and number == following
        if words < 2 or not (cut or (stop <= end and _has_type(view, at, words))):
            return
        yield number, at
        at = stop


def _has_type(view: mmap.mmap, at: int, words: int) -> bool:
    """Whether a record begins with a shape type; a null shape has nothing else."""
    kind = struct.unpack_from("<i", view, at + 8)[0]
    return kind in KNOWN and (kind != 0 or words == 2)


def _is_replaced(view: mmap.mmap, words: NDArray[np.int64], number: int, at: int) -> bool:
    """Whether the entry of this number points at a later record that says the same number."""
    if not 1 <= number <= len(words):
        return False
    place = int(words[number - 1, 0])
    told = at < place <= len(view) - 4
    return told and bool(struct.unpack_from(">i", view, place)[0] == number)
