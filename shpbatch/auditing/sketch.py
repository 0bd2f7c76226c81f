"""A layer as a picture of 300 bytes: which cells of its extent its lines and points touch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..models import Bounds4
from .grid import Sketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..shapefile.ragged import Ragged

__all__ = ["Canvas", "runs_of"]

#: Cells of a sketch, about; of a side, at most.
CELLS, LONGEST = 2_400, 120
#: Points that the segments of a window may become; beyond, its vertices must do.
MOST_POINTS = 4_000_000
POINTS = (1, 11, 21, 8, 18, 28)


class Canvas:
    """Cells that are filled window by window; memory is that of one window.

    Parameters
    ----------
    bounds : tuple of float
        What the header tells; vertices outside are not drawn.
    """

    def __init__(self, bounds: Bounds4) -> None:
        left, bottom, right, top = bounds
        self._origin = np.array([left, top])
        wide, high = max(right - left, 1e-12), max(top - bottom, 1e-12)
        ratio = min(4.0, max(0.25, wide / high))
        self.width = min(LONGEST, max(8, round(math.sqrt(CELLS * ratio))))
        self.height = min(LONGEST, max(8, round(self.width / ratio)))
        self._cell = np.array([wide / self.width, -high / self.height])
        self._filled = np.zeros((self.height, self.width), dtype=bool)

    def add(self, vertices: Ragged) -> None:
        """Fill the cells that the vertices of a window, and the segments between them, touch."""
        with np.errstate(all="ignore"):
            at = (vertices.coords[:, :2] - self._origin) / self._cell
        at[~np.isfinite(at)] = -1e6
        at = at.clip(-1e6, 1e6)
        if vertices.code not in POINTS:
            at = np.concatenate([at, _between(at, vertices.part_offsets, LONGEST)])
        column, row = np.floor(at).astype(np.int64).T
        column[at[:, 0] == self.width] -= 1  # the eastern and the southern edge belong to it
        row[at[:, 1] == self.height] -= 1
        inside = (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height)
        self._filled[row[inside], column[inside]] = True

    def sketch(self) -> Sketch | None:
        """What was drawn; None where nothing was."""
        if not self._filled.any():
            return None
        return Sketch(self.width, self.height, np.packbits(self._filled).tobytes())


def _between(
    at: NDArray[np.float64], offsets: NDArray[np.int64], longest: int
) -> NDArray[np.float64]:
    """Points on the segments that are longer than a cell, one a cell."""
    starts = np.ones(len(at), dtype=bool)
    starts[offsets[1:-1][offsets[1:-1] < len(at)]] = False  # the first vertex of a part
    inner = np.flatnonzero(starts[1:]) if len(at) else np.empty(0, np.int64)
    step = at[inner + 1] - at[inner]
    pieces = np.ceil(np.abs(step).max(axis=1, initial=0.0)).clip(max=longest).astype(np.int64)
    long = pieces > 1
    inner, step, pieces = inner[long], step[long], pieces[long]
    if pieces.sum() > MOST_POINTS:
        return np.empty((0, 2))
    which = np.repeat(np.arange(len(inner)), pieces)
    ends = np.cumsum(pieces)
    number = np.arange(len(which)) - np.repeat(ends - pieces, pieces)
    share = (number / pieces[which])[:, None]
    points: NDArray[np.float64] = at[inner[which]] + share * step[which]
    return points


def runs_of(sketch: Sketch) -> list[tuple[int, int, int]]:
    """Filled cells as runs: (column, row, length)."""
    bits = np.unpackbits(np.frombuffer(sketch.bits, np.uint8), count=sketch.width * sketch.height)
    padded = np.pad(bits.reshape(sketch.height, sketch.width).astype(np.int8), ((0, 0), (1, 1)))
    rows, edges = np.nonzero(np.diff(padded, axis=1))
    return list(
        zip(
            edges[::2].tolist(),
            rows[::2].tolist(),
            (edges[1::2] - edges[::2]).tolist(),
            strict=True,
        )
    )
