"""Where on the Earth a layer is: its extent in WGS 84, where its CRS is known."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

from ..models import Bounds4
from .grid import Audit, LayerAudit

__all__ = ["as_geojson", "footprint"]

#: Points on each side of an extent: its edges bend when they are reprojected.
ON_A_SIDE = 21
#: Degrees: an edge may be off by so much.
ROUNDED = 1e-3


def footprint(layer: LayerAudit) -> Bounds4 | None:
    """Extent in WGS 84 degrees; west > east where it crosses the antimeridian.

    None where there is no extent, or no CRS that PROJ can bring to WGS 84.
    """
    header = layer.header
    if header is None or header.bounds is None or header.crs is None or not header.count:
        return None
    left, bottom, right, top = header.bounds
    if not (layer.crs and layer.crs.name) or left > right or bottom > top:
        return None
    found = _in_degrees(header.crs, header.bounds)
    if found is None or not all(map(math.isfinite, found)):
        return None
    west, south, east, north = found
    if south < -90.5 or north > 90.5 or min(west, east) < -360 or max(west, east) > 360:
        return None
    west, east = _on_the_globe(west, east)
    return west, max(south, -90), east, min(north, 90)


def _on_the_globe(west: float, east: float) -> tuple[float, float]:
    """Longitudes from -180 to 180; a band that goes beyond comes in again at the other edge."""
    if west > east or (west >= -180 - ROUNDED and east <= 180 + ROUNDED):
        return max(west, -180), min(east, 180)
    if east - west >= 360:
        return -180, 180
    west, east = ((x + 180) % 360 - 180 for x in (west, east))
    return west, (180 if east == -180 else east)


@lru_cache(maxsize=4096)
def _in_degrees(crs: str, bounds: Bounds4) -> Bounds4 | None:
    from pyproj.exceptions import ProjError

    try:
        transformer = _transformer(crs)
        if transformer is None:
            return bounds
        found: Bounds4 = transformer.transform_bounds(*bounds, densify_pts=ON_A_SIDE)
    except ProjError:  # CRSError is one
        return None
    return found


@lru_cache(maxsize=256)
def _transformer(crs: str) -> Any:
    """To WGS 84; None for degrees on a datum that is WGS 84 but for some metres."""
    from pyproj import CRS, Transformer

    found = CRS.from_user_input(crs)
    greenwich = found.prime_meridian is not None and not found.prime_meridian.longitude
    if found.is_geographic and greenwich and found.axis_info[0].unit_name == "degree":
        return None
    return Transformer.from_crs(found, "OGC:CRS84", always_xy=True)


def as_geojson(audit: Audit) -> str:
    """Footprints as a FeatureCollection (RFC 7946); null where nothing tells the place."""
    from .records import as_json

    records = as_json(audit)["layers"]
    features = [
        {
            "type": "Feature",
            "geometry": _geometry(footprint(layer)),
            "properties": _properties(record),
        }
        for layer, record in zip(audit.layers, records, strict=True)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def _properties(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("path", "layer", "severity", "type", "declared")
    crs = record["crs"] or {}
    return {
        **{name: record[name] for name in kept},
        "crs": crs.get("code") or crs.get("name"),
        "problems": [f["code"] for f in record["findings"]],
    }


def _geometry(box: Bounds4 | None) -> dict[str, Any] | None:
    """A box, or two where it crosses the antimeridian; a point where it has no area."""
    if box is None:
        return None
    west, south, east, north = box
    if west > east:
        halves = [_ring(west, south, 180.0, north), _ring(-180.0, south, east, north)]
        return {"type": "MultiPolygon", "coordinates": [[ring] for ring in halves]}
    if west == east and south == north:
        return {"type": "Point", "coordinates": [west, south]}
    if west == east or south == north:
        return {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    return {"type": "Polygon", "coordinates": [_ring(*box)]}


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    """Counter-clockwise, as RFC 7946 wants it."""
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
