"""make-valid: only what is invalid is repaired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.engine.fit import fit
from shpbatch.engine.geometry import of_dimension
from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.make_valid import make_valid

BOW = "POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"  # two triangles of area 1 each
SPIKE = "POLYGON ((0 0, 2 0, 2 2, 2 4, 2 2, 0 2, 0 0))"  # a square of 4 with a line on it
FLAT = "POLYGON ((0 0, 1 0, 2 0, 0 0))"


@pytest.mark.parametrize("method", ["linework", "structure"])
def test_worked_case(method: str) -> None:
    layer = oracle.layer_of([BOW, SPIKE], "Polygon")
    bow, square = oracle.ours(f"make-valid --method {method}", layer).shapes
    assert bow.equals(
        shapely.from_wkt("MULTIPOLYGON (((0 0, 1 1, 0 2, 0 0)), ((2 0, 2 2, 1 1, 2 0)))")
    )
    assert square.equals(shapely.box(0, 0, 2, 2))
    assert square.geom_type == "Polygon"


def test_methods_differ_where_rings_overlap() -> None:
    # A hole that reaches 1 x 2 out of its shell of 4 x 4: linework takes that for
    # area (16 - 2 + 2), structure cuts the hole only (16 - 2).
    wkt = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (3 1, 5 1, 5 3, 3 3, 3 1))"
    layer = oracle.layer_of([wkt], "Polygon")
    assert oracle.ours("make-valid", layer).shapes[0].area == pytest.approx(16)
    assert oracle.ours("make-valid --method structure", layer).shapes[0].area == pytest.approx(14)


def test_keep_lower_dim() -> None:
    layer = oracle.layer_of([SPIKE], "Polygon")
    kept = oracle.ours("make-valid --keep-lower-dim", layer).shapes[0]
    assert kept.geom_type == "GeometryCollection"
    assert kept.length == pytest.approx(8 + 2)


def test_a_polygon_that_is_a_line_is_rejected_when_written() -> None:
    layer = oracle.layer_of([FLAT, BOW], "Polygon")
    result = oracle.ours("make-valid", layer)
    assert result.shapes[0].geom_type in ("LineString", "MultiLineString")
    assert len(fit(result)) == 1
    (reject,) = layer.account.rejects
    assert (reject.row, "does not fit a Polygon layer" in reject.reason) == (0, True)
    assert oracle.ours("make-valid --method structure", layer).shapes[0].is_empty


def test_valid_rows_are_the_same_objects() -> None:
    shapes = shapely.from_wkt(
        np.array([BOW, "POLYGON ((0 0, 1 0, 1 1, 0 0))", None, "POLYGON EMPTY"], dtype=object)
    )
    result, rejected = make_valid(shapes)
    assert [a is b for a, b in zip(result, shapes, strict=True)] == [False, True, True, True]
    assert not len(rejected.rows)
    assert len(make_valid(shapes[:0])[0]) == 0


def test_z_is_kept() -> None:
    layer = oracle.layer_of(
        ["POLYGON Z ((0 0 1, 2 2 1, 2 0 1, 0 2 1, 0 0 1))"], "Polygon", has_z=True
    )
    (bow,) = oracle.ours("make-valid", layer).shapes
    assert set(shapely.get_coordinates(bow, include_z=True)[:, 2]) == {1.0}


def test_only_the_bad_row_is_rejected() -> None:
    with np.errstate(invalid="ignore"):
        bad = shapely.Polygon([(0, 0), (1, 0), (1, np.inf), (0, 1)])
    layer = oracle.layer_of([BOW, bad, None, BOW], "Polygon")
    result = oracle.ours("make-valid", layer)
    assert [r.row for r in layer.account.rejects] == [1]
    assert result.rows.tolist() == [0, 2, 3]
    assert shapely.area(result.shapes).tolist()[::2] == [2.0, 2.0]


def test_parts_of_a_dimension() -> None:
    mixed = shapely.from_wkt(
        np.array(
            [
                "GEOMETRYCOLLECTION (POINT (9 9), POLYGON ((0 0, 1 0, 1 1, 0 0)))",
                None,
                "GEOMETRYCOLLECTION (MULTILINESTRING ((0 0, 1 0), (2 0, 3 0)), POINT (9 9))",
                "LINESTRING (0 0, 1 1)",
                "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (1 1), POINT (2 2)))",
            ],
            dtype=object,
        )
    )
    result = of_dimension(mixed, np.array([2, 0, 1, 2, 0]))
    assert [s if s is None else s.wkt for s in result] == [
        "POLYGON ((0 0, 1 0, 1 1, 0 0))",
        None,
        "MULTILINESTRING ((0 0, 1 0), (2 0, 3 0))",
        "GEOMETRYCOLLECTION EMPTY",
        "MULTIPOINT ((1 1), (2 2))",
    ]


def test_refusals() -> None:
    with pytest.raises(RecipeError, match="'--method' is one of"):
        parse_chain("make-valid --method buffer")
    with pytest.raises(RecipeError, match="--keep-lower-dim"):
        parse_chain("make-valid --keep-lower-dim=perhaps")


@pytest.mark.parametrize("name", oracle.POLYGONS[:2])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    whole = oracle.ours("make-valid", layer).shapes
    assert shapely.is_valid(whole).all()
    assert (~shapely.is_valid(layer.shapes)).sum() in (5, 10)
    assert oracle.same_objects(oracle.in_windows("make-valid", layer, 40), whole)


@pytest.mark.parametrize("options", ["", "--method structure"])
@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str, options: str) -> None:
    path = oracle.layer_path(name)
    mine = oracle.ours(f"make-valid {options}", oracle.read(path)).shapes
    oracle.assert_same_shapes(mine, oracle.pipeline(path, f"make-valid {options}").shapes)


@pytest.mark.parametrize("name", oracle.POLYGONS)
def test_same_as_ogr2ogr(name: str, tmp_path: Path) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    mine = oracle.ours("make-valid", layer).shapes
    theirs = oracle.ogr2ogr(path, "-makevalid", folder=tmp_path).shapes
    # ogr2ogr keeps lines and points beside the polygons; gdal's step drops them.
    dimensions = shapely.get_dimensions(layer.shapes)
    oracle.assert_same_shapes(mine, of_dimension(theirs, dimensions))
