"""Repaired geometries: which, why, and what that changed; one line told, one written for each."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..account import Repair, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REPAIRS", "repairs_told", "tell_repairs", "write_repairs"]

#: Extension of the file beside the sink: a JSON object a line.
REPAIRS = "repairs.jsonl"


def tell_repairs(
    rows: NDArray[np.int64], before: NDArray[np.object_], after: NDArray[np.object_]
) -> None:
    """Record repairs from within a step; a step that is called by itself tells nobody.

    Parameters
    ----------
    rows : ndarray of int64 (k,)
        Of the layer that the step was given.
    before, after : ndarray of object (k,)
        Invalid geometries, and what became of them.
    """
    told = counted()
    if told is None or not len(rows):
        return
    import shapely

    reasons = [str(r).partition("[")[0] for r in shapely.is_valid_reason(before)]
    flat = shapely.get_dimensions(before) == 2
    was, now = (
        np.where(flat, shapely.area(shapes), shapely.length(shapes)).tolist()
        for shapes in (before, after)
    )
    types = zip(_types(before), _types(after), strict=True)
    told.account.repairs += [
        Repair(row, told.step, why, *kinds, "area" if area else "length", *size, told.source)
        for row, why, kinds, area, size in zip(
            told.rows[rows].tolist(),
            reasons,
            types,
            flat.tolist(),
            zip(was, now, strict=True),
            strict=True,
        )
    ]


def _types(shapes: NDArray[np.object_]) -> list[str]:
    """Names of the types; ``empty`` where nothing is left."""
    import shapely

    names = [s.geom_type for s in shapes]
    return ["empty" if e else n for n, e in zip(names, shapely.is_empty(shapes), strict=True)]


def repairs_told(repairs: Sequence[Repair]) -> list[str]:
    """A line for each step: how many, the area or length before and after, new types, reasons.

    Sums are exact (`math.fsum`), so they do not depend on windows.
    """
    lines = []
    for step in dict.fromkeys(r.step for r in repairs):
        own = [r for r in repairs if r.step == step]
        parts = [*_sizes(own), *_new_types(own)]
        why = ", ".join(f"{reason} {count:,}" for reason, count in _counts(r.reason for r in own))
        features = "1 feature" if len(own) == 1 else f"{len(own):,} features"
        lines.append(f"{step} repaired {features}: {', '.join(parts)} ({why})")
    return lines


def _sizes(repairs: Sequence[Repair]) -> Iterator[str]:
    for measure in ("area", "length"):
        own = [r for r in repairs if r.measure == measure]
        if own:
            was, now = math.fsum(r.was for r in own), math.fsum(r.now for r in own)
            yield f"{measure} {_shown(was)} → {_shown(now)}"


def _shown(size: float) -> str:
    """A size with 8 digits at least, and 2 decimals where it has more."""
    if not 1e-4 < abs(size) < 1e15:
        return f"{size:.8g}"
    decimals = max(2, 7 - math.floor(math.log10(abs(size))))
    return f"{size:,.{decimals}f}".rstrip("0").rstrip(".")


def _new_types(repairs: Sequence[Repair]) -> Iterator[str]:
    for kind, count in _counts(r.after for r in repairs if r.after != r.before):
        yield f"{count:,} became {kind}"


def _counts(texts: Iterator[str]) -> list[tuple[str, int]]:
    """Texts with how often each is there, the most frequent first."""
    return sorted(Counter(texts).items(), key=lambda found: (-found[1], found[0]))


def write_repairs(path: Path, repairs: Sequence[Repair]) -> None:
    """Write a line for each repaired feature: its number in the source, why, types and sizes."""
    with open(path, "w", encoding="ascii", newline="\n") as file:
        for r in repairs:
            record = {
                "fid": r.row,
                "step": r.step,
                "reason": r.reason,
                "type_before": r.before,
                "type_after": r.after,
                f"{r.measure}_before": _number(r.was),
                f"{r.measure}_after": _number(r.now),
                "source": r.source,
            }
            file.write(json.dumps(record) + "\n")


def _number(value: float) -> float | None:
    """A number as JSON can hold it."""
    return value if math.isfinite(value) else None
