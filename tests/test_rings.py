"""Rings to polygons and back: which is a shell and which a hole, and that GDAL says the same."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapefiles as make
import shapely
from numpy.typing import NDArray

from shpbatch.shapefile.encode import encode
from shpbatch.shapefile.ragged import Ragged, offsets_of, signed_areas
from shpbatch.shapefile.rings import closed, oriented, shells_of
from shpbatch.shapefile.shapes import to_shapes
from shpbatch.shapefile.shp import Declined, decode
from shpbatch.shapefile.vertices import from_shapes
from shpbatch.shapefile.writer import ShpWriter

Ring = Sequence[tuple[float, ...]]


def square(x: float, y: float, size: float) -> list[tuple[float, float]]:
    """A shell: it runs clockwise."""
    return [(x, y), (x, y + size), (x + size, y + size), (x + size, y), (x, y)]


def hole(x: float, y: float, size: float) -> list[tuple[float, float]]:
    """A hole: it does not."""
    return square(x, y, size)[::-1]


OUTER, INNER, ISLAND = square(0, 0, 10), hole(2, 2, 6), square(4, 4, 2)
BESIDE = square(20, 0, 5)


def ragged_of(rows: Sequence[Sequence[Ring] | None], code: int = 5) -> Ragged:
    """Rows of rings; None is null. A third value of a vertex is its Z, or M in types from 21 on."""
    parts = [p for row in rows if row is not None for p in row]
    width = 3 if code > 10 else 2
    values = np.array([v for p in parts for v in p], dtype=np.float64).reshape(-1, width)
    null = np.array([r is None for r in rows], dtype=bool)
    measured = code > 20
    return Ragged(
        code,
        values[:, :2].copy() if measured else values,
        offsets_of(np.array([len(p) for p in parts], dtype=np.int64)),
        offsets_of(np.array([0 if r is None else len(r) for r in rows], dtype=np.int64)),
        null,
        values[:, 2].copy() if measured else None,
        ~null if measured else None,
    )


def shapes_of(*rows: Sequence[Ring] | None, code: int = 5) -> list[str | None]:
    made = to_shapes(ragged_of(rows, code))
    return [None if s is None else s.wkt for s in made.shapes]


def text(*polygons: Sequence[Ring]) -> str:
    """WKT of a polygon, or of several."""
    shapes = [shapely.Polygon(p[0], p[1:]) for p in polygons]
    return shapes[0].wkt if len(shapes) == 1 else shapely.MultiPolygon(shapes).wkt


def by_gdal(folder: Path, ragged: Ragged) -> NDArray[np.object_]:
    """Geometries as GDAL reads them from a file of these vertices."""
    writer = ShpWriter(folder / "g.shp", ragged.code)
    writer.add(encode(ragged))
    writer.finish()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, table = pyogrio.raw.read_arrow(folder / "g.shp")
    wkb = table.columns[-1].to_pylist()
    return np.asarray(shapely.from_wkb(wkb, on_invalid="fix"), dtype=object)


# --- what a set of rings is ---------------------------------------------------

#: Rings in the order of the file, and the polygons that they are.
SETS: dict[str, tuple[list[Ring], str]] = {
    "one ring": ([OUTER], text([OUTER])),
    "a hole": ([OUTER, INNER], text([OUTER, INNER])),
    "two holes": (
        [OUTER, hole(1, 1, 2), hole(6, 6, 2)],
        text([OUTER, hole(1, 1, 2), hole(6, 6, 2)]),
    ),
    "two parts": ([OUTER, BESIDE], text([OUTER], [BESIDE])),
    "two parts, each with a hole": (
        [OUTER, BESIDE, hole(21, 1, 2), INNER],
        text([OUTER, INNER], [BESIDE, hole(21, 1, 2)]),
    ),
    "a hole before its shell": ([INNER, OUTER], text([OUTER, INNER])),
    "a hole before its shell, after another": (
        [BESIDE, INNER, OUTER],
        text([BESIDE], [OUTER, INNER]),
    ),
    "a shell that runs the wrong way": ([OUTER[::-1]], text([OUTER[::-1]])),
    "a hole that runs like its shell": ([OUTER, INNER[::-1]], text([OUTER, INNER[::-1]])),
    "all the wrong way": ([OUTER[::-1], INNER[::-1]], text([OUTER[::-1], INNER[::-1]])),
    "an island in a hole": ([OUTER, INNER, ISLAND], text([OUTER, INNER], [ISLAND])),
    "an island before all": ([ISLAND, INNER, OUTER], text([ISLAND], [OUTER, INNER])),
    "a hole in an island in a hole": (
        [OUTER, INNER, ISLAND, hole(4.5, 4.5, 1)],
        text([OUTER, INNER], [ISLAND, hole(4.5, 4.5, 1)]),
    ),
    "a hole that touches its shell in a point": (
        [OUTER, [(0, 5), (2, 4), (2, 6), (0, 5)]],
        text([OUTER, [(0, 5), (2, 4), (2, 6), (0, 5)]]),
    ),
    "a hole that shares an edge with its shell": (
        [OUTER, hole(0, 2, 4)],
        text([OUTER, hole(0, 2, 4)]),
    ),
    "holes that touch": (
        [OUTER, hole(1, 1, 3), hole(4, 4, 3)],
        text([OUTER, hole(1, 1, 3), hole(4, 4, 3)]),
    ),
    "parts that touch in a point": (
        [OUTER, square(10, 10, 5)],
        text([OUTER], [square(10, 10, 5)]),
    ),
    "parts that share an edge": ([OUTER, square(10, 0, 10)], text([OUTER], [square(10, 0, 10)])),
    "a part in the bay of another": (
        [[(0, 0), (0, 9), (9, 9), (9, 6), (3, 6), (3, 3), (9, 3), (9, 0), (0, 0)], square(5, 4, 1)],
        text(
            [[(0, 0), (0, 9), (9, 9), (9, 6), (3, 6), (3, 3), (9, 3), (9, 0), (0, 0)]],
            [square(5, 4, 1)],
        ),
    ),
}
EVERY_SET = pytest.mark.parametrize(("rings", "expected"), SETS.values(), ids=SETS)


@EVERY_SET
def test_rings_are_sorted_into_polygons(rings: list[Ring], expected: str) -> None:
    assert shapes_of(rings) == [expected]


@EVERY_SET
def test_rings_are_sorted_among_other_rows(rings: list[Ring], expected: str) -> None:
    """The same rings in the rows around are no shells of these."""
    assert shapes_of([OUTER], None, rings, rings, [], [square(-5, -5, 50)]) == [
        text([OUTER]),
        None,
        expected,
        expected,
        None,
        text([square(-5, -5, 50)]),
    ]


#: GDAL believes how a ring runs where one of several runs clockwise: these it makes invalid.
INVALID_BY_GDAL = ("a hole that runs like its shell", "all the wrong way")


@pytest.mark.parametrize("name", [n for n in SETS if n not in INVALID_BY_GDAL])
def test_gdal_sorts_them_the_same(tmp_path: Path, name: str) -> None:
    rings, expected = SETS[name]
    (found,) = by_gdal(tmp_path, ragged_of([rings]))
    assert shapely.normalize(found).wkt == shapely.normalize(shapely.from_wkt(expected)).wkt


@pytest.mark.parametrize("name", INVALID_BY_GDAL)
def test_containment_decides_where_gdal_makes_what_is_invalid(tmp_path: Path, name: str) -> None:
    ragged = ragged_of([SETS[name][0]])
    (found,) = by_gdal(tmp_path, ragged)
    (ours,) = to_shapes(ragged).shapes
    assert (found.is_valid, ours.is_valid) == (False, True)


@EVERY_SET
def test_there_and_back_rings_run_as_the_specification_wants(
    rings: list[Ring], expected: str
) -> None:
    shapes = np.array([shapely.from_wkt(expected), None], dtype=object)
    ragged = from_shapes(shapes, 5)
    assert ragged.null.tolist() == [False, True]
    parts = shapely.get_parts(shapes[:1])
    shells = np.concatenate([[True] + [False] * len(p.interiors) for p in parts])
    assert (np.sign(signed_areas(ragged.coords, ragged.part_offsets)) < 0).tolist() == list(shells)
    back = to_shapes(decode(encode(ragged), 5))
    assert shapely.equals_identical(shapely.normalize(back.shapes[0]), shapely.normalize(shapes[0]))
    assert back.shapes[1] is None
    assert not back.cured.any() and not back.lost.any()


def test_the_ring_next_outside_is_the_shell() -> None:
    """Seven rings in each other, in any order."""
    nested = [square(i, i, 20 - 2 * i) for i in range(7)]
    rng = np.random.default_rng(0)
    for _ in range(5):
        order = rng.permutation(7)
        rings = [nested[i] for i in order]
        polygons = np.array([shapely.Polygon(r) for r in rings], dtype=object)
        areas = np.array([-shapely.area(p) for p in polygons])
        shell = shells_of(polygons, np.zeros(7, dtype=np.int64), areas)
        place = {int(i): at for at, i in enumerate(order)}
        expected = [place[i - 1] if i % 2 else place[i] for i in order]
        assert shell.tolist() == expected


def test_a_record_of_many_rings_in_each_other_takes_little_memory() -> None:
    """All pairs of these, as of contour lines in one feature, would be half a gigabyte."""
    n = 3_000
    low = np.arange(n)
    polygons = shapely.box(low, low, 2 * n - low, 2 * n - low)
    row = np.zeros(n, dtype=np.int64)
    tracemalloc.start()
    try:
        shell = shells_of(polygons, row, -shapely.area(polygons))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert shell.tolist() == (low - low % 2).tolist()
    assert peak < 100e6


def test_rings_that_cross_are_holes_of_shells_only() -> None:
    """As in GDAL, the container next outside decides; that lies in none itself."""
    polygons = shapely.box([5, 3, 8], [3, 1, 4], [13, 11, 10], [5, 9, 5])
    shell = shells_of(polygons, np.zeros(3, dtype=np.int64), -shapely.area(polygons))
    assert shell.tolist() == [0, 1, 0]


def test_rings_of_other_rows_are_no_shells() -> None:
    polygons = np.array([shapely.Polygon(r) for r in (OUTER, INNER, OUTER, INNER)], dtype=object)
    areas = shapely.area(polygons)
    assert shells_of(polygons, np.array([0, 1, 2, 2]), areas).tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(("second", "shells"), [(1.0, [0, 0]), (-1.0, [0, 1])])
def test_of_two_equal_rings_the_second_is_a_hole_if_it_is_turned(
    second: float, shells: list[int]
) -> None:
    polygons = np.array([shapely.Polygon(OUTER)] * 2, dtype=object)
    areas = np.array([-1.0, second])
    assert shells_of(polygons, np.zeros(2, dtype=np.int64), areas).tolist() == shells


def test_rings_are_turned_where_they_run_the_wrong_way() -> None:
    ragged = ragged_of([[OUTER, INNER], [OUTER[::-1], INNER[::-1]], [[(0, 0), (1, 1), (0, 0)]]])
    shells = np.array([True, False, True, False, True])
    assert oriented(ragged, shells).tolist() == [False, False, True, True, False]


# --- rings that GEOS would refuse ---------------------------------------------


@pytest.mark.parametrize(
    ("ring", "made"),
    [
        (OUTER, None),
        (OUTER[:-1], [*OUTER[:-1], OUTER[0]]),
        (OUTER[:3], [*OUTER[:3], OUTER[0]]),
        ([(0, 0), (1, 1), (0, 0)], [(0, 0), (1, 1), (0, 0), (0, 0)]),
        ([(0, 0), (1, 1)], [(0, 0), (1, 1), (0, 0), (0, 0)]),
        ([(3, 4)], [(3, 4)] * 4),
        ([], None),
    ],
)
def test_a_ring_is_closed_and_has_four_vertices(ring: Ring, made: Ring | None) -> None:
    ragged = ragged_of([[OUTER, ring, OUTER]])
    index, sizes, added = closed(ragged.coords, ragged.part_offsets)
    assert added.tolist() == [False, made is not None, False]
    found = ragged.coords[index]
    assert found.tolist() == [list(v) for v in [*OUTER, *(ring if made is None else made), *OUTER]]
    assert sizes.tolist() == [5, len(ring if made is None else made), 5]


def test_no_rings_at_all() -> None:
    for rows in ([], [None, []]):
        ragged = ragged_of(rows)
        index, sizes, added = closed(ragged.coords, ragged.part_offsets)
        assert (len(index), len(sizes), len(added)) == (0, 0, 0)
        assert to_shapes(ragged).shapes.tolist() == [None] * len(rows)


def test_a_ring_that_ends_at_another_height_is_held_as_it_is() -> None:
    """shapely closes rings in three dimensions, GEOS minds the plane only."""
    ring = [(x, y, float(i)) for i, (x, y) in enumerate(OUTER)]
    made = to_shapes(ragged_of([[ring]], 15))
    assert made.cured.tolist() == [False]
    found = shapely.get_coordinates(made.shapes, include_z=True).tolist()
    assert found == [list(v) for v in ring]
    assert shapely.is_valid(made.shapes).all()


def test_holes_with_heights() -> None:
    """All rings of the layer are of rows with several."""
    rings = [[(x, y, x - y) for x, y in ring] for ring in (OUTER, INNER)]
    made = to_shapes(ragged_of([rings, rings], 15)).shapes
    expected = shapely.Polygon(rings[0], rings[1:])
    assert shapely.equals_identical(made, np.array([expected, expected])).all()


def test_cured_rows_are_told() -> None:
    rows = [[OUTER], [OUTER, INNER[:-1]], None, [[(0, 0), (1, 1)]], []]
    made = to_shapes(ragged_of(rows))
    assert made.cured.tolist() == [False, True, False, True, False]
    assert not made.lost.any()
    assert made.shapes[1].wkt == text([OUTER, [*INNER[:-1], INNER[0]]])


@pytest.mark.parametrize("rings", [[OUTER[:-1]], [OUTER[:-1], INNER], [OUTER[:3]]])
def test_gdal_closes_them_the_same(tmp_path: Path, rings: list[Ring]) -> None:
    ragged = ragged_of([rings, [OUTER]])
    found = by_gdal(tmp_path, ragged)
    ours = to_shapes(ragged).shapes
    assert shapely.equals_identical(shapely.normalize(found), shapely.normalize(ours)).all()


def test_an_empty_ring_is_none() -> None:
    assert shapes_of([OUTER, []], [[], []], [[], OUTER]) == [text([OUTER]), None, text([OUTER])]


# --- lines and points ---------------------------------------------------------


def test_lines() -> None:
    rows = [[OUTER[:2]], None, [OUTER[:2], BESIDE[:3]], [], [[], OUTER[:3]]]
    assert shapes_of(*rows, code=3) == [
        "LINESTRING (0 0, 0 10)",
        None,
        "MULTILINESTRING ((0 0, 0 10), (20 0, 20 5, 25 5))",
        None,
        "LINESTRING (0 0, 0 10, 10 10)",
    ]


def test_a_line_of_one_vertex_is_lost_and_told() -> None:
    rows = [[OUTER[:2]], [OUTER[:1]], [OUTER[:2], OUTER[:1]], None, [OUTER[:1], []], [OUTER[:3]]]
    made = to_shapes(ragged_of(rows, 3))
    assert made.lost.tolist() == [False, True, True, False, True, False]
    assert made.shapes[0].wkt == "LINESTRING (0 0, 0 10)"
    assert made.shapes[5].wkt == "LINESTRING (0 0, 0 10, 10 10)"


def test_points_of_one_row_are_a_multipoint() -> None:
    assert shapes_of([OUTER[:2]], None, [[]], [BESIDE[:1]], code=8) == [
        "MULTIPOINT ((0 0), (0 10))",
        None,
        None,
        "MULTIPOINT ((20 0))",
    ]


def test_points() -> None:
    assert shapes_of([[(1, 2)]], None, [[(3, 4)]], code=1) == ["POINT (1 2)", None, "POINT (3 4)"]


@pytest.mark.parametrize("code", [1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28])
def test_a_layer_of_nulls(code: int) -> None:
    made = to_shapes(ragged_of([None, None], code))
    assert made.shapes.tolist() == [None, None]
    back = from_shapes(made.shapes, code)
    assert (back.null.all(), len(back.coords), back.code) == (True, 0, code)
    assert (
        len(to_shapes(ragged_of([], code)).shapes) == len(from_shapes(made.shapes[:0], code)) == 0
    )


def test_a_multipatch_is_no_geometry() -> None:
    with pytest.raises(Declined):
        to_shapes(ragged_of([None], 31))


# --- Z and M ------------------------------------------------------------------

WKT: dict[int, list[str | None]] = {
    1: ["POINT (1 2)", None, "POINT (3 4)"],
    11: ["POINT Z (1 2 3)", None, "POINT Z (4 5 -6)"],
    21: ["POINT M (1 2 3)", None, "POINT M (4 5 -6)"],
    3: ["LINESTRING (0 0, 1 1)", "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3, 4 5))", None],
    13: ["LINESTRING Z (0 0 5, 1 1 6)", None, "MULTILINESTRING Z ((0 0 1, 1 1 2), (2 2 3, 3 3 4))"],
    23: ["LINESTRING M (0 0 5, 1 1 6)", None, "MULTILINESTRING M ((0 0 1, 1 1 2), (2 2 3, 3 3 4))"],
    5: ["POLYGON ((0 0, 0 9, 9 9, 0 0), (1 3, 3 7, 1 7, 1 3))", None],
    15: ["POLYGON Z ((0 0 1, 0 9 2, 9 9 3, 0 0 1))", None],
    25: [
        "POLYGON M ((0 0 1, 0 9 2, 9 9 3, 0 0 1), (1 3 4, 3 7 5, 1 7 6, 1 3 4))",
        "MULTIPOLYGON M (((0 0 1, 0 9 2, 9 9 3, 0 0 1)), ((20 0 7, 20 9 8, 29 9 9, 20 0 7)))",
        None,
    ],
    8: ["MULTIPOINT ((1 2), (3 4))", None],
    18: ["MULTIPOINT Z ((1 2 3), (3 4 5))", None, "MULTIPOINT Z ((1 2 3))"],
    28: ["MULTIPOINT M ((1 2 3), (3 4 5))", None, "MULTIPOINT M ((1 2 3))"],
}
#: Z types whose records have measures.
WITH_BOTH: dict[int, list[str | None]] = {
    11: ["POINT ZM (1 2 3 4)", None, "POINT ZM (5 6 7 8)"],
    13: [
        "LINESTRING ZM (0 0 5 6, 1 1 7 8)",
        "MULTILINESTRING ZM ((0 0 1 2, 1 1 2 3), (2 2 3 4, 3 3 4 5))",
    ],
    15: ["POLYGON ZM ((0 0 1 5, 0 9 2 6, 9 9 3 7, 0 0 1 5), (1 3 0 1, 3 7 0 2, 1 7 0 3, 1 3 0 1))"],
    18: ["MULTIPOINT ZM ((1 2 3 4), (3 4 5 6))", None],
}  # fmt: skip
CASES = [(c, w) for table in (WKT, WITH_BOTH) for c, w in table.items()]


def geometries(wkt: Sequence[str | None]) -> NDArray[np.object_]:
    array = np.full(len(wkt), None, dtype=object)
    array[:] = [None if t is None else shapely.from_wkt(t) for t in wkt]
    return array


@pytest.mark.parametrize(("code", "wkt"), CASES)
def test_geometries_are_kept_there_and_back(code: int, wkt: list[str | None]) -> None:
    shapes = geometries(wkt)
    back = to_shapes(decode(encode(from_shapes(shapes, code)), code)).shapes
    same = shapely.equals_identical(back, shapes)
    assert (same | shapely.is_missing(shapes) & shapely.is_missing(back)).all(), back


@pytest.mark.parametrize(("code", "wkt"), CASES)
def test_gdal_reads_them_the_same(tmp_path: Path, code: int, wkt: list[str | None]) -> None:
    shapes = geometries(wkt)
    found = by_gdal(tmp_path, from_shapes(shapes, code))
    same = shapely.equals_identical(shapely.normalize(found), shapely.normalize(shapes))
    assert (same | shapely.is_missing(shapes) & shapely.is_missing(found)).all(), found


def test_a_height_that_is_missing_is_0() -> None:
    ragged = from_shapes(geometries(["POINT (1 2)", "POINT Z (3 4 5)", None]), 11)
    assert ragged.coords.tolist() == [[1, 2, 0], [3, 4, 5]]
    assert ragged.m is None
    flat = from_shapes(geometries([WKT[5][0]]), 15)
    assert flat.coords[:, 2].tolist() == [0] * 8


def test_a_height_that_the_type_has_not_is_dropped() -> None:
    ragged = from_shapes(geometries(["POINT Z (1 2 3)", "POINT ZM (3 4 5 6)"]), 1)
    assert ragged.coords.tolist() == [[1, 2], [3, 4]]
    assert ragged.m is None


def test_a_measure_that_is_missing_is_no_data() -> None:
    ragged = from_shapes(geometries(["POINT (1 2)", "POINT M (3 4 5)", None]), 21)
    assert ragged.m is not None and ragged.m.tolist() == [-1e39, 5]
    assert ragged.with_m is not None and ragged.with_m.tolist() == [True, True, False]
    assert [struct.unpack("<d", r[-8:])[0] for r in encoded(ragged)[:2]] == [-1e39, 5]


def test_only_rows_with_measures_get_them_in_a_z_type() -> None:
    ragged = from_shapes(geometries(["POINT Z (1 2 3)", "POINT ZM (3 4 5 6)"]), 11)
    assert ragged.with_m is not None and ragged.with_m.tolist() == [False, True]
    assert encoded(ragged) == [
        struct.pack("<i3d", 11, 1, 2, 3),
        make.point_zm(3, 4, 5, 6),
    ]


def encoded(ragged: Ragged) -> list[bytes]:
    records = encode(ragged)
    return [
        records.data[s + 8 : s + 8 + n].tobytes()
        for s, n in zip(records.starts, records.sizes, strict=True)
    ]


def test_measures_turn_with_their_ring() -> None:
    wrong = "POLYGON M ((0 0 1, 9 9 2, 0 9 3, 0 0 4))"
    ragged = from_shapes(geometries([wrong]), 25)
    assert ragged.coords.tolist() == [[0, 0], [0, 9], [9, 9], [0, 0]]
    assert ragged.m is not None and ragged.m.tolist() == [4, 3, 2, 1]


def test_measures_stay_with_the_rings_that_are_sorted() -> None:
    rings: list[Ring] = [
        [(*v, 10 * i + j) for j, v in enumerate(ring)] for i, ring in enumerate((INNER, OUTER))
    ]
    (shape,) = to_shapes(ragged_of([rings], 25)).shapes
    found = shapely.get_coordinates(shape, include_m=True)
    assert found[:, 2].tolist() == [10, 11, 12, 13, 14, 0, 1, 2, 3, 4]


def test_a_z_type_of_no_data_has_no_measures() -> None:
    content = make.point_zm(1, 2, 3, -1e39)
    shp = struct.pack(">2i", 1, len(content) // 2) + content
    from shpbatch.shapefile.records import Records

    records = Records.packed_from(np.frombuffer(shp, np.uint8), np.array([len(content)]))
    (shape,) = to_shapes(decode(records, 11)).shapes
    assert shape.wkt == "POINT Z (1 2 3)"


# --- what a shape type takes --------------------------------------------------


@pytest.mark.parametrize("wkt", ["POLYGON EMPTY", "MULTIPOLYGON EMPTY", "MULTIPOLYGON (EMPTY)"])
def test_what_is_empty_is_null(wkt: str) -> None:
    ragged = from_shapes(geometries([wkt, WKT[5][0], None]), 5)
    assert ragged.null.tolist() == [True, False, True]
    assert len(ragged.coords) == 8


def test_empty_parts_are_left_out() -> None:
    ragged = from_shapes(geometries(["MULTILINESTRING (EMPTY, (0 0, 1 1), EMPTY)"]), 3)
    assert ragged.part_offsets.tolist() == [0, 2]
    assert ragged.row_offsets.tolist() == [0, 1]


def test_a_point_in_a_layer_of_multipoints() -> None:
    ragged = from_shapes(geometries(["POINT (1 2)", "MULTIPOINT ((3 4), (5 6))"]), 8)
    assert encoded(ragged)[0] == struct.pack("<i4d i 2d", 8, 1, 2, 1, 2, 1, 1, 2)
    assert ragged.row_offsets.tolist() == [0, 1, 2]


def test_polygons_of_a_multipatch_are_rings() -> None:
    wkt = "POLYGON Z ((0 0 1, 9 9 2, 0 9 3, 0 0 1), (1 3 0, 3 7 0, 1 7 0, 1 3 0))"
    ragged = from_shapes(geometries([wkt, None]), 31)
    assert ragged.kinds is not None and ragged.kinds.tolist() == [2, 3]
    assert (signed_areas(ragged.coords, ragged.part_offsets) < 0).tolist() == [True, False]
    again = decode(encode(ragged), 31)
    np.testing.assert_array_equal(again.coords, ragged.coords)
    assert again.kinds is not None and again.kinds.tolist() == [2, 3]


def test_many_rows_of_all_kinds_keep_their_places() -> None:
    rng = np.random.default_rng(1)
    kinds: list[Any] = [
        WKT[5][0],
        None,
        "MULTIPOLYGON (((0 0, 0 1, 1 1, 0 0)), ((5 5, 5 6, 6 6, 5 5)))",
        "POLYGON ((0 0, 0 9, 9 9, 0 0))",
        "POLYGON EMPTY",
    ]
    wkt = [kinds[i] for i in rng.integers(0, len(kinds), 200)]
    shapes = geometries(wkt)
    shapes = shapely.transform(shapes, lambda c: c + 0)
    back = to_shapes(decode(encode(from_shapes(shapes, 5)), 5)).shapes
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    assert (shapely.is_missing(back) == empty).all()
    assert shapely.equals_identical(back[~empty], shapes[~empty]).all()
