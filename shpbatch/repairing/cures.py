"""The steps that cure the geometries of a layer: those that find something to cure, no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..account import Account
from ..engine.reading import layer_of
from ..errors import LayerError
from ..findings import Lost, runs_of
from ..header import read_header
from ..models import Header, Recipe, Source, StepCall
from ..shapefile.edit import without_parts, without_vertices
from ..shapefile.flaws import backwards, not_finite, open_rings, short_parts
from ..shapefile.ragged import offsets_of
from ..shapefile.reader import Reader
from ..shapefile.types import PATCH, POLYGON, family
from ..steps.close_rings import close_rings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..engine.layer import Layer
    from ..shapefile.ragged import Ragged
    from .doubts import Doubts

__all__ = ["Cures", "prescribe"]

#: Steps in the order in which they cure, and what is counted of each.
TOLD = {
    "drop-non-finite": "vertices that are of no place were dropped",
    "close-rings": "rings were closed",
    "drop-short-parts": "parts that are no line and no area were dropped",
    "force-right-hand-rule": "rings that ran the wrong way were turned",
    "make-valid": "invalid geometries were made valid",
}
#: What is said of rows that lack some of their vertices.
DROPPED = "vertices of no place were dropped"


@dataclass
class Cures:
    """What cures a layer.

    Attributes
    ----------
    counts : Counter
        By step: vertices, rings, parts, features.
    lost : list of Lost
        Shapes of which nothing is left, by row.
    doubt : str
        Why its geometries could not be looked at.
    account : Account
        What was read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[Lost] = field(default_factory=list)
    doubt: str = ""
    account: Account = field(default_factory=Account)

    @property
    def recipe(self) -> Recipe:
        """The steps, in their order."""
        return Recipe(tuple(StepCall(name) for name in TOLD if self.counts[name]))

    def told(self) -> Counter[str]:
        """What they do, in words."""
        return Counter({TOLD[name]: count for name, count in self.counts.items() if count})


def prescribe(
    source: Source,
    header: Header | None = None,
    valid: bool = False,
    doubts: Doubts | None = None,
) -> Cures:
    """Find out which steps a layer needs, and which of its rows are doubtful.

    Parameters
    ----------
    source : Source
        Well-formed.
    header : Header, optional
    valid : bool
        Whether geometries that are invalid are to be cured.
    doubts : Doubts, optional
        Looks at all rows.

    Raises
    ------
    ReadError
        For broken structure.
    """
    cures = Cures()
    header = header or read_header(source)
    with Reader(source) as reader:
        for window in reader.windows():
            layer = layer_of(window, header, reader, cures.account)
            if doubts is not None:
                doubts.look(window.records, window.rows)
            if cures.doubt:
                continue
            try:
                _examine(layer, cures, valid)
            except LayerError as error:  # records of types that do not go together
                cures.doubt = str(error)
    if cures.doubt:
        cures = Cures(doubt=cures.doubt, account=cures.account)
    cures.lost += doubts.told() if doubts is not None else []
    return cures


def _examine(layer: Layer, cures: Cures, valid: bool) -> None:
    if not len(layer):
        return
    before = layer.vertices()
    if family(before.code) == PATCH:
        return
    after = before
    for name, cured, count in _cured(before):
        after = cured
        cures.counts[name] += count
    gone = np.flatnonzero(after.null & ~before.null)
    reason = "nothing of the shape has a place, a length or an area"
    cures.lost += [Lost(row, 1, "shape", reason) for row in layer.rows[gone].tolist()]
    cures.lost += runs_of(layer.rows[_bitten(before) & ~after.null], DROPPED)
    if valid and family(after.code) == POLYGON:
        cures.counts["make-valid"] += _invalid(after)


def _cured(flat: Ragged) -> Iterator[tuple[str, Ragged, int]]:
    """What each cure makes of the vertices, and of how many things."""
    bad = not_finite(flat)
    if bad.any():
        flat = without_vertices(flat, bad)
        yield "drop-non-finite", flat, int(bad.sum())
    open_ = open_rings(flat)
    if open_.any():
        flat = close_rings(flat)
        yield "close-rings", flat, int(open_.sum())
    short = short_parts(flat)
    if short.any():
        flat = without_parts(flat, short)
        yield "drop-short-parts", flat, int(short.sum())
    if family(flat.code) == POLYGON and (count := _backwards(flat)):
        yield "force-right-hand-rule", flat, count


def _bitten(flat: Ragged) -> NDArray[np.bool_]:
    """Rows (n,) that have vertices of no place."""
    found: NDArray[np.bool_] = np.diff(offsets_of(not_finite(flat))[flat.vertex_offsets]) > 0
    return found


def _backwards(flat: Ragged) -> int:
    """Rings that run the wrong way."""
    from ..shapefile.shapes import owners

    return int(backwards(flat, owners(flat)).sum())


def _invalid(flat: Ragged) -> int:
    import shapely

    from ..shapefile.shapes import to_shapes

    shapes: NDArray[np.object_] = to_shapes(flat).shapes
    return int((~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)).sum())
