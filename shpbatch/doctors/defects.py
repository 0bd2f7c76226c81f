"""Defects of geometries: which, in what rows, at what place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..engine.layer import Layer
from ..findings import PLACES, Finding, Place, Severity
from ..shapefile.edit import rows_of_parts
from ..shapefile.flaws import (
    backwards,
    no_height,
    not_finite,
    open_rings,
    repeated,
    short_parts,
    spikes,
)
from ..shapefile.ragged import Ragged
from ..shapefile.shapes import owners
from ..shapefile.types import LINE, PATCH, POLYGON, family

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DEFECTS", "Judged", "examine_geometry", "judged"]


class Defect(NamedTuple):
    """What a defect means, and the step that cures it."""

    severity: Severity
    reason: str
    remedy: str


#: By code. An error prevents steps or loses something; what is only untidy is a note.
DEFECTS = {
    "not-finite": Defect(
        "error",
        "coordinates are NaN, infinite or of no possible place",
        "! drop-non-finite ! close-rings ! drop-short-parts",
    ),
    "short-line": Defect(
        "error", "lines are at one place only: most steps reject them", "! drop-short-parts"
    ),
    "short-ring": Defect("error", "rings enclose no area", "! drop-short-parts"),
    "self-intersection": Defect("error", "borders of polygons cross themselves", "! make-valid"),
    "overlapping-rings": Defect("error", "rings of a polygon lie on each other", "! make-valid"),
    "invalid": Defect("error", "polygons are invalid", "! make-valid"),
    "unclosed-ring": Defect(
        "warning", "the last vertex of rings is not the first one", "! close-rings"
    ),
    "nested-shell": Defect(
        "warning",
        "a ring inside a shell runs clockwise too: a shell by its direction, read as a hole",
        "! force-right-hand-rule",
    ),
    "hole-outside": Defect(
        "warning",
        "a ring outside the shells runs the other way: a hole by its direction, read as a shell",
        "! force-right-hand-rule",
    ),
    "ring-orientation": Defect(
        "warning",
        "rings run the wrong way: shells must run clockwise, holes must not",
        "! force-right-hand-rule",
    ),
    "spike": Defect("warning", "rings go out and come back the same way", "! remove-spikes"),
    "repeated-point": Defect(
        "note", "a vertex is where the one before it is", "! remove-duplicate-vertices"
    ),
    "z-not-finite": Defect(
        "note", "Z is NaN, infinite or of no possible height; it is carried as it is", ""
    ),
    "null-geometry": Defect("note", "features have no geometry", "! remove-null-geometries"),
    "empty-geometry": Defect(
        "note", "geometries have no vertex, and are read as null", "! remove-null-geometries"
    ),
}

#: What GEOS says of an invalid geometry, and its code; what comes first in it counts.
_CODES = {
    "Self-intersection": "self-intersection",
    "Ring Self-intersection": "self-intersection",
    "Interior is disconnected": "self-intersection",
    "Hole lies outside shell": "overlapping-rings",
    "Holes are nested": "overlapping-rings",
    "Nested shells": "overlapping-rings",
    "Duplicate Rings": "overlapping-rings",
    "Too few points in geometry component": "short-ring",
    "Invalid Coordinate": "not-finite",
}


class Spots(NamedTuple):
    """Places of one defect, ascending by row; several may be in one row."""

    rows: NDArray[np.int64]
    xy: NDArray[np.float64] | None
    detail: Callable[[int], str]


class Judged(NamedTuple):
    """Geometries of rows, and which of them GEOS calls valid."""

    shapes: NDArray[np.object_]
    valid: NDArray[np.bool_]


def judged(layer: Layer) -> Judged:
    """Geometries of a layer, judged by GEOS; it knows no MultiPatch, and calls none invalid."""
    import shapely

    with np.errstate(invalid="ignore", over="ignore"):
        shapes = layer.geometry()
        valid = np.asarray(shapely.is_valid(shapes), dtype=bool)
    return Judged(shapes, valid | (family(layer.code) == PATCH))


def examine_geometry(layer: Layer, known: Judged | None = None) -> tuple[Finding, ...]:
    """Examine the geometries of a layer, or of a window of it.

    What concerns vertices and rings is found on the ragged array, so that a
    defect that GEOS cannot hold, or that is cured as it is read, is found
    too; what concerns areas by GEOS, with the place that it names.

    Parameters
    ----------
    layer : Layer
        As read, before any step.
    known : Judged, optional
        What `judged` says of it, where it was asked already.

    Returns
    -------
    tuple of Finding
        The worst first; counts are features. A ring may be found by several.

    Raises
    ------
    ReadError
        Where the structure is broken, so that there are no vertices.

    Notes
    -----
    ``tests/test_defects.py`` holds it against GEOS over real layers: whatever
    GEOS holds to be valid has no finding of severity error, and vice versa.
    """
    flat = layer.vertices()
    found: dict[str, list[Spots]] = {}
    for code, spots in (*_of_vertices(flat), *_of_rings(flat)):
        found.setdefault(code, []).append(spots)
    if family(flat.code) == POLYGON:
        told = [
            spots.rows for code in ("not-finite", "short-ring") for spots in found.get(code, ())
        ]
        rows = np.concatenate([np.empty(0, np.int64), *told])
        for code, spots in _of_areas(known or judged(layer), rows):
            found.setdefault(code, []).append(spots)
    return tuple(
        _finding(code, found[code], layer.rows)
        for code in DEFECTS
        if any(len(s.rows) for s in found.get(code, ()))
    )


def _finding(code: str, spots: list[Spots], numbers: NDArray[np.int64]) -> Finding:
    """One finding of all spots: the first one of each of the first rows."""
    told: dict[int, Place] = {}
    most = PLACES[DEFECTS[code].severity]
    for spot in spots:
        rows, first = np.unique(spot.rows, return_index=True)
        for row, at in zip(rows[:most].tolist(), first[:most].tolist(), strict=True):
            x, y = (None, None) if spot.xy is None else map(_known, spot.xy[at].tolist())
            told.setdefault(row, Place(int(numbers[row]), x, y, spot.detail(at)))
    count = len(np.unique(np.concatenate([s.rows for s in spots])))
    places = tuple(told[row] for row in sorted(told)[:most])
    return Finding(code, *DEFECTS[code][:2], DEFECTS[code].remedy, count, places)


def _known(value: float) -> float | None:
    """A coordinate; None where it is none, which JSON cannot hold."""
    return value if np.isfinite(value) else None


def _of_vertices(flat: Ragged) -> Iterator[tuple[str, Spots]]:
    """Defects of rows and of single vertices."""
    none = np.diff(flat.vertex_offsets) == 0
    yield "null-geometry", Spots(np.flatnonzero(flat.null), None, lambda at: "")
    yield "empty-geometry", Spots(np.flatnonzero(none & ~flat.null), None, lambda at: "")
    yield "not-finite", _at_vertices(flat, not_finite(flat))
    yield "z-not-finite", _at_vertices(flat, no_height(flat))
    yield "repeated-point", _at_vertices(flat, repeated(flat))


def _of_rings(flat: Ragged) -> Iterator[tuple[str, Spots]]:
    """Defects of lines and rings, each at a vertex of it."""
    if family(flat.code) == LINE:
        yield "short-line", _at_parts(flat, short_parts(flat), "line")
    if family(flat.code) != POLYGON:
        return
    short = short_parts(flat)
    yield "short-ring", _at_parts(flat, short, "ring")
    yield "unclosed-ring", _at_parts(flat, open_rings(flat), "ring", last=True)
    part = np.repeat(np.arange(len(short)), np.diff(flat.part_offsets))
    yield "spike", _at_vertices(flat, spikes(flat) & ~short[part])
    for code, parts in _directions(flat, short):
        yield code, _at_parts(flat, parts, "ring")


def _directions(flat: Ragged, short: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Rings (p,) that run the wrong way, by what that makes of them beside the others."""
    owner = owners(flat)
    shell = owner == np.arange(len(owner))
    against = backwards(flat, owner)
    right = np.zeros(len(flat), dtype=bool)  # rows with a shell that runs as it must
    row = rows_of_parts(flat)
    right[row[shell & ~against & ~short]] = True
    wrong = against & ~short
    nested = wrong & ~shell & ~against[owner]
    outside = wrong & shell & right[row]
    yield "nested-shell", nested
    yield "hole-outside", outside
    yield "ring-orientation", wrong & ~nested & ~outside


def _at_vertices(flat: Ragged, found: NDArray[np.bool_]) -> Spots:
    at = np.flatnonzero(found)
    rows = np.searchsorted(flat.vertex_offsets, at, side="right") - 1

    def detail(i: int) -> str:
        return f"vertex {at[i] - flat.vertex_offsets[rows[i]] + 1}"

    return Spots(rows, flat.coords[at, :2], detail)


def _at_parts(flat: Ragged, found: NDArray[np.bool_], kind: str, last: bool = False) -> Spots:
    """Spots at the first vertex of parts, or at their last one."""
    at = np.flatnonzero(found)
    rows = rows_of_parts(flat)[at]
    vertex = flat.part_offsets[at + 1] - 1 if last else flat.part_offsets[at]
    xy = np.full((len(at), 2), np.nan)
    full = flat.part_offsets[at + 1] > flat.part_offsets[at]
    xy[full] = flat.coords[vertex[full], :2]

    def detail(i: int) -> str:
        of = flat.row_offsets[rows[i] + 1] - flat.row_offsets[rows[i]]
        return f"{kind} {at[i] - flat.row_offsets[rows[i]] + 1} of {of}"

    return Spots(rows, xy, detail)


def _of_areas(judged: Judged, known: NDArray[np.int64]) -> Iterator[tuple[str, Spots]]:
    """What GEOS holds against polygons; rows whose rings are known to be none are told already."""
    import shapely

    bad = np.flatnonzero(~judged.valid & ~shapely.is_missing(judged.shapes))
    with np.errstate(invalid="ignore", over="ignore"):
        why = shapely.is_valid_reason(judged.shapes[bad])
    # "Self-intersection[10 50]": a reason with its place.
    reasons = [str(r).rstrip("]").partition("[") for r in why]
    for reason in sorted({r for r, _, _ in reasons}):
        some = np.array([i for i, r in enumerate(reasons) if r[0] == reason])
        code = _CODES.get(reason, "invalid")
        if code in ("short-ring", "not-finite"):
            some = some[~np.isin(bad[some], known)]
        xy = np.array([[float(v) for v in reasons[i][2].split()[:2]] or [np.nan] * 2 for i in some])
        yield code, Spots(bad[some], xy.reshape(-1, 2), partial(_told, reason))


def _told(reason: str, at: int) -> str:
    return reason
