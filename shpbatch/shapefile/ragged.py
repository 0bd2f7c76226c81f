"""Vertices of many features as one ragged array, without a geometry object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .records import ragged_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_DATA", "Ragged", "offsets_of", "ring_reversed", "signed_areas", "turned"]

#: A measure below this says that there is none (Technical Description, page 2).
NO_DATA = -1e38
POLYGON = 5


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of parts of vertices.

    Attributes
    ----------
    code : int
        Shape type of the specification.
    coords : ndarray, float64 (v, 2) or (v, 3)
    part_offsets : ndarray of int64 (p + 1,)
        Vertices of part i are ``coords[part_offsets[i]:part_offsets[i + 1]]``.
    row_offsets : ndarray of int64 (n + 1,)
        Parts of each row. A point is a part of one vertex.
    null : ndarray of bool (n,)
    m : ndarray of float64 (v,) or None
        Measures; NaN in rows that have none.
    with_m : ndarray of bool (n,) or None
        Rows whose record has measures.
    kinds : ndarray of int32 (p,) or None
        Part types of a MultiPatch.
    """

    code: int
    coords: NDArray[np.float64]
    part_offsets: NDArray[np.int64]
    row_offsets: NDArray[np.int64]
    null: NDArray[np.bool_]
    m: NDArray[np.float64] | None = None
    with_m: NDArray[np.bool_] | None = None
    kinds: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.null)

    @property
    def vertex_offsets(self) -> NDArray[np.int64]:
        """Vertices of each row, int64 (n + 1,)."""
        return self.part_offsets[self.row_offsets]

    def take(self, rows: NDArray[np.int64]) -> Ragged:
        """Rows by number: fewer, repeated or in another order."""
        if len(rows) == len(self) and (rows == np.arange(len(self))).all():
            return self
        counts = np.diff(self.row_offsets)[rows]
        parts = ragged_index(self.row_offsets[rows], counts)
        sizes = np.diff(self.part_offsets)[parts]
        vertices = ragged_index(self.part_offsets[parts], sizes)
        return Ragged(
            self.code,
            self.coords[vertices],
            offsets_of(sizes),
            offsets_of(counts),
            self.null[rows],
            None if self.m is None else self.m[vertices],
            None if self.with_m is None else self.with_m[rows],
            None if self.kinds is None else self.kinds[parts],
        )

    def moved(self, coords: NDArray[np.float64]) -> Ragged:
        """The same parts with other coordinates; Z and M stay where only x and y are given."""
        if coords.shape[1] < self.coords.shape[1]:
            coords = np.column_stack([coords, self.coords[:, coords.shape[1] :]])
        return replace(self, coords=np.ascontiguousarray(coords))

    def bounds(self) -> NDArray[np.float64]:
        """Boxes of the rows, (n, 4): minx, miny, maxx, maxy; NaN where there is no vertex."""
        low, high = self.extremes(self.coords[:, :2])
        return np.column_stack([low, high])

    def extremes(
        self, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest value of each row, NaN where there is no vertex.

        ``values`` has a row for each vertex.
        """
        offsets = self.vertex_offsets
        full = np.flatnonzero(np.diff(offsets))
        shape = (len(self), *values.shape[1:])
        low, high = np.full(shape, np.nan), np.full(shape, np.nan)
        if len(full):
            # Empty rows take no room, so the starts of the others bound their runs.
            starts = offsets[full]
            columns = np.atleast_2d(values.T)
            for i, column in enumerate(columns):
                into = (full,) if values.ndim == 1 else (full, i)
                dense = np.ascontiguousarray(column)
                # NaN has no part in a range; to look for it costs more than both.
                low[into] = np.minimum.reduceat(dense, starts)
                high[into] = np.maximum.reduceat(dense, starts)
                if np.isnan(low[into]).any():
                    low[into] = np.fmin.reduceat(dense, starts)
                    high[into] = np.fmax.reduceat(dense, starts)
        return low, high


def offsets_of(sizes: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Offsets of runs of these sizes."""
    result = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=result[1:])
    return result


def signed_areas(
    coords: NDArray[np.float64], part_offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Area of each ring, float64 (p,), negative where it runs clockwise; an open ring is closed.

    Shoelace formula, about each ring's first vertex: far from the origin the
    products of a small ring would drown its area.
    """
    sizes = np.diff(part_offsets)
    areas = np.zeros(len(sizes))
    full = np.flatnonzero(sizes > 2)
    if not len(full):
        return areas
    some = sizes > 0
    starts = part_offsets[:-1][some]
    # Only vertices of parts are there: parts follow each other without gaps.
    x, y = coords[:, 0].copy(), coords[:, 1].copy()
    with np.errstate(invalid="ignore", over="ignore"):
        x -= np.repeat(x[starts], sizes[some])
        y -= np.repeat(y[starts], sizes[some])
        cross = np.empty(len(x))
        cross[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
        # The last vertex leads to the first, which is the origin: nothing to add.
        cross[part_offsets[1:][some] - 1] = 0.0
        areas[some] = np.add.reduceat(cross, starts) / 2
    return areas


def turned(ragged: Ragged, parts: NDArray[np.bool_]) -> Ragged:
    """The same with the vertices of some parts in reverse order."""
    sizes = np.diff(ragged.part_offsets)
    starts = ragged.part_offsets[:-1][parts]
    index = np.arange(len(ragged.coords))
    forth = ragged_index(starts, sizes[parts])
    back = np.repeat(2 * starts + sizes[parts] - 1, sizes[parts]) - forth
    index[forth] = back
    return replace(
        ragged,
        coords=ragged.coords[index],
        m=None if ragged.m is None else ragged.m[index],
    )


def ring_reversed(before: Ragged, after: Ragged) -> Ragged:
    """Moved vertices, rings in reverse order where the move mirrored them.

    A transformation that swaps the axes or points one the other way (Krovak,
    EPSG:5513) turns every shell into a hole, by the specification's rule.
    """
    if before.code % 10 != POLYGON:
        return after
    was = signed_areas(before.coords, before.part_offsets)
    mirrored = was * np.sign(signed_areas(after.coords, after.part_offsets)) < 0
    return turned(after, mirrored) if mirrored.any() else after
