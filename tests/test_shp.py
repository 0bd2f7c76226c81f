"""Records of a .shp: bytes to vertices and back, and every structural lie told with its byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapefile as pyshp
import shapefiles as make
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shpbatch.shapefile.encode import encode
from shpbatch.shapefile.ragged import (
    NO_DATA,
    Ragged,
    offsets_of,
    ring_reversed,
    signed_areas,
    turned,
)
from shpbatch.shapefile.records import HEAD, Records, join_records, ragged_index, run_mask
from shpbatch.shapefile.shp import BadRecords, Declined, Where, check, decode, record_ranges

Vertex = tuple[float, ...]
SQUARE: list[Vertex] = [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)]
#: Shape types that have parts, by name.
LINE, POLYGON, MULTIPOINT, PATCH = 3, 5, 8, 31


def ints(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def doubles(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def span(values: Sequence[float]) -> bytes:
    return doubles(min(values), max(values)) if values else doubles(0, 0)


def content(
    code: int,
    *parts: Sequence[Vertex],
    z: Sequence[float] | None = None,
    m: Sequence[float] | None = None,
    kinds: Sequence[int] = (),
) -> bytes:
    """A record of many vertices by the specification, Z and M behind where they are given."""
    vertices = [v for part in parts for v in part]
    xs, ys = [v[0] for v in vertices], [v[1] for v in vertices]
    box = doubles(min(xs), min(ys), max(xs), max(ys)) if vertices else bytes(32)
    data = ints(code) + box
    if code % 10 != MULTIPOINT:
        data += ints(len(parts))
    data += ints(len(vertices))
    if code % 10 != MULTIPOINT:
        data += ints(*(sum(len(p) for p in parts[:i]) for i in range(len(parts))))
        data += ints(*kinds)
    data += b"".join(doubles(x, y) for x, y in zip(xs, ys, strict=True))
    for values in (z, m):
        if values is not None:
            told = [v for v in values if v > NO_DATA] or [10 * NO_DATA][: len(values)]
            data += span(told) + doubles(*values)
    return data


def records_of(*contents: bytes, numbers: Sequence[int] = ()) -> Records:
    """Records as they stand in a file, headers and all."""
    found = numbers or range(1, len(contents) + 1)
    heads = [struct.pack(">2i", n, len(c) // 2) for n, c in zip(found, contents, strict=True)]
    data = b"".join(h + c for h, c in zip(heads, contents, strict=True))
    sizes = np.array([len(c) for c in contents], dtype=np.int64)
    return Records.packed_from(np.frombuffer(data, np.uint8), sizes)


def contents_of(records: Records) -> list[bytes]:
    return [
        records.data[s + HEAD : s + HEAD + n].tobytes()
        for s, n in zip(records.starts, records.sizes, strict=True)
    ]


def where(records: Records, first: int = 0) -> Where:
    return Where("layer.shp", np.arange(len(records)) + first, records.starts + 100)


#: Every shape type, with a null shape and an empty one where there may be one.
EVERY: dict[str, tuple[int, tuple[bytes, ...]]] = {
    "null": (0, (make.NULL, make.NULL)),
    "point": (1, (make.point(1, 2), make.NULL, make.point(-3.5, 1e300))),
    "point m": (21, (make.point_m(1, 2, 3), make.NULL, make.point_m(1, 2, -1e39))),
    "point z": (11, (make.point_zm(1, 2, 3, 4), make.NULL, make.point_zm(5, 6, 7, -1e39))),
    "point z without m": (11, (ints(11) + doubles(1, 2, 3), make.NULL)),
    "point z, some with m": (11, (ints(11) + doubles(1, 2, 3), make.point_zm(5, 6, 7, 8))),
    "line": (3, (content(3, SQUARE[:3]), make.NULL, content(3, SQUARE[:2], SQUARE[2:]))),
    "line of no part": (3, (content(3), content(3, SQUARE[:2]), content(3))),
    "line with an empty part": (3, (content(3, SQUARE[:2], [], SQUARE), content(3, [], SQUARE))),
    "line of one empty part": (3, (content(3, []), content(3, SQUARE))),
    "line m, some without": (23, (content(23, SQUARE[:2], m=(4, 3)), content(23, SQUARE[:2]))),
    "polygon m without": (25, (content(25, SQUARE), make.NULL)),
    "multipoint m, some without": (28, (content(28, SQUARE), content(28, SQUARE, m=range(5)))),
    "line m": (
        23,
        (content(23, SQUARE[:2], m=(4, 3)), make.NULL, content(23, SQUARE[:1], m=(-1e39,))),
    ),
    "line z": (13, (content(13, SQUARE[:2], z=(4, 3), m=(1, 2)), make.NULL)),
    "line z without m": (13, (content(13, SQUARE[:2], z=(4, 3)), make.NULL)),
    "line z, some with m": (
        13,
        (
            content(13, SQUARE[:2], SQUARE[:2], z=(4, 3, 2, 1)),
            content(13, SQUARE[:3], z=(4, 3, 2), m=(7, 9, 8)),
            make.NULL,
            content(13, SQUARE[:2], z=(4, 3)),
            content(13, SQUARE[:2], z=(4, 3), m=(-1e39, 5)),
        ),
    ),
    "polygon": (5, (content(5, SQUARE), make.NULL, content(5, SQUARE, SQUARE[::-1]), content(5))),
    "polygon m": (25, (content(25, SQUARE, m=(1, 2, 3, 4, 1)), make.NULL)),
    "polygon z": (15, (content(15, SQUARE, z=(1, 2, 3, 4, 1)), content(15, z=(), m=()))),
    "multipoint": (8, (content(8, SQUARE), make.NULL, content(8, SQUARE[:1]), content(8))),
    "multipoint m": (28, (content(28, SQUARE[:2], m=(5, 4)), content(28, m=()), make.NULL)),
    "multipoint z": (18, (content(18, SQUARE[:2], z=(5, 4), m=(1, 1)), make.NULL)),
    "multipoint z without m": (18, (content(18, SQUARE[:2], z=(5, 4)), content(18, z=()))),
    "multipatch": (
        31,
        (
            content(31, SQUARE, SQUARE[:3], z=range(8), m=range(8), kinds=(2, 0)),
            make.NULL,
            content(31, SQUARE[:4], z=(1, 2, 3, 4), kinds=(1,)),
        ),
    ),
}  # fmt: skip
TYPES = pytest.mark.parametrize(("code", "contents"), EVERY.values(), ids=EVERY)


# --- there and back -----------------------------------------------------------


@TYPES
def test_what_is_decoded_is_encoded_byte_for_byte(code: int, contents: tuple[bytes, ...]) -> None:
    records = records_of(*contents)
    ragged = decode(records, code)
    assert len(ragged) == len(contents)
    assert ragged.null.tolist() == [c == make.NULL for c in contents]
    again = encode(ragged)
    assert contents_of(again) == list(contents)
    assert again.data.tobytes() == records.data.tobytes()


@TYPES
def test_a_check_lets_pass_what_can_be_decoded(code: int, contents: tuple[bytes, ...]) -> None:
    records = records_of(*contents)
    check(records, code, where(records))


def test_a_layer_of_no_records() -> None:
    for code in (0, 1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31):
        ragged = decode(records_of(), code)
        assert (len(ragged), len(ragged.coords), len(encode(ragged))) == (0, 0, 0)
        assert ragged.coords.shape[1] == (3 if 10 < code < 20 or code == PATCH else 2)


def test_points_are_parts_of_one_vertex() -> None:
    ragged = decode(records_of(make.point(1, 2), make.NULL, make.point(3, 4)), 1)
    assert ragged.coords.tolist() == [[1, 2], [3, 4]]
    assert ragged.row_offsets.tolist() == [0, 1, 1, 2]
    assert ragged.part_offsets.tolist() == [0, 1, 2]
    assert (ragged.m, ragged.with_m, ragged.kinds) == (None, None, None)


def test_parts_and_vertices_of_each_row() -> None:
    rows = content(3, SQUARE[:2], SQUARE[:3]), make.NULL, content(3), content(3, SQUARE, [], SQUARE)
    ragged = decode(records_of(*rows), 3)
    assert ragged.row_offsets.tolist() == [0, 2, 2, 2, 5]
    assert ragged.part_offsets.tolist() == [0, 2, 5, 10, 10, 15]
    assert ragged.vertex_offsets.tolist() == [0, 5, 5, 5, 15]
    assert ragged.null.tolist() == [False, True, False, False]
    assert ragged.coords[2:5].tolist() == [list(v) for v in SQUARE[:3]]


def test_heights_and_measures() -> None:
    rows = (
        content(13, SQUARE[:2], z=(4, 3)),
        make.NULL,
        content(13, SQUARE[:3], z=(7, 8, 9), m=(1, -1e39, 3)),
    )
    ragged = decode(records_of(*rows), 13)
    assert ragged.coords[:, 2].tolist() == [4, 3, 7, 8, 9]
    assert ragged.with_m is not None and ragged.with_m.tolist() == [False, False, True]
    assert ragged.m is not None
    np.testing.assert_array_equal(ragged.m, [np.nan, np.nan, 1, -1e39, 3])


def test_heights_without_any_measure() -> None:
    ragged = decode(records_of(content(18, SQUARE[:2], z=(4, 3))), 18)
    assert ragged.m is None
    assert ragged.with_m is not None and ragged.with_m.tolist() == [False]


def test_kinds_of_the_parts_of_a_multipatch() -> None:
    _, rows = EVERY["multipatch"]
    ragged = decode(records_of(*rows), PATCH)
    assert ragged.kinds is not None and ragged.kinds.tolist() == [2, 0, 1]
    assert ragged.part_offsets.tolist() == [0, 5, 8, 12]


def test_boxes_and_ranges_are_computed_not_carried() -> None:
    true = content(13, SQUARE[:2], z=(4, 3), m=(1, 2))
    lying = ints(13) + doubles(9, 9, 9, 9) + true[36:80] + true[80:]
    lying = lying[:80] + doubles(99, 99) + lying[96:]
    assert lying != true
    assert contents_of(encode(decode(records_of(lying), 13))) == [true]


def test_measures_without_data_have_no_part_in_a_range() -> None:
    row = content(23, SQUARE[:3], m=(5, -1e39, 7))
    none = content(23, SQUARE[:2], m=(-1e39, -1e40))
    ranges = [struct.unpack_from("<2d", c, len(c) - 16 - 8 * n) for c, n in ((row, 3), (none, 2))]
    assert ranges == [(5, 7), (-1e39, -1e39)]
    assert contents_of(encode(decode(records_of(row, none), 23))) == [row, none]


def test_a_measure_that_is_nan_stays_one() -> None:
    ragged = decode(records_of(content(23, SQUARE[:3], m=(5, 6, 7))), 23)
    assert ragged.m is not None
    ragged.m[1] = np.nan
    (found,) = contents_of(encode(ragged))
    assert struct.unpack_from("<2d", found, len(found) - 40) == (5, 7)
    np.testing.assert_array_equal(np.frombuffer(found[-24:], "<f8"), [5, np.nan, 7])


def test_infinite_coordinates_are_kept() -> None:
    rows = content(3, [(0, 0), (np.inf, -np.inf)]), content(13, SQUARE[:2], z=(np.inf, 0))
    assert contents_of(encode(decode(records_of(rows[0]), 3))) == [rows[0]]
    assert contents_of(encode(decode(records_of(rows[1]), 13))) == [rows[1]]


def test_bytes_behind_the_content_are_let_go() -> None:
    row = content(3, SQUARE)
    assert contents_of(encode(decode(records_of(row + bytes(20)), 3))) == [row]


def test_a_part_of_a_measure_is_none() -> None:
    """Room for the range and one of two measures: a Z type without M."""
    row = content(13, SQUARE[:2], z=(4, 3))
    ragged = decode(records_of(row + doubles(1, 2, 3)), 13)
    assert ragged.m is None
    assert contents_of(encode(ragged)) == [row]


def written_by_pyshp(folder: Path, code: int) -> Path:
    """Three features and a null shape."""
    path = folder / "a.shp"
    dimension = {1: "z", 2: "m"}.get(code // 10, "") if code != PATCH else "z"
    tail = {"": (), "m": (7.0,), "z": (5.0, 7.0)}[dimension]
    ring = [[float(x), float(y), *tail] for x, y in SQUARE]
    hole = [[x + 0.5, y + 0.5, *rest] for x, y, *rest in reversed(ring)]
    with pyshp.Writer(str(path), shapeType=code) as writer:
        writer.field("N", "N", 5)
        for i in range(3):
            if code == PATCH:
                writer.multipatch([ring, hole], partTypes=[2, 3])
            elif code % 10 == 1:
                getattr(writer, "point" + dimension)(*ring[i])
            elif code % 10 == MULTIPOINT:
                getattr(writer, "multipoint" + dimension)(ring[: i + 1])
            elif code % 10 == LINE:
                getattr(writer, "line" + dimension)([ring[: i + 2], hole][: i + 1])
            else:
                getattr(writer, "poly" + dimension)([ring, hole][: i + 1])
            writer.record(i)
        writer.null()
        writer.record(9)
    return path


@pytest.mark.parametrize("code", [1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31])
def test_what_pyshp_writes_is_kept_byte_for_byte(tmp_path: Path, code: int) -> None:
    path = written_by_pyshp(tmp_path, code)
    body = path.read_bytes()[100:]
    shx = np.frombuffer(path.with_suffix(".shx").read_bytes()[100:], ">i4").reshape(-1, 2)
    records = Records.packed_from(np.frombuffer(body, np.uint8), shx[:, 1].astype(np.int64) * 2)
    ragged = decode(records, code)
    assert ragged.null.tolist() == [False, False, False, True]
    assert encode(ragged).data.tobytes() == body


# --- lies ---------------------------------------------------------------------


def put(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + ints(value) + data[at + 4 :]


TWO = content(5, SQUARE, SQUARE)
LIES: dict[str, tuple[int, bytes, str]] = {
    "no content": (5, b"", "too short to have a shape type"),
    "half a shape type": (5, b"\5\0", "too short to have a shape type"),
    "unknown type": (5, put(TWO, 0, 7), "unknown shape type"),
    "negative type": (5, put(TWO, 0, -5), "unknown shape type"),
    "cut before the counts": (5, TWO[:40], "too short for its type"),
    "cut within the box": (8, content(8, SQUARE)[:30], "too short for its type"),
    "cut point": (1, make.point(1, 2)[:12], "more parts or vertices than its length"),
    "cut point m": (21, make.point_m(1, 2, 3)[:20], "no room for its measures"),
    "cut point z": (11, make.point_zm(1, 2, 3, 4)[:20], "more parts or vertices than its length"),
    "negative parts": (5, put(TWO, 36, -1), "negative count"),
    "most negative parts": (5, put(TWO, 36, -(2**31)), "negative count"),
    "negative vertices": (5, put(TWO, 40, -1), "negative count"),
    "negative points": (8, put(content(8, SQUARE), 36, -2), "negative count"),
    "vertices but no part": (5, put(TWO, 36, 0), "vertices but no part"),
    "one part too many": (5, put(TWO, 36, 3), "more parts or vertices than its length"),
    "one vertex too many": (5, put(TWO, 40, 11), "more parts or vertices than its length"),
    "parts that overflow": (5, put(TWO, 36, 2**31 - 1), "more parts or vertices than its length"),
    "vertices that overflow": (5, put(TWO, 40, 2**28), "more parts or vertices than its length"),
    "vertices that overflow 32 bit": (3, put(content(3, SQUARE), 40, 2**31 - 1), "more parts"),
    "points that overflow": (8, put(content(8, SQUARE), 36, 2**29), "more parts or vertices"),
    "first part not at 0": (5, put(TWO, 44, 1), "part indexes"),
    "parts in reverse": (5, put(put(TWO, 44, 5), 48, 0), "part indexes"),
    "negative part index": (5, put(TWO, 48, -1), "part indexes"),
    "part index out of range": (5, put(TWO, 48, 11), "part indexes"),
    "part index far out": (5, put(TWO, 48, 2**31 - 1), "part indexes"),
    "decreasing": (3, put(content(3, SQUARE[:2], SQUARE[:2], SQUARE[:2]), 52, 1), "part indexes"),
    "only part not at 0": (3, put(content(3, SQUARE), 44, 1), "part indexes"),
    "z cut": (15, content(15, SQUARE, z=(1, 2, 3, 4, 5))[:-8], "more parts or vertices"),
    "z missing": (15, content(15, SQUARE), "more parts or vertices"),
    "m cut short": (23, content(23, SQUARE) + bytes(16), "no room for its measures"),
    "m cut": (28, content(28, SQUARE, m=range(5))[:-4], "no room for its measures"),
    "patch without kinds": (31, content(31, SQUARE, z=range(5)), "more parts or vertices"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "lie", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_told_with_record_and_byte(code: int, lie: bytes, words: str) -> None:
    good = next(c for n, (k, rows) in EVERY.items() for c in rows if k == code and c != make.NULL)
    records = records_of(good, lie, make.NULL, good, lie)
    byte = 100 + HEAD + len(good)
    for read in (decode, check):
        with pytest.raises(BadRecords, match=words) as error:
            read(records, code, where(records, first=40))
        assert f"layer.shp: record 42, byte {byte} of the .shp" in str(error.value)
        assert error.value.code == "bad-record"
        assert error.value.rows.tolist() == [1, 4]
    kept = records.take(np.array([0, 2, 3]))
    check(kept, code, where(kept))


@pytest.mark.parametrize("first", [(make.NULL,), (content(5), make.NULL), ()])
def test_a_lie_after_rows_without_parts_is_told_of_the_right_row(first: tuple[bytes, ...]) -> None:
    records = records_of(*first, TWO, put(TWO, 48, 11), content(5), TWO)
    with pytest.raises(BadRecords) as error:
        decode(records, 5, where(records))
    assert error.value.rows.tolist() == [len(first) + 1]


@given(st.data())
def test_damage_is_told_or_the_result_is_sound(data: st.DataObject) -> None:
    """Any 4 bytes of any record replaced: never an error of another kind, never a wild index."""
    code, contents = data.draw(st.sampled_from(list(EVERY.values())))
    row = data.draw(st.integers(0, len(contents) - 1))
    at = 4 * data.draw(st.integers(0, len(contents[row]) // 4 - 1))
    edges = st.sampled_from([0, 1, 2, 3, 5, 7, 10, 31, 2**31 - 1, -1, -(2**31), 2**29, 2**30])
    damaged = list(contents)
    damaged[row] = put(contents[row], at, data.draw(edges | st.integers(-(2**31), 2**31 - 1)))
    records = records_of(*damaged)
    try:
        ragged = decode(records, code)
    except (BadRecords, Declined):
        return
    assert (np.diff(ragged.part_offsets) >= 0).all()
    assert ragged.part_offsets[-1] == len(ragged.coords)
    assert ragged.row_offsets[-1] == len(ragged.part_offsets) - 1
    assert len(encode(ragged)) == len(contents)


@pytest.mark.parametrize(("code", "other"), [(5, 3), (3, 5), (3, 13), (8, 1), (15, 5), (23, 13)])
def test_records_of_another_type_are_declined(code: int, other: int) -> None:
    mine = next(c for k, rows in EVERY.values() for c in rows if k == code and c != make.NULL)
    foreign = next(c for k, rows in EVERY.values() for c in rows if k == other and c != make.NULL)
    records = records_of(make.NULL, mine, foreign)
    with pytest.raises(Declined, match="record 3 is of another type"):
        decode(records, code)
    check(records, code, where(records))  # well formed it is


def test_a_lie_in_a_record_of_another_type_is_found_too() -> None:
    records = records_of(content(3, SQUARE), put(TWO, 48, 11))
    with pytest.raises(BadRecords) as error:
        check(records, 3, where(records))
    assert error.value.rows.tolist() == [1]


# --- ranges -------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("null", [[NAN] * 8] * 2),
        (
            "point",
            [[1, 2, 1, 2, *[NAN] * 4], [NAN] * 8, [-3.5, 1e300, -3.5, 1e300, *[NAN] * 4]],
        ),
        ("point m", [[1, 2, 1, 2, NAN, NAN, 3, 3], [NAN] * 8, [1, 2, 1, 2, *[NAN] * 4]]),
        ("point z", [[1, 2, 1, 2, 3, 3, 4, 4], [NAN] * 8, [5, 6, 5, 6, 7, 7, NAN, NAN]]),
        ("point z, some with m", [[1, 2, 1, 2, 3, 3, NAN, NAN], [5, 6, 5, 6, 7, 7, 8, 8]]),
        ("line of no part", [[NAN] * 8, [0, 0, 0, 2, *[NAN] * 4], [NAN] * 8]),
        ("line m", [[0, 0, 0, 2, NAN, NAN, 3, 4], [NAN] * 8, [0, 0, 0, 0, *[NAN] * 4]]),
        ("line z", [[0, 0, 0, 2, 3, 4, 1, 2], [NAN] * 8]),
        ("line z without m", [[0, 0, 0, 2, 3, 4, NAN, NAN], [NAN] * 8]),
        ("multipoint z", [[0, 0, 0, 2, 4, 5, 1, 1], [NAN] * 8]),
        ("polygon z", [[0, 0, 2, 2, 1, 4, NAN, NAN], [NAN] * 8]),
    ],
)
def test_ranges_are_those_that_the_records_tell(name: str, expected: list[list[float]]) -> None:
    code, contents = EVERY[name]
    np.testing.assert_array_equal(record_ranges(records_of(*contents), code), expected)


def test_a_multipatch_tells_its_ranges() -> None:
    code, contents = EVERY["multipatch"]
    found = record_ranges(records_of(*contents), code)
    np.testing.assert_array_equal(found[0], [0, 0, 2, 2, 0, 7, 0, 7])
    np.testing.assert_array_equal(found[2], [0, 0, 2, 2, 1, 4, NAN, NAN])


def test_ranges_of_records_of_another_type_are_their_boxes() -> None:
    contents = content(13, SQUARE, z=range(5)), content(3, SQUARE), make.point(7, 8)
    found = record_ranges(records_of(*contents), 3)
    expected = [[0, 0, 2, 2, *[NAN] * 4]] * 2 + [[7, 8, 7, 8, *[NAN] * 4]]
    np.testing.assert_array_equal(found, expected)


def test_a_measure_range_of_no_data_is_none() -> None:
    lying = bytearray(content(23, SQUARE[:2], m=(1, 2)))
    lying[-32:-16] = doubles(-1e39, -1e39)
    assert np.isnan(record_ranges(records_of(bytes(lying)), 23)[0, 6:]).all()


# --- records as bytes ---------------------------------------------------------

MIXED = (make.NULL, make.point(1, 2), content(3, SQUARE), make.point(3, 4))


def test_taken_records_are_those_rows_whatever_their_order() -> None:
    records = records_of(*MIXED)
    for rows in ([2, 0], [3, 3, 1, 3], [], [0, 1, 2, 3], [1, 2], [0, 3]):
        taken = records.take(np.array(rows, dtype=np.int64))
        assert taken.data is records.data
        assert contents_of(taken) == [MIXED[i] for i in rows]
        packed = taken.packed()
        assert packed.are_packed()
        assert contents_of(packed) == [MIXED[i] for i in rows]


def test_packed_records_are_not_packed_again() -> None:
    records = records_of(*MIXED)
    assert records.are_packed()
    assert records.packed() is records
    for other in (records.take(np.array([0, 1, 2])), records.take(np.array([1, 0, 2, 3]))):
        assert not other.are_packed()
    gap = Records(np.concatenate([records.data, records.data[:4]]), records.starts, records.sizes)
    assert not gap.are_packed()
    assert records_of().are_packed()


@given(st.lists(st.integers(0, 3)), st.sampled_from([0, 2]))
def test_records_on_odd_places_are_packed_too(rows: list[int], extra: int) -> None:
    """A content may have an odd number of 16-bit words."""
    contents = [c + bytes(extra) for c in MIXED]
    taken = records_of(*contents).take(np.array(rows, dtype=np.int64)).packed()
    assert contents_of(taken) == [contents[i] for i in rows]


def test_records_are_numbered_from_any_number_on() -> None:
    records = records_of(*MIXED, numbers=(7, 0, -1, 2**31 - 1)).take(np.array([2, 1]))
    data = bytes(records.numbered(5))
    expected = b"".join(
        struct.pack(">2i", n, len(c) // 2) + c for n, c in ((5, MIXED[2]), (6, MIXED[1]))
    )
    assert data == expected


def test_records_that_have_their_numbers_are_not_copied() -> None:
    records = records_of(*MIXED)
    assert records.numbered(1) is records.data
    assert bytes(records.numbered(1)) == bytes(records_of(*MIXED).data)


def test_numbering_leaves_the_records_themselves_alone() -> None:
    records = records_of(*MIXED)
    before = records.data.tobytes()
    assert bytes(records.numbered(9)) != before
    assert records.data.tobytes() == before


@pytest.mark.parametrize("mask", [[0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
def test_joined_records_come_from_where_the_mask_says(mask: list[int]) -> None:
    first = records_of(*MIXED).take(np.array([3, 1]))
    second = records_of(content(5, SQUARE), make.NULL)
    a, b = iter((MIXED[3], MIXED[1])), iter((content(5, SQUARE), make.NULL))
    joined = join_records(first, second, np.array(mask, dtype=bool))
    assert contents_of(joined) == [next(b) if m else next(a) for m in mask]


def test_records_of_one_buffer_may_be_all() -> None:
    some, none = records_of(*MIXED), records_of()
    assert contents_of(join_records(some, none, np.zeros(4, dtype=bool))) == list(MIXED)
    assert contents_of(join_records(none, some, np.ones(4, dtype=bool))) == list(MIXED)


@pytest.mark.parametrize("extra", [b"", b"\0\0"], ids=["aligned", "odd"])
@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 1, 0], [1, 1], [2, 0, 2], []])
def test_rows_in_any_order_are_decoded(extra: bytes, rows: list[int]) -> None:
    contents = (
        content(13, SQUARE[:2], z=(4, 3), m=(8, 9)) + extra,
        make.NULL,
        content(13, SQUARE, SQUARE[:2], z=range(7)) + extra,
    )
    index = np.array(rows, dtype=np.int64)
    whole = decode(records_of(*contents), 13)
    found = decode(records_of(*contents).take(index), 13)
    assert_same_ragged(found, whole.take(index))
    ranges = record_ranges(records_of(*contents), 13)
    np.testing.assert_array_equal(
        record_ranges(records_of(*contents).take(index), 13), ranges[index]
    )


def assert_same_ragged(left: Ragged, right: Ragged) -> None:
    """The same vertices; a row without measures may have them as NaN or not at all."""
    np.testing.assert_array_equal(left.coords, right.coords)
    np.testing.assert_array_equal(left.part_offsets, right.part_offsets)
    np.testing.assert_array_equal(left.row_offsets, right.row_offsets)
    np.testing.assert_array_equal(left.null, right.null)
    np.testing.assert_array_equal(left.with_m, right.with_m)
    if left.m is not None and right.m is not None:
        np.testing.assert_array_equal(left.m, right.m)
    else:
        assert np.isnan([] if left.m is None else left.m).all()
        assert np.isnan([] if right.m is None else right.m).all()


def test_odd_places_are_told_as_places_in_the_file() -> None:
    records = records_of(make.NULL + b"\0\0", put(TWO, 48, 11))
    with pytest.raises(BadRecords, match="record 2, byte 114 of"):
        decode(records, 5, where(records))


# --- vertices -----------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_positions_of_runs(runs: list[tuple[int, int]]) -> None:
    starts = np.array([s for s, _ in runs], dtype=np.int64)
    sizes = np.array([n for _, n in runs], dtype=np.int64)
    expected = [i for s, n in runs for i in range(s, s + n)]
    assert ragged_index(starts, sizes).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8), st.integers(0, 3))
def test_the_mask_of_runs_is_true_within_them(gaps: list[tuple[int, int]], tail: int) -> None:
    at, starts, lengths = 0, [], []
    for gap, length in gaps:
        starts.append(at + gap)
        lengths.append(length)
        at += gap + length
    index = [i for s, n in zip(starts, lengths, strict=True) for i in range(s, s + n)]
    mask = run_mask(np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64), at + tail)
    assert len(mask) == at + tail
    assert np.flatnonzero(mask).tolist() == index


def ragged_of(rows: Sequence[Sequence[Sequence[Vertex]] | None], code: int = POLYGON) -> Ragged:
    """Rows of parts; None is null."""
    parts = [p for row in rows if row is not None for p in row]
    coords = np.array([v for p in parts for v in p], dtype=np.float64).reshape(-1, 2)
    return Ragged(
        code,
        coords,
        offsets_of(np.array([len(p) for p in parts], dtype=np.int64)),
        offsets_of(np.array([0 if r is None else len(r) for r in rows], dtype=np.int64)),
        np.array([r is None for r in rows], dtype=bool),
    )


ROWS = [[SQUARE, SQUARE[:2]], None, [], [[], SQUARE[1:3]], [SQUARE[2:]]]


@pytest.mark.parametrize("rows", [[4, 0], [0, 0], [1, 2, 3], [], [0, 1, 2, 3, 4], [3, 4, 0, 3]])
def test_rows_are_taken_with_all_they_have(rows: list[int]) -> None:
    ragged = ragged_of(ROWS)
    taken = ragged.take(np.array(rows, dtype=np.int64))
    expected = ragged_of([ROWS[i] for i in rows])
    for name in ("coords", "part_offsets", "row_offsets", "null"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(expected, name))


def test_taking_all_rows_moves_nothing() -> None:
    ragged = ragged_of(ROWS)
    assert ragged.take(np.arange(5)) is ragged
    assert ragged.take(np.arange(4)) is not ragged


def test_measures_and_kinds_are_taken_too() -> None:
    _, contents = EVERY["multipatch"]
    taken = decode(records_of(*contents), PATCH).take(np.array([2, 0]))
    assert taken.kinds is not None and taken.kinds.tolist() == [1, 2, 0]
    assert taken.with_m is not None and taken.with_m.tolist() == [False, True]
    assert taken.m is not None
    np.testing.assert_array_equal(taken.m, [*[np.nan] * 4, *range(8)])


def test_bounds_of_rows() -> None:
    found = ragged_of(ROWS).bounds()
    nothing = [NAN] * 4
    np.testing.assert_array_equal(
        found, [[0, 0, 2, 2], nothing, nothing, [0, 2, 2, 2], [0, 0, 2, 2]]
    )


def test_extremes_of_values_with_one_column() -> None:
    ragged = ragged_of(ROWS)
    low, high = ragged.extremes(np.arange(len(ragged.coords), dtype=np.float64))
    np.testing.assert_array_equal(low, [0, NAN, NAN, 7, 9])
    np.testing.assert_array_equal(high, [6, NAN, NAN, 8, 11])


def test_extremes_of_nothing() -> None:
    for rows in ([], [None, []]):
        low, high = ragged_of(rows).extremes(np.empty(0))
        assert len(low) == len(high) == len(rows)
        assert np.isnan(low).all() and np.isnan(high).all()


def test_moving_keeps_what_is_not_given() -> None:
    ragged = decode(records_of(content(13, SQUARE[:2], z=(4, 3), m=(1, 2))), 13)
    moved = ragged.moved(ragged.coords[:, :2] + 10)
    assert moved.coords.tolist() == [[10, 10, 4], [10, 12, 3]]
    assert ragged.moved(ragged.coords * 2).coords.tolist() == [[0, 0, 8], [0, 4, 6]]
    assert moved.m is ragged.m


def areas(*rings: Sequence[Vertex]) -> list[float]:
    coords = np.array([v for r in rings for v in r], dtype=np.float64).reshape(-1, 2)
    return signed_areas(coords, offsets_of(np.array([len(r) for r in rings]))).tolist()


def test_an_area_is_negative_clockwise_and_0_for_what_is_no_ring() -> None:
    triangle = [(0, 0), (3, 0), (0, 2)]
    assert areas(SQUARE, [], SQUARE[::-1], SQUARE[:1], SQUARE[:2], triangle, []) == [
        -4, 0, 4, 0, 0, 3, 0,
    ]  # fmt: skip
    assert areas([*triangle, triangle[0]]) == areas(triangle) == [3]
    assert areas() == []
    assert areas([], []) == [0, 0]


def test_a_small_ring_far_away_has_its_area() -> None:
    far = [(5e8 + x / 1024, 4e9 + y / 1024) for x, y in SQUARE]
    assert areas(far, SQUARE) == [-4 / 1024**2, -4]


def test_parts_are_turned_with_their_measures() -> None:
    rows = content(25, SQUARE, SQUARE[:3], m=range(8)), content(25, SQUARE[::-1], m=range(5))
    ragged = decode(records_of(*rows), 25)
    found = turned(ragged, np.array([False, True, True]))
    expected = [*SQUARE, *SQUARE[2::-1], *SQUARE]
    assert found.coords.tolist() == [list(v) for v in expected]
    assert found.m is not None and found.m.tolist() == [0, 1, 2, 3, 4, 7, 6, 5, 4, 3, 2, 1, 0]
    again = turned(found, np.array([False, True, True]))
    np.testing.assert_array_equal(again.coords, ragged.coords)


def mirrored(coords: NDArray[np.float64]) -> NDArray[np.float64]:
    return coords[:, ::-1].copy()


def test_rings_that_a_move_mirrors_are_turned_back() -> None:
    hole = [(0.5, 0.5), (1, 0.5), (1, 1), (0.5, 0.5)]
    before = ragged_of([[SQUARE, hole], None, [SQUARE]])
    after = ring_reversed(before, before.moved(mirrored(before.coords)))
    sign = np.sign(signed_areas(after.coords, after.part_offsets))
    assert sign.tolist() == np.sign(signed_areas(before.coords, before.part_offsets)).tolist()
    shifted = before.moved(before.coords + 5)
    assert ring_reversed(before, shifted) is shifted


def test_only_mirrored_rings_are_turned() -> None:
    before = ragged_of([[SQUARE], [SQUARE]])
    coords = before.coords.copy()
    coords[5:] = mirrored(coords[5:])
    after = ring_reversed(before, before.moved(coords))
    assert after.coords[:5].tolist() == before.coords[:5].tolist()
    assert after.coords[5:].tolist() == coords[5:][::-1].tolist()


def test_lines_are_never_turned() -> None:
    before = ragged_of([[SQUARE]], LINE)
    after = before.moved(mirrored(before.coords))
    assert ring_reversed(before, after) is after


def test_a_degenerate_ring_is_not_turned() -> None:
    flat: list[Any] = [(0, 0), (1, 1), (0, 0)]
    before = ragged_of([[flat]])
    after = before.moved(mirrored(before.coords))
    assert ring_reversed(before, after) is after
