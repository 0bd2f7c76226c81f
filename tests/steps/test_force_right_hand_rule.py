"""force-right-hand-rule: shells clockwise, holes not."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringed import HOLE, SQUARE, Ring, contents, done, layer_of, rings, shifted

from shpbatch.shapefile.ragged import signed_areas

EXAMPLES = [""]


@pytest.mark.parametrize("shell", [SQUARE, SQUARE[::-1]])
@pytest.mark.parametrize("hole", [HOLE, HOLE[::-1]])
@pytest.mark.parametrize("shell_first", [True, False])
def test_worked_case(shell: Ring, hole: Ring, shell_first: bool) -> None:
    def order(a: Ring, b: Ring) -> list[Ring]:
        return [a, b] if shell_first else [b, a]

    made = done("force-right-hand-rule", layer_of(order(shell, hole)))
    assert contents(made) == contents(layer_of(order(SQUARE, HOLE)))


def test_what_stays() -> None:
    rows = ([SQUARE, HOLE, shifted(SQUARE, 9)], [[(1, 1)]], [SQUARE[:-1]])
    assert done("force-right-hand-rule", layer_of(*rows)).carries_records(5)
    assert done("force-right-hand-rule", layer_of([SQUARE[::-1]], code=3)).carries_records(3)


def test_z_and_m_come_along() -> None:
    content = struct.pack("<i4d3i", 15, 0, 0, 4, 4, 1, 5, 0)
    content += b"".join(struct.pack("<2d", *v) for v in SQUARE[::-1])
    content += struct.pack("<7d", 0, 9, 1, 2, 3, 4, 1) + struct.pack("<7d", 0, 9, 5, 6, 7, 8, 5)
    made = done("force-right-hand-rule", layer_of(content, code=15)).vertices()
    assert made.coords[:, 2].tolist() == [1, 4, 3, 2, 1]
    assert made.m is not None
    assert made.m.tolist() == [5, 8, 7, 6, 5]


@given(rings(), st.lists(st.booleans(), min_size=3, max_size=3))
def test_whatever_they_were(ring: Ring, flipped: list[bool]) -> None:
    parts = [ring, [(x / 4, y / 4) for x, y in ring[::-1]], shifted(ring, 99)]
    given_parts = [p[::-1] if f else p for p, f in zip(parts, flipped, strict=True)]
    made = done("force-right-hand-rule", layer_of(given_parts))
    flat = made.vertices()
    signs = np.sign(signed_areas(flat.coords, flat.part_offsets))
    assert signs.tolist() == [-1, 1, -1]
    assert contents(made) == contents(layer_of(parts))
