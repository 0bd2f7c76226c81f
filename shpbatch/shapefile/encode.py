"""Vertices to record contents of a ``.shp``, no loop over records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .ragged import NO_DATA, Ragged
from .records import Records, run_mask
from .types import PATCH, POINT, WITH_PARTS, family, has_m, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_type", "encode"]


def encode(ragged: Ragged) -> Records:
    """Records of vertices, numbered from 1; boxes and ranges are computed."""
    given = np.flatnonzero(~ragged.null)
    base, code = family(ragged.code), ragged.code
    parts = np.diff(ragged.row_offsets)[given]
    vertices = np.diff(ragged.vertex_offsets)[given]
    with_m = np.zeros(len(given), dtype=bool)
    if ragged.m is not None:
        with_m = np.ones(len(given), bool) if ragged.with_m is None else ragged.with_m[given]
    fixed, each, ranges = _room(base)
    size = fixed + each * parts + 4 * vertices
    if has_z(code):
        size = size + ranges + 2 * vertices
    size = size + np.where(with_m, ranges + 2 * vertices, 0)
    sizes = np.ones(len(ragged), dtype=np.int64)  # words; a null shape is its type alone
    sizes[given] = size
    starts = np.cumsum(sizes + 2) - sizes - 2
    words = np.zeros(int((sizes + 2).sum()), dtype=np.uint32)
    words[starts] = np.arange(1, len(ragged) + 1).astype(">i4").view(np.uint32)
    words[starts + 1] = (2 * sizes).astype(">i4").view(np.uint32)
    at = starts[given] + 2
    words[at] = code
    xy = _head(words, at, ragged, given, parts, vertices)
    _scatter(words, xy, 4 * vertices, ragged.coords[:, :2])
    end = xy + 4 * vertices
    if has_z(code):
        z = ragged.coords[:, 2]
        if ranges:
            _put_range(words, end, *(v[given] for v in ragged.extremes(z)))
        _scatter(words, end + ranges, 2 * vertices, z)
        end = end + ranges + 2 * vertices
    if ragged.m is not None:
        _put_measures(words, end, ragged, given, with_m)
    return Records(words.view(np.uint8), starts * 4, sizes * 4)


def _room(base: int) -> tuple[int, int, int]:
    """Words before the vertices, words a part, words of a range."""
    if base == POINT:
        return 1, 0, 0
    return 11 if base in WITH_PARTS else 10, {PATCH: 2}.get(base, int(base in WITH_PARTS)), 4


def _head(
    words: NDArray[np.uint32],
    at: NDArray[np.int64],
    ragged: Ragged,
    given: NDArray[np.int64],
    parts: NDArray[np.int64],
    vertices: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Write box, counts and part indexes; return where the vertices begin."""
    base = family(ragged.code)
    if base == POINT:
        return at + 1
    boxes = np.nan_to_num(ragged.bounds()[given], nan=0.0, posinf=np.inf, neginf=-np.inf)
    words[(at + 1)[:, None] + np.arange(8)] = boxes.view(np.uint32)
    if base not in WITH_PARTS:
        words[at + 9] = vertices
        return at + 10
    words[at + 9], words[at + 10] = parts, vertices
    row_start = np.repeat(ragged.vertex_offsets[:-1][given], parts)
    index = ragged.part_offsets[:-1] - row_start
    _scatter_words(words, at + 11, parts, index.astype("<i4").view(np.uint32))
    if base == PATCH and ragged.kinds is not None:
        _scatter_words(words, at + 11 + parts, parts, ragged.kinds.view(np.uint32))
    return at + 11 + parts * (2 if base == PATCH else 1)


def _scatter(
    words: NDArray[np.uint32],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None:
    _scatter_words(words, starts, sizes, np.ascontiguousarray(values).view(np.uint32).ravel())


def _scatter_words(
    words: NDArray[np.uint32],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    values: NDArray[np.uint32],
) -> None:
    words[run_mask(starts, sizes, len(words))] = values


def _put_range(
    words: NDArray[np.uint32],
    at: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None:
    values = np.nan_to_num(np.column_stack([low, high]), nan=0.0, posinf=np.inf, neginf=-np.inf)
    words[at[:, None] + np.arange(4)] = values.view(np.uint32)


def _put_measures(
    words: NDArray[np.uint32],
    at: NDArray[np.int64],
    ragged: Ragged,
    given: NDArray[np.int64],
    with_m: NDArray[np.bool_],
) -> None:
    m = ragged.m
    assert m is not None
    vertices = np.diff(ragged.vertex_offsets)
    had = given[with_m]
    at = at[with_m]
    ranges = _room(family(ragged.code))[2]
    if ranges:
        # "No data" has no part in a range; minimum and maximum without NaN (fmin) skip it.
        low, high = _measure_range(ragged, m)
        _put_range(words, at, low[had], high[had])
    rows = np.zeros(len(ragged), dtype=bool)
    rows[had] = True
    _scatter(words, at + ranges, 2 * vertices[had], m[np.repeat(rows, vertices)])


def _measure_range(
    ragged: Ragged, m: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Range of the measures of each row; "no data" where all are.

    A range of 0 to 0 would be counted into the header's, and told to every reader.
    """
    told = m > NO_DATA  # False for NaN
    low, _ = ragged.extremes(np.where(told, m, np.inf))
    _, high = ragged.extremes(np.where(told, m, -np.inf))
    none = np.isinf(low)
    low[none] = high[none] = 10 * NO_DATA
    return low, high


def as_type(ragged: Ragged, code: int) -> Ragged:
    """The same vertices as another type of the family.

    A new Z is 0, a new M "no data"; what the type has not is dropped.
    """
    coords, m, with_m = ragged.coords, ragged.m, ragged.with_m
    if has_z(code) and coords.shape[1] == 2:
        coords = np.column_stack([coords, np.zeros(len(coords))])
    elif not has_z(code):
        coords = np.ascontiguousarray(coords[:, :2])
    if not has_m(code):
        m = with_m = None
    elif 20 < code < 30:  # all rows have it
        known = np.full(len(coords), np.nan) if m is None else m
        m, with_m = np.where(np.isnan(known), 10 * NO_DATA, known), np.ones(len(ragged), bool)
    return replace(ragged, code=code, coords=coords, m=m, with_m=with_m)
