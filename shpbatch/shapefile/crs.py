"""CRS as a ``.prj`` holds it."""

from __future__ import annotations

from functools import lru_cache

from ..errors import WriteError

__all__ = ["esri_wkt"]


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
            f"the CRS {crs} cannot be written as a .prj: {error}", "crs-unwritable"
        ) from None
