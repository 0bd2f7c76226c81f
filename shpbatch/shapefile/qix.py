"""Spatial index of a ``.shp``: the quadtree ``.qix`` of shapelib, MapServer and GDAL.

Source: shapelib, ``shptree.c``. A node is split into four that overlap; a
shape goes down to the first that holds its box whole. So where it ends up
depends on its own box and the root's alone: boxes are looked at window by
window, and the tree is made of the paths, level by level. The bytes are those
that shapelib writes, but null and empty shapes are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WriteError
from ..models import Source
from .reader import Reader
from .records import ragged_index
from .shp import record_ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["depth_for", "write_qix"]

#: Part of a node that each half of it covers: small shapes on a boundary do not stay high up.
SPLIT = 0.55
#: shapelib chooses no deeper tree by itself; its root is level 1.
DEEPEST = 12
#: ``SQT``, little-endian, version 1.
SIGNATURE = b"SQT\x01\x01\0\0\0"
#: Words of a node without its shapes: bytes of its subnodes, box, two counts.
NODE = 11
#: Shapes whose boxes are looked at together: they stay in the cache.
ROWS = 16_384
#: Bits of a path: two a level below the root.
PATH = 2 * (DEEPEST - 1)


def write_qix(shp: Path, proof: bool = True) -> None:
    """Write the ``.qix`` beside a ``.shp``.

    Parameters
    ----------
    shp : Path
        Of a layer that is whole, with its ``.shx``.
    proof : bool
        Read it back.

    Raises
    ------
    WriteError
        ``write-differs``.
    """
    with Reader(Source(str(shp), shp.name)) as reader:
        root = _root(reader)
        depth = depth_for(len(reader.index))
        keys = _keys(reader, root, depth)
        data = _tree(keys, root, depth, len(reader.index))
    path = shp.with_suffix(".qix")
    path.write_bytes(data.data)
    if proof and not np.array_equal(np.fromfile(path, "<u4"), data):
        raise WriteError("the spatial index is not read back as it was written", "write-differs")


def depth_for(count: int) -> int:
    """Levels of a tree: shapelib's rule, some 8 shapes a node."""
    depth, nodes = 0, 1
    while nodes * 4 < count:
        depth, nodes = depth + 1, nodes * 2
    return min(depth, DEEPEST)


def _boxes(reader: Reader, start: int) -> NDArray[np.float64]:
    """Boxes as the records have them, (n, 4); NaN for null and empty shapes."""
    rows = np.arange(start, min(start + ROWS, len(reader.index)))
    return record_ranges(reader.records(rows), reader.code)[:, :4]


def _root(reader: Reader) -> NDArray[np.float64]:
    """Box of the root: the header's, if it holds all shapes; a search ends where a box does."""
    root = np.frombuffer(reader.head, "<f8", 4, 36).copy()
    for start in range(0, len(reader.index), ROWS):
        boxes = _boxes(reader, start)
        given = boxes[~np.isnan(boxes).any(axis=1)]
        if len(given):
            root[:2] = np.fmin(root[:2], given[:, :2].min(axis=0))
            root[2:] = np.fmax(root[2:], given[:, 2:].max(axis=0))
    return root


def _keys(reader: Reader, root: NDArray[np.float64], depth: int) -> NDArray[np.int64]:
    """Level, path and number of every shape in one integer each, sorted."""
    found = []
    for start in range(0, len(reader.index), ROWS):
        boxes = _boxes(reader, start)
        rows = np.flatnonzero(~np.isnan(boxes).any(axis=1))
        levels, paths = _descend(boxes[rows], root, depth)
        found.append(((levels << PATH | paths) << 32) | (rows + start))
    keys = np.concatenate(found) if found else np.empty(0, np.int64)
    keys.sort()
    return keys


def _descend(
    boxes: NDArray[np.float64], root: NDArray[np.float64], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Levels below the root that shapes reach, and which of four they took at each."""
    n = len(boxes)
    levels, paths, rows = np.zeros(n, np.int64), np.zeros(n, np.int64), np.arange(n)
    box = np.ascontiguousarray(boxes.T)
    node = np.repeat(root[:, None], n, axis=1)
    for level in range(1, depth):
        child = np.full(len(rows), -1)
        below = node
        for number, quarter in reversed([*enumerate(_quarters(node))]):  # the first has it
            fits = (box[0] >= quarter[0]) & (box[2] <= quarter[2])
            fits &= (box[1] >= quarter[1]) & (box[3] <= quarter[3])
            child[fits] = number
            below = np.where(fits, quarter, below)
        down = np.flatnonzero(child >= 0)
        if not len(down):
            break
        if len(down) < len(rows):
            rows, box, below, child = rows[down], box[:, down], below[:, down], child[down]
        node = below
        levels[rows] = level
        paths[rows] = paths[rows] << 2 | child
    return levels, paths


def _quarters(nodes: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The four subnodes of each node, boxes (4, n)."""
    return [quarter for half in _halves(nodes) for quarter in _halves(half)]


def _halves(nodes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each node cut across its longer side; the halves overlap."""
    low, high = nodes.copy(), nodes.copy()
    with np.errstate(over="ignore", invalid="ignore"):  # boxes may be infinite: all stay above
        width, height = nodes[2] - nodes[0], nodes[3] - nodes[1]
        wide = width > height
        for axis, side, cut in ((0, width, wide), (1, height, ~wide)):
            np.copyto(low[axis + 2], nodes[axis] + side * SPLIT, where=cut)
            np.copyto(high[axis], nodes[axis + 2] - side * SPLIT, where=cut)
    return low, high


# -- the tree --------------------------------------------------------------------


def _trimmed(mask: int) -> list[int]:
    """Places of four subnodes, by number, when the empty ones are taken out as shapelib does.

    The last one moves into the place of one that is empty.
    """
    left = [0, 1, 2, 3]
    at = 0
    while at < len(left):
        if mask >> left[at] & 1:
            at += 1
            continue
        last = left.pop()
        if at < len(left):
            left[at] = last
    return [left.index(child) if child in left else -1 for child in range(4)]


#: By which of the four there are, the place of each.
PLACES = np.array([_trimmed(mask) for mask in range(16)])


@dataclass
class _Level:
    """Nodes of one level that hold shapes, themselves or below, in order of their paths.

    Attributes
    ----------
    paths : ndarray of int64 (n,)
    counts, firsts : ndarray of int64 (n,)
        Shapes of the node itself, and where they begin among the sorted keys.
    parents : ndarray of int64 (n,)
        Index in the level above.
    boxes : ndarray of float64 (n, 4)
    subnodes, sizes : ndarray of int64 (n,)
        How many, and words of the node with them.
    at : ndarray of int64 (n,)
        Word of the file at which it begins.
    """

    paths: NDArray[np.int64]
    counts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    parents: NDArray[np.int64]
    boxes: NDArray[np.float64]
    subnodes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    at: NDArray[np.int64]

    def promoted(self) -> NDArray[np.bool_]:
        """Nodes with no shape and one subnode, which takes their place."""
        found: NDArray[np.bool_] = (self.counts == 0) & (self.subnodes == 1)
        return found


def _tree(
    keys: NDArray[np.int64], root: NDArray[np.float64], depth: int, total: int
) -> NDArray[np.uint32]:
    """The words of the file."""
    levels = _levels(keys, max(1, depth))
    _measure(levels)
    levels[0].boxes = root[None]
    levels[0].at = np.array([4])
    for above, level in pairwise(levels):
        _place(above, level)
    size = 4 + int(levels[0].sizes[0])
    data = np.empty(size, "<u4")
    data[:2] = np.frombuffer(SIGNATURE, "<u4")
    data[2:4] = total, depth
    shapes = (keys & 0xFFFFFFFF).astype(np.uint32)
    for level in levels:
        _put(data, level, shapes)
    return data


def _levels(keys: NDArray[np.int64], depth: int) -> list[_Level]:
    """Levels from the root down; the lowest is looked at first."""
    nodes = keys >> 32
    begins = np.searchsorted(nodes, np.arange(depth + 1) << PATH)
    levels: list[_Level] = []
    below = np.empty(0, np.int64)
    for number in reversed(range(depth)):
        own = nodes[begins[number] : begins[number + 1]] & ((1 << PATH) - 1)
        held, firsts, counts = np.unique(own, return_index=True, return_counts=True)
        root = [np.zeros(1, np.int64)] if number == 0 else []
        paths = np.unique(np.concatenate([held, below >> 2, *root]))
        level = _empty(paths)
        places = np.searchsorted(paths, held)
        level.counts[places], level.firsts[places] = counts, firsts + begins[number]
        if levels:
            levels[0].parents = np.searchsorted(paths, below >> 2)
        levels.insert(0, level)
        below = paths
    return levels


def _empty(paths: NDArray[np.int64]) -> _Level:
    def zeros() -> NDArray[np.int64]:
        return np.zeros(len(paths), np.int64)

    boxes = np.empty((len(paths), 4))
    return _Level(paths, zeros(), zeros(), zeros(), boxes, zeros(), zeros(), zeros())


def _measure(levels: list[_Level]) -> None:
    """Subnodes and sizes, from the lowest level up."""
    for number in reversed(range(len(levels))):
        level = levels[number]
        n = len(level.paths)
        held = np.zeros(n, np.int64)
        if number + 1 < len(levels):
            below = levels[number + 1]
            level.subnodes = np.bincount(below.parents, minlength=n)
            held = np.bincount(below.parents, below.sizes, n).astype(np.int64)
        own = np.where(level.promoted(), 0, NODE + level.counts)
        level.sizes = own + held


def _place(above: _Level, level: _Level) -> None:
    """Boxes and places of the nodes of a level."""
    if not len(level.paths):
        return
    number = level.paths & 3
    quarters = np.stack(_quarters(above.boxes.T))
    level.boxes = quarters[number, :, level.parents]
    n = len(above.paths)
    mask = np.bincount(level.parents, 1 << number, minlength=n).astype(np.int64)
    place = PLACES[mask[level.parents], number]
    sizes = np.zeros((n, 4), np.int64)
    sizes[level.parents, place] = level.sizes
    before = np.cumsum(sizes, axis=1) - sizes
    own = np.where(above.promoted(), 0, NODE + above.counts)
    level.at = (above.at + own)[level.parents] + before[level.parents, place]


def _put(data: NDArray[np.uint32], level: _Level, shapes: NDArray[np.uint32]) -> None:
    """The nodes of a level into the words of the file."""
    kept = np.flatnonzero(~level.promoted())
    at, counts = level.at[kept], level.counts[kept]
    data[at] = 4 * (level.sizes[kept] - NODE - counts)
    boxes = np.ascontiguousarray(level.boxes[kept], "<f8").view("<u4").reshape(-1, 8)
    data[at[:, None] + 1 + np.arange(8)] = boxes
    data[at + 9] = counts
    data[ragged_index(at + 10, counts)] = shapes[ragged_index(level.firsts[kept], counts)]
    data[at + 10 + counts] = level.subnodes[kept]
