"""Shape types of the specification, and what each holds."""

from __future__ import annotations

__all__ = [
    "KNOWN",
    "LINE",
    "MULTIPOINT",
    "PATCH",
    "POINT",
    "POLYGON",
    "WITH_PARTS",
    "family",
    "has_m",
    "has_z",
]

POINT, LINE, POLYGON, MULTIPOINT, PATCH = 1, 3, 5, 8, 31
WITH_PARTS = (LINE, POLYGON, PATCH)
KNOWN = {0, 1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31}


def family(code: int) -> int:
    """Shape type without its dimension: 15 (PolygonZ) is 5 (Polygon)."""
    return code if code == PATCH else code % 10


def has_z(code: int) -> bool:
    """Whether vertices have a Z."""
    return 10 < code < 20 or code == PATCH


def has_m(code: int) -> bool:
    """Whether records may have measures; those of Z types may also lack them."""
    return code > 10
