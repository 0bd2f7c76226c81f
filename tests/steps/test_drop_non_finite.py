"""drop-non-finite: vertices of no place go, their rows do not."""

from __future__ import annotations

import pytest
import shapefiles as make
from ringed import SQUARE, contents, done, layer_of

EXAMPLES = ["", "--nothing-left reject"]
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("bad", [(NAN, 1), (1, INF), (-INF, NAN), (-1.7e308, 0)])
def test_worked_case(bad: tuple[float, float]) -> None:
    layer = layer_of([SQUARE], [[*SQUARE[:2], bad, *SQUARE[2:]]])
    assert contents(done("drop-non-finite", layer)) == contents(layer_of([SQUARE], [SQUARE]))


def test_what_is_left_is_cured_by_the_others() -> None:
    layer = layer_of([[(NAN, 0), *SQUARE[1:-1], (NAN, 0)]], [[(NAN, 0), *SQUARE[1:3]]])
    cured = done("drop-non-finite ! close-rings ! drop-short-parts", layer)
    assert contents(cured)[0] == contents(layer_of([[*SQUARE[1:-1], SQUARE[1]]]))[0]
    assert contents(cured)[1] == make.NULL


def test_points_and_rows_of_which_nothing_is_left() -> None:
    rows = (make.point(1, 2), make.point(NAN, 2), make.NULL)
    kept = done("drop-non-finite", layer_of(*rows, code=1))
    assert contents(kept) == [rows[0], make.NULL, make.NULL]
    layer = layer_of(*rows, code=1)
    kept = done("drop-non-finite --nothing-left reject", layer)
    assert kept.rows.tolist() == [0, 2]
    assert [(r.row, r.reason) for r in layer.account.rejects] == [
        (1, "no vertex has finite coordinates")
    ]
