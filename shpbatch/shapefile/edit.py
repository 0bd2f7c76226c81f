"""Ragged vertices with some of them, or whole parts, taken away or added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .ragged import Ragged, offsets_of
from .records import ragged_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["regrouped", "rows_of_parts", "same_rows", "without_parts", "without_vertices"]


def rows_of_parts(ragged: Ragged) -> NDArray[np.int64]:
    """The row of each part."""
    return np.repeat(np.arange(len(ragged)), np.diff(ragged.row_offsets))


def regrouped(ragged: Ragged, index: NDArray[np.int64], sizes: NDArray[np.int64]) -> Ragged:
    """Parts of other vertices; a part of none goes, a row without parts is null.

    Parameters
    ----------
    ragged : Ragged
    index : ndarray of int64
        Numbers of the vertices that make up the parts.
    sizes : ndarray of int64 (p,)
        How many of them each part has.
    """
    left = sizes > 0
    counts = np.bincount(rows_of_parts(ragged)[left], minlength=len(ragged))
    null = ragged.null | ((counts == 0) & (np.diff(ragged.row_offsets) > 0))
    with_m = None if ragged.with_m is None else ragged.with_m & ~null
    return replace(
        ragged,
        coords=ragged.coords[index],
        part_offsets=offsets_of(sizes[left]),
        row_offsets=offsets_of(counts),
        null=null,
        m=None if ragged.m is None else ragged.m[index],
        with_m=with_m,
        kinds=None if ragged.kinds is None else ragged.kinds[left],
    )


def without_vertices(ragged: Ragged, gone: NDArray[np.bool_]) -> Ragged:
    """The same without some vertices."""
    if not gone.any():
        return ragged
    return regrouped(ragged, np.flatnonzero(~gone), np.diff(offsets_of(~gone)[ragged.part_offsets]))


def without_parts(ragged: Ragged, gone: NDArray[np.bool_]) -> Ragged:
    """The same without some parts."""
    if not gone.any():
        return ragged
    sizes = np.where(gone, 0, np.diff(ragged.part_offsets))
    return regrouped(ragged, ragged_index(ragged.part_offsets[:-1], sizes), sizes)


def same_rows(left: Ragged, right: Ragged) -> NDArray[np.bool_]:
    """Rows (n,) that are the same in both, to the bit."""
    same: NDArray[np.bool_] = left.null == right.null
    same &= np.diff(left.row_offsets) == np.diff(right.row_offsets)
    same &= np.diff(left.vertex_offsets) == np.diff(right.vertex_offsets)
    if left.code != right.code or (left.m is None) != (right.m is None):
        return np.zeros_like(same)
    rows = np.flatnonzero(same)
    a, b = left.take(rows), right.take(rows)
    differs = np.zeros(len(rows), dtype=bool)
    parts = np.diff(a.part_offsets) != np.diff(b.part_offsets)
    differs[rows_of_parts(a)[parts]] = True
    vertices = (_bits(a.coords) != _bits(b.coords)).any(axis=1)
    if a.m is not None and b.m is not None:
        vertices |= _bits(a.m) != _bits(b.m)
    differs[np.repeat(np.arange(len(rows)), np.diff(a.vertex_offsets))[vertices]] = True
    same[rows[differs]] = False
    return same


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)
