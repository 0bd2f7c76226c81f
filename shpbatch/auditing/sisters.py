"""Layers of one folder beside each other: whose CRS, type, fields or encoding is the odd one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace

from ..doctors.crs import examine_crs
from ..findings import Finding, Severity
from ..models import Header
from .grid import LayerAudit
from .look import sorted_findings

__all__ = ["ASPECTS", "settle"]

#: What is compared, how bad a difference is, and what a person calls it.
ASPECTS: Mapping[str, tuple[Severity, str]] = {
    "crs": ("warning", "CRS"),
    "type": ("note", "geometry type"),
    "fields": ("note", "fields"),
    "encoding": ("note", "encoding"),
}
#: Layers that must agree before another is odd, and their share of all.
FEWEST, SHARE = 3, 0.75
#: Headers of a folder that the CRS of each layer is held against.
MOST_SISTERS = 64


def settle(layers: Iterable[LayerAudit]) -> tuple[LayerAudit, ...]:
    """Layers with their CRS examined beside their sisters, and the odd ones marked."""
    layers = list(layers)
    folders: dict[str, list[int]] = defaultdict(list)
    for at, layer in enumerate(layers):
        if layer.header is not None:
            folders[_folder(layer)].append(at)
    for places in folders.values():
        headers = _varied(layers[at].header for at in places)
        for at in places:
            layers[at] = _with_crs(layers[at], headers)
        for aspect in ASPECTS:
            for at, finding in _odd(aspect, {at: _value(layers[at], aspect) for at in places}):
                layer = layers[at]
                told = finding
                if aspect == "crs" and _is_doubted(layer):  # another CRS is the cure, not a move
                    told = replace(finding, remedy="")
                found = sorted_findings((*layer.findings, told))
                layers[at] = replace(layer, odd=(*layer.odd, aspect), findings=found)
    return tuple(layers)


def _folder(layer: LayerAudit) -> str:
    """Sisters lie in one folder on the disk, or in one zip."""
    source = layer.source
    return source.path if source.member else source.path.replace("\\", "/").rpartition("/")[0]


def _varied(headers: Iterable[Header | None]) -> list[Header]:
    """Some headers of a folder: one of each CRS first, for a thousand of one say no more."""
    given = [h for h in headers if h is not None]
    seen: set[str | None] = set()
    first = [h for h in given if not (h.crs in seen or seen.add(h.crs))]  # type: ignore[func-returns-value]
    chosen = {id(h) for h in first}
    return [*first, *(h for h in given if id(h) not in chosen)][:MOST_SISTERS]


def _with_crs(layer: LayerAudit, headers: list[Header]) -> LayerAudit:
    assert layer.header is not None
    crs = examine_crs(layer.header, [h for h in headers if h is not layer.header])
    return replace(layer, crs=crs, findings=sorted_findings((*layer.findings, *crs.findings)))


def _value(layer: LayerAudit, aspect: str) -> Hashable:
    header = layer.header
    assert header is not None
    if aspect == "crs":
        return layer.crs_label or None
    if aspect == "type":
        return layer.type
    if aspect == "encoding":
        told = header.encoding_from != "default" and any(f.type == "C" for f in header.fields)
        return header.encoding if told else None
    return tuple((f.name, f.type) for f in header.fields)


def _odd(aspect: str, values: Mapping[int, Hashable]) -> Iterable[tuple[int, Finding]]:
    """Places of the odd ones; None is no value, and told elsewhere."""
    known = {at: value for at, value in values.items() if value is not None}
    if not known:
        return
    usual, count = Counter(known.values()).most_common(1)[0]
    if count < FEWEST or count < SHARE * len(known):
        return
    severity, name = ASPECTS[aspect]
    for at, value in known.items():
        if value != usual:
            told = _difference(usual, value) if aspect == "fields" else f"{value}, not {usual}"
            reason = f"{name} {told}, as {count} of the {len(known)} layers of its folder have"
            moved = aspect == "crs" and re.fullmatch(r"\w+:\w+", str(usual))  # a code, no name
            remedy = f"! reproject --dst-crs {usual}" if moved else ""
            yield at, Finding(f"odd-{aspect}", severity, reason, remedy)


def _is_doubted(layer: LayerAudit) -> bool:
    """Whether coordinates are where the CRS of the layer cannot be."""
    assert layer.crs is not None
    return any(finding.severity != "note" for finding in layer.crs.findings)


def _difference(usual: Hashable, own: Hashable) -> str:
    """The names that one schema has and the other has not."""
    assert isinstance(usual, tuple)
    assert isinstance(own, tuple)
    lacking = [name for name, _ in usual if name not in dict(own)]
    more = [name for name, _ in own if name not in dict(usual)]
    parts = [f"without {_some(lacking)}"] if lacking else []
    parts += [f"with {_some(more)}"] if more else []
    return " and ".join(parts) or "of another type or order"


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
