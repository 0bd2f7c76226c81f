"""remove-duplicate-vertices: what is where the one before it is goes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import shapefiles as make
import shapely
from hypothesis import given
from hypothesis import strategies as st
from ringed import SQUARE, Ring, contents, done, layer_of, wild

from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain

EXAMPLES = ["", "--tolerance {length}"]


@pytest.mark.parametrize(
    ("code", "given", "left"),
    [
        (3, [(0, 0), (0, 0), (1, 1), (1, 1), (1, 1)], [(0, 0), (1, 1)]),
        (3, [(0, 0), (1, 1), (0, 0)], [(0, 0), (1, 1), (0, 0)]),
        (3, [(0, 0), (0, 0)], [(0, 0), (0, 0)]),  # a line of one place would be worse
        (5, [SQUARE[0], *SQUARE, SQUARE[0]], SQUARE),
        (5, [(1, 1)] * 4, [(1, 1)] * 4),
    ],
)
def test_worked_case(code: int, given: Ring, left: Ring) -> None:
    made = done("remove-duplicate-vertices", layer_of([given], code=code))
    assert contents(made) == contents(layer_of([left], code=code))


def test_tolerance() -> None:
    line = [(0, 0), (0.4, 0), (0.8, 0), (1.2, 0), (5, 0), (5.1, 0)]
    made = done("remove-duplicate-vertices --tolerance 0.5", layer_of([line], code=3))
    assert made.vertices().coords[:, 0].tolist() == [0, 0.8, 5.1]
    tiny = [(0, 0), (0, 0.1), (0.1, 0.1), (0, 0)]
    layer = layer_of([tiny], [SQUARE])
    assert contents(done("remove-duplicate-vertices --tolerance 0.5", layer)) == contents(layer)


@given(wild, st.sampled_from([0.0, 1.0, 1.5]))
def test_as_geos_does_by_part(parts: list[Ring], tolerance: float) -> None:
    made = done(f"remove-duplicate-vertices --tolerance {tolerance}", layer_of(parts, code=3))
    flat = made.vertices()
    ends = flat.part_offsets
    for part, start, stop in zip(parts, ends[:-1], ends[1:], strict=True):
        if len(part) < 2:
            continue
        line = shapely.remove_repeated_points(shapely.LineString(part), tolerance)
        meant = shapely.get_coordinates(line)
        if len(np.unique(np.array(part), axis=0)) > 1:
            assert flat.coords[start:stop].tolist() == meant.tolist()


@pytest.mark.parametrize("rows", [(), (make.NULL,)])
def test_no_vertex_at_all(rows: tuple[bytes, ...]) -> None:
    layer = layer_of(*rows, code=3)
    assert contents(done("remove-duplicate-vertices --tolerance 1", layer)) == list(rows)


def test_a_vertical_segment_stays() -> None:
    content = struct.pack("<i4d3i", 13, 0, 0, 1, 1, 1, 3, 0)
    content += struct.pack("<6d", 0, 0, 0, 0, 1, 1) + struct.pack("<5d", 0, 5, 0, 5, 5)
    layer = layer_of(content, code=13)
    assert done("remove-duplicate-vertices", layer).carries_records(13)


def test_points_stay_and_refusals() -> None:
    assert done("remove-duplicate-vertices", layer_of(make.point(1, 2), code=1)).carries_records(1)
    with pytest.raises(RecipeError, match="tolerance"):
        parse_chain("remove-duplicate-vertices --tolerance -1")
