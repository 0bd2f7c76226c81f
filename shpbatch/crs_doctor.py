"""How sure the CRS of a layer is, whether its coordinates fit it, and what else it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .findings import Finding
from .models import Header

__all__ = ["CrsReport", "examine_crs"]


@dataclass(frozen=True, slots=True)
class CrsReport:
    """The CRS of a layer.

    Attributes
    ----------
    name : str or None
        As PROJ knows it; None where there is none, or none that can be read.
    code : str or None
        ``EPSG:4326``; None where no code is sure.
    confidence : float
        0 to 1: how sure the code, or without one the CRS, is.
    candidates : tuple of (str, float)
        Codes that the extent and sister layers speak for, likeliest first.
    findings : tuple of Finding
    """

    name: str | None
    code: str | None
    confidence: float
    candidates: tuple[tuple[str, float], ...] = ()
    findings: tuple[Finding, ...] = ()


def examine_crs(header: Header, sisters: Sequence[Header] = ()) -> CrsReport:
    """Examine the CRS of a layer; ``sisters`` are headers of layers in the same folder."""
    if header.crs is None:
        finding = Finding("crs-missing", "warning", "no .prj: the CRS is unknown")
        return CrsReport(None, None, 0.0, (), (finding,))
    found = _identified(header.crs)
    if found is None:
        finding = Finding("crs-unreadable", "error", "the .prj is no CRS that PROJ can read")
        return CrsReport(None, None, 0.0, (), (finding,))
    name, code = found
    return CrsReport(name, f"EPSG:{code}" if code else None, 0.7 if code else 0.3)


@lru_cache(maxsize=256)
def _identified(text: str) -> tuple[str, int | None] | None:
    """Name and EPSG code of a CRS; PROJ takes up to 45 ms to find one, and a folder has few."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        return None
    return crs.name, crs.to_epsg(min_confidence=70)
