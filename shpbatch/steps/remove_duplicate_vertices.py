"""Remove vertices that are where the one before them is."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from ..engine.aspects import Vertices
from ..engine.registry import step
from ..shapefile.edit import without_vertices
from ..shapefile.flaws import repeated
from ..shapefile.ragged import Ragged
from ..shapefile.records import ragged_index
from ..shapefile.types import LINE, POLYGON, family


@step
def remove_duplicate_vertices(
    vertices: Vertices,
    *,
    tolerance: Annotated[float, "Vertices so near to the one before go too, CRS units.", Ge(0)] = 0,
) -> Vertices:
    """Remove vertices that are where the one before them is.

    Parameters
    ----------
    vertices : Ragged
    tolerance : float
        In the units of the layer's CRS. With 0, all coordinates must be the
        same, a Z too; with more, the distance in the plane counts.

    Returns
    -------
    Vertices
        The first and the last vertex of a part stay. A part that would
        become no line or no ring stays whole: see ``drop-short-parts``.
        Points stay.

    Notes
    -----
    With a tolerance as GEOS RepeatedPointRemover does it, by part.

    Also known as: Remove duplicate vertices (QGIS), ``ST_RemoveRepeatedPoints``
    (PostGIS).
    """
    if family(vertices.code) not in (LINE, POLYGON):
        return vertices
    gone = repeated(vertices) if tolerance == 0 else _near(vertices, tolerance)
    least = 4 if family(vertices.code) == POLYGON else 2
    part = np.repeat(np.arange(len(vertices.part_offsets) - 1), np.diff(vertices.part_offsets))
    left = np.diff(vertices.part_offsets) - np.bincount(
        part[gone], minlength=len(vertices.part_offsets) - 1
    )
    return without_vertices(vertices, gone & (left >= least)[part])


def _near(vertices: Ragged, tolerance: float) -> np.ndarray:
    """Vertices that go, in parts where some are so near; their numbers pass through GEOS as Z."""
    import shapely

    gone = np.zeros(len(vertices.coords), dtype=bool)
    offsets = vertices.part_offsets
    with np.errstate(invalid="ignore", over="ignore"):
        step_length = np.hypot(*np.diff(vertices.coords[:, :2], axis=0).T)
    finite = np.isfinite(vertices.coords).all(axis=1)
    near = np.zeros(len(gone), dtype=bool)
    near[1:] = step_length <= tolerance
    near[offsets[:-1][offsets[:-1] < len(near)]] = False
    part = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    some = np.setdiff1d(part[near], part[~finite])
    if not len(some):
        return gone
    sizes = np.diff(offsets)[some]
    index = ragged_index(offsets[:-1][some], sizes)
    numbered = np.column_stack([vertices.coords[index, :2], index])
    lines = shapely.linestrings(numbered, indices=np.repeat(np.arange(len(some)), sizes))
    left = shapely.get_coordinates(
        shapely.remove_repeated_points(lines, tolerance), include_z=True
    )[:, 2]
    gone[index] = True
    gone[left.astype(np.int64)] = False
    return gone
