"""Where a layer is, in the words of metadata: its CRS, its extent, and that in degrees."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from ..crs.identity import identified, in_degrees
from ..models import Bounds4
from .crs import esri_wkt

if TYPE_CHECKING:
    from pyproj import CRS

__all__ = ["Place"]

#: Share of an extent by which two may differ and be the same.
NEAR = 1e-6


@dataclass(frozen=True)
class Place:
    """A CRS and a box in it.

    Attributes
    ----------
    crs : str or None
        As a ``.prj`` has it, or any text that PROJ reads.
    bounds : tuple of float or None
        (minx, miny, maxx, maxy), None of a layer without vertices.
    """

    crs: str | None
    bounds: Bounds4 | None

    @cached_property
    def code(self) -> str:
        """``EPSG:4326``, empty where none is sure."""
        found = identified(self.crs) if self.crs else None
        return (found.sure or "") if found else ""

    @property
    def authority(self) -> str:
        """Whose the code is."""
        return self.code.partition(":")[0]

    @property
    def number(self) -> str:
        """The code without its authority."""
        return self.code.partition(":")[2]

    @property
    def wkt(self) -> str:
        """The CRS as a ``.prj`` has it."""
        return esri_wkt(str(self.crs))

    @property
    def kind(self) -> str | None:
        """``Projected`` or ``Geographic``, as ESRI spells it; None of any other."""
        crs = _crs(str(self.crs))
        return "Projected" if crs.is_projected else "Geographic" if crs.is_geographic else None

    @property
    def geographic_name(self) -> str | None:
        """ESRI's name of the geographic CRS."""
        return _name(self.wkt, "GEOGCS")

    @property
    def projected_name(self) -> str | None:
        """ESRI's name of the projected CRS; empty of a CRS that is not projected."""
        return _name(self.wkt, "PROJCS") or ""

    def degrees(self, other: Place, told: Bounds4) -> Bounds4 | None:
        """The extent in longitudes and latitudes; None where what was told stays.

        A box grows when it is taken to another CRS. So where this place and
        the source's hold each other, as those of one layer in two CRS do, a
        told extent within is one that was measured, and nearer to the truth.

        Parameters
        ----------
        other : Place
            Of the source.
        told : tuple of float
            The extent in degrees that the metadata have.
        """
        if self.crs is None or self.bounds is None or self == other:
            return None
        found = in_degrees(self.crs, self.bounds)
        same = found is not None and _holds(found, told) and self._is_at(other)
        return None if same else found

    def _is_at(self, other: Place) -> bool:
        """Whether two may be one layer in two CRS."""
        if self.crs is None or other.crs is None or self.bounds is None or other.bounds is None:
            return False
        there = _moved(self.bounds, self.crs, other.crs)
        here = _moved(other.bounds, other.crs, self.crs)
        if there is None or here is None:
            return False
        return _holds(there, other.bounds) and _holds(here, self.bounds)

    def qgis(self, name: str, old: str) -> str | None:
        """What QGIS writes of a CRS into an element of ``spatialrefsys``.

        Its own number (``srsid``) is that of a database of QGIS; 0 makes it look for the code.
        """
        crs = _crs(str(self.crs))
        if name == "wkt":
            two = old.lstrip().startswith(("GEOGCRS", "PROJCRS", "BOUNDCRS", "GEODCRS", "COMPOUND"))
            return str(crs.to_wkt("WKT2_2019" if two else "WKT1_GDAL"))
        if name in ("proj4", "projectionacronym"):
            proj = _proj4(crs)
            return proj if name == "proj4" else proj.partition("+proj=")[2].partition(" ")[0]
        return {
            "srsid": "0",
            "srid": self.number if self.authority == "EPSG" else "0",
            "authid": self.code,
            "description": crs.name,
            "ellipsoidacronym": _ellipsoid(crs),
            "geographicflag": "true" if crs.is_geographic else "false",
        }.get(name)


@lru_cache(maxsize=64)
def _crs(text: str) -> CRS:
    from pyproj import CRS

    return CRS.from_user_input(text)


def _proj4(crs: CRS) -> str:
    with warnings.catch_warnings():  # "you will likely lose important projection information"
        warnings.simplefilter("ignore", UserWarning)
        return str(crs.to_proj4()).replace(" +type=crs", "")


def _ellipsoid(crs: CRS) -> str:
    told: Any = crs.ellipsoid.to_json_dict().get("id") if crs.ellipsoid else None
    return f"{told['authority']}:{told['code']}" if told else ""


def _name(wkt: str, node: str) -> str | None:
    start = wkt.find(f'{node}["')
    return None if start < 0 else wkt[start + len(node) + 2 :].partition('"')[0]


def _moved(bounds: Bounds4, source: str, target: str) -> Bounds4 | None:
    """A box of a CRS that holds one of another; None where there is none."""
    from pyproj.exceptions import ProjError

    if source == target:
        return bounds
    try:
        west, south, east, north = _transformer(source, target).transform_bounds(*bounds)
    except ProjError:
        return None
    finite = all(map(math.isfinite, (west, south, east, north))) and west <= east
    return (west, south, east, north) if finite else None


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _holds(outer: Bounds4, inner: Bounds4) -> bool:
    near = NEAR * max(outer[2] - outer[0], outer[3] - outer[1])
    low = all(outer[i] <= inner[i] + near for i in (0, 1))
    return low and all(outer[i] >= inner[i] - near for i in (2, 3))
