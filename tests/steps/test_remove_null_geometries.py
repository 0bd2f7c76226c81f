"""remove-null-geometries: features without a vertex are filtered."""

from __future__ import annotations

import struct

import shapefiles as make
from ringed import SQUARE, done, layer_of

EXAMPLES = [""]


def test_worked_case() -> None:
    empty = struct.pack("<i4d2i", 5, 0, 0, 0, 0, 0, 0)
    layer = layer_of([SQUARE], make.NULL, empty, [SQUARE])
    kept = done("remove-null-geometries", layer)
    assert kept.rows.tolist() == [0, 3]
    assert layer.account.filtered == 2
    assert layer.account.features(len(kept)).balances()
    assert kept.carries_records(5)


def test_all_and_none() -> None:
    assert len(done("remove-null-geometries", layer_of(make.NULL, make.NULL, code=1))) == 0
    assert len(done("remove-null-geometries", layer_of(make.point(1, 2), code=1))) == 1
    assert len(done("remove-null-geometries", layer_of(code=8))) == 0


def test_after_a_cure_that_left_nothing() -> None:
    layer = layer_of([SQUARE], [[(1, 1)]])
    assert done("drop-short-parts ! remove-null-geometries", layer).rows.tolist() == [0]
