"""simplify: fewer vertices, same topology."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.simplify import simplify


def test_worked_case() -> None:
    # The middle vertex is 1 from the straight line: it goes at 1.5 and stays at 0.5.
    layer = oracle.layer_of(["LINESTRING (0 0, 5 1, 10 0)"], "PolyLine")
    assert oracle.ours("simplify --tolerance 1.5", layer).shapes[0].wkt == "LINESTRING (0 0, 10 0)"
    assert oracle.ours("simplify 0.5", layer).shapes[0].wkt == "LINESTRING (0 0, 5 1, 10 0)"


def test_topology_is_kept() -> None:
    # A tolerance far beyond the size: a plain Douglas-Peucker would leave nothing.
    layer = oracle.layer_of(
        ["POLYGON ((0 0, 10 0, 10 10, 5 10.1, 0 10, 0 0), (2 2, 8 2, 8 8, 5 8.1, 2 8, 2 2))"],
        "Polygon",
    )
    (polygon,) = oracle.ours("simplify --tolerance 1000", layer).shapes
    assert polygon.is_valid
    assert len(polygon.interiors) == 1
    assert polygon.area > 0


def test_m_is_lost_and_the_header_says_so() -> None:
    lines = oracle.layer_of(["LINESTRING M (0 0 1, 9 0 2)"], "PolyLine", has_m=True)
    assert not oracle.ours("simplify --tolerance 1", lines).header.has_m
    points = oracle.layer_of(["POINT M (1 2 3)"], "Point", has_m=True)
    result = oracle.ours("simplify --tolerance 1", points)
    assert result.header.has_m
    assert result.shapes[0].wkt == "POINT M (1 2 3)"


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "much"])
def test_refusals(wrong: str) -> None:
    with pytest.raises(RecipeError, match="--tolerance"):
        parse_chain(f"simplify --tolerance={wrong}")
    with pytest.raises(RecipeError, match="required"):
        parse_chain("simplify")


def test_nothing_stays_nothing() -> None:
    shapes = shapely.from_wkt(np.array([None, "POLYGON EMPTY", "POINT (1 1)"], dtype=object))
    assert oracle.same_objects(simplify(shapes, tolerance=1.0)[0], shapes)
    assert len(simplify(shapes[:0], tolerance=1.0)[0]) == 0


def test_only_the_bad_row_is_rejected() -> None:
    with np.errstate(invalid="ignore"):
        bad = shapely.linestrings([(0, 0), (1, np.nan), (2, 0), (3, 0)])
    good = shapely.linestrings([(0, 0), (1, 0), (2, 0)])
    layer = oracle.layer_of([good, bad, None, good], "PolyLine")
    result = oracle.ours("simplify --tolerance 0.1", layer)
    assert [r.row for r in layer.account.rejects] == [1]
    assert [s and s.wkt for s in result.shapes] == [
        "LINESTRING (0 0, 2 0)",
        None,
        "LINESTRING (0 0, 2 0)",
    ]


@pytest.mark.parametrize("name", [*oracle.POLYGONS[:2], oracle.LINES[0]])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    chain = f"simplify --tolerance {_tolerance(layer.shapes)}"
    whole = oracle.ours(chain, layer).shapes
    assert oracle.same_objects(oracle.in_windows(chain, layer, 40), whole)


# Not compared with ogr2ogr: GEOS 3.12 rewrote this simplifier, and ogr2ogr of a
# Linux distribution is often of an older GEOS, which keeps other vertices.
@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    chain = f"simplify --tolerance {_tolerance(layer.shapes)}"
    mine = oracle.ours(chain, layer).shapes
    oracle.assert_same_shapes(mine, oracle.pipeline(path, chain).shapes)


def _tolerance(shapes: object) -> float:
    minx, miny, maxx, maxy = shapely.total_bounds(shapes)
    return float(np.nan_to_num(max(maxx - minx, maxy - miny)) / 200) or 1.0
