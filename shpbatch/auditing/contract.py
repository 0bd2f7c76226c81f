"""Hold layers against a contract: every point that is not kept is a finding, an error."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from ..findings import Finding
from ..models import Field
from .grid import Audit, LayerAudit
from .look import sorted_findings

__all__ = ["Contract", "FieldRule", "Rule", "hold"]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What one field has to be; None where anything will do."""

    name: str
    type: str | None = None
    width: int | None = None
    decimals: int | None = None
    nulls: bool = True
    required: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """What the layers of a glob have to be.

    Attributes
    ----------
    glob : str
        On the path below the named folder, or on the file name alone.
    type : tuple of str
        Geometry types that will do, as ``PolygonZ``.
    crs, encoding : str or None
    count : (int, int or None) or None
        Fewest and most features.
    fields : tuple of FieldRule
    other_fields : bool
        Whether there may be other fields.
    valid : bool
        Whether all geometries have to be valid.
    null_geometries : bool
        Whether there may be features without a shape.
    required : bool
        Whether there has to be such a layer.
    """

    glob: str
    type: tuple[str, ...] = ()
    crs: str | None = None
    encoding: str | None = None
    count: tuple[int, int | None] | None = None
    fields: tuple[FieldRule, ...] = ()
    other_fields: bool = True
    valid: bool = False
    null_geometries: bool = True
    required: bool = True

    def is_deep(self) -> bool:
        """Whether features have to be read to know."""
        return self.valid or not self.null_geometries or not all(f.nulls for f in self.fields)

    def matches(self, layer: LayerAudit) -> bool:
        """Whether it is about a layer."""
        relative = layer.source.relative
        name = relative.rpartition("/")[2]
        return any(fnmatch.fnmatch(text, self.glob) for text in (relative, name, name[:-4]))


@dataclass(frozen=True, slots=True)
class Contract:
    """Rules; a layer has to keep all that are about it."""

    rules: tuple[Rule, ...] = ()

    def is_deep(self) -> bool:
        """Whether features have to be read to know."""
        return any(rule.is_deep() for rule in self.rules)


def hold(audit: Audit, contract: Contract) -> Audit:
    """The audit with a finding for each point of the contract that is not kept."""
    layers = list(audit.layers)
    missing = []
    for rule in contract.rules:
        places = [at for at, layer in enumerate(layers) if rule.matches(layer)]
        if not places and rule.required:
            reason = f"no layer matches '{rule.glob}', which the contract asks for"
            missing.append(Finding("expected-layer", "error", reason))
        for at in places:
            broken = tuple(_broken(layers[at], rule))
            layers[at] = replace(
                layers[at], findings=sorted_findings((*layers[at].findings, *broken))
            )
    return replace(audit, layers=tuple(layers), findings=(*audit.findings, *missing))


def _broken(layer: LayerAudit, rule: Rule) -> Iterator[Finding]:
    if layer.header is None:
        return  # that it cannot be read is an error of its own
    if rule.type and layer.type not in rule.type:
        yield _finding("type", f"{layer.type}, not {' or '.join(rule.type)}")
    yield from _crs(layer, rule)
    yield from _encoding(layer, rule)
    if rule.count is not None:
        low, high = rule.count
        if layer.header.count < low or (high is not None and layer.header.count > high):
            wanted = (
                f"{low:,}" if low == high else f"{low:,}..{'' if high is None else f'{high:,}'}"
            )
            yield _finding("count", f"{layer.header.count:,} features, not {wanted}")
    yield from _fields(layer, rule)
    yield from _geometries(layer, rule)


def _finding(aspect: str, reason: str, remedy: str = "", count: int = 1) -> Finding:
    return Finding(f"expected-{aspect}", "error", f"contract: {reason}", remedy, count)


def _crs(layer: LayerAudit, rule: Rule) -> Iterator[Finding]:
    header = layer.header
    if rule.crs is None or header is None:
        return
    if header.crs is None:
        remedy = f"! assign-crs {rule.crs}"
        yield _finding("crs", f"no CRS, not {rule.crs}", remedy)
    elif layer.crs_label != rule.crs and not _same_crs(header.crs, rule.crs):
        reason = f"CRS {layer.crs_label or 'unreadable'}, not {rule.crs}"
        yield _finding("crs", reason, f"! reproject --dst-crs {rule.crs}")


@lru_cache(maxsize=256)
def _same_crs(found: str, wanted: str) -> bool:
    """Whether two CRS are one; a .prj says nothing of the order of axes."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs, other = CRS.from_user_input(found), CRS.from_user_input(wanted)
    except CRSError:
        return False
    code = other.to_epsg()
    return crs.equals(other, ignore_axis_order=True) or (
        code is not None and crs.to_epsg(min_confidence=70) == code
    )


def _encoding(layer: LayerAudit, rule: Rule) -> Iterator[Finding]:
    header = layer.header
    if rule.encoding is None or header is None or not any(f.type == "C" for f in header.fields):
        return
    found = layer.encoding.encoding if layer.encoding else header.encoding
    if _codec(found) != _codec(rule.encoding):
        # Without a sign and without a letter that is not ASCII it is what it has to be.
        if header.encoding_from == "default" and not header.problems:
            return
        yield _finding("encoding", f"encoding {found}, not {rule.encoding}")


def _codec(name: str) -> str:
    import codecs

    try:
        return codecs.lookup(name).name
    except LookupError:
        return name


def _fields(layer: LayerAudit, rule: Rule) -> Iterator[Finding]:
    assert layer.header is not None
    there = {f.name: (at, f) for at, f in enumerate(layer.header.fields)}
    for wanted in rule.fields:
        if wanted.name not in there:
            if wanted.required:
                near = [n for n in there if n.casefold() == wanted.name.casefold()]
                reason = f"no field {wanted.name}" + (f" (there is {near[0]})" if near else "")
                yield _finding("field", reason)
            continue
        at, field = there[wanted.name]
        if told := _differs(field, wanted):
            yield _finding("field", f"field {field.name} is {told}")
        blanks = layer.reading.blanks[at] if layer.reading and layer.reading.blanks else 0
        if blanks and not wanted.nulls:
            yield _finding("field", f"field {field.name} has NULL cells", count=blanks)
    names = {f.name for f in rule.fields}
    others = [name for name in there if name not in names]
    if others and not rule.other_fields:
        keep = ",".join(n for n in there if n in names)
        remedy = f"! select {keep}" if keep else ""
        yield _finding("field", f"other fields: {', '.join(others)}", remedy, len(others))


def _differs(field: Field, wanted: FieldRule) -> str:
    """What a field is, where that is not what it has to be; as ``N10.2, not C40``."""
    own = (field.type, field.width, field.decimals)
    asked = (wanted.type, wanted.width, wanted.decimals)
    if all(a is None or a == o for a, o in zip(asked, own, strict=True)):
        return ""
    return f"{type_text(*own)}, not {type_text(*asked)}"


def type_text(type: str | None, width: int | None, decimals: int | None) -> str:
    """``C40``, ``N10.2``, ``D``."""
    if type in ("D", "L"):
        return str(type)
    of_decimals = f".{decimals}" if decimals else ""
    return f"{type or 'any'}{'' if width is None else width}{of_decimals}"


def _geometries(layer: LayerAudit, rule: Rule) -> Iterator[Finding]:
    reading = layer.reading
    if reading is None:
        return
    if rule.valid and reading.invalid:
        yield _finding("valid", "geometries that are not valid", "! make-valid", reading.invalid)
    if not rule.null_geometries and reading.nulls:
        yield _finding("geometry", "features without a shape", "", reading.nulls)
