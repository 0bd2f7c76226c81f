"""Maps as inline SVG: extents of all layers, where one is on the Earth, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from ..models import Bounds4
from .grid import LayerAudit, Sketch
from .sketch import runs_of
from .words import clean

__all__ = ["extent_map", "land_symbol", "locator", "sketch_picture"]

#: Degrees that a map shows at least: the outline of the land is no finer.
LEAST_MAP, LEAST_LOCATOR = 24.0, 60.0
#: Width to height of a map.
RATIO = 2.0
#: Share of a sketch below which its cells are drawn larger: single ones could not be seen.
SPARSE = 0.02
_GRATICULE = (30, 15, 10, 5, 2, 1)

#: West, south, width, height.
View = tuple[float, float, float, float]


@lru_cache(maxsize=1)
def _land() -> str:
    """Outline of the land in half degrees: Natural Earth 1:110m (public domain), simplified."""
    return Path(__file__).with_name("land.path").read_text("ascii").strip()


def land_symbol() -> str:
    """What all maps of a page use, once."""
    return (
        '<svg width="0" height="0" aria-hidden="true" class="defs"><defs>'
        f'<path id="land" d="{_land()}"/></defs></svg>'
    )


def extent_map(placed: Sequence[tuple[str, LayerAudit, Bounds4]]) -> str:
    """Extents of layers on the land, each a link to its row.

    Parameters
    ----------
    placed : sequence of (str, LayerAudit, bounds)
        Id of the row, layer, and extent in degrees; the large are drawn first.
    """
    view = _view([box for _, _, box in placed], LEAST_MAP)
    dot = view[2] / 220
    large_first = sorted(placed, key=lambda p: -_area(p[2]))
    drawn = "".join(
        f'<a href="#{row}"><g class="{layer.severity or "ok"}{_wide(box, view)}"><title>'
        f"{escape(clean(layer.source.relative))}</title>{_shape(box, dot)}</g></a>"
        for row, layer, box in large_first
    )
    return (
        f'<svg class="map" viewBox="{_box(view)}" role="img" '
        f'aria-label="Extents of {len(placed)} layers in WGS 84">'
        f'<use href="#land" class="land"/>{_graticule(view)}{drawn}</svg>'
    )


def locator(box: Bounds4) -> str:
    """Where on the Earth an extent is."""
    view = _view([box], max(LEAST_LOCATOR, 3 * (_east(box) - box[0]), 6 * (box[3] - box[1])))
    return (
        f'<svg class="locator" viewBox="{_box(view)}" aria-hidden="true">'
        f'<use href="#land" class="land"/><g class="here">{_shape(box, view[2] / 40)}</g></svg>'
    )


def sketch_picture(sketch: Sketch) -> str:
    """What a layer looks like: the cells that it touches."""
    runs = runs_of(sketch)
    path = "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n in runs)
    few = sum(n for _, _, n in runs) < SPARSE * sketch.width * sketch.height
    return (
        f'<svg class="sketch" viewBox="0 0 {sketch.width} {sketch.height}" aria-hidden="true">'
        f'<path{" class=sparse" if few else ""} d="{path}"/></svg>'
    )


def _wide(box: Bounds4, view: View) -> str:
    """Class of what fills the map: a dozen such areas on each other would hide all else."""
    return " wide" if _area(box) > view[2] * view[3] / 4 else ""


def _view(boxes: Sequence[Bounds4], least: float) -> View:
    """What of the Earth to show: the boxes and some room around, never more than the Earth."""
    if not boxes:
        return -180, -90, 360, 180
    if any(box[0] > box[2] for box in boxes):  # across the antimeridian
        west, east = -180.0, 180.0
    else:
        west, east = min(b[0] for b in boxes), max(b[2] for b in boxes)
    south, north = min(b[1] for b in boxes), max(b[3] for b in boxes)
    width = max(least, 1.12 * (east - west), RATIO * 1.12 * (north - south))
    width = min(360.0, width)
    height = width / RATIO
    left = min(max((west + east) / 2 - width / 2, -180.0), 180.0 - width)
    bottom = min(max((south + north) / 2 - height / 2, -90.0), 90.0 - height)
    return left, bottom, width, height


def _box(view: View) -> str:
    west, south, width, height = view
    return f"{west:.3f} {-(south + height):.3f} {width:.3f} {height:.3f}"


def _shape(box: Bounds4, dot: float) -> str:
    """A rectangle, or a dot where it would be too small to be seen."""
    west, south, east, north = box
    if west > east:
        return _shape((west, south, 180.0, north), dot) + _shape((-180.0, south, east, north), dot)
    if east - west < dot and north - south < dot:
        x, y = (west + east) / 2, (south + north) / 2
        return f'<circle cx="{x:.4f}" cy="{-y:.4f}" r="{dot:.4f}"/>'
    return (
        f'<rect x="{west:.4f}" y="{-north:.4f}" width="{max(east - west, dot / 4):.4f}" '
        f'height="{max(north - south, dot / 4):.4f}"/>'
    )


def _graticule(view: View) -> str:
    """Meridians and parallels, with their degrees."""
    west, south, width, height = view
    step = next((s for s in _GRATICULE if width / s >= 6), _GRATICULE[-1])
    size = width / 72
    lines, labels = [], []
    for x in range(-180, 181, step):
        if west < x < west + width:
            fits = x + 3 * size < west + width
            lines.append(f"M{x} {-south - height:.2f}V{-south:.2f}")
            text = f"{abs(x)}°{'' if x % 180 == 0 else 'W' if x < 0 else 'E'}"
            labels += [_label(x + size * 0.3, -south - size * 0.5, size, text)] * fits
    for y in range(-90, 91, step):
        if south < y < south + height:
            lines.append(f"M{west:.2f} {-y}H{west + width:.2f}")
            text = f"{abs(y)}°{'' if y == 0 else 'S' if y < 0 else 'N'}"
            labels.append(_label(west + size * 0.4, -y - size * 0.3, size, text))
    return f'<path class="graticule" d="{"".join(lines)}"/>{"".join(labels)}'


def _label(x: float, y: float, size: float, text: str) -> str:
    return f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:.2f}">{text}</text>'


def _east(box: Bounds4) -> float:
    return box[2] + (360.0 if box[0] > box[2] else 0.0)


def _area(box: Bounds4) -> float:
    return (_east(box) - box[0]) * (box[3] - box[1])
