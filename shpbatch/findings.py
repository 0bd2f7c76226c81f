"""What a doctor found: a stable code, how bad it is, where, and the cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PLACES", "Finding", "Lost", "Place", "Severity", "runs_of", "united"]

Severity = Literal["error", "warning", "note"]
What = Literal["feature", "shape", "attributes", "doubtful"]
#: Places that a finding keeps; the others are counted. Of what is only untidy the first few do.
PLACES: dict[Severity, int] = {"error": 1000, "warning": 1000, "note": 5}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a layer: row in the source, coordinates in its CRS, what is there."""

    row: int
    x: float | None = None
    y: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know of a layer.

    Attributes
    ----------
    code : str
        Stable, such as ``crs-missing`` or ``self-intersection``.
    severity : {"error", "warning", "note"}
        An error prevents a run or loses something; a warning may.
    reason : str
        One sentence for people.
    remedy : str
        A command or an option that cures it; empty where there is none.
    count : int
        Features or cells concerned.
    places : tuple of Place
        The first few of them.
    """

    code: str
    severity: Severity
    reason: str
    remedy: str = ""
    count: int = 1
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows, one after the other, of which something could not be saved, or is not sure.

    ``what`` is ``feature``, ``shape`` (the attributes are there), ``attributes``
    (the shape is there) or ``doubtful`` (both are, and something speaks against
    one of them); ``row`` counts from 0 in the source.
    """

    row: int
    count: int
    what: What
    reason: str


def runs_of(rows: NDArray[np.int64], reason: str, what: What = "doubtful") -> Iterator[Lost]:
    """Rows, in order, as runs of which the same is lost or doubtful."""
    begin = before = -1
    for row in rows.tolist():
        if row != before + 1 or begin < 0:
            if begin >= 0:
                yield Lost(begin, before + 1 - begin, what, reason)
            begin = row
        before = row
    if begin >= 0:
        yield Lost(begin, before + 1 - begin, what, reason)


def united(left: tuple[Finding, ...], right: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings of two windows of a layer as those of both; equal codes add up."""
    found = {f.code: f for f in left}
    for f in right:
        was = found.get(f.code)
        if was is None:
            found[f.code] = f
            continue
        places = (*was.places, *f.places)[: PLACES[was.severity]]
        found[f.code] = replace(was, count=was.count + f.count, places=places)
    return tuple(found.values())
