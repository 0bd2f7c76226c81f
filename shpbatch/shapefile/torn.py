"""Rows of a ``.dbf`` that zeros were written over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .dbf import DELETED, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Torn", "torn_rows"]

BLANK = 0x20
#: Bytes that are looked at together.
SLAB = 8 << 20
#: Fields whose cells are text; those of the others may be zeros.
TEXT = "CNFDL"


class Torn(NamedTuple):
    """Rows that were hit: of which nothing is left, and of which something may be.

    ``flags`` are those among them that do not begin as a row does.
    """

    empty: NDArray[np.int64]
    doubtful: NDArray[np.int64]
    flags: NDArray[np.int64]


def torn_rows(data: NDArray[np.uint8], table: Table, count: int) -> Torn:
    """Find the rows that do not begin with a flag, and those in which zeros stand as in no cell.

    Parameters
    ----------
    data : ndarray of uint8
        The file.
    table : Table
    count : int
        Rows that it has.
    """
    end = table.start + count * table.length
    rows = data[table.start : end].reshape(count, table.length)
    unflagged = np.flatnonzero((rows[:, 0] != BLANK) & (rows[:, 0] != DELETED))
    if 2 * len(unflagged) > count:  # the writer's way
        unflagged = unflagged[:0]
    # Zeros that reach the next flag, or the mark of the end, began in the row before.
    behind = np.append(unflagged, count) if len(data) > end else unflagged
    before = behind[behind > 0] - 1
    last = table.start + (before + 1) * table.length
    before = before[(data[last - 1] == 0) & (data[last] == 0)]
    found = np.unique(np.concatenate([unflagged, before, _with_holes(rows, table)]))
    nothing = ~rows[found].any(axis=1)
    return Torn(found[nothing], found[~nothing], unflagged)


def _with_holes(rows: NDArray[np.uint8], table: Table) -> NDArray[np.int64]:
    """Rows (k,) with zeros that go over an edge, where few rows have zeros at all."""
    none, count = np.empty(0, np.int64), len(rows)
    if any(d.kind not in TEXT for d in table.descriptors):
        return none
    edges = np.zeros(table.length + 1, bool)
    edges[[0, 1, table.length, *(d.stop for d in table.descriptors)]] = True
    most, found = max(count // 10, min(count // 2, 3)), none
    step = max(1, SLAB // table.length)
    for at in range(0, count, step):
        zeros = at + np.flatnonzero((rows[at : at + step] == 0).any(axis=1))
        found = np.concatenate([found, zeros])
        if len(found) > most:  # the writer fills cells with them
            return none
    torn: NDArray[np.int64] = found[[_is_torn(rows[row], edges) for row in found.tolist()]]
    return torn


def _is_torn(row: NDArray[np.uint8], edges: NDArray[np.bool_]) -> bool:
    """Whether zeros go from one cell into another, and begin or end within one."""
    turns = np.flatnonzero(np.diff(np.concatenate([[0], row == 0, [0]]).astype(np.int8)))
    for begin, end in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True):
        if edges[begin + 1 : end].any() and not (edges[begin] and edges[end]):
            return True
    return False
