"""The operation between two CRS that PROJ uses where a layer lies, and what a better one lacks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..models import Bounds4, Problem
from .identity import in_degrees

if TYPE_CHECKING:
    from pyproj import Transformer

__all__ = ["Operation", "operation", "problems_of", "transformer"]

#: Metres: an operation that is as accurate needs no better one.
ACCURATE = 1.0
#: Axes are put in order before and after; that moves nothing.
_ORDER = "axis order change (2D)"


@dataclass(frozen=True, slots=True)
class Operation:
    """A coordinate operation.

    Attributes
    ----------
    name : str
    accuracy : float or None
        Metres; None where nobody knows it.
    better : str
        What a better operation for the same place lacks; "" where there is none.
    """

    name: str
    accuracy: float | None
    better: str = ""

    def __str__(self) -> str:
        known = "accuracy unknown" if self.accuracy is None else f"accuracy {self.accuracy:g} m"
        return f"{self.name} ({known})"


@lru_cache(maxsize=64)
def transformer(source: str, target: str) -> Transformer:
    """The operations between two CRS, x before y on both sides.

    Raises
    ------
    ProjError
        Where there is none.
    """
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def operation(source: str, target: str, bounds: Bounds4 | None) -> Operation | None:
    """The operation that is used in the middle of a box; None where nothing tells.

    Parameters
    ----------
    source, target : str
    bounds : tuple of float or None
        In the units of the source; None where they are not known.
    """
    found = _only(source, target)
    if found is None and bounds is not None:
        found = _used(source, target, bounds)
    if found is None or (found.accuracy is not None and found.accuracy <= ACCURATE):
        return found
    better = _better(source, target, found, bounds)
    return Operation(found.name, found.accuracy, better)


def problems_of(found: Operation) -> tuple[Problem, ...]:
    """What a person should know of an operation, after the operation itself."""
    told = [Problem("crs-operation", str(found))]
    if found.better:
        told.append(Problem("crs-grid-missing", f"reprojected by {found}; {found.better}"))
    elif "Ballpark" in found.name:
        reason = f"reprojected by {found}: no transformation between the datums is known, "
        told.append(Problem("crs-ballpark", reason + "it may be off by 100 m or more"))
    return tuple(told)


@lru_cache(maxsize=64)
def _only(source: str, target: str) -> Operation | None:
    """The operation, where there is one for all places."""
    found = transformer(source, target)
    if found.description.startswith("unavailable until"):  # pyproj: one of several, by place
        return None
    return _named(found.description, found.accuracy)


@lru_cache(maxsize=1024)
def _used(source: str, target: str, bounds: Bounds4) -> Operation | None:
    """The operation that PROJ chooses in the middle of a box."""
    from pyproj.exceptions import ProjError

    move = transformer(source, target)
    move.transform((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    try:
        found = move.get_last_used_operation()
    except ProjError:  # none that holds there
        return None
    return _named(found.description, found.accuracy)


def _named(description: str, accuracy: float | None) -> Operation:
    parts = [p for p in description.split(" + ") if p != _ORDER]
    known = None if accuracy is None or accuracy < 0 else accuracy
    return Operation(" + ".join(parts) or "no change", known)


def _better(source: str, target: str, used: Operation, bounds: Bounds4 | None) -> str:
    """The operation made for a place among those that lack a grid, if it is better."""
    place = None if bounds is None else in_degrees(source, bounds)
    for name, accuracy, area, grids in _lacking(source, target):
        if used.accuracy is not None and accuracy >= used.accuracy:
            continue
        if area is None or place is None or _holds(area, place):
            files = ", ".join(grids)
            return f"{name} would be accurate to {accuracy:g} m, but needs {files} (see projsync)"
    return ""


def _holds(area: Bounds4, place: Bounds4) -> bool:
    """Whether the middle of a box lies in an area; the world is round."""
    lon, lat = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    west, south, east, north = area
    east += 360 * (east < west)
    return south <= lat <= north and any(west <= lon + turn <= east for turn in (-360, 0, 360))


@lru_cache(maxsize=64)
def _lacking(
    source: str, target: str
) -> tuple[tuple[str, float, Bounds4 | None, tuple[str, ...]], ...]:
    """Operations whose grids are not installed, smallest area first, as PROJ prefers them.

    PROJ takes 50 to 170 ms for it.
    """
    from pyproj.transformer import TransformerGroup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "best transformation is not available"
        group = TransformerGroup(source, target, always_xy=True)
    found = [
        (
            str(_named(o.name, None).name),
            float(o.accuracy),
            o.area_of_use.bounds if o.area_of_use else None,
            tuple(g.short_name for g in o.grids if not g.available),
        )
        for o in group.unavailable_operations
        if o.accuracy is not None and o.accuracy >= 0
    ]
    return tuple(sorted(found, key=lambda o: (_size(o[2]), o[1])))


def _size(area: Bounds4 | None) -> float:
    """Square degrees; the world where nothing is known."""
    if area is None:
        return 360.0 * 180.0
    west, south, east, north = area
    return (east - west + 360 * (east < west)) * (north - south)
