"""How findings, sizes and certainties are said, the same in every form of the grid."""

from __future__ import annotations

import glob
import os
import re
import shlex

from ..findings import Finding, Place
from ..foreign import is_foreign
from ..models import Source
from ..reporting.talk import one_line
from ..shapefile.zips import inner_path
from .contract import type_text
from .grid import LayerAudit

__all__ = ["bytes_text", "clean", "command_of", "counted", "fields_text", "how_sure", "place_text"]

_UNITS = ("B", "kB", "MB", "GB", "TB")
#: From this confidence on a guess is called so.
_SURE = ((0.9, "sure"), (0.6, "likely"), (0.3, "doubtful"))
#: A remedy with a place for the path; elsewhere these signs are part of a quoted name.
_OPEN = re.compile(r"(shpbatch \w+) \{path\} ")


def clean(text: str) -> str:
    """Text that is one line, its control characters and broken bytes made visible."""
    return one_line(text)


def command_of(finding: Finding, source: Source | None) -> str:
    """The remedy as a command that can be pasted; empty where there is none."""
    remedy = finding.remedy
    path = _asked_for(source) if source else "SRC"
    if remedy.startswith(("!", "--")):
        # What leaves a layer out is for a run over the others.
        path = "SRC" if remedy.startswith("--exclude") else path
        return clean(f"shpbatch run {path} -o OUT {remedy}")
    if told := _OPEN.match(remedy):
        return clean(f"{told[1]} {path} {remedy[told.end() :]}")
    return clean(remedy)


def _asked_for(source: Source) -> str:
    """A source as a command names it; of a file with several layers, this one only."""
    path = shlex.quote(clean(source.path))
    file = os.path.basename(os.path.normpath(source.path))
    name = source.relative.rpartition("/")[2]
    if is_foreign(source.path):
        several = os.path.splitext(name)[0] != os.path.splitext(file)[0]
    else:
        name = f"{file}/{inner_path(source.member or '')}"
        several = source.relative.endswith(name)
    if not source.member or not several:
        return path
    return f"{path} --include {shlex.quote(glob.escape(name))}"


def how_sure(confidence: float) -> str:
    """``sure``, ``likely``, ``doubtful`` or ``unknown``."""
    return next((word for least, word in _SURE if confidence >= least), "unknown")


def bytes_text(size: int) -> str:
    """Bytes with a unit: ``36 kB``."""
    number, unit = float(size), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    digits = 1 if unit and number < 9.95 else 0
    return f"{number:.{digits}f} {_UNITS[unit]}"


def counted(number: int, thing: str) -> str:
    """``1 layer``, ``2,000 layers``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def fields_text(layer: LayerAudit) -> list[str]:
    """``NAME C40`` for each field."""
    fields = layer.header.fields if layer.header else ()
    return [f"{clean(f.name)} {type_text(f.type, f.width, f.decimals)}" for f in fields]


def place_text(place: Place) -> str:
    """``row 12 at (3.5, 4): Self-intersection``; rows are GDAL's FIDs."""
    at = f" at ({place.x:.10g}, {place.y:.10g})" if None not in (place.x, place.y) else ""
    return clean(f"row {place.row}{at}" + (f": {place.detail}" if place.detail else ""))
