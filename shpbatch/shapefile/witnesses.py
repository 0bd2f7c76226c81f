"""What speaks against records that were found: their neighbours, and their own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .records import HEAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Order", "beside_damage", "ordered", "out_of_turn"]


class Order(NamedTuple):
    """The order of records, as places among those given, and rows of which it is doubtful."""

    places: NDArray[np.int64]
    doubtful: NDArray[np.int64]


def ordered(starts: NDArray[np.int64], numbers: NDArray[np.int64], indexed: bool) -> Order:
    """Which record is of which row, where their numbers are those of a whole layer.

    Numbers of another order than the ``.shx`` and the places in the file are
    not followed, as no reader does; they are where one of the two agrees with
    them, or where there is no ``.shx``. What they do not agree on is doubtful.

    Parameters
    ----------
    starts : ndarray of int64 (n,)
        Byte of each record, in the order of the ``.shx`` or of the file.
    numbers : ndarray of int64 (n,)
    indexed : bool
        There is a ``.shx``.
    """
    rows = np.arange(len(numbers))
    first = int(numbers.min()) if len(numbers) else 1
    told = numbers - first
    if first not in (0, 1) or (told == rows).all() or (np.sort(told) != rows).any():
        return Order(rows, rows[:0])
    by_number = np.argsort(told)
    if indexed and (by_number != np.argsort(starts)).any():
        return Order(rows, np.flatnonzero(told != rows))
    return Order(by_number, np.flatnonzero(by_number != rows))


def out_of_turn(rows: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose record has the number of another one, where most have their own."""
    shifts, counts = np.unique(numbers - rows, return_counts=True)
    if not len(rows) or 2 * counts.max() <= len(rows):
        return rows[:0]
    told = numbers - shifts[counts.argmax()]
    found: NDArray[np.int64] = rows[(told != rows) & (told >= 0) & (told <= rows.max())]
    return found


def beside_damage(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    entries: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Which records stand at bytes that are none, which damage may have begun or ended within.

    Not those behind which the next number stands, or the file ends as it
    should, or the ``.shx`` leaves a gap itself. Where their own header is
    wrong, as that of few is, they are, and what stands before them is.

    Parameters
    ----------
    data : ndarray of uint8
        The ``.shp``.
    starts, sizes : ndarray of int64 (n,)
    entries : ndarray of int64 (k, 2)
        Of the ``.shx``.
    """
    if not len(starts):
        return np.empty(0, np.int64)
    declared = 2 * int(data[24:28].view(">i4")[0])
    ends = starts + sizes + HEAD
    doubtful = ~np.isin(ends, np.append(starts, [len(data), declared]))
    known = np.isin(starts, entries[:, 0]) & np.isin(ends, entries.sum(axis=1) + HEAD)
    doubtful &= ~known | np.isin(ends, entries[:, 0])
    numbers = _words(data, starts)
    there = ends + 4 <= len(data)
    doubtful[there] &= _words(data, ends[there]) != numbers[there] + 1
    wrong = 2 * _words(data, starts + 4) != sizes
    if 2 * wrong.sum() <= len(starts):
        doubtful |= wrong | np.isin(ends, starts[wrong])
    return np.flatnonzero(doubtful)


def _words(data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    words: NDArray[np.int64] = data[at[:, None] + np.arange(4)].view(">i4")[:, 0].astype(np.int64)
    return words
