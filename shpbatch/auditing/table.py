"""The grid as text that fits a terminal: a line a layer, then each kind of problem once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..findings import Finding
from .grid import SEVERITIES, Audit, LayerAudit
from .kinds import Kind, Told, kinds_of
from .terminal import cut, cut_list, cut_marked, cut_path, width_of, wrapped
from .words import bytes_text, clean, command_of, counted, place_text

__all__ = ["table"]

#: Columns that may be cut, and their width before another column is left out.
SHRINKING = {"layer": 20, "CRS": 10, "problems": 16}
#: How: of a path the middle, of problems the last ones, of a CRS the end of its name.
CUTS = {"layer": cut_path, "CRS": cut_marked, "problems": cut_list}
#: Columns that are left out where there is no room, in this order; problems never are.
EXPENDABLE = ("size", "fields", "read", "encoding", "null", "type", "invalid", "count")
#: A code with its marks, which is never cut: another code would be read.
_CODE = re.compile(r"\w+:\d+( [?*])*$")
#: Layers that are named of one kind of problem, and of a point of a contract.
NAMED, NAMED_OF_CONTRACT = 3, 20
_INDENT = " " * 8


class _Column(NamedTuple):
    title: str
    right: bool
    cells: list[str]

    def fitted(self, width: int) -> _Column:
        """A column whose cells are cut."""
        fit = CUTS.get(self.title, cut)
        return self._replace(cells=[fit(cell, width) for cell in self.cells])


def table(audit: Audit, width: int) -> str:
    """The audit as lines of at most ``width`` cells of a terminal.

    Columns that say least are left out where there is no room for all.
    """
    lines = _grid(audit, width) if audit.layers else []
    kinds = kinds_of(audit)
    if kinds:
        lines += ["", *(line for kind in kinds for line in _kind(kind, width))]
    return "\n".join([*lines, *([""] if lines else []), *wrapped(summary(audit), width)])


def summary(audit: Audit) -> str:
    """One sentence: how much there is, and how bad it is."""
    features = sum(layer.count or 0 for layer in audit.layers)
    size = bytes_text(sum(layer.size for layer in audit.layers))
    counts = audit.counts()
    told = ", ".join(counted(counts[s], s) for s in SEVERITIES)
    how = "all read" if audit.deep else "headers only; --deep reads all"
    return (
        f"{counted(len(audit.layers), 'layer')}, {counted(features, 'feature')}, {size} "
        f"({how}): {told} in {audit.seconds:.1f} s"
    )


def _grid(audit: Audit, width: int) -> list[str]:
    columns = {c.title: c for c in _columns(audit)}
    least = {n: min(_widest(columns[n]), fewest) for n, fewest in SHRINKING.items()}
    least["CRS"] = max(least["CRS"], _wide([c for c in columns["CRS"].cells if _CODE.match(c)]))
    for gone in EXPENDABLE:
        if sum(_widths(columns, least).values()) + 2 * (len(columns) - 1) <= width:
            break
        columns.pop(gone, None)
    widths = _widths(columns, least)
    # What room is left goes to paths and problems by turns, and then to names of CRS.
    for name, most in (
        ("problems", 30),
        ("layer", 40),
        ("problems", 999),
        ("layer", 999),
        ("CRS", 22),
    ):
        spare = width - sum(widths.values()) - 2 * (len(columns) - 1)
        wanted = min(_widest(columns[name]), max(most, widths[name]))
        widths[name] = max(1, min(wanted, widths[name] + spare))
    shown = [c.fitted(widths[c.title]) for c in columns.values()]
    rows = [[c.title for c in shown], *zip(*(c.cells for c in shown), strict=True)]
    return [_row(row, shown, list(widths.values())) for row in rows]


def _widths(columns: Mapping[str, _Column], least: Mapping[str, int]) -> dict[str, int]:
    return {name: least.get(name, _widest(c)) for name, c in columns.items()}


def _columns(audit: Audit) -> list[_Column]:
    layers = audit.layers
    found = [
        _Column("", False, [layer.severity or "ok" for layer in layers]),
        _Column("layer", False, [clean(layer.source.relative) for layer in layers]),
        _Column("type", False, [_marked(layer, "type", layer.type or "-") for layer in layers]),
        _Column("count", True, ["-" if x.count is None else f"{x.count:,}" for x in layers]),
    ]
    if audit.deep:
        read = [f"{x.reading.read:,}" if x.reading else "-" for x in layers]
        found.append(_Column("read", True, read))
        found += [c for c in (_null(layers), _invalid(layers)) if any(x != "0" for x in c.cells)]
    return [
        *found,
        _Column("CRS", False, [_marked(x, "crs", _crs(x)) for x in layers]),
        _Column("encoding", False, [_marked(x, "encoding", _encoding(x)) for x in layers]),
        _Column("fields", True, [_marked(x, "fields", _fields(x)) for x in layers]),
        _Column("size", True, [bytes_text(layer.size) for layer in layers]),
        _Column("problems", False, [_problems(layer.findings) for layer in layers]),
    ]


def _marked(layer: LayerAudit, aspect: str, text: str) -> str:
    """The odd one of its folder has a mark."""
    return f"{text} *" if aspect in layer.odd else text


def _null(layers: Sequence[LayerAudit]) -> _Column:
    read = [layer.reading for layer in layers]
    return _Column("null", True, [f"{r.nulls + r.empties:,}" if r else "-" for r in read])


def _invalid(layers: Sequence[LayerAudit]) -> _Column:
    read = [layer.reading for layer in layers]
    return _Column("invalid", True, [f"{r.invalid:,}" if r else "-" for r in read])


def _crs(layer: LayerAudit) -> str:
    doubt = " ?" if layer.crs and layer.crs_label and layer.crs.confidence < 0.6 else ""
    return f"{cut(clean(layer.crs_label), 22) or '-'}{doubt}"


def _encoding(layer: LayerAudit) -> str:
    if layer.header is None or not layer.header.fields or layer.encoding is None:
        return "-"
    return f"{layer.encoding.encoding} ({layer.encoding.told})"


def _fields(layer: LayerAudit) -> str:
    return "-" if layer.header is None else f"{len(layer.header.fields)}"


def _problems(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(f.code for f in findings))


def _kind(kind: Kind, width: int) -> list[str]:
    """A kind of problem: what it is, in which layers and rows, and its remedy."""
    several = len(kind.told) > 1
    amount = f" ×{kind.count:,}" if kind.count > len(kind.told) else ""
    amount += f" in {len(kind.told):,} places" if several else ""
    lines = [
        f"{kind.severity:7} {kind.code}{amount}" + (f": {clean(kind.reason)}" * bool(kind.reason))
    ]
    named = NAMED_OF_CONTRACT if kind.code.startswith("expected-") else NAMED
    lines += [line for told in kind.told[:named] if (line := _place(told, kind))]
    if len(kind.told) > named:
        lines.append(f"{_INDENT}… and {len(kind.told) - named:,} more")
    lines = [part for line in lines for part in wrapped(line, width, _INDENT + "  ")]
    command = command_of(kind.first.finding, kind.first.source)
    # In one line, however long: broken ones cannot be pasted.
    return [*lines, f"{_INDENT}{command}"] if command else lines


def _place(told: Told, kind: Kind) -> str:
    """A layer, and what is wrong in which of its rows, as far as not all layers share it."""
    finding = told.finding
    if not told.where:
        return "" if kind.reason else f"{_INDENT}{clean(finding.reason)}"
    said = [] if kind.reason else [clean(finding.reason)]
    if finding.places:
        said.append(("first " if finding.count > 1 else "") + place_text(finding.places[0]))
    amount = f" ×{finding.count:,}" if finding.count > 1 and len(kind.told) > 1 else ""
    return f"{_INDENT}{clean(told.where)}{amount}" + (f": {'; '.join(said)}" if said else "")


def _widest(column: _Column) -> int:
    return max(_wide(column.cells), width_of(column.title))


def _wide(cells: list[str]) -> int:
    return max(map(width_of, cells), default=0)


def _row(cells: Sequence[str], columns: list[_Column], widths: list[int]) -> str:
    padded = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        blank = " " * (width - width_of(cell))
        padded.append(f"{blank}{cell}" if column.right else f"{cell}{blank}")
    return "  ".join(padded).rstrip()
