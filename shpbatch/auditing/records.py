"""The grid as data: JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..findings import Finding
from ..models import Source
from .grid import Audit, LayerAudit
from .words import clean, command_of, fields_text, how_sure

__all__ = ["as_csv", "as_json", "record_of"]

#: What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_COLUMNS = (
    *("severity", "layer", "path", "type", "has_z", "has_m", "declared", "dbf_rows", "read"),
    *("deleted", "unreadable", "null", "empty", "invalid", "crs", "crs_name", "crs_certainty"),
    *("encoding", "encoding_from", "encoding_certainty", "fields", "minx", "miny", "maxx"),
    *("maxy", "bytes", "parts", "sidecars", "odd", "problems", "reasons", "remedies"),
)


def as_json(audit: Audit) -> dict[str, Any]:
    """The whole audit as plain data, which any JSON reader takes: no NaN, no half characters."""
    found: dict[str, Any] = _plain(
        {
            "schema": 1,
            "src": list(audit.src),
            "deep": audit.deep,
            "seconds": round(audit.seconds, 3),
            "counts": dict(audit.counts()),
            "layers": [record_of(layer) for layer in audit.layers],
            "strays": [{"path": s.path, **_finding(s.finding, None)} for s in audit.strays],
            "findings": [_finding(f, None) for f in audit.findings],
        }
    )
    return found


def record_of(layer: LayerAudit) -> dict[str, Any]:
    """One layer as plain data."""
    header, crs, encoding = layer.header, layer.crs, layer.encoding
    found: dict[str, Any] = {
        "path": layer.source.name,
        "layer": layer.source.relative,
        "severity": layer.severity,
        "type": layer.type or None,
        "has_z": header.has_z if header else None,
        "has_m": header.has_m if header else None,
        "declared": layer.count,
        "dbf_rows": layer.rows,
        "parts": layer.parts,
        "sidecars": sorted(e for e in layer.members if e not in layer.parts),
        "bytes": dict(layer.members),
        "crs": None,
        "encoding": None,
        "fields": [],
        "bounds": header.bounds if header else None,
        "odd": list(layer.odd),
        "reading": None,
        "findings": [_finding(f, layer.source) for f in layer.findings],
    }
    if header and encoding:
        fields = [(f.name, f.type, f.width, f.decimals) for f in header.fields]
        found["fields"] = [
            dict(zip(("name", "type", "width", "decimals"), f, strict=True)) for f in fields
        ]
        found["encoding"] = {
            "name": encoding.encoding,
            "from": encoding.told,
            "confidence": encoding.confidence,
            "candidates": encoding.candidates,
        }
    if crs:
        found["crs"] = {
            "code": crs.code,
            "name": crs.name,
            "confidence": crs.confidence,
            "candidates": crs.candidates,
        }
    if layer.reading:
        reading = asdict(layer.reading)
        reading.pop("sketch")
        found["reading"] = reading
    return found


def _finding(finding: Finding, source: Source | None) -> dict[str, Any]:
    found = asdict(finding)
    found["remedy"] = command_of(finding, source)
    return found


def _plain(value: Any) -> Any:
    """Data without NaN, infinities and surrogates, which JSON has not."""
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def as_csv(audit: Audit) -> str:
    """A line a layer, and one for each stray; no cell that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(_COLUMNS)
    for layer in audit.layers:
        row = _row(layer)
        writer.writerow([_cell(row.get(name)) for name in _COLUMNS])
    for stray in audit.strays:
        row = {"path": stray.path, "severity": stray.finding.severity}
        row |= _of_findings([stray.finding], None)
        writer.writerow([_cell(row.get(name)) for name in _COLUMNS])
    return out.getvalue()


def _row(layer: LayerAudit) -> dict[str, Any]:
    reading, crs, encoding = layer.reading, layer.crs, layer.encoding
    header = layer.header
    row: dict[str, Any] = {
        **record_of(layer),
        "severity": layer.severity or "ok",
        "crs": layer.crs_label,
        "crs_name": crs.name if crs else None,
        "crs_certainty": how_sure(crs.confidence) if crs else None,
        "encoding": encoding.encoding if encoding else None,
        "encoding_from": encoding.told if encoding else None,
        "encoding_certainty": how_sure(encoding.confidence) if encoding else None,
        "fields": fields_text(layer),
        "bytes": layer.size,
        **_of_findings(layer.findings, layer.source),
    }
    if reading:
        row |= {n: getattr(reading, n) for n in ("read", "deleted", "unreadable", "invalid")}
        row |= {"null": reading.nulls, "empty": reading.empties}
    if header and header.bounds:
        row |= dict(zip(("minx", "miny", "maxx", "maxy"), header.bounds, strict=True))
    return row


def _of_findings(findings: Iterable[Finding], source: Source | None) -> dict[str, list[str]]:
    findings = list(findings)
    return {
        "problems": [f.code for f in findings],
        "reasons": [f.reason for f in findings],
        "remedies": [c for f in findings if (c := command_of(f, source))],
    }


def _cell(value: Any) -> str:
    """Text of a cell; a number is no formula, whatever its sign."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    if isinstance(value, int | float):
        return str(value)
    # A list that begins with "! make-valid" is no formula; one that begins with "=" is one.
    text = str(value)
    text = f"'{text}" if text.startswith(_FORMULA) else text
    return clean(text)
