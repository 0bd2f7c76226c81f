"""What the page tells of one layer on demand: findings with places, facts, fields."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Finding
from ..models import Bounds4
from .contract import type_text
from .grid import LayerAudit
from .marks import badge, text
from .svg import locator, sketch_picture
from .words import bytes_text, command_of, how_sure, place_text

__all__ = ["details"]

#: Places of a finding that are listed.
LISTED = 5


def details(layer: LayerAudit, box: Bounds4 | None) -> str:
    """Three columns: pictures and facts, findings, fields."""
    drawn = layer.reading.sketch if layer.reading else None
    pictures = sketch_picture(drawn) if drawn else ""
    pictures += locator(box) if box is not None else ""
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(layer) if value)
    return (
        f'<div class="facts"><div>{pictures}<dl>{facts}</dl></div>'
        f"<div>{_findings(layer)}</div><div>{_fields(layer)}</div></div>"
    )


def _facts(layer: LayerAudit) -> Iterator[tuple[str, str]]:
    yield "path", text(layer.source.name)
    if layer.header is None:
        return
    yield "type", text(layer.type)
    rows = (
        f"; the .dbf declares {layer.rows:,} rows" if layer.rows not in (None, layer.count) else ""
    )
    yield "declared", f"{layer.header.count:,}{rows}"
    if reading := layer.reading:
        yield "read", f"{reading.read:,} features, {reading.vertices:,} vertices"
        yield "left out", _some(deleted=reading.deleted, unreadable=reading.unreadable)
        yield "of these", _some(null=reading.nulls, empty=reading.empties, invalid=reading.invalid)
    yield from _of_crs(layer)
    yield from _of_encoding(layer)
    if layer.header.bounds:
        yield "extent", text(", ".join(f"{v:.8g}" for v in layer.header.bounds))
    sizes = [f".{text(e)} {bytes_text(size)}" for e, size in sorted(layer.members.items())]
    yield "files", ", ".join(sizes)


def _some(**counts: int) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)


def _of_crs(layer: LayerAudit) -> Iterator[tuple[str, str]]:
    if not (crs := layer.crs):
        return
    named = " ".join(text(part) for part in (crs.code, crs.name) if part)
    yield "CRS", f"{named} ({how_sure(crs.confidence)})" if named else "not known"
    yield "may be", ", ".join(f"{text(c)} {100 * share:.0f} %" for c, share in crs.candidates)


def _of_encoding(layer: LayerAudit) -> Iterator[tuple[str, str]]:
    if not (found := layer.encoding) or layer.header is None or not layer.header.fields:
        return
    told = {
        "cpg": "the .cpg",
        "ldid": "the language byte",
        "bytes": "the bytes",
        "format": "the format",
    }
    by = told.get(found.told, "nothing")
    yield "encoding", f"{text(found.encoding)}, told by {by} ({how_sure(found.confidence)})"
    yield "may be", ", ".join(f"{text(c)} {100 * share:.0f} %" for c, share in found.candidates)
    yield "samples", " · ".join(text(sample) for sample in found.samples[:5])


def _findings(layer: LayerAudit) -> str:
    if not layer.findings:
        return f"<p>{badge(None)} <span class='soft'>Nothing was found.</span></p>"
    return f'<ul class="findings">{"".join(_finding(f, layer) for f in layer.findings)}</ul>'


def _finding(finding: Finding, layer: LayerAudit) -> str:
    many = f" ×{finding.count:,}" if finding.count > 1 else ""
    places = "".join(f"<li>{text(place_text(p))}</li>" for p in finding.places[:LISTED])
    places += f"<li>{_more(finding)}</li>" if places and finding.count > LISTED else ""
    command = command_of(finding, layer.source)
    return (
        f'<li class="{finding.severity}">{badge(finding.severity)} '
        f"<code>{text(finding.code)}</code>{many}<br>{text(finding.reason)}"
        + (f"<ul>{places}</ul>" if places else "<br>" * bool(command))
        + (f'<code class="remedy">{text(command)}</code>' if command else "")
        + "</li>"
    )


def _more(finding: Finding) -> str:
    """How many places are not listed, and how many of them the data has."""
    told = f"and {finding.count - LISTED:,} more"
    kept = len(finding.places) - LISTED
    if kept <= 0:
        return told
    of_them = "their rows" if len(finding.places) >= finding.count else f"the rows of {kept:,}"
    return f"{told}; --json has {of_them}"


def _fields(layer: LayerAudit) -> str:
    if layer.header is None or not layer.header.fields:
        return ""
    blanks = layer.reading.blanks if layer.reading else ()
    rows = "".join(
        f"<tr><td>{text(f.name)}</td>"
        f"<td class='mono'>{text(type_text(f.type, f.width, f.decimals))}</td>"
        + (f'<td class="n">{blanks[at]:,}</td></tr>' if blanks else "</tr>")
        for at, f in enumerate(layer.header.fields)
    )
    title = "<th class='n'>NULL</th>" if blanks else ""
    return (
        f'<table class="fields"><thead><tr><th>field</th><th>type</th>{title}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
