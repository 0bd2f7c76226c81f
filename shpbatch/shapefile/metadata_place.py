"""CRS and extent in ``.shp.xml`` and ``.qmd``: what is told there, told as it is now.

Nothing is added to a file. Elements are those of the CSDGM (FGDC-STD-001-1998:
``spdom``, ``spref``), of ESRI's profiles of it and of ISO 19115 (``dataExt``,
``refSysInfo``, ``Esri/DataProperties``), of ISO 19139 (``gmd``), and of QGIS's
``QgsLayerMetadata``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from ..models import Bounds4
from .place import Place
from .xml_places import Element, Value, changed, difference, values_of

__all__ = ["METADATA", "placed"]

#: Which side of a box an element tells: of FGDC in degrees and as it is, of ESRI, of ISO 19139.
_SIDES = {
    "westbc": 0, "southbc": 1, "eastbc": 2, "northbc": 3,
    "leftbc": 0, "bottombc": 1, "rightbc": 2, "topbc": 3,
    "westBL": 0, "southBL": 1, "eastBL": 2, "northBL": 3,
    "westBoundLongitude": 0, "southBoundLatitude": 1,
    "eastBoundLongitude": 2, "northBoundLatitude": 3,
}  # fmt: skip
_QMD_SIDES = {"minx": 0, "miny": 1, "maxx": 2, "maxy": 3}
_BOXES = ("bounding", "lboundng", "GeoBndBox", "geoBox", "nativeExtBox", "EX_GeographicBoundingBox")
_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.(\d*))?)\s*\Z")
_PE = re.compile(r"<(Projected|Geographic)CoordinateSystem\b[^>]*>")
#: Decimals of a number where none are told: some 0.1 m in degrees.
DECIMALS = 6
#: No longitude is beyond: what is, is in the units of the layer.
DEGREES = 360.0


@dataclass
class _Told:
    """What one file is to be told."""

    old: Place
    new: Place
    new_crs: bool
    new_box: bool


def placed(data: bytes, extension: str, old: Place, new: Place) -> bytes:
    """Metadata that tells the CRS and the extent of the layer as it is now.

    All else stays byte for byte; also what is no number where one should be.

    Parameters
    ----------
    data : bytes
    extension : str
        One of `METADATA`.
    old, new : Place
        Of the source and of what became of it.

    Raises
    ------
    ExpatError, LookupError, ValueError
        It cannot be read, or not be changed with proof.
    """
    told = _Told(old, new, new.crs is not None and new.crs != old.crs, new.bounds != old.bounds)
    changes, values = [], values_of(data)
    for value, text in METADATA[extension](values, told):
        if text is not None and text != value.text:
            changes.append((value, [difference(value.text, text)]))
    return changed(data, values, changes) if changes else data


def _in_xml(values: Iterable[Value], told: _Told) -> Iterable[tuple[Value, str | None]]:
    boxes: dict[int, dict[int, Value]] = {}
    systems: dict[int, list[Value]] = {}
    for value in values:
        element = value.element
        if not value.text.strip():
            continue
        if not value.name and (box := _box(element)) is not None:
            boxes.setdefault(id(box), {})[_side(element)] = value
        elif told.new_crs and (system := _above(element, "refSysID", "RS_Identifier")):
            systems.setdefault(id(system), []).append(value)
        elif told.new_crs and not value.name:
            yield value, _reference(value, told.new)
    for sides in boxes.values():
        yield from _boxed(sides, told)
    for members in systems.values():
        yield from _identified(members, told.new)


def _side(element: Element) -> int:
    inner = element.parent if element.name == "Decimal" and element.parent else element
    return _SIDES[inner.name]


def _box(element: Element) -> Element | None:
    """The box that an element tells a side of."""
    inner = element.parent if element.name == "Decimal" and element.parent else element
    box = inner.parent
    return box if box is not None and inner.name in _SIDES and box.name in _BOXES else None


def _above(element: Element, *names: str) -> Element | None:
    at: Element | None = element
    while at is not None and at.name not in names:
        at = at.parent
    return at


def _boxed(box: dict[int, Value], told: _Told) -> Iterable[tuple[Value, str | None]]:
    """The sides of a box, in the units that it was in."""
    numbers = {side: _NUMBER.match(v.text) for side, v in box.items()}
    if len(box) < 4 or not all(numbers.values()):
        return  # a template's "REQUIRED: Western-most coordinate…"
    was = _box_of(numbers)
    above = _box(box[0].element)
    assert above is not None
    native = above.name in ("nativeExtBox", "lboundng")
    native |= above.attributes.get("esriExtentType") == "native"
    native |= any(abs(v) > DEGREES for v in was)
    new = _native(told) if native else told.new.degrees(told.old, was)
    if new is None:
        return
    for side, value in box.items():
        yield value, _number(value.text, new[side])


def _box_of(numbers: Mapping[int, re.Match[str] | None]) -> Bounds4:
    west, south, east, north = (float(m[1]) if (m := numbers[side]) else 0.0 for side in range(4))
    return west, south, east, north


def _native(told: _Told) -> Bounds4 | None:
    return told.new.bounds if told.new_box or told.new_crs else None


def _number(old: str, new: float) -> str:
    """A number with the decimals, and the blanks around it, of another."""
    found = _NUMBER.match(old)
    assert found is not None
    decimals = len(found[2] or "") or DECIMALS
    if float(found[1]) == round(new, decimals):
        return old
    return old[: found.start(1)] + f"{new:.{decimals}f}" + old[found.end(1) :]


def _reference(value: Value, new: Place) -> str | None:
    """What an element says of the CRS."""
    path = value.element.path()
    section, name = path[-2:-1], path[-1]
    if section == ("coordRef",) and name == "peXml":
        return _pe_xml(value.text, new)
    if section == ("coordRef",) and name == "type":
        return new.kind
    if section in (("coordRef",), ("cordsysn",)) and name in ("geogcsn", "projcsn"):
        # The name of a projected CRS is still there when it is none: its place stays, empty.
        return new.geographic_name if name == "geogcsn" else new.projected_name
    return None


def _pe_xml(old: str, new: Place) -> str | None:
    """ESRI's spatial reference: the text of an XML element, of the namespace that it was in."""
    found = _PE.search(old)
    if found is None or new.kind not in ("Projected", "Geographic"):
        return None
    start = found[0].replace(f"{found[1]}Coord", f"{new.kind}Coord")
    number = f"<WKID>{new.number}</WKID>" if new.number else ""
    wkt = escape(new.wkt, {'"': "&quot;"})
    return f"{start}<WKT>{wkt}</WKT>{number}</{new.kind}CoordinateSystem>"


def _identified(members: list[Value], new: Place) -> Iterable[tuple[Value, str | None]]:
    """The code of a CRS and whose it is; a WKT where it has none, or a name where that was."""
    authority, number = new.authority or "WKT", new.number or new.wkt
    spaced = any(v.element.name in ("idCodeSpace", "codeSpace") for v in members)
    for value in members:
        path = value.element.path()
        if value.name == "code" and path[-1] == "identCode":
            yield value, number
        elif value.name:
            continue
        elif path[-1] == "idCodeSpace" or "codeSpace" in path[-2:]:
            yield value, authority
        elif path[-1] == "identCode":
            by_number = value.text.strip().isdigit()
            yield value, number if by_number else new.projected_name or new.geographic_name
        elif "code" in path[-2:]:
            yield value, _iso_code(value.text, authority, number, spaced)


def _iso_code(old: str, authority: str, number: str, spaced: bool) -> str:
    """A code as it was written: a number, ``EPSG:…``, a URN or a URL."""
    found = re.match(r"\s*(.*?)(EPSG|ESRI)(:+|/0/|/\d[\d.]*/|:[\d.]*:)(\d+)\s*\Z", old)
    if found and authority != "WKT":
        return f"{found[1]}{authority}{found[3]}{number}"
    return number if spaced or authority == "WKT" else f"{authority}:{number}"


def _in_qmd(values: Iterable[Value], told: _Told) -> Iterable[tuple[Value, str | None]]:
    extents: dict[int, dict[str, Value]] = {}
    for value in values:
        if value.element.name == "spatial" and value.name:
            extents.setdefault(id(value.element), {})[value.name] = value
        elif told.new_crs and not value.name and value.text.strip():
            path = value.element.path()
            if path[1:3] == ("crs", "spatialrefsys"):
                yield value, told.new.qgis(path[-1], value.text)
    for members in extents.values():
        yield from _extended(members, told)


def _extended(members: dict[str, Value], told: _Told) -> Iterable[tuple[Value, str | None]]:
    sides = {_QMD_SIDES[name]: v for name, v in members.items() if name in _QMD_SIDES}
    numbers = {side: _NUMBER.match(v.text) for side, v in sides.items()}
    if len(sides) < 4 or not all(numbers.values()):
        return
    crs = members["crs"].text.strip() if "crs" in members else ""
    if not any(float(m[1]) for m in numbers.values() if m):
        return  # none is told
    if crs and crs == told.old.code:
        new = _native(told)
        if new is not None and told.new_crs and told.new.code:
            yield members["crs"], told.new.code
        elif told.new_crs and not told.new.code:
            return
    elif crs == "EPSG:4326":
        new = told.new.degrees(told.old, _box_of(numbers))
    else:
        return
    if new is not None:
        for side, value in sides.items():
            yield value, _number(value.text, new[side])


#: How values of metadata are looked at, by extension.
METADATA: dict[str, Callable[[Iterable[Value], _Told], Iterable[tuple[Value, str | None]]]] = {
    "shp.xml": _in_xml,
    "qmd": _in_qmd,
}
