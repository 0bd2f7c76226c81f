"""drop-short-parts: lines of one place and rings without area go, their rows do not."""

from __future__ import annotations

import pytest
import shapefiles as make
import shapely
from ringed import HOLE, SQUARE, Ring, contents, done, layer_of

EXAMPLES = ["", "--nothing-left reject"]
FLAT: Ring = [(1, 1), (2, 2), (3, 3), (1, 1)]
LINE: Ring = [(0, 0), (5, 5)]


@pytest.mark.parametrize(
    ("code", "given", "left"),
    [
        (3, [LINE, [(7, 7)]], [LINE]),
        (3, [[(7, 7), (7, 7)], LINE], [LINE]),
        (3, [[*LINE, LINE[0]]], [[*LINE, LINE[0]]]),
        (5, [SQUARE, [(1, 1), (2, 2), (1, 1)]], [SQUARE]),
        (5, [SQUARE, [(1, 1)], HOLE], [SQUARE, HOLE]),
        (5, [SQUARE, FLAT], [SQUARE]),
        (5, [SQUARE, FLAT[:-1]], [SQUARE]),
        (5, [[(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)]], None),  # no area in all, but no line
    ],
)
def test_parts(code: int, given: list[Ring], left: list[Ring] | None) -> None:
    layer = layer_of(given, [LINE] if code == 3 else [SQUARE], code=code)
    dropped = done("drop-short-parts", layer)
    meant = layer_of(left or given, [LINE] if code == 3 else [SQUARE], code=code)
    assert contents(dropped) == contents(meant)


def test_a_row_of_which_nothing_is_left() -> None:
    layer = layer_of([LINE], [[(7, 7)]], make.NULL, code=3)
    kept = done("drop-short-parts", layer)
    assert contents(kept)[1] == make.NULL
    assert kept.rows.tolist() == [0, 1, 2]
    (text,) = layer.account.losses
    assert "written as null" in text
    assert layer.account.examples[text] == "'FID 1'"

    layer = layer_of([LINE], [[(7, 7)]], make.NULL, code=3)
    kept = done("drop-short-parts --nothing-left reject", layer)
    assert kept.rows.tolist() == [0, 2]
    (reject,) = layer.account.rejects
    assert (reject.row, reject.step) == (1, "drop-short-parts")
    assert layer.account.features(len(kept)).balances()


def test_without_it_the_row_is_rejected() -> None:
    layer = layer_of([LINE, [(7, 7)]], code=3)
    assert len(done("simplify 0.1", layer)) == 0
    assert "drop-short-parts" in layer.account.rejects[0].reason
    layer = layer_of([LINE, [(7, 7)]], code=3)
    (shape,) = done("drop-short-parts ! simplify 0.1", layer).geometry()
    assert shape.equals(shapely.LineString(LINE))


def test_points_stay() -> None:
    assert done("drop-short-parts", layer_of(make.point(1, 2), code=1)).carries_records(1)
