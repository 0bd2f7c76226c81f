"""The ranges that records tell of themselves, and those that their vertices have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ragged import NO_DATA, offsets_of
from .shp import decode, record_ranges
from .types import PATCH, POINT, WITH_PARTS, family, has_m, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ragged import Ragged
    from .records import Records

__all__ = ["Boxes", "boxes_of"]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Whether each record's vertices have the ranges that it tells.

    Attributes
    ----------
    said : ndarray of float64 (n, 8)
        The ranges that it tells, see `record_ranges`.
    told : ndarray of bool (n, 3)
        Whether it tells ranges of x and y, of z, of m; points tell none.
    differ : ndarray of bool (n, 3)
        Whether its vertices have others.
    loose : ndarray of bool (n,)
        Whether it is longer than its counts make it.
    """

    said: NDArray[np.float64]
    told: NDArray[np.bool_]
    differ: NDArray[np.bool_]
    loose: NDArray[np.bool_]


def boxes_of(records: Records, code: int) -> Boxes:
    """Compare records, all of the layer's type or null, with what they tell of themselves.

    Raises
    ------
    BadRecords, Declined
        As `decode`.
    """
    flat, said = decode(records, code), record_ranges(records, code)
    true = _true_ranges(flat)
    told = np.zeros((len(records), 3), bool)
    differ = told.copy()
    if family(code) != POINT:
        told[:, 0] = np.diff(flat.vertex_offsets) > 0
        for kind, columns in ((1, slice(4, 6)), (2, slice(6, 8))):
            told[:, kind] = np.isfinite(true[:, columns] + said[:, columns]).all(axis=1)
        for kind, columns in enumerate((slice(0, 4), slice(4, 6), slice(6, 8))):
            other = (said[:, columns] != true[:, columns]).any(axis=1)
            differ[:, kind] = told[:, kind] & other
        torn = _without_measures(flat) & np.isfinite(said[:, 6:8]).all(axis=1)
        told[:, 2] |= torn
        differ[:, 2] |= torn
    return Boxes(said, told, differ, _loose(flat, records.sizes))


def _without_measures(flat: Ragged) -> NDArray[np.bool_]:
    """Rows (n,) in whose measures stand bytes that are no number, which is not how none is told."""
    if flat.m is None or flat.with_m is None:
        return np.zeros(len(flat), bool)
    count = np.diff(offsets_of(np.isnan(flat.m))[flat.vertex_offsets])
    torn: NDArray[np.bool_] = flat.with_m & (count > 0)
    return torn


def _loose(flat: Ragged, sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Records (n,) of other lengths than their counts make, with measures or without."""
    base, vertices = family(flat.code), np.diff(flat.vertex_offsets)
    if base == POINT:
        least, measures = np.full(len(flat), 28 if has_z(flat.code) else 20), 8 * vertices
    else:
        each = 8 if base == PATCH else 4 if base in WITH_PARTS else 0
        head = (44 if base in WITH_PARTS else 40) + each * np.diff(flat.row_offsets)
        measures = 16 + 8 * vertices
        least = head + 16 * vertices + (measures if has_z(flat.code) else 0)
    fits = (sizes == least) | (has_m(flat.code) & (sizes == least + measures))
    loose: NDArray[np.bool_] = np.where(flat.null, sizes != 4, ~fits)
    return loose


def _true_ranges(flat: Ragged) -> NDArray[np.float64]:
    """Ranges of the vertices of each row, (n, 8), in the order of `record_ranges`."""
    ranges = np.full((len(flat), 8), np.nan)
    offsets = flat.vertex_offsets
    full = np.flatnonzero(np.diff(offsets))
    if not len(full):
        return ranges
    columns = [flat.coords[:, 0], flat.coords[:, 1]]
    if has_z(flat.code):
        columns.append(flat.coords[:, 2])
    # Vertices of no place are dropped, but for those of a MultiPatch, which no step looks at.
    least, most = (np.minimum, np.maximum) if flat.code == PATCH else (np.fmin, np.fmax)
    for values, low, high in zip(columns, (0, 1, 4), (2, 3, 5), strict=False):
        ranges[full, low] = least.reduceat(values, offsets[full])
        ranges[full, high] = most.reduceat(values, offsets[full])
    if flat.m is not None:
        measures = np.where(flat.m > NO_DATA, flat.m, np.nan)
        ranges[full, 6] = np.fmin.reduceat(measures, offsets[full])
        ranges[full, 7] = np.fmax.reduceat(measures, offsets[full])
    return ranges
