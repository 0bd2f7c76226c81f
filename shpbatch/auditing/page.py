"""The audit as one page: grid, map, details on demand; no script, nothing from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path

from ..findings import Finding
from ..models import Bounds4
from .details import details
from .footprint import footprint
from .grid import PARTS, SEVERITIES, Audit, LayerAudit
from .kinds import Kind, Told, kinds_of
from .marks import badge, breakable, text
from .svg import extent_map, land_symbol, locator, sketch_picture
from .table import summary
from .words import bytes_text, clean, command_of, counted

__all__ = ["as_html"]

#: Nothing may be loaded or run, whatever a name in the data says.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
#: Places of a kind that are listed.
LISTED = 200
#: Class and title of each column after name and picture.
_COLUMNS = (
    ("", "type"),
    ("n", "features"),
    ("n", "null"),
    ("n", "invalid"),
    ("", "CRS"),
    ("", "encoding"),
    ("n", "fields"),
    ("col-parts", "parts"),
    ("n col-size", "size"),
    ("", "problems"),
)
_OF_DEEP = ("null", "invalid")


def as_html(audit: Audit) -> str:
    """One self-contained page."""
    title = "Audit of " + (", ".join(clean(s) for s in audit.src) or "shapefiles")
    places = {f"l{n}": layer for n, layer in enumerate(audit.layers)}
    boxes = {row: box for row, layer in places.items() if (box := footprint(layer)) is not None}
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title><style>{_style()}</style></head><body>",
            land_symbol(),
            f"<h1>{text(title)}</h1><p>{text(summary(audit))}.</p>",
            '<div class="top">',
            _kinds(audit, {layer.source.name: row for row, layer in places.items()}),
            _map(places, boxes),
            "</div>",
            _grid(audit, places, boxes),
            _strays(audit),
            _footer(),
            "</body></html>\n",
        ]
    )


def _footer() -> str:
    return (
        f"<footer>{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, by <code>shpbatch audit</code>. "
        "Rows are counted from 0, as GDAL's FID. Land: Natural Earth.</footer>"
    )


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text("utf-8")


def _kinds(audit: Audit, rows: dict[str, str]) -> str:
    kinds = kinds_of(audit)
    if not kinds:
        return f"<section><h2>Problems</h2><p>{badge(None)} Nothing was found.</p></section>"
    body = "".join(_kind(kind, rows) for kind in kinds)
    return (
        '<section><h2>Problems, by kind</h2><table class="kinds"><thead><tr><th>severity</th>'
        '<th>what</th><th class="n">features</th><th class="n">layers</th></tr></thead>'
        f"<tbody>{body}</tbody></table></section>"
    )


def _kind(kind: Kind, rows: dict[str, str]) -> str:
    shown = "".join(f"<li>{_place(told, kind, rows)}</li>" for told in kind.told[:LISTED])
    more = len(kind.told) - LISTED
    rest = f'<p class="soft">and {more:,} more</p>' if more > 0 else ""
    command = command_of(kind.first.finding, kind.first.source)
    remedy = f'<p><code class="remedy">{text(command)}</code></p>' if command else ""
    amount = f"{kind.count:,}" if kind.count != len(kind.told) else ""
    return (
        f'<tr class="{kind.severity}"><td>{badge(kind.severity)}</td>'
        f"<td><details><summary><code>{text(kind.code)}</code> "
        f'<span class="soft">{"" if kind.reason else "such as: "}'
        f"{text(kind.first.finding.reason)}</span></summary>"
        f"{remedy}<ul>{shown}</ul>{rest}</details></td>"
        f'<td class="n">{amount}</td><td class="n">{len(kind.told):,}</td></tr>'
    )


def _place(told: Told, kind: Kind, rows: dict[str, str]) -> str:
    """A layer, and why where not all of them say the same."""
    why = "" if kind.reason else f' <span class="soft">{text(told.finding.reason)}</span>'
    return f"{_link(told.where, rows)}{why}"


def _link(place: str, rows: dict[str, str]) -> str:
    return f'<a href="#{rows[place]}">{text(place)}</a>' if place in rows else text(place)


def _map(places: dict[str, LayerAudit], boxes: dict[str, Bounds4]) -> str:
    if not boxes:
        return ""
    drawn = extent_map([(row, places[row], box) for row, box in boxes.items()])
    without = len(places) - len(boxes)
    told = f"{counted(len(boxes), 'layer')} on the map, each a link to its row"
    told += f"; {without:,} without a known place" if without else ""
    below = f'<p class="soft"><small>{told}.</small></p>'
    return f'<section class="extents"><h2>Extents</h2>{drawn}{below}</section>'


def _grid(audit: Audit, places: dict[str, LayerAudit], boxes: dict[str, Bounds4]) -> str:
    if not places:
        return ""
    columns = [c for c in _COLUMNS if audit.deep or c[1] not in _OF_DEEP]
    head = "".join(f'<th scope="col" class="{css}">{title}</th>' for css, title in columns)
    body = []
    for folder, group in groupby(places.items(), key=lambda item: item[1].folder):
        members = list(group)
        titled = bool(folder) and len(members) > 1
        if titled:
            body.append(
                f'<tbody class="folder"><tr class="folder"><th colspan="{len(columns) + 3}">'
                f"{text(folder)}/</th></tr></tbody>"
            )
        for row, layer in members:
            body.append(_layer(row, layer, boxes.get(row), audit.deep, titled))
    return (
        f'<h2>Layers</h2>{_filter(audit)}<table class="grid"><thead><tr>'
        f'<th scope="col">severity</th><th scope="col">layer</th><th></th>{head}</tr></thead>'
        f"{''.join(body)}</table>"
    )


def _filter(audit: Audit) -> str:
    """Choose rows by their severity, without a script."""
    worst = Counter(layer.severity for layer in audit.layers)
    parts = [_choice("all", f"all {len(audit.layers):,}", checked=True)]
    parts += [
        _choice(severity or "ok", f"{badge(severity)} {worst[severity]:,}")
        for severity in (*SEVERITIES, None)
        if worst[severity]
    ]
    return f'<fieldset class="filter"><legend>Show layers</legend>{"".join(parts)}</fieldset>'


def _choice(name: str, label: str, checked: bool = False) -> str:
    on = " checked" if checked else ""
    return f'<label><input type="radio" name="only" id="only-{name}"{on}>{label}</label>'


def _layer(row: str, layer: LayerAudit, box: Bounds4 | None, deep: bool, titled: bool) -> str:
    path, _, name = layer.source.relative.rpartition("/")
    before = "" if titled or not path else f'<span class="path">{breakable(path)}/<wbr></span>'
    cells = dict(zip([title for _, title in _COLUMNS], _cells(layer), strict=True))
    shown = "".join(
        f'<td class="{css or title.lower()}"{_label(title, cells[title])}>{cells[title]}</td>'
        for css, title in _COLUMNS
        if deep or title not in _OF_DEEP
    )
    picture = ""
    if layer.reading and layer.reading.sketch:
        picture = sketch_picture(layer.reading.sketch)
    elif box is not None:
        picture = locator(box)
    span = len(_COLUMNS) + 3 - (0 if deep else len(_OF_DEEP))
    return (
        f'<tbody class="layer {layer.severity or "ok"}" id="{row}"><tr class="row">'
        f'<td class="first">{badge(layer.severity)}</td>'
        f'<td class="name"><details class="open"><summary>{before}{breakable(name)}</summary>'
        f"</details></td>"
        f'<td class="thumb">{picture}</td>{shown}</tr>'
        f'<tr class="more"><td colspan="{span}">{details(layer, box)}</td></tr></tbody>'
    )


def _label(title: str, cell: str) -> str:
    return f' data-label="{title}"' if cell and title != "problems" else ""


def _cells(layer: LayerAudit) -> Iterator[str]:
    """Of one layer, in the order of the columns."""
    header, reading = layer.header, layer.reading
    yield _marked(layer, "type", text(layer.type))
    yield _features(layer)
    yield _amount(reading.nulls + reading.empties) if reading else ""
    yield _amount(reading.invalid) if reading else ""
    yield _crs(layer)
    yield _encoding(layer)
    yield _marked(layer, "fields", f"{len(header.fields)}") if header else ""
    yield _parts(layer)
    yield bytes_text(layer.size)
    yield ", ".join(_problem(f) for f in _once(layer.findings))


def _amount(number: int) -> str:
    return f"{number:,}" if number else '<span class="soft">0</span>'


def _marked(layer: LayerAudit, aspect: str, cell: str) -> str:
    if aspect not in layer.odd:
        return cell
    title = "unlike its sisters in the folder"
    return f'<span class="odd" title="{title}">{cell}</span> <small>odd</small>'


def _features(layer: LayerAudit) -> str:
    if layer.count is None:
        return ""
    if layer.reading and layer.reading.read != layer.count:
        read = f"{layer.reading.read:,} <small>read</small>"
        return f"{layer.count:,} <small>declared</small><br>{read}"
    return f"{layer.count:,}"


def _crs(layer: LayerAudit) -> str:
    if layer.header is None:
        return ""
    if not layer.crs or not layer.crs_label:
        return "<small>none</small>"
    doubt = " <small>?</small>" if layer.crs.confidence < 0.6 else ""
    return _marked(layer, "crs", f"{breakable(layer.crs_label)}{doubt}")


def _encoding(layer: LayerAudit) -> str:
    if layer.encoding is None or layer.header is None or not layer.header.fields:
        return ""
    found = layer.encoding
    return _marked(layer, "encoding", f"{text(found.encoding)} <small>{text(found.told)}</small>")


def _parts(layer: LayerAudit) -> str:
    if not layer.members:
        return ""
    wanted = PARTS if "shp" in layer.members else layer.parts
    shown = [e if e in layer.members else f'<i title="no .{e}">{e}</i>' for e in wanted]
    more = len([e for e in layer.members if e not in wanted])
    return f'<span class="parts">{" ".join(shown)}{f" +{more}" if more else ""}</span>'


def _once(findings: Iterable[Finding]) -> list[Finding]:
    return list({f.code: f for f in findings}.values())


def _problem(finding: Finding) -> str:
    many = f" <small>×{finding.count:,}</small>" if finding.count > 1 else ""
    return f'<span class="severity {finding.severity}">{text(finding.code)}</span>{many}'


def _strays(audit: Audit) -> str:
    if not audit.strays:
        return ""
    rows = "".join(
        f'<tr class="{s.finding.severity}"><td>{badge(s.finding.severity)}</td>'
        f"<td>{text(s.path)}<br><small class='soft'>{text(s.finding.reason)}</small></td>"
        f"<td><code>{text(s.finding.code)}</code></td></tr>"
        for s in audit.strays
    )
    return f'<h2>Beside the layers</h2><table class="kinds strays"><tbody>{rows}</tbody></table>'
