"""The grid as text that fits a terminal: a line a layer, then each kind of problem once."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..findings import Finding
from .grid import SEVERITIES, Audit, LayerAudit
from .kinds import Kind, kinds_of
from .words import bytes_text, clean, command_of, counted

__all__ = ["table"]

#: Columns that may be cut, and their width before another column is left out.
SHRINKING = {"layer": 30, "CRS": 10, "problems": 22}
#: Columns that are left out where there is no room, in this order.
EXPENDABLE = ("size", "fields", "read", "encoding", "problems")


class _Column(NamedTuple):
    title: str
    right: bool
    cells: list[str]

    def fitted(self, width: int) -> _Column:
        """A column whose cells are cut: paths in the middle, all others at the end."""
        cut = _shortened if self.title == "layer" else _cut
        return self._replace(cells=[cut(cell, width) for cell in self.cells])


def table(audit: Audit, width: int) -> str:
    """The audit as lines of at most ``width`` cells of a terminal.

    Columns that say least are left out where there is no room for all.
    """
    lines = _grid(audit, width) if audit.layers else []
    kinds = kinds_of(audit)
    if kinds:
        lines += ["", *(line for kind in kinds for line in _kind(kind, width))]
    return "\n".join([*lines, *([""] if lines else []), *_wrapped(summary(audit), width)])


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
    for gone in EXPENDABLE:
        if sum(_widths(columns, least).values()) + 2 * (len(columns) - 1) <= width:
            break
        columns.pop(gone, None)
    widths = _widths(columns, least)
    for name in [n for n in SHRINKING if n in widths]:  # what room is left goes to the names first
        spare = width - sum(widths.values()) - 2 * (len(columns) - 1)
        widths[name] = min(_widest(columns[name]), max(1, widths[name] + spare))
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
    return f"{_cut(clean(layer.crs_label), 22) or '-'}{doubt}"


def _encoding(layer: LayerAudit) -> str:
    if layer.header is None or not layer.header.fields or layer.encoding is None:
        return "-"
    return f"{layer.encoding.encoding} ({layer.encoding.told})"


def _fields(layer: LayerAudit) -> str:
    return "-" if layer.header is None else f"{len(layer.header.fields)}"


def _problems(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(f.code for f in findings))


def _kind(kind: Kind, width: int) -> list[str]:
    """A kind of problem: what it is, where first, and its remedy."""
    where = counted(len(kind.places), "place") if len(kind.places) > 1 else ""
    amount = f"{kind.count:,} in {where}" if kind.count > len(kind.places) and where else where
    first = clean(kind.places[0])
    head = f"{kind.severity:7} {kind.code}" + (f" ({amount})" if amount else "")
    lines = [f"{head}: {clean(kind.finding.reason)}"]
    if first:
        lines.append(f"        {first}" + (" …" if len(kind.places) > 1 else ""))
    if command := command_of(kind.finding, kind.source):
        lines.append(f"        {command}")
    return [part for line in lines for part in _wrapped(line, width, "        ")]


# -- widths in a terminal ----------------------------------------------------


def _widest(column: _Column) -> int:
    return max(_wide(column.cells), _width(column.title))


def _wide(cells: list[str]) -> int:
    return max(map(_width, cells), default=0)


def _width(text: str) -> int:
    """Cells of a terminal: two for a wide letter, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _row(cells: Sequence[str], columns: list[_Column], widths: list[int]) -> str:
    padded = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        blank = " " * (width - _width(cell))
        padded.append(f"{blank}{cell}" if column.right else f"{cell}{blank}")
    return "  ".join(padded).rstrip()


def _shortened(text: str, width: int) -> str:
    """Text whose middle is left out: a path is known by its end."""
    if _width(text) <= width:
        return text
    keep = max(1, width - 1)
    head, tail = keep // 3, keep - keep // 3
    while head + tail > 2 and _width(f"{text[:head]}…{text[-tail:]}") > width:
        head, tail = max(1, head - 1), max(1, tail - 1)
    return f"{text[:head]}…{text[-tail:]}"


def _cut(text: str, width: int) -> str:
    while _width(text) > width:
        text = text[: max(1, min(len(text) - 2, width - 1))].rstrip() + "…"
        if len(text) < 3:
            break
    return text


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most a width; a path that is longer is a line of its own."""
    import textwrap

    if _width(text) <= width:
        return [text]
    stripped = text.lstrip()
    return textwrap.wrap(
        stripped,
        max(width, 30),
        initial_indent=text[: len(text) - len(stripped)],
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
