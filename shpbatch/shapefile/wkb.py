"""Geometries that shapely makes from WKB only: with measures, or with ends of two heights.

Layout: ISO 19125 WKB, little-endian; 1000 is added to the type for Z, 2000 for M.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ragged import offsets_of
from .records import ragged_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["make_simple"]

POINT, LINE, POLYGON = 1, 2, 3


def make_simple(
    kind: int,
    coords: NDArray[np.float64],
    dimensions: int,
    offsets: NDArray[np.int64],
    rings: NDArray[np.int64] | None = None,
) -> NDArray[np.object_]:
    """Points, lines or polygons of coordinates.

    Parameters
    ----------
    kind : int
        1 point, 2 line, 3 polygon.
    coords : ndarray, float64 (v, 3) or (v, 4)
    dimensions : int
        1 for Z, 2 for M, 3 for both.
    offsets : ndarray of int64 (n + 1,)
        Vertices of each geometry; of a polygon its rings.
    rings : ndarray of int64, optional
        Vertices of each ring.
    """
    import pyarrow as pa
    import shapely

    width = 8 * coords.shape[1]
    code = kind + 1000 * dimensions
    if kind == POLYGON:
        assert rings is not None
        body = 4 * np.diff(offsets) + width * np.diff(rings[offsets])
    else:
        body = width * np.diff(offsets)
    head = 5 if kind == POINT else 9
    at = offsets_of(head + body)
    data = np.zeros(int(at[-1]), dtype=np.uint8)
    data[at[:-1]] = 1
    _put(data, at[:-1] + 1, np.full(len(body), code))
    if kind != POINT:
        _put(data, at[:-1] + 5, np.diff(offsets))
    vertices = offsets
    starts = at[:-1] + head
    if kind == POLYGON and rings is not None:
        vertices = rings
        sizes = 4 + width * np.diff(rings)
        within = offsets_of(sizes)[:-1]
        counts = np.diff(offsets)
        first = np.repeat(within[offsets[:-1].clip(max=max(0, len(within) - 1))], counts)
        starts = np.repeat(starts, counts) + within - first if len(within) else within
        _put(data, starts, np.diff(rings))
        starts = starts + 4
    runs = ragged_index(starts, width * np.diff(vertices))
    data[runs] = np.ascontiguousarray(coords).view(np.uint8).ravel()
    array = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(body), [None, pa.py_buffer(at), pa.py_buffer(data)]
    )
    made: NDArray[np.object_] = shapely.from_wkb(array.to_numpy(zero_copy_only=False))
    return made


def _put(data: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    raw = values.astype("<u4").view(np.uint8).reshape(-1, 4)
    data[at[:, None] + np.arange(4)] = raw
