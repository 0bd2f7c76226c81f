"""A ``.dbf`` whose header lies: where its rows are, as far as the rows themselves prove it."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ReadError
from .dbf import DELETED, DESCRIPTOR, END, KINDS, PREFIX, Table, parse_table
from .torn import Torn, torn_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rows", "rows_of_table"]

#: Flags that begin a row.
BLANK, END_OF_FILE = 0x20, 0x1A
#: From the end of the fields to the first row, as dBASE, Clipper and FoxPro write it.
BEHIND_FIELDS = (1, 2, 264)
#: Share of rows with a flag from which on they are where another header than the file's says.
PROVEN = 0.9
#: More than all rows of a file are looked at no further.
LOOKED_AT = 1 << 20


@dataclass
class Rows:
    """The rows of a ``.dbf``.

    Attributes
    ----------
    table : Table
        The header, put right.
    count : int
        Whole rows.
    lost : int
        Rows that the header declares and the file ends before.
    deleted : ndarray of int64
        Those flagged as deleted.
    torn : Torn
        Those that zeros were written over.
    repairs : Counter
        What was wrong and is known all the same.
    """

    table: Table
    count: int
    lost: int
    deleted: NDArray[np.int64]
    torn: Torn
    repairs: Counter[str]


def rows_of_table(data: NDArray[np.uint8], shapes: int, name: str) -> Rows:
    """Find the rows of a ``.dbf``.

    Parameters
    ----------
    data : ndarray of uint8
        The file.
    shapes : int
        Rows of the ``.shp``.
    name : str
        The layer, for messages.

    Raises
    ------
    ReadError
        ``bad-dbf`` where neither its header nor its fields lead to rows.
    """
    table, repairs = _table(data, name)
    room = table.rows_in(len(data))
    flags = data[table.start : table.start + room * table.length : table.length]
    ended = np.flatnonzero(~np.isin(flags, (BLANK, DELETED)))
    if len(ended) and flags[ended[0]] == END_OF_FILE:  # what follows is of an older state
        room = int(ended[0])
    declared = table.declared
    ends = table.start + room * table.length
    cut = len(data) - ends not in (0, 1) or (len(data) > ends and data[ends] != END_OF_FILE)
    if declared > room and (cut or shapes > room):
        lost = min(declared, max(shapes, room + 1)) - room
        return Rows(table, room, lost, *_rows(data, table, room), repairs)
    count = room if declared > room or declared < shapes <= room else declared
    if count != declared:
        repairs["the .dbf header has another count of rows"] += 1
    return Rows(table, count, 0, *_rows(data, table, count), repairs)


def _rows(data: NDArray[np.uint8], table: Table, count: int) -> tuple[NDArray[np.int64], Torn]:
    """Which rows are deleted, and which were hit."""
    flags = data[table.start : table.start + count * table.length : table.length]
    return np.flatnonzero(flags == DELETED), torn_rows(data, table, count)


def _table(data: NDArray[np.uint8], name: str) -> tuple[Table, Counter[str]]:
    """The header as it is, or as its fields, the rows and the size of the file say it should be."""
    try:
        known = parse_table(bytes(data[: 1 << 16]), name)
    except ReadError as error:
        known, refused = None, error
    if known and _agrees(data, known):
        return known, Counter()
    best, repairs = known, Counter[str]()
    score = _score(data, known) if known else 0.0
    for told in _candidates(data, name):
        if _is_proven(data, told) and (found := _score(data, told)) > score:
            best, score = told, found
            repairs = Counter({"the .dbf header tells another place or length of its rows": 1})
    if best is None:
        raise refused
    return best, repairs


def _agrees(data: NDArray[np.uint8], table: Table) -> bool:
    """Whether place, length and count of the rows make the size of the file to the byte.

    Then they are right, whatever the flags are: no one of them can be wrong alone.
    """
    _, width = _end_of_fields(table.header)
    return table.length == width and _left(data, table) == (data[-1] == END_OF_FILE)


def _is_proven(data: NDArray[np.uint8], table: Table) -> bool:
    """Whether rows begin where another header than the file's says, the first one above all.

    Rows that end in blanks have one a byte before each of them but the first.
    """
    return _share(data, table) > PROVEN and data[table.start] in (BLANK, DELETED)


def _left(data: NDArray[np.uint8], table: Table) -> int:
    """Bytes behind the last row that is declared."""
    return len(data) - table.start - table.declared * table.length


def _score(data: NDArray[np.uint8], table: Table) -> float:
    """How much speaks for a header: flags, ends of the fields and of a row, the size of the file.

    Blanks look like flags: rows of few characters have some at any place.
    """
    end, width = _end_of_fields(table.header)
    left = _left(data, table)
    ended = left == 1 and data[-1] == END_OF_FILE
    fits = 2.0 if ended else 1.0 if left in (0, 1) else 0.0
    behind = table.start - end in BEHIND_FIELDS
    return 4 * _share(data, table) + fits + behind + (table.length == width)


def _candidates(data: NDArray[np.uint8], name: str) -> list[Table]:
    """Headers with the lengths that the fields have, rows beginning behind them."""
    head = bytes(data[: 1 << 16])
    end, width = _end_of_fields(head)
    if not width:
        return []
    declared = struct.unpack_from("<H", head, 8)[0] if len(head) >= PREFIX else 0
    found = []
    for start in dict.fromkeys([declared, end + 1, end + 2, end]):
        if end <= start <= len(head):
            patched = head[:8] + struct.pack("<HH", start, width) + head[12:]
            try:
                found.append(parse_table(patched, name))
            except ReadError:
                continue
    return found


def _end_of_fields(head: bytes) -> tuple[int, int]:
    """Byte at which the descriptors end, and the bytes of a row that they make."""
    at, width = PREFIX, 1
    while at + DESCRIPTOR <= len(head) and head[at] != END:
        kind, size, decimals = chr(head[at + 11]), head[at + 16], head[at + 17]
        if kind not in KINDS or not size:
            break
        width += size + (256 * decimals if kind == "C" else 0)
        at += DESCRIPTOR
    return (at, width) if at > PREFIX and width < 1 << 16 else (0, 0)


def _share(data: NDArray[np.uint8], table: Table) -> float:
    """Share of the rows that begin with a flag, as all do."""
    room = min(table.rows_in(len(data)), LOOKED_AT)
    if table.declared:
        room = min(room, table.declared)
    flags = data[table.start : table.start + room * table.length : table.length]
    if not len(flags):  # no row speaks against it, and none for it
        return 0.5
    return float(np.isin(flags, (BLANK, DELETED)).mean())
