"""Read all of a layer, window by window: count, look at geometries and cells, keep nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..account import Account
from ..doctors.defects import DEFECTS, Judged, examine_geometry, judged
from ..doctors.encoding import EncodingReport, examine_encoding
from ..engine.reading import layer_of
from ..errors import LayerError, ReadError
from ..findings import PLACES, Finding, Place, united
from ..header import read_header
from ..models import Bounds4, Header, Problem, Source
from ..policy import Policy
from ..pool.messages import report_progress
from ..shapefile.opened import OnBadRecord
from ..shapefile.reader import Reader
from ..shapefile.shp import BadRecords, Declined, decode
from .grid import Reading, Sketch
from .look import REPAIR, refusal
from .sketch import Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..engine.layer import Layer
    from ..shapefile.ragged import Ragged

__all__ = ["Deep", "read_deep"]

#: A header's extent may be off by this share of its size: writers round.
SLACK = 1e-5
SIDES = ("west", "south", "east", "north")


@dataclass(frozen=True, slots=True)
class Deep:
    """What reading all of a layer adds to what its headers tell."""

    reading: Reading
    encoding: EncodingReport
    findings: tuple[Finding, ...]


def read_deep(source: Source) -> Deep:
    """Read all of a layer; what a broken record prevents is told, and the rest is read.

    Raises
    ------
    ReadError, SourceError
        Where nothing of it can be read.
    """
    try:
        return _read(source, "fail")
    except ReadError as error:
        deep = _read(source, "skip")
        told = refusal(source, Problem(error.code, str(error)))
        return Deep(deep.reading, deep.encoding, (told, *deep.findings))


def _read(source: Source, on_bad_record: OnBadRecord) -> Deep:
    header = read_header(source, whole=True, policy=Policy(on_bad_record=on_bad_record))
    account = Account()
    with Reader(source, on_bad_record) as reader:
        tally = _Tally(header)
        for window in reader.windows():
            with reader.told(window.rows):
                tally.add(layer_of(window, header, reader, account))
            report_progress(window.stop / max(1, reader.count))
    findings = (*_of_account(account), *tally.told(whole=not account.unreadable))
    encoding = examine_encoding(source, header, whole=True)
    return Deep(tally.reading(account), encoding, (*findings, *encoding.findings))


def _of_account(account: Account) -> Iterator[Finding]:
    if account.deleted:
        reason = "rows flagged as deleted, which readers leave out"
        yield Finding("rows-deleted", "warning", reason, "shpbatch run {path} -o OUT",
                      account.deleted)  # fmt: skip
    if account.unreadable:
        reason = "records or rows that cannot be read"
        yield Finding("records-unreadable", "error", reason, REPAIR, account.unreadable)


@dataclass
class _Tally:
    """What the windows of a layer add up to."""

    header: Header
    nulls: int = 0
    empties: int = 0
    invalid: int = 0
    vertices: int = 0
    box: NDArray[np.float64] = field(default_factory=lambda: np.array([np.inf] * 2 + [-np.inf] * 2))
    blanks: NDArray[np.int64] = field(init=False)
    findings: tuple[Finding, ...] = ()
    canvas: Canvas | None = None

    def __post_init__(self) -> None:
        self.blanks = np.zeros(len(self.header.fields), dtype=np.int64)
        if (bounds := self.header.bounds) and bounds[0] <= bounds[2] and bounds[1] <= bounds[3]:
            self.canvas = Canvas(bounds)

    def add(self, layer: Layer) -> None:
        """Count a window."""
        if not len(layer):
            return
        null = _nulls(layer)
        self.nulls += int(null.sum())
        self._add_boxes(layer.bounds()[~null])
        known = judged(layer)
        self._add_vertices(layer, null, known)
        self.findings = united(self.findings, _of_geometry(layer, known))
        self._add_cells(layer)

    def _add_boxes(self, boxes: NDArray[np.float64]) -> None:
        boxes = boxes[np.isfinite(boxes).all(axis=1)]
        if len(boxes):
            self.box[:2] = np.minimum(self.box[:2], boxes[:, :2].min(axis=0))
            self.box[2:] = np.maximum(self.box[2:], boxes[:, 2:].max(axis=0))

    def _add_vertices(self, layer: Layer, null: NDArray[np.bool_], known: Judged) -> None:
        import shapely

        shapes = known.shapes
        vertices = _vertices(layer)
        if vertices is None:  # records of several types: what GDAL made of them tells
            empty = ~null & (shapely.is_missing(shapes) | shapely.is_empty(shapes))
            self.vertices += int(shapely.get_num_coordinates(shapes).sum())
        else:
            self.vertices += len(vertices.coords)
            empty = ~null & (np.diff(vertices.vertex_offsets) == 0)
            if vertices.code % 10 == 1 and vertices.code != 31:  # a point is always one vertex
                none = np.isnan(vertices.coords[:, :2]).all(axis=1)
                empty[np.flatnonzero(~null)] = none
            if self.canvas is not None:
                self.canvas.add(vertices)
        self.empties += int(empty.sum())
        self.invalid += int((~known.valid & ~null & ~empty).sum())

    def _add_cells(self, layer: Layer) -> None:
        """NULL cells of each field, and cells without a value of its type."""
        for at, described in enumerate(layer.header.fields):
            self.blanks[at] += layer.values(at).null_count
            bad = _bad_cells(layer, at)
            if len(bad):
                rows = layer.rows[bad[: PLACES["warning"]]].tolist()
                places = tuple(Place(row, detail=described.name) for row in rows)
                reason = "cells that hold no value of their field's type, and are read as NULL"
                finding = Finding("bad-value", "warning", reason, "", len(bad), places)
                self.findings = united(self.findings, (finding,))

    def told(self, whole: bool) -> Iterator[Finding]:
        """What was found in the windows, and what they tell together if that is all of it."""
        yield from self.findings
        told = {f.code for f in self.findings}
        if self.nulls and "null-geometry" not in told:
            yield Finding("null-geometry", *DEFECTS["null-geometry"], self.nulls)
        if self.empties and "empty-geometry" not in told:
            reason = "shapes without a vertex, or points that are NaN"
            yield Finding("empty-geometry", "note", reason, "", self.empties)
        if whole:
            yield from self._extent_differs()

    def _extent_differs(self) -> Iterator[Finding]:
        header = self.header.bounds
        if not np.isfinite(self.box).all():
            return
        if header is None:
            if self.box.any():  # else it is that of what lies at (0, 0)
                reason = "the header holds no extent, though the features have one"
                yield Finding("bounds-missing", "note", reason, REPAIR)
            return
        size = max(self.box[2] - self.box[0], self.box[3] - self.box[1], 1e-9)
        slack = SLACK * max(size, np.abs(self.box).max())
        off = [
            f"{side} {_apart(told, true)}"
            for side, told, true in zip(SIDES, header, self.box.tolist(), strict=True)
            if abs(told - true) > slack
        ]
        if off:
            reason = f"the extent in the header is not that of the records: {', '.join(off)}"
            yield Finding("bounds-lie", "warning", reason, REPAIR)

    def reading(self, account: Account) -> Reading:
        """The counts."""
        bounds: Bounds4 | None = None
        if np.isfinite(self.box).all():
            bounds = tuple(self.box.tolist())
        drawn: Sketch | None = self.canvas.sketch() if self.canvas else None
        return Reading(
            account.read,
            account.deleted,
            account.unreadable,
            self.nulls,
            self.empties,
            self.invalid,
            self.vertices,
            bounds,
            tuple(self.blanks.tolist()),
            drawn,
        )


def _of_geometry(layer: Layer, known: Judged) -> tuple[Finding, ...]:
    """What the doctor says; of records that cannot be of one type, that they cannot."""
    try:
        return examine_geometry(layer, known)
    except BadRecords:
        raise
    except LayerError as error:
        remedy = "--on-bad-feature reject ! make-valid"
        return (Finding(error.code, "error", str(error), remedy, len(layer)),)


def _nulls(layer: Layer) -> NDArray[np.bool_]:
    """Rows whose record is a null shape, whatever else is in the layer."""
    assert layer.records is not None
    found: NDArray[np.bool_] = layer.records.words(8, "<i4") == 0
    return found


def _vertices(layer: Layer) -> Ragged | None:
    """Vertices of the records; None where they are of several types."""
    assert layer.records is not None
    with suppress(Declined):
        return decode(layer.records, layer.code)
    return None


def _bad_cells(layer: Layer, at: int) -> NDArray[np.int64]:
    if layer.body is None:
        return np.empty(0, np.int64)
    header = layer.header
    return layer.body.bad_rows(layer.columns[at], header.fields[at], header.encoding, layer.rows)


def _apart(told: float, true: float) -> str:
    """Two numbers, with as many digits as it takes to tell them apart."""
    digits = next((d for d in range(10, 17) if f"{told:.{d}g}" != f"{true:.{d}g}"), 17)
    return f"{told:.{digits}g}, not {true:.{digits}g}"
