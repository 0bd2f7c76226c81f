"""How sure the CRS of a layer is, whether its coordinates fit it, and what else it may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..crs.identity import Identity, identified, in_degrees, shown
from ..findings import Finding
from ..models import Bounds4, Header

__all__ = ["SURE", "CrsReport", "candidates", "examine_crs", "far_from"]

#: From here on a candidate is assigned where that is asked for.
SURE = 0.8
#: From here on it is named in a remedy; below, and where there is none, this is.
LIKELY, UNTOLD = 0.6, "EPSG:…"
#: Sisters that tell that a layer's axes are swapped.
FEWEST = 2
#: Degrees by which coordinates may leave the area of use, and their share of its size.
MARGIN, SHARE = 2.0, 0.25
#: Half of the equator in Web Mercator, metres.
MERCATOR = 20_037_508.35
#: Eastings and northings of UTM, metres.
EASTINGS, NORTHINGS = (100_000.0, 900_000.0), (0.0, 10_000_000.0)


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
        CRS that the extent and sister layers speak for, likeliest first.
    findings : tuple of Finding
    """

    name: str | None
    code: str | None
    confidence: float
    candidates: tuple[tuple[str, float], ...] = ()
    findings: tuple[Finding, ...] = ()


def examine_crs(header: Header, sisters: Sequence[Header] = ()) -> CrsReport:
    """Examine the CRS of a layer.

    Parameters
    ----------
    header : Header
    sisters : sequence of Header
        Of layers in the same folder.
    """
    known = None if header.crs is None else identified(header.crs)
    if known is None:
        return _unknown(header, candidates(header, sisters))
    findings = _plausible(header, known) or _swapped(header, sisters)
    likely = candidates(header, sisters) if findings else ()
    findings = tuple(_with_best(f, likely, known.sure) for f in findings)
    if known.sure is None:
        reason = f"'{known.name}' is no CRS of EPSG, or one that is only like it"
        findings = (*findings, Finding("crs-uncoded", "note", reason))
    return CrsReport(known.name, known.sure, known.confidence or 0.5, likely, findings)


def _unknown(header: Header, likely: tuple[tuple[str, float], ...]) -> CrsReport:
    unreadable = [p.reason for p in header.problems if p.code == "prj-unreadable"]
    perhaps = f"; perhaps {shown(likely[0][0])} ({likely[0][1]:.0%})" if likely else ""
    if header.crs is not None or unreadable:
        reason = f"{(*unreadable, 'the .prj is no CRS that PROJ can read')[0]}{perhaps}"
        finding = Finding("crs-unreadable", "error", reason, f"--src-crs {UNTOLD}")
    else:
        reason = f"no .prj: the CRS is unknown{perhaps}"
        finding = Finding("crs-missing", "warning", reason, f"--src-crs-default {UNTOLD}")
    return CrsReport(None, None, 0.0, likely, (_with_best(finding, likely),))


def _with_best(
    finding: Finding, likely: tuple[tuple[str, float], ...], own: str | None = None
) -> Finding:
    """A finding whose remedy names the likeliest other CRS, if that is likely and has a code."""
    codes = [crs for crs, share in likely if share >= LIKELY and crs != own and "[" not in crs]
    best = codes[0] if codes else UNTOLD
    return replace(finding, remedy=finding.remedy.replace(UNTOLD, best))


# -- coordinates that a CRS cannot have ---------------------------------------


def _plausible(header: Header, known: Identity) -> tuple[Finding, ...]:
    """Coordinates against the units of the CRS and its area of use."""
    if header.bounds is None or header.crs is None:
        return ()
    box = header.bounds
    if known.geographic:
        if not _like_degrees(box):
            return (_not_degrees(box),)
        degrees: Bounds4 | None = box
    else:
        # Where it is not known where a CRS is used, as of a site plan, small numbers say nothing.
        if known.area and _like_degrees(box) and _meets(box, known.area):
            reason = "coordinates are degrees, but the CRS is in metres or feet"
            return (Finding("crs-in-degrees", "error", reason, f"--src-crs {UNTOLD}"),)
        degrees = in_degrees(header.crs, box)
    return _inside(degrees, known)


def _not_degrees(box: Bounds4) -> Finding:
    west, south, east, north = box
    if abs(west) <= 90 and abs(east) <= 90 and abs(south) <= 180 and abs(north) <= 180:
        reason = "latitudes are beyond 90 degrees: x and y are swapped"
        return Finding("axes-swapped", "error", reason, "! swap-xy")
    reason = f"the CRS is in degrees, but coordinates reach {max(map(abs, box)):,.0f}"
    return Finding("crs-not-degrees", "error", reason, f"--src-crs {UNTOLD}")


def far_from(crs: str, bounds: Bounds4 | None, target: str) -> str | None:
    """Why a layer is nowhere near where another CRS is used; None where it is, or nobody knows."""
    known = identified(target)
    degrees = None if bounds is None else in_degrees(crs, bounds)
    return None if known is None else _far(degrees, known)


def _far(degrees: Bounds4 | None, known: Identity) -> str | None:
    if degrees is None or known.area is None or _meets(degrees, known.area):
        return None
    west, south, east, north = degrees
    return (
        f"coordinates are around {(west + east) / 2:.1f}°, {(south + north) / 2:.1f}°, "
        f"far from where {known.name} is used"
    )


def _inside(degrees: Bounds4 | None, known: Identity) -> tuple[Finding, ...]:
    reason = _far(degrees, known)
    if reason is None or degrees is None:
        return ()
    west, south, east, north = degrees
    if known.geographic and _meets((south, west, north, east), known.area):
        reason = f"x and y are swapped: only then they are where {known.name} is used"
        return (Finding("axes-swapped", "warning", reason, "! swap-xy"),)
    return (Finding("crs-elsewhere", "warning", reason, f"--src-crs {UNTOLD}"),)


def _swapped(header: Header, sisters: Sequence[Header]) -> tuple[Finding, ...]:
    """Whether a layer lies where its sisters of the same CRS lie only if x and y are swapped."""
    boxes = [s.bounds for s in sisters if s.crs == header.crs and s.bounds is not None]
    if header.bounds is None or len(boxes) < FEWEST:
        return ()
    west, south, east, north = header.bounds
    as_they_are = any(_touch(header.bounds, box) for box in boxes)
    turned = sum(_touch((south, west, north, east), box) for box in boxes)
    if as_they_are or turned < 0.5 * len(boxes):
        return ()
    reason = "x and y are swapped: only then they are where the layers beside it are"
    return (Finding("axes-swapped", "warning", reason, "! swap-xy"),)


def _touch(box: Bounds4, other: Bounds4) -> bool:
    meets_x = box[0] <= other[2] and other[0] <= box[2]
    return meets_x and box[1] <= other[3] and other[1] <= box[3]


def _like_degrees(box: Bounds4) -> bool:
    west, south, east, north = box
    return abs(west) <= 360.001 and abs(east) <= 360.001 and abs(south) <= 90.001 >= abs(north)


def _meets(box: Bounds4, area: Bounds4 | None) -> bool:
    """Whether two boxes of degrees meet, with a margin; the world is round."""
    if area is None:
        return True
    west, south, east, north = area
    east += 360 * (east < west)
    wide = MARGIN + SHARE * max(east - west, north - south)
    if box[3] < south - wide or box[1] > north + wide:
        return False
    right = box[2] + 360 * (box[2] < box[0])
    return any(
        box[0] + turn <= east + wide and right + turn >= west - wide for turn in (-360, 0, 360)
    )


# -- what it may be -------------------------------------------------------------


def candidates(header: Header, sisters: Sequence[Header] = ()) -> tuple[tuple[str, float], ...]:
    """CRS that a layer without one may be in, likeliest first.

    Sisters whose coordinates are about the same speak for theirs; an extent
    alone says little, as each zone of UTM has the same numbers.
    """
    if header.bounds is None:
        return ()
    found: dict[str, float] = {}
    for crs, share in _of_sisters(header, sisters).items():
        found[crs] = max(found.get(crs, 0.0), share)
    for crs, share in _of_extent(header.bounds, sisters).items():
        found[crs] = max(found.get(crs, 0.0), share)
    return tuple(sorted(found.items(), key=lambda item: -item[1])[:4])


def _of_sisters(header: Header, sisters: Sequence[Header]) -> dict[str, float]:
    """CRS of sisters that lie where the layer lies, by the numbers."""
    assert header.bounds is not None
    near: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for sister in sisters:
        known = None if sister.crs is None else identified(sister.crs)
        if known is None or sister.crs is None or sister.bounds is None:
            continue
        name = known.sure or sister.crs
        all_of[name] += 1
        same_kind = known.geographic == _like_degrees(header.bounds)
        near[name] += same_kind and _overlap(header.bounds, sister.bounds)
    agreed = len(all_of) == 1
    found = {}
    for name, count in near.items():
        if count:
            found[name] = (0.9 if count > 1 else 0.75) if agreed else 0.6
    return found


def _overlap(box: Bounds4, other: Bounds4) -> bool:
    """Whether boxes of about one size share most of the smaller one."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    sizes = [max(b[2] - b[0], b[3] - b[1]) for b in (box, other)]
    if width < 0 or height < 0 or max(sizes) > 100 * max(min(sizes), 1e-9):
        return False
    areas = [max(b[2] - b[0], 1e-9) * max(b[3] - b[1], 1e-9) for b in (box, other)]
    return max(width, 1e-9) * max(height, 1e-9) >= 0.5 * min(areas)


def _of_extent(box: Bounds4, sisters: Sequence[Header]) -> dict[str, float]:
    if _like_degrees(box):  # of some datum: that of all sisters in degrees, else the commonest
        known = [identified(s.crs) for s in sisters if s.crs is not None]
        codes = {k.sure for k in known if k and k.geographic and k.sure}
        return {codes.pop() if len(codes) == 1 else "EPSG:4326": 0.6}
    found: dict[str, float] = {}
    if all(abs(v) <= MERCATOR for v in box) and max(map(abs, box)) > EASTINGS[1]:
        found["EPSG:3857"] = 0.3
    places = [p for s in sisters if (p := _place(s)) is not None]
    for crs in {*found, *(_utm(p) for p in places if _like_utm(box))}:
        moved = in_degrees(crs, box)
        if moved and any(_overlap(moved, place) for place in places):
            found[crs] = 0.7
    return found


def _place(sister: Header) -> Bounds4 | None:
    if sister.crs is None or sister.bounds is None or identified(sister.crs) is None:
        return None
    return in_degrees(sister.crs, sister.bounds)


def _like_utm(box: Bounds4) -> bool:
    inside = EASTINGS[0] <= box[0] <= box[2] <= EASTINGS[1]
    return inside and NORTHINGS[0] <= box[1] <= box[3] <= NORTHINGS[1]


def _utm(place: Bounds4) -> str:
    """Zone of UTM (WGS 84) of the middle of a box of degrees."""
    lon, lat = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    zone = min(60, max(1, int((lon + 180) // 6) + 1))
    return f"EPSG:{326 if lat >= 0 else 327}{zone:02d}"
