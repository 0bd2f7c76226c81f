"""CRS as a ``.prj`` holds it."""

from __future__ import annotations

from functools import lru_cache

from ..errors import WriteError

__all__ = ["esri_wkt", "has_shift"]

#: Characters of a CRS in a message.
SHOWN = 80


@lru_cache(maxsize=64)
def esri_wkt(crs: str) -> str:
    """A CRS in ESRI's WKT; asking PROJ costs milliseconds, and a run has few of them.

    Raises
    ------
    WriteError
        ``crs-unwritable`` for one that ESRI's WKT cannot express.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(crs).to_wkt("WKT1_ESRI")
    except CRSError as error:
        raise WriteError(
            f"the CRS {crs[:SHOWN]} cannot be written as a .prj: {error}", "crs-unwritable"
        ) from None


@lru_cache(maxsize=64)
def has_shift(crs: str) -> bool:
    """Whether a CRS says how its datum is shifted (``+towgs84``): a ``.prj`` cannot."""
    from pyproj import CRS

    found = CRS.from_user_input(crs)
    return any(c.is_bound for c in (found, *found.sub_crs_list))
