"""The text of a ``.dbf``, as bytes to tell its encoding by: names and cells of text, nothing else.

Cells of other types hold numbers in binary, places in a file of memos, dates:
bytes above 127 there say nothing of the encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .bundle import Bundle
    from .dbf import Table
    from .encoding import Sample

__all__ = ["SAMPLE_BYTES", "text_sample"]

#: Bytes of a .dbf that are looked at where not all of it is.
SAMPLE_BYTES = 1 << 16
#: Bytes of rows that are read at once where all of it is.
CHUNK = 1 << 20


def text_sample(bundle: Bundle, table: Table, data: bytes, whole: bool = False) -> Sample:
    """Names of the fields and cells of text, each with a blank behind it.

    Parameters
    ----------
    bundle : Bundle
    table : Table
        Its header.
    data : bytes
        The first `SAMPLE_BYTES` of it, fewer where it has fewer.
    whole : bool
        Go on to the last row that it declares.
    """

    def sample() -> Iterator[bytes]:
        yield b"".join(d.name + b" " for d in table.descriptors)
        size = len(data) if len(data) < SAMPLE_BYTES else bundle.size("dbf")
        left = table.rows_in(size)
        left = min(left, table.declared) or left  # a count that says 0 is not believed
        if whole and size > len(data):
            yield from _all_cells(bundle, table, left)
        elif seen := data[table.start : table.start + left * table.length]:
            yield _cells(table, seen)

    return sample


def _all_cells(bundle: Bundle, table: Table, left: int) -> Iterator[bytes]:
    at_once = max(1, CHUNK // table.length)
    with bundle.open("dbf") as file:
        file.read(table.start)
        while left > 0 and (rows := file.read(min(left, at_once) * table.length)):
            yield _cells(table, rows)
            left -= at_once


def _cells(table: Table, rows: bytes) -> bytes:
    """The cells of text of rows, of which the last may be cut; rows of ASCII as they are."""
    if rows.isascii():
        return rows
    count = max(1, len(rows) // table.length)  # of a single row that is cut, what is there
    whole = rows.ljust(table.length)[: count * table.length]
    matrix = np.frombuffer(whole, np.uint8).reshape(count, table.length)
    texts = [d for d in table.descriptors if d.kind == "C"]
    return b"".join(_column(matrix[:, d.start : d.stop]) for d in texts)


def _column(cells: NDArray[np.uint8]) -> bytes:
    """Cells one after the other, a blank behind each; of ASCII nothing needs to be looked at."""
    if cells.max() < 0x80:
        return b""
    apart = np.full((len(cells), cells.shape[1] + 1), ord(" "), np.uint8)
    apart[:, :-1] = cells
    return apart.tobytes()
