"""explode-collections: a feature for each part."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.explode_collections import explode_collections


def test_worked_case() -> None:
    layer = oracle.layer_of(
        [
            "POLYGON ((0 0, 9 0, 9 9, 0 0), (5 1, 6 1, 6 2, 5 1))",
            None,
            "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 0, 6 0, 6 1, 5 0)))",
            "POLYGON EMPTY",
        ],
        "Polygon",
    )
    result = oracle.ours("explode-collections", layer)
    # The polygon with a hole is one part; null and empty geometries keep their row.
    assert result.rows.tolist() == [0, 1, 2, 2, 3]
    assert [s if s is None else s.wkt for s in result.shapes] == [
        "POLYGON ((0 0, 9 0, 9 9, 0 0), (5 1, 6 1, 6 2, 5 1))",
        None,
        "POLYGON ((0 0, 1 0, 1 1, 0 0))",
        "POLYGON ((5 0, 6 0, 6 1, 5 0))",
        "POLYGON EMPTY",
    ]
    assert (layer.account.created, layer.account.filtered) == (1, 0)


def test_multipoints_become_points_with_z_and_m() -> None:
    wkt = "MULTIPOINT ZM ((1 2 3 4), (5 6 7 8))"
    layer = oracle.layer_of([wkt], "MultiPoint", has_z=True, has_m=True)
    result = oracle.ours("explode-collections", layer)
    assert (result.header.geometry_type, result.header.has_z, result.header.has_m) == (
        "Point",
        True,
        True,
    )
    assert [s.wkt for s in result.shapes] == ["POINT ZM (1 2 3 4)", "POINT ZM (5 6 7 8)"]


def test_refusals() -> None:
    with pytest.raises(RecipeError, match="--skip"):
        parse_chain("explode-collections --skip")


def test_nothing_stays_nothing() -> None:
    nothing = np.array([None, None], dtype=object)
    shapes, rows = explode_collections(nothing)
    assert (shapes.tolist(), rows.tolist()) == ([None, None], [0, 1])
    shapes, rows = explode_collections(nothing[:0])
    assert (len(shapes), len(rows)) == (0, 0)


@pytest.mark.parametrize("name", [oracle.POLYGONS[2], oracle.LINES[0]])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    whole = oracle.ours("explode-collections", layer).shapes
    assert oracle.same_objects(oracle.in_windows("explode-collections", layer, 40), whole)


@pytest.mark.parametrize("program", ["pipeline", "ogr2ogr"])
@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str, program: str, tmp_path: object) -> None:
    path = oracle.layer_path(name)
    mine = oracle.ours("explode-collections", oracle.read(path)).shapes
    if program == "pipeline":
        theirs = oracle.pipeline(path, "explode-collections").shapes
    else:
        theirs = oracle.ogr2ogr(path, "-explodecollections", folder=tmp_path).shapes
    assert oracle.same_objects(mine, theirs)
