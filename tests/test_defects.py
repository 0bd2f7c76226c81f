"""Defects of geometries are found where they are, and the step that is named cures them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import shapefiles as make
import shapely
from hypothesis import given
from hypothesis import strategies as st
from ringed import BOW, HOLE, SQUARE, Ring, contents, done, layer_of, rings, shifted, wild

from shpbatch.doctors.defects import DEFECTS, examine_geometry
from shpbatch.engine.fit import fit
from shpbatch.engine.layer import Layer
from shpbatch.engine.reading import read_layer
from shpbatch.errors import ShpbatchError
from shpbatch.findings import Finding, united
from shpbatch.planning.discover import discover
from shpbatch.recipes.recipe import parse_chain

NAN = float("nan")


def found(layer: Layer) -> dict[str, Finding]:
    return {f.code: f for f in examine_geometry(layer)}


def places(layer: Layer, code: str) -> list[tuple[int, float | None, float | None]]:
    return [(p.row, p.x, p.y) for p in found(layer)[code].places]


def is_bad(layer: Layer) -> bool:
    """What GEOS says of the one row of a layer."""
    (shape,) = layer.geometry()
    return shape is None or not shapely.is_valid(shape)


CLEAN = (SQUARE, HOLE)
#: Rows, the findings of the layer by code, and where the first of each is.
CASES = {
    "clean": ([CLEAN], {}),
    "unclosed": ([CLEAN, [SQUARE[:-1]]], {"unclosed-ring": (1, 4, 0)}),
    "unclosed hole": ([(SQUARE, HOLE[:-1])], {"unclosed-ring": (0, 1, 2)}),
    "ring of one": ([[[(7, 8)]]], {"short-ring": (0, 7, 8)}),
    "ring of two": ([[[(7, 8), (9, 9)]]], {"short-ring": (0, 7, 8), "unclosed-ring": (0, 9, 9)}),
    "flat ring": (
        [[[(5, 5), (6, 6), (8, 8), (5, 5)]]],
        {"short-ring": (0, 5, 5), "self-intersection": (0, None, None)},
    ),
    "repeated": (
        [CLEAN, [[*SQUARE[:2], SQUARE[1], *SQUARE[2:]]]],
        {"repeated-point": (1, 0, 4)},
    ),
    "spike": (
        [[[*SQUARE[:3], (4, 9), *SQUARE[2:]]]],
        {"spike": (0, 4, 9), "self-intersection": (0, 4, 4)},
    ),
    "spike at the end": (
        [[[(-3, -3), *SQUARE, (-3, -3)]]],
        {"spike": (0, -3, -3), "self-intersection": (0, 0, 0)},
    ),
    "shell runs wrong": ([[SQUARE[::-1]]], {"ring-orientation": (0, 0, 0)}),
    "all run wrong": ([[SQUARE[::-1], HOLE[::-1]]], {"ring-orientation": (0, 0, 0)}),
    "nested shell": ([[SQUARE, HOLE[::-1]]], {"nested-shell": (0, 1, 1)}),
    "hole outside": ([[SQUARE, shifted(HOLE, 9)]], {"hole-outside": (0, 10, 1)}),
    "island in a hole": (
        [[shifted([(10 * x, 10 * y) for x, y in r], -5) for r in CLEAN] + [shifted(SQUARE, 7, 11)]],
        {},
    ),
    "bow": ([CLEAN, [BOW]], {"self-intersection": (1, 1, 1)}),
    "hole crosses its shell": (
        [[SQUARE, [(3, 1), (5, 1), (5, 2), (3, 2), (3, 1)]]],
        {"self-intersection": (0, None, None), "hole-outside": (0, 3, 1)},
    ),
    "the same ring twice": ([[SQUARE, SQUARE]], {"self-intersection": (0, None, None)}),
    "not finite": ([[[*SQUARE[:2], (NAN, 3), *SQUARE[2:]]]], {"not-finite": (0, None, 3)}),
    "huge": ([[[*SQUARE[:2], (-1.7e308, 3), *SQUARE[2:]]]], {"not-finite": (0, -1.7e308, 3)}),
    "null": ([CLEAN, make.NULL], {"null-geometry": (1, None, None)}),
    "empty": ([struct.pack("<i4d2i", 5, 0, 0, 0, 0, 0, 0)], {"empty-geometry": (0, None, None)}),
    "nothing": ([], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_found_where_it_is(name: str) -> None:
    rows, meant = CASES[name]
    layer = layer_of(*rows)
    findings = found(layer)
    if name != "huge":  # which may be anything else besides
        assert findings.keys() == meant.keys()
    for code, (row, x, y) in meant.items():
        assert findings[code].count == 1
        if (x, y) == (None, None) and "geometry" not in code:
            assert findings[code].places[0].row == row
        else:
            assert places(layer, code) == [(row, x, y)]
        severity, reason, remedy = DEFECTS[code]
        assert (findings[code].severity, findings[code].reason) == (severity, reason)
        parse_chain(remedy)


@pytest.mark.parametrize(
    ("parts", "meant"),
    [
        ([[(0, 0), (1, 1)]], set()),
        ([[(0, 0), (1, 1), (0, 0)]], set()),
        ([[(0, 0)]], {"short-line"}),
        ([[(0, 0), (1, 1)], [(5, 5)]], {"short-line"}),
        ([[(0, 0), (0, 0)]], {"short-line", "repeated-point"}),
        ([[(0, 0), (1, 1), (1, 1)]], {"repeated-point"}),
        ([[(0, 0), (1, NAN)]], {"not-finite"}),
    ],
)
def test_lines(parts: list[Ring], meant: set[str]) -> None:
    layer = layer_of(parts, code=3)
    assert found(layer).keys() == meant
    assert is_bad(layer) == any(f.severity == "error" for f in examine_geometry(layer))


def test_points() -> None:
    points = [make.point(1, 2), make.NULL, make.point(NAN, 2), make.point(1, 2)]
    findings = found(layer_of(*points, code=1))
    assert {c: f.count for c, f in findings.items()} == {"null-geometry": 1, "not-finite": 1}
    assert findings["not-finite"].places[0].detail == "vertex 1"


HEIGHTS = [[NAN] * 5, [1, NAN, 3, 4, 1], [1, float("inf"), 3, 4, 1], [1, 2, 3, 4, 9]]


@pytest.mark.parametrize("heights", HEIGHTS)
def test_a_height_that_is_none_makes_nothing_of_a_place(heights: list[float]) -> None:
    """Writers put NaN where Z is not known; GEOS minds x and y only."""
    layer = layer_of(make.poly_z(SQUARE, heights), code=15)
    codes = {f.code: f.severity for f in examine_geometry(layer)}
    assert codes == ({} if np.isfinite(heights).all() else {"z-not-finite": "note"})
    assert not is_bad(layer)
    (shape,) = layer.geometry()
    coords = shapely.get_coordinates([shape], include_z=True)
    np.testing.assert_array_equal(coords, [(*p, z) for p, z in zip(SQUARE, heights, strict=True)])
    for chain in ("drop-non-finite ! close-rings ! drop-short-parts", "make-valid"):
        after = done(chain, layer)
        assert contents(after) == contents(layer)
        assert not layer.account.rejects


def test_details_say_which_part() -> None:
    layer = layer_of([SQUARE, shifted(SQUARE, 9)[::-1]])
    assert found(layer)["hole-outside"].places[0].detail == "ring 2 of 2"
    repeated = layer_of([SQUARE, [(9, 9), (9, 10), (9, 10), (10, 10), (9, 9)]])
    assert found(repeated)["repeated-point"].places[0].detail == "vertex 8"


@given(rings())
def test_a_valid_ring_has_no_finding_and_keeps_its_bytes(ring: Ring) -> None:
    hole = [(x / 4, y / 4) for x, y in ring[::-1]]
    layer = layer_of([ring, hole], make.NULL, [ring])
    assert not [f for f in examine_geometry(layer) if f.code != "null-geometry"]
    before = contents(layer)
    for chain in CURES:
        after = done(chain, layer)
        assert contents(after) == before
        assert after.carries_records(5)


CURES = {
    "close-rings": "unclosed-ring",
    "remove-duplicate-vertices": "repeated-point",
    "remove-spikes": "spike",
    "force-right-hand-rule": "ring-orientation",
    "drop-short-parts": "short-ring",
    "drop-non-finite": "not-finite",
    "make-valid": "",
}


@given(rings(), st.data())
def test_a_planted_defect_is_found_at_its_place_and_cured(ring: Ring, data: st.DataObject) -> None:
    """What the cure leaves is the ring as it was before, byte for byte; so are the rows beside."""
    at = data.draw(st.integers(0, len(ring) - 2))
    (x, y), code = ring[at], data.draw(st.sampled_from(sorted(set(CURES.values()) - {""})))
    tip = (2 * x, 2 * y)
    planted, place = {
        "unclosed-ring": ([ring[:-1]], ring[-2]),
        "repeated-point": ([[*ring[:at], ring[at], *ring[at:]]], ring[at]),
        "spike": ([[*ring[: at + 1], tip, *ring[at:]]], tip),
        "ring-orientation": ([ring[::-1]], ring[0]),
        "short-ring": ([ring, [tip, ring[at], tip]], tip),
        "not-finite": ([[*ring[: at + 1], (x, float("inf")), *ring[at + 1 :]]], None),
    }[code]
    layer = layer_of([ring], planted, [ring])
    finding = found(layer)[code]
    assert (finding.count, finding.places[0].row) == (1, 1)
    if place is not None:
        assert (finding.places[0].x, finding.places[0].y) == place
    cured = done(finding.remedy, layer)
    assert code not in found(cured)
    assert contents(cured) == contents(layer_of([ring], [ring], [ring]))
    assert cured.account.features(len(cured)).balances()


@given(wild)
def test_an_error_is_found_where_geos_has_one_and_only_there(parts: list[Ring]) -> None:
    for code in (3, 5):
        layer = layer_of(parts, code=code)
        errors = [f.code for f in examine_geometry(layer) if f.severity == "error"]
        assert bool(errors) == is_bad(layer), (errors, parts)


@given(st.lists(wild, min_size=1, max_size=4))
def test_after_the_cures_all_is_valid_and_no_row_is_lost_unsaid(rows: list[list[Ring]]) -> None:
    layer = layer_of(*rows)
    layer.account.on_mixed = "extract"
    chain = "close-rings ! drop-short-parts ! force-right-hand-rule ! make-valid"
    cured = fit(done(chain, layer))
    shapes = cured.geometry()
    assert (shapely.is_valid(shapes) | shapely.is_missing(shapes)).all()
    assert layer.account.features(len(cured)).balances()
    emptied = {int(r) for r in cured.rows[shapely.is_missing(shapes)]}
    assert not emptied or any("null" in text for text in layer.account.losses)


@given(st.lists(wild, min_size=1, max_size=6), st.integers(1, 3))
def test_windows_add_up(rows: list[list[Ring]], size: int) -> None:
    layer = layer_of(*rows)
    whole = {f.code: f for f in examine_geometry(layer)}
    parts: tuple[Finding, ...] = ()
    for at in range(0, len(rows), size):
        window = layer.take(np.arange(at, min(at + size, len(rows))))
        parts = united(parts, examine_geometry(window))
    assert {f.code: f for f in parts} == whole


def test_over_real_layers_as_geos_says(corpus: Path) -> None:
    """By feature: whatever is invalid to GEOS, or not to be held by it, has an error."""
    looked, invalid = 0, 0
    for source in discover([str(corpus)]).sources:
        try:
            layer = read_layer(source)
            if layer.header.geometry_type == "MultiPatch":
                continue
            bad = bad_rows(layer)
            errors = [f for f in examine_geometry(layer) if f.severity == "error"]
        except ShpbatchError:
            continue
        looked += 1
        invalid += bool(len(bad))
        counts = [f.count for f in errors]
        assert max(counts, default=0) <= len(bad) <= sum(counts), source.name
        told = {p.row for f in errors for p in f.places}
        assert told <= set(layer.rows[bad].tolist()), source.name
    assert looked > 150
    assert invalid >= 4


def bad_rows(layer: Layer) -> np.ndarray:
    """Rows with vertices that are invalid to GEOS, or that it cannot hold."""
    shapes = layer.geometry()
    has = np.diff(layer.vertices().vertex_offsets) > 0
    return np.flatnonzero((shapely.is_missing(shapes) & has) | (~shapely.is_valid(shapes) & has))


def test_directions_over_real_layers_as_pyshp_says(corpus: Path) -> None:
    """Of polygons of one ring, which must be clockwise, by another's arithmetic."""
    import shapefile as pyshp

    looked = 0
    for source in discover([str(corpus / "r-spData-2.2.1"), str(corpus / "PySAL-1.14.4")]).sources:
        try:
            layer = read_layer(source)
        except ShpbatchError:
            continue
        if layer.header.geometry_type != "Polygon" or source.member:
            continue
        finding = found(layer).get("ring-orientation")
        with pyshp.Reader(source.path) as reader:
            single = [s for s in reader.iterShapes() if len(getattr(s, "parts", ())) == 1]
            wrong = [s for s in single if pyshp.signed_area(s.points) > 0]
        if all(len(getattr(s, "parts", ())) == 1 for s in single):
            assert (finding.count if finding else 0) >= len(wrong)
        looked += 1
    assert looked > 3
