"""remove-spikes: where a ring goes out and comes back the same way."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from ringed import SQUARE, Ring, contents, done, layer_of, rings

from shpbatch.shapefile.flaws import spikes

EXAMPLES = ["", "--angle 0.5"]
#: The square with a spike of several vertices at its third corner.
LONG: Ring = [*SQUARE[:3], (4, 6), (5, 7), (9, 9), (5, 7), (4, 6), *SQUARE[2:]]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (SQUARE, SQUARE),
        ([*SQUARE[:3], (4, 9), *SQUARE[2:]], SQUARE),
        ([*SQUARE[:3], (6, 4), *SQUARE[2:]], SQUARE),
        (LONG, SQUARE),
        ([*SQUARE[:3], (8, 8), (4, 4), (9, 9), *SQUARE[2:]], SQUARE),  # two, one after the other
        ([(0, 0), (0, 4), (0, 9), (0, 4), (4, 4), (4, 0), (0, 0)], SQUARE),
        ([(0, 0), (0, 9), (0, 4), (4, 4), (4, 0), (0, 0)], SQUARE),  # straight on, then back
        ([(0, 0), (1, 1), (2, 2), (0, 0)], [(0, 0), (1, 1), (2, 2), (0, 0)]),  # nothing but
        (SQUARE[:-1], SQUARE[:-1]),
        ([*SQUARE[:3], (4, 9), *SQUARE[2:-1]], SQUARE[:-1]),  # open, and stays so
    ],
)
def test_worked_case(given: Ring, left: Ring) -> None:
    layer = layer_of([given], [SQUARE])
    assert contents(done("remove-spikes", layer)) == contents(layer_of([left], [SQUARE]))


def test_the_tip_is_where_the_ring_begins() -> None:
    made = done("remove-spikes", layer_of([[(-3, -3), *SQUARE, (-3, -3)]]))
    (shape,) = made.geometry()
    assert shape.normalize() == shapely.Polygon(SQUARE).normalize()


def test_other_parts_stay() -> None:
    hole = [(1, 1), (2, 1), (3, 1), (2, 1), (2, 2), (1, 2), (1, 1)]
    made = done("remove-spikes", layer_of([SQUARE, hole, [(9, 9)]]))
    meant = [(1, 1), (2, 1), (2, 2), (1, 2), (1, 1)]
    assert contents(made) == contents(layer_of([SQUARE, meant, [(9, 9)]]))


def test_angle() -> None:
    narrow = [*SQUARE[:3], (4.01, 9), (4.001, 4), *SQUARE[3:]]
    assert contents(done("remove-spikes", layer_of([narrow]))) == contents(layer_of([narrow]))
    blunt = done("remove-spikes --angle 1", layer_of([narrow])).vertices().coords
    assert [4.01, 9.0] not in blunt.tolist()


def test_lines_stay() -> None:
    layer = layer_of([[(0, 0), (5, 5), (0, 0)]], code=3)
    assert done("remove-spikes", layer).carries_records(3)


@given(rings(), st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=4))
def test_planted_ones_go(ring: Ring, planted: list[tuple[int, int]]) -> None:
    spiked = []
    for i, vertex in enumerate(ring[:-1]):
        spiked.append(vertex)
        for at, depth in planted:
            if at == i:
                out = [(vertex[0] * (2 + k), vertex[1] * (2 + k)) for k in range(depth)]
                spiked += [*out, *out[-2::-1], vertex]
    layer = layer_of([[*spiked, spiked[0]]])
    made = done("remove-spikes", layer)
    assert not spikes(made.vertices()).any()
    (shape,) = made.geometry()
    assert shapely.is_valid(shape)
    assert shape.normalize() == shapely.Polygon(ring).normalize()


def test_a_ring_that_is_one_long_spike_is_left_whole() -> None:
    out = [(float(i), float(i % 7)) for i in range(500)]
    ring = [*out, *out[-2::-1]]
    layer = layer_of([ring])
    assert len(done("remove-spikes", layer).vertices().coords) > 3
