"""What a CRS is: its name, its EPSG code and how sure that is, its units and where it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..models import Bounds4

if TYPE_CHECKING:
    from pyproj import CRS

__all__ = ["SURE", "Identity", "identified", "in_degrees", "readable", "shown"]

#: Characters of a CRS in a sentence.
SHOWN = 30
#: PROJ's confidence from which on definitions are the same: 0.5 is one in other units.
SURE = 0.7
#: The code that WKT 1 names for the whole, and what a .prj need not say.
_NAMED = re.compile(r'AUTHORITY\s*\[\s*"(EPSG|ESRI)"\s*,\s*"?(\d+)"?\s*\]\s*\]\s*$')
_AXES = re.compile(r",\s*(?:AUTHORITY|AXIS|TOWGS84)\s*\[[^\[\]]*\]")


@dataclass(frozen=True, slots=True)
class Identity:
    """A CRS that PROJ can read.

    Attributes
    ----------
    name : str
    code : str or None
        ``EPSG:4326``; of ESRI's, ``ESRI:102100``, where EPSG has none.
    confidence : float
        0 to 1, as PROJ identifies it: 1 for the same definition under the same
        name, 0.7 for the same under another name, 0.25 for a like one.
    geographic : bool
        Coordinates are degrees.
    area : tuple of float or None
        (west, south, east, north) in degrees where it is meant to be used;
        west is greater than east where that spans the antimeridian.
    """

    name: str
    code: str | None
    confidence: float
    geographic: bool
    area: Bounds4 | None

    @property
    def sure(self) -> str | None:
        """The code, where it is that of this very definition."""
        return self.code if self.confidence >= SURE else None


@lru_cache(maxsize=256)
def readable(crs: str) -> bool:
    """Whether PROJ knows a CRS; asking costs some 30 ms, and a folder has few of them."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        CRS.from_user_input(crs)
    except CRSError:
        return False
    return True


def shown(crs: str) -> str:
    """A CRS in a sentence: as it is if it is short, else its name."""
    if len(crs) <= SHOWN:
        return crs
    found = identified(crs)
    return found.name if found else f"{crs[:SHOWN]}…"


@lru_cache(maxsize=256)
def identified(text: str) -> Identity | None:
    """Identify a CRS; None where PROJ cannot read it.

    PROJ takes up to 45 ms for one, and a folder has few. The method is that of
    ``proj_identify`` (https://proj.org), which compares definitions.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        return None
    code, confidence = _code(crs, text)
    area = _area(crs, code if confidence >= SURE else None)
    return Identity(crs.name, code, confidence, bool(crs.is_geographic), area)


def _code(crs: CRS, text: str) -> tuple[str | None, float]:
    if named := _named(text):
        return named, 1.0
    best = _listed(crs)
    if best[1] >= SURE or "AXIS" not in text:
        return best
    bare = _bare(text)  # PROJ compares the order of axes, which a .prj is not believed on
    return best if bare is None else max(best, _listed(bare), key=lambda found: found[1])


def _listed(crs: CRS) -> tuple[str | None, float]:
    """The likest CRS of EPSG, or else of ESRI."""
    for authority in ("EPSG", "ESRI"):
        found: list[Any] = crs.list_authority(auth_name=authority, min_confidence=25)
        if found:
            best = max(found, key=lambda match: match.confidence)
            return f"{best.auth_name}:{best.code}", best.confidence / 100
    return None, 0.0


def _named(text: str) -> str | None:
    """The code that WKT 1 names, where it says what that stands for, but for the order of axes."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    named = _NAMED.search(text)
    if named is None:
        return None
    code = f"{named[1]}:{named[2]}"
    try:
        meant = CRS.from_user_input(code).to_wkt("WKT1_GDAL")
    except CRSError:
        return None
    own, other = _bare(text), _bare(meant or "")
    return code if own is not None and own == other else None


def _bare(text: str) -> CRS | None:
    """What WKT 1 defines, without its names in registers and its axes."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_wkt(_AXES.sub("", text))
    except CRSError:
        return None


def _area(crs: CRS, code: str | None) -> Bounds4 | None:
    """The area of use, which a .prj does not tell, but the code does."""
    from pyproj import CRS

    use = crs.area_of_use or (CRS.from_user_input(code).area_of_use if code else None)
    return None if use is None else (use.west, use.south, use.east, use.north)


@lru_cache(maxsize=1024)
def in_degrees(text: str, bounds: Bounds4) -> Bounds4 | None:
    """A box of a CRS as longitudes and latitudes of WGS 84; None where it has none.

    West is greater than east where the box spans the antimeridian.
    """
    from pyproj.exceptions import ProjError

    try:
        west, south, east, north = _to_degrees(text).transform_bounds(*bounds)
    except ProjError:
        return None
    finite = all(abs(v) < 1e6 for v in (west, south, east, north))
    return (west, south, east, north) if finite else None


@lru_cache(maxsize=64)
def _to_degrees(text: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(text, "EPSG:4326", always_xy=True)
