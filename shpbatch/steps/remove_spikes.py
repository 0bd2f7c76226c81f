"""Remove spikes: places where a ring goes out and comes back the same way."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from ..engine.aspects import Vertices
from ..engine.registry import step
from ..shapefile.edit import regrouped
from ..shapefile.flaws import cycles, open_rings, spikes, turning_back
from ..shapefile.ragged import Ragged, offsets_of
from ..shapefile.records import ragged_index

#: Times that tips are taken off: a spike of more vertices is not one.
MOST = 100


@step
def remove_spikes(
    vertices: Vertices,
    *,
    angle: Annotated[float, "Largest angle at the tip, degrees.", Ge(0), Lt(90)] = 0.0,
) -> Vertices:
    """Remove spikes: places where a ring goes out and comes back the same way.

    Parameters
    ----------
    vertices : Ragged
    angle : float
        Largest angle between the way there and the way back. With 0, the ring
        must turn back exactly, as it does at every vertex that it visits
        between two visits of another.

    Returns
    -------
    Vertices
        Rings that had a spike, without its vertices and without repeated
        ones. One that would be left with fewer than 3 places stays whole:
        see ``drop-short-parts``. Lines and points stay.

    Notes
    -----
    Tips are taken off until there is none; after 100 times what is left stays.

    Also known as: part of Repair Geometry (ArcGIS: self intersections),
    SpikeRemover (FME).
    """
    tips = spikes(vertices, angle)
    if not tips.any():
        return vertices
    part = np.repeat(np.arange(len(vertices.part_offsets) - 1), np.diff(vertices.part_offsets))
    rings = np.unique(part[tips])
    index, offsets = _blunted(vertices, rings, angle)
    sizes = np.diff(offsets)
    good = sizes >= 3
    rings, sizes, starts = rings[good], sizes[good], offsets[:-1][good]
    shut = ~open_rings(vertices)[rings]
    made = ragged_index(starts, sizes + shut)
    made[(np.cumsum(sizes + shut) - 1)[shut]] = starts[shut]
    return _replaced(vertices, rings, index[made], sizes + shut)


def _blunted(vertices: Ragged, rings: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of some rings, once each, after their tips were taken off."""
    index, offsets = cycles(vertices)
    sizes = np.diff(offsets)[rings]
    index = index[ragged_index(offsets[:-1][rings], sizes)]
    xy = vertices.coords[:, :2]
    for _ in range(MOST):
        offsets = offsets_of(sizes)
        tips = turning_back(xy[index], offsets, angle)
        # Of two in a row only the first: without it the other may be none. (A ring's last
        # vertex stands beside its first.)
        tips[1:] &= ~tips[:-1]
        last = offsets[1:][sizes > 1] - 1
        tips[last] &= ~tips[offsets[:-1][sizes > 1]]
        if not tips.any():
            break
        index, sizes = index[~tips], np.diff(offsets_of(~tips)[offsets])
        again = _again(xy[index], sizes)
        index, sizes = index[~again], np.diff(offsets_of(~again)[offsets_of(sizes)])
    return index, offsets_of(sizes)


def _again(xy: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Vertices of rings that are where the one before them is, round and round."""
    offsets = offsets_of(sizes)
    before = np.arange(-1, len(xy) - 1)
    several = sizes > 1
    before[offsets[:-1][several]] = offsets[1:][several] - 1
    alone = np.repeat(~several, sizes)
    same: np.ndarray = (xy == xy[before]).all(axis=1) & ~alone
    return same


def _replaced(vertices: Ragged, rings: np.ndarray, made: np.ndarray, sizes: np.ndarray) -> Ragged:
    """The same with other vertices in some rings."""
    all_sizes = np.diff(vertices.part_offsets).copy()
    starts = vertices.part_offsets[:-1].copy()
    all_sizes[rings] = sizes
    starts[rings] = len(vertices.coords) + offsets_of(sizes)[:-1]
    source = np.concatenate([np.arange(len(vertices.coords)), made])
    return regrouped(vertices, source[ragged_index(starts, all_sizes)], all_sizes)
