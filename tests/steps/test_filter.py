"""filter: what stays is told by a condition, a box, or both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pyarrow as pa
import pytest
import shapely

from shpbatch.engine.apply import apply_header
from shpbatch.errors import RecipeError, StepError
from shpbatch.models import Header
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.filter import by_where

EXAMPLES = ["--where 'FID % 2 = 0'", "--bbox=-100,0,50,40"]
SIDS = oracle.SAMPLES / "census/sids.shp"


def rows(chain: str, path: Path = SIDS) -> list[int]:
    layer = oracle.read(path)
    result = oracle.ours(chain, layer)
    assert layer.account.features(len(result)).balances()
    assert layer.account.filtered == len(layer) - len(result)
    kept: list[int] = result.rows.tolist()
    return kept


def test_worked_case() -> None:
    table = pa.table({"pop": pa.array([1, 5, None, 9]), "kind": ["a", "b", "b", "b"]})
    assert by_where(table, where="pop > 1 AND kind = 'b'").tolist() == [1, 3]
    assert by_where(table, where="pop IS NULL").tolist() == [2]


def test_box_touches_inside_and_outside() -> None:
    shapes = [
        "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))",  # inside
        "POLYGON ((4 4, 6 4, 6 6, 4 6, 4 4))",  # crosses the corner
        "POLYGON ((5 0, 9 0, 9 1, 5 1, 5 0))",  # touches an edge
        "POLYGON ((6 4.5, 6 6, 4.5 6, 6 4.5))",  # its box overlaps, it touches nothing
        "POLYGON ((7 7, 8 7, 8 8, 7 8, 7 7))",  # outside
        None,
        "POLYGON EMPTY",
    ]
    layer = oracle.layer_of(shapes, "Polygon")
    assert oracle.ours("filter --bbox 0,0,5,5", layer).rows.tolist() == [0, 1, 2]


def test_both_must_hold() -> None:
    where, box = "--where 'AREA > 0.1'", "--bbox=-80,35,-79,36"
    both = rows(f"filter {where} {box}")
    assert both == sorted(set(rows(f"filter {where}")) & set(rows(f"filter {box}")))
    assert len(both) == 11


def test_virtual_fields() -> None:
    assert rows("filter --where 'FID < 3'") == [0, 1, 2]
    large = rows("filter --where 'OGR_GEOM_AREA > 0.2'")
    layer = oracle.read(SIDS)
    assert large == [i for i, g in enumerate(layer.shapes) if g.area > 0.2]


@pytest.mark.parametrize(
    ("chain", "error", "code"),
    [
        ("filter", RecipeError, "missing-parameter"),
        ("filter --bbox 1,2,3", RecipeError, "bad-type"),
        ("filter --where 'AREA >'", RecipeError, "expression-syntax"),
        ("filter --where 'sum(AREA) > 1'", RecipeError, "expression-aggregate"),
        ("filter --where 'AREA + 1'", StepError, "expression-type"),
        ("filter --where 'ARREA > 1'", StepError, "field-missing"),
    ],
)
def test_refusals(chain: str, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as raised:
        rows(chain)
    assert raised.value.code == code  # type: ignore[attr-defined]


# ogr2ogr compares text without case, so these conditions are on numbers or exact in both.
@pytest.mark.parametrize(
    "where", ["AREA > 0.1", "SID74 BETWEEN 1 AND 5", "NAME LIKE 'A%' OR FIPSNO = 37009"]
)
def test_where_same_as_ogr2ogr(where: str, tmp_path: Path) -> None:
    theirs = oracle.ogr2ogr(SIDS, "-where", where, folder=tmp_path)
    mine = rows(f'filter --where "{where}"')
    assert len(mine) == len(theirs.rows)
    layer = oracle.read(SIDS)
    oracle.assert_same_shapes(layer.shapes[mine], theirs.shapes)


@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_bbox_same_as_gdal(name: str) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    box = layer.header.bounds or (0, 0, 1, 1)
    width, height = box[2] - box[0], box[3] - box[1]
    if not width or not height:
        pytest.skip("its bounds are no area")
    inner = (box[0] + width / 4, box[1] + height / 4, box[2] - width / 4, box[3] - height / 4)
    text = ",".join(map(repr, inner))
    theirs = oracle.pipeline(path, f"filter --bbox={text}")
    assert rows(f"filter --bbox={text}", path) == sorted(theirs.rows.tolist())


@pytest.mark.parametrize("box", ["1,1,0,2", "0,2,1,1", "1,1,1,2", "170,0,-170,10"])
def test_a_box_without_area_is_refused_when_planning(box: str) -> None:
    with pytest.raises(StepError, match="min below max") as error:
        apply_header(parse_chain(f"filter --bbox={box}"), Header("Point"))
    assert error.value.code == "bad-bbox"


def test_null_is_not_true() -> None:
    table = pa.table({"pop": pa.array([1, None, 3])})
    assert by_where(table, where="pop > 0").tolist() == [0, 2]
    assert by_where(table, where="NOT pop > 2").tolist() == [0]
    assert by_where(table.slice(0, 0), where="pop > 0").tolist() == []


def test_a_row_that_gets_no_answer_is_rejected_alone() -> None:
    with np.errstate(invalid="ignore"):
        endless = shapely.LineString([(0, 0), (1, np.inf), (5, 5)])
    layer = oracle.layer_of(["LINESTRING (2 2, 9 9)", endless, None], "PolyLine")
    result = oracle.ours("filter --bbox 1,1,3,3", layer)
    assert result.rows.tolist() == [0]
    assert [(r.row, r.step) for r in layer.account.rejects] == [(1, "filter")]
    assert layer.account.features(1).balances()


@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES[:2], oracle.POINTS[0]])
def test_bbox_same_as_ogr2ogr(name: str, tmp_path: Path) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    minx, miny, maxx, maxy = shapely.total_bounds(layer.shapes)
    box = (minx + (maxx - minx) / 3, miny, maxx, maxy - (maxy - miny) / 3)
    theirs = oracle.ogr2ogr(path, "-spat", *map(repr, map(float, box)), folder=tmp_path)
    kept = rows("filter --bbox=" + ",".join(map(repr, map(float, box))), path)
    oracle.assert_same_shapes(layer.shapes[kept], theirs.shapes)


@pytest.mark.parametrize("nothing", [None, "POINT EMPTY"])
def test_a_virtual_field_of_no_geometry_is_null(nothing: str | None) -> None:
    layer = oracle.layer_of(["POINT (1 2)", nothing], "Point")
    assert oracle.ours("filter --where 'OGR_GEOM_X > 0'", layer).rows.tolist() == [0]
