"""Record contents of a ``.shp`` to vertices, no loop over records.

Layout: ESRI Shapefile Technical Description (1998), "Main File Record
Contents". Integers and doubles are little-endian; record headers are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ReadError
from .ragged import NO_DATA, Ragged, offsets_of
from .records import HEAD, Records, ragged_index, run_mask
from .types import KNOWN, PATCH, POINT, WITH_PARTS, family, has_m, has_z

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BadRecords", "Declined", "Where", "check", "decode", "record_ranges"]


class BadRecords(ReadError):
    """Records that cannot be read: ``rows`` says which of those given."""

    code = "bad-record"
    rows: NDArray[np.int64]


class Declined(Exception):
    """Well formed, but not for this codec: GDAL is asked instead; says why."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the sections of the records that are not null begin, in 4-byte words of the buffer."""

    parts: NDArray[np.int64]  # counts
    vertices: NDArray[np.int64]  # counts
    at: NDArray[np.int64]  # of the content
    xy: NDArray[np.int64]
    z: NDArray[np.int64]
    m: NDArray[np.int64]
    with_m: NDArray[np.bool_]


def decode(records: Records, code: int, where: Where | None = None) -> Ragged:
    """Vertices of records.

    Parameters
    ----------
    records : Records
    code : int
        Shape type of the layer.
    where : Where, optional
        Names the records in errors.

    Raises
    ------
    BadRecords
        A count, a part index or a length that cannot be.
    Declined
        Records of another type than the layer's.
    """
    records = _aligned(records)
    where = where or Where("layer", np.arange(len(records)), records.starts)
    types = _types(records, where)
    null = types == 0
    if (other := ~null & (types != code)).any():
        row = int(where.numbers[other.argmax()])
        raise Declined(f"record {row + 1} is of another type than the layer")
    given = np.flatnonzero(~null)
    words = records.data.view(np.uint32)
    layout = _layout(words, records.take(given), code, where.of(given))
    coords = _gather(words, layout.xy, 4 * layout.vertices).view(np.float64).reshape(-1, 2)
    if has_z(code):
        z = _gather(words, layout.z, 2 * layout.vertices).view(np.float64)
        coords = np.column_stack([coords, z])
    m = _measures(words, layout) if has_m(code) and layout.with_m.any() else None
    with_m = np.zeros(len(records), dtype=bool)
    with_m[given] = layout.with_m
    counts = np.zeros(len(records), dtype=np.int64)
    counts[given] = layout.parts
    offsets, kinds = _parts(words, layout, code, where.of(given))
    return Ragged(
        code, coords, offsets, offsets_of(counts), null, m, with_m if has_m(code) else None, kinds
    )


def check(records: Records, code: int, where: Where) -> None:
    """Raise `BadRecords` for what `decode` would refuse; no vertex is read."""
    records = _aligned(records)
    types = _types(records, where)
    words = records.data.view(np.uint32)
    for kind in _kinds(types, code):
        if kind:
            rows = np.flatnonzero(types == kind)
            layout = _layout(words, records.take(rows), int(kind), where.of(rows))
            _parts(words, layout, int(kind), where.of(rows))


@dataclass(frozen=True, slots=True)
class Where:
    """Says in an error which record it is about.

    ``numbers`` and ``bytes`` are the records' rows and places in the file;
    ``rows`` picks some of them.
    """

    name: str
    numbers: NDArray[np.int64]
    bytes: NDArray[np.int64]
    rows: NDArray[np.int64] | None = None

    def of(self, rows: NDArray[np.int64]) -> Where:
        return Where(self.name, self.numbers, self.bytes, rows)

    def refuse(self, bad: NDArray[np.bool_], what: str) -> None:
        """Raise for the first record of which ``bad`` holds."""
        if bad.any():
            found = np.flatnonzero(bad) if self.rows is None else self.rows[bad]
            row = int(found[0])
            error = BadRecords(
                f"{self.name}: record {self.numbers[row] + 1}, byte {self.bytes[row]} of the .shp, "
                f"{what}; leave such records out with --on-bad-record skip, or shpbatch repair"
            )
            error.rows = found
            raise error


def _aligned(records: Records) -> Records:
    """Records whose headers stand on 4-byte words of the buffer."""
    odd = ((records.starts | records.sizes) & 3).any() or len(records.data) % 4
    if not odd:
        return records
    sizes = records.sizes + (-records.sizes % 4)
    starts = np.cumsum(sizes + HEAD) - sizes - HEAD
    data = np.zeros(int((sizes + HEAD).sum()), dtype=np.uint8)
    whole = records.sizes + HEAD
    data[ragged_index(starts, whole)] = records.data[ragged_index(records.starts, whole)]
    return Records(data, starts, records.sizes)


def _types(records: Records, where: Where) -> NDArray[np.int32]:
    where.refuse(records.sizes < 4, "is too short to have a shape type")
    types = records.data.view("<i4")[(records.starts + HEAD) // 4]
    where.refuse(~np.isin(types, list(KNOWN)), "has an unknown shape type")
    return types


def _kinds(types: NDArray[np.int32], code: int) -> list[int]:
    """The shape types that occur; nearly always the layer's alone."""
    return [code] if (types == code).all() else np.unique(types).tolist()


def _layout(words: NDArray[np.uint32], records: Records, code: int, where: Where) -> _Layout:
    """Sections of records of one type, checked against the lengths of the records."""
    at = (records.starts + HEAD) // 4
    ints = words.view("<i4")
    base, sizes = family(code), records.sizes
    one = np.ones(len(at), dtype=np.int64)
    if base == POINT:
        parts, vertices, xy, ranges = one, one, at + 1, 0
    else:
        counts = 2 if base in WITH_PARTS else 1
        where.refuse(sizes < 36 + 4 * counts, "is too short for its type")
        parts = ints[at + 9].astype(np.int64) if counts == 2 else one
        vertices = ints[at + 8 + counts].astype(np.int64)
        where.refuse((parts < 0) | (vertices < 0), "has a negative count of parts or vertices")
        where.refuse((parts == 0) & (vertices > 0), "has vertices but no part")
        each = (2 if base == PATCH else 1) if base in WITH_PARTS else 0
        xy, ranges = at + 9 + counts + each * parts, 4
    z = xy + 4 * vertices + ranges
    m = z + (2 * vertices + ranges if has_z(code) else 0)
    end = m - ranges if has_z(code) else xy + 4 * vertices
    ends = at + sizes // 4
    where.refuse(end > ends, "has more parts or vertices than its length allows")
    with_m = (m + 2 * vertices <= ends) if has_m(code) else np.zeros(len(at), dtype=bool)
    if 20 < code < 30:  # optional, but in a point; not in part
        where.refuse(~with_m & ((base == POINT) | (ends > end)), "has no room for its measures")
    return _Layout(parts, vertices, at, xy, z, m, with_m)


def _gather(
    words: NDArray[np.uint32], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Runs of words, one after the other."""
    if (starts[1:] >= (starts + sizes)[:-1]).all():
        return words[run_mask(starts, sizes, len(words))]
    return words[ragged_index(starts, sizes)]


def _measures(words: NDArray[np.uint32], layout: _Layout) -> NDArray[np.float64]:
    if layout.with_m.all():
        return _gather(words, layout.m, 2 * layout.vertices).view(np.float64)
    sizes = np.where(layout.with_m, layout.vertices, 0)
    found = _gather(words, layout.m[layout.with_m], 2 * sizes[layout.with_m]).view(np.float64)
    m = np.full(int(layout.vertices.sum()), np.nan)
    m[np.repeat(layout.with_m, layout.vertices)] = found
    return m


def _parts(
    words: NDArray[np.uint32], layout: _Layout, code: int, where: Where
) -> tuple[NDArray[np.int64], NDArray[np.int32] | None]:
    """Offsets of all parts, and their types in a MultiPatch."""
    if family(code) not in WITH_PARTS:
        return offsets_of(layout.vertices), None
    counts = layout.parts
    at = layout.at + 11
    if code != PATCH and (counts == 1).all():
        where.refuse(words.view("<i4")[at] != 0, "has part indexes that are out of range")
        return offsets_of(layout.vertices), None
    starts = _gather(words, at, counts).view("<i4").astype(np.int64)
    firsts = offsets_of(counts)[:-1][counts > 0]
    row = np.repeat(np.arange(len(counts)), counts)
    ends = np.empty_like(starts)
    ends[:-1] = starts[1:]
    ends[firsts[1:] - 1] = layout.vertices[counts > 0][:-1]
    if len(ends):
        ends[-1] = layout.vertices[counts > 0][-1]
    bad = (starts < 0) | (ends < starts)
    bad[firsts] |= starts[firsts] != 0
    rows = np.zeros(len(counts), dtype=bool)
    rows[row[bad]] = True
    where.refuse(rows, "has part indexes that are out of order or out of range")
    kinds = _gather(words, at + counts, counts).view(np.int32) if code == PATCH else None
    return offsets_of(ends - starts), kinds


def record_ranges(records: Records, code: int) -> NDArray[np.float64]:
    """Ranges as the records have them, (n, 8): minx, miny, maxx, maxy, Z and M from and to.

    NaN for null and empty shapes, and for what a record has not. Records of
    another type than the layer's tell their boxes only.
    """
    ranges = np.full((len(records), 8), np.nan)
    records = _aligned(records)
    types = records.words(HEAD, "<i4")
    words = records.data.view(np.uint32)
    where = Where("layer", np.arange(len(records)), records.starts)
    for kind in _kinds(types, code):
        if not kind:
            continue
        rows = np.flatnonzero(types == kind)
        layout = _layout(words, records.take(rows), int(kind), where.of(rows))
        full = layout.vertices > 0
        rows = rows[full]
        point = family(int(kind)) == POINT
        _fill(ranges, rows, 0, words, (layout.xy if point else layout.at + 1)[full], point, 2)
        if kind != code:
            continue
        back = 0 if point else 4  # a range stands before its values
        if has_z(code):
            _fill(ranges, rows, 4, words, (layout.z - back)[full], point, 1)
        if has_m(code):
            some = layout.with_m[full]
            _fill(ranges, rows[some], 6, words, (layout.m - back)[full][some], point, 1)
    measures = ranges[:, 6:]
    measures[~(measures > NO_DATA)] = np.nan
    return ranges


def _fill(
    ranges: NDArray[np.float64],
    rows: NDArray[np.int64],
    column: int,
    words: NDArray[np.uint32],
    at: NDArray[np.int64],
    point: bool,
    size: int,
) -> None:
    """Put ranges found in the records, of a point its value twice, into columns."""
    values = size if point else 2 * size
    found = words[at[:, None] + np.arange(2 * values)].view(np.float64)
    ranges[rows, column : column + 2 * size] = np.tile(found, 2) if point else found
