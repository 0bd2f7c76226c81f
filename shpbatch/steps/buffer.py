"""Make the area within a distance of each geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import shapely
from annotated_types import Ge

from ..engine.aspects import Geometry, Header, Rejected
from ..engine.geometry import attempt
from ..engine.registry import step


@step
def buffer(
    geometry: Geometry,
    *,
    distance: Annotated[float, "How far to go, CRS units; negative shrinks polygons."],
    endcap_style: Annotated[Literal["round", "flat", "square"], "Ends of lines."] = "round",
    join_style: Annotated[Literal["round", "mitre", "bevel"], "Corners."] = "round",
    mitre_limit: Annotated[
        float, "Longest mitre, in distances; beyond it corners are cut.", Ge(0)
    ] = 5.0,
    quadrant_segments: Annotated[int, "Segments in a quarter of a circle.", Ge(1)] = 8,
    side: Annotated[Literal["both", "left", "right"], "Side of a line."] = "both",
) -> tuple[Geometry, Rejected]:
    """Make the area within a distance of each geometry.

    Parameters
    ----------
    geometry : ndarray of object
    distance : float
        In the units of the layer's CRS (degrees in a geographic one).
    endcap_style : {"round", "flat", "square"}
        Ends of lines; ends of a one-sided buffer are always flat.
    join_style : {"round", "mitre", "bevel"}
    mitre_limit : float
        Ratio of the longest allowed mitre to the distance.
    quadrant_segments : int
        8 as in GDAL; a circle then lacks 0.6 % of its area.
    side : {"both", "left", "right"}
        Seen in the direction of the line.

    Returns
    -------
    Geometry
        Polygons without Z and M. What shrinks to nothing is empty, and is
        written as null and counted.
    Rejected
        Rows with a coordinate that is not finite.

    Notes
    -----
    GEOS Buffer, with the options and defaults of ``gdal vector buffer``.
    Features are not merged: follow with ``dissolve`` for that.

    Also known as: Buffer, Single sided buffer (QGIS), Buffer (ArcGIS),
    ``ST_Buffer`` (``ogr2ogr -dialect sqlite``).
    """

    def buffered(shapes: Geometry) -> Geometry:
        areas: Geometry = shapely.buffer(
            shapes,
            -distance if side == "right" else distance,
            quad_segs=quadrant_segments,
            cap_style=endcap_style,
            join_style=join_style,
            mitre_limit=mitre_limit,
            single_sided=side != "both",
        )
        return areas

    return attempt(buffered, geometry)


@buffer.header
def area(header: Header, **params: object) -> Header:
    """Polygons without Z and M."""
    return replace(header, geometry_type="Polygon", has_z=False, has_m=False, bounds=None)
