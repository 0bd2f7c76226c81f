"""Add vertices so that no segment is longer than a length."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import shapely
from annotated_types import Gt

from ..engine.aspects import Geometry, Header, Rejected
from ..engine.registry import step

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Vertices of a feature that fill a .shp of 2 GB.
MOST_VERTICES = 2**31 // 16
#: Shapely type ids of lines and polygons, single and multi-part.
WITH_SEGMENTS = (1, 3, 5, 6)


@step
def segmentize(
    geometry: Geometry,
    *,
    max_length: Annotated[float, "Longest segment that stays whole, CRS units, > 0.", Gt(0)],
) -> tuple[Geometry, Rejected]:
    """Add vertices so that no segment is longer than a length.

    Of use before ``reproject``: straight edges then follow the curve that
    they become.

    Parameters
    ----------
    geometry : ndarray of object
    max_length : float
        In the units of the layer's CRS (degrees in a geographic one).

    Returns
    -------
    Geometry
        Every longer segment cut into the fewest equal ones; all vertices
        given stay. Z is interpolated, M of lines and polygons is lost
        (shapely cannot make geometries of coordinates with M).
    Rejected
        Rows that would grow beyond what a ``.shp`` can hold.

    Notes
    -----
    Own arithmetic. GDAL leaves segments whole that are up to 1 % too long
    and does not interpolate Z; GEOS drops repeated vertices.

    Also known as: Densify by interval (QGIS), Densify (ArcGIS),
    ``-segmentize`` (ogr2ogr).
    """
    result = geometry.copy()
    refused: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    present = shapely.get_num_coordinates(geometry) > 0
    # Rows of one type, with or without Z, are one ragged array of coordinates.
    kinds = np.column_stack([shapely.get_type_id(geometry), shapely.has_z(geometry)])
    for kind in np.unique(kinds[present], axis=0):
        if kind[0] in WITH_SEGMENTS:
            rows = np.flatnonzero(present & (kinds == kind).all(axis=1))
            result[rows], too_many = _cut(geometry[rows], max_length, bool(kind[1]))
            refused.append(rows[too_many])
    found = np.sort(np.concatenate(refused))
    reason = f"it would have more than {MOST_VERTICES:,} vertices, more than a .shp can hold"
    return result, Rejected(found, (reason,) * len(found))


@segmentize.header
def segmentized(header: Header, *, max_length: float) -> Header:
    """M of lines and polygons is lost; points are left alone, the bounds stay."""
    points = header.geometry_type in ("Point", "MultiPoint")
    return header if points else replace(header, has_m=False)


def _cut(shapes: Geometry, max_length: float, has_z: bool) -> tuple[Geometry, NDArray[np.bool_]]:
    """Cut geometries of one kind; those that would grow too large are left and told."""
    kind, coords, offsets = shapely.to_ragged_array(shapes, include_z=has_z, include_m=False)
    starts = offsets[-1]
    for of in reversed(offsets[:-1]):
        starts = of[starts]
    counts = _pieces(coords, max_length)
    counts[offsets[0][1:] - 1] = 1  # no segment leads from one part to the next
    at = np.concatenate([[0], np.cumsum(counts)])
    too_many = np.diff(at[starts]) > MOST_VERTICES
    if too_many.any():
        counts[np.repeat(too_many, np.diff(starts))] = 1
        at = np.concatenate([[0], np.cumsum(counts)])
    made = np.repeat(coords, counts, axis=0)
    within = np.arange(at[-1]) - np.repeat(at[:-1], counts)
    new = np.flatnonzero(within)
    segment = np.repeat(np.arange(len(coords)), counts)[new]
    share = within[new] / counts[segment]
    made[new] += (coords[segment + 1] - coords[segment]) * share[:, None]
    with np.errstate(invalid="ignore"):  # coordinates that are not finite stay as they are
        return shapely.from_ragged_array(kind, made, (at[offsets[0]], *offsets[1:])), too_many


def _pieces(coords: NDArray[np.float64], max_length: float) -> NDArray[np.int64]:
    """How many pieces the segment from each vertex to the next becomes."""
    with np.errstate(invalid="ignore", over="ignore"):
        ratio = np.hypot(*np.diff(coords[:, :2], axis=0).T) / max_length
    # A segment of 3 lengths and a rounding error becomes 3 pieces; none finite, none cut.
    pieces = np.ceil(np.where(np.isfinite(ratio), ratio, 1.0) * (1 - 1e-12))
    return np.append(np.clip(pieces, 1, MOST_VERTICES + 1).astype(np.int64), 1)
