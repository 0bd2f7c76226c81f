"""close-rings: the first vertex again at the end, where it is not there."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import shapefiles as make
from ringed import HOLE, SQUARE, contents, done, layer_of

EXAMPLES = [""]


def test_worked_case() -> None:
    layer = layer_of([SQUARE], [SQUARE[:-1], HOLE[:-1]], make.NULL, [SQUARE, HOLE[:-1]])
    closed = done("close-rings", layer)
    whole = layer_of([SQUARE], [SQUARE, HOLE], make.NULL, [SQUARE, HOLE])
    assert contents(closed) == contents(whole)
    assert dict(layer.account.notes) == {"close-rings changed features": 2}


@pytest.mark.parametrize("code", [3, 1])
def test_only_rings(code: int) -> None:
    row = [SQUARE[:-1]] if code == 3 else make.point(1, 2)
    layer = layer_of(row, code=code)
    assert done("close-rings", layer).carries_records(code)


@pytest.mark.parametrize(("last", "added"), [((1, 0), True), ((0, 0), False)])
def test_z_and_m_come_along(last: tuple[float, float], added: bool) -> None:
    """A ring that is closed in the plane is closed, whatever the height at which it ends."""
    box = (0.0, 0.0, 1.0, 1.0)
    xy = [(0, 0), (0, 1), (1, 1), last]
    content = struct.pack("<i4d3i", 15, *box, 1, 4, 0) + b"".join(
        struct.pack("<2d", *v) for v in xy
    )
    content += struct.pack("<2d4d", 0, 9, 1, 2, 3, 9) + struct.pack("<2d4d", 5, 8, 5, 6, 7, 8)
    closed = done("close-rings", layer_of(content, code=15)).vertices()
    assert closed.coords[:, 2].tolist() == [1, 2, 3, 9, 1][: 4 + added]
    assert closed.m is not None
    assert closed.m.tolist() == [5, 6, 7, 8, 5][: 4 + added]


def test_short_rings_are_closed_too_and_stay_short() -> None:
    closed = done("close-rings", layer_of([[(1, 1), (2, 2)]], [[(1, 1)]])).vertices()
    assert np.diff(closed.part_offsets).tolist() == [3, 1]
