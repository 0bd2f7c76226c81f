"""centroid: one point a feature."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.centroid import centroid


def test_worked_case() -> None:
    layer = oracle.layer_of(
        [
            # An L of 3 unit squares around (0.5 0.5), (1.5 0.5), (0.5 1.5): the mean is 5/6.
            "POLYGON ((0 0, 2 0, 2 1, 1 1, 1 2, 0 2, 0 0))",
            # Areas 1 and 4, centres (0.5 0.5) and (11 1): (0.5 + 44) / 5, (0.5 + 4) / 5.
            "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 1, 0 0)), ((10 0, 12 0, 12 2, 10 2, 10 0)))",
        ],
        "Polygon",
    )
    result = oracle.ours("centroid", layer)
    np.testing.assert_allclose(shapely.get_coordinates(result.shapes), [(5 / 6, 5 / 6), (8.9, 0.9)])


def test_header_is_of_points_without_z_and_m() -> None:
    layer = oracle.layer_of(["LINESTRING ZM (0 0 1 1, 4 0 9 9)"], "PolyLine", has_z=True)
    result = oracle.ours("centroid", layer)
    assert (result.header.geometry_type, result.header.has_z) == ("Point", False)
    assert result.shapes[0].wkt == "POINT (2 0)"


def test_refusals() -> None:
    with pytest.raises(RecipeError, match="--inside"):
        parse_chain("centroid --inside")


def test_nothing_stays_nothing() -> None:
    shapes = shapely.from_wkt(np.array([None, "POLYGON EMPTY"], dtype=object))
    result = centroid(shapes)
    assert result[0] is None
    assert result[1].wkt == "POINT EMPTY"
    assert len(centroid(shapes[:0])) == 0


@pytest.mark.parametrize("name", [oracle.POLYGONS[0], oracle.LINES[0]])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    whole = oracle.ours("centroid", layer).shapes
    assert oracle.same_objects(oracle.in_windows("centroid", layer, 40), whole)


# GDAL has no such step in 3.12; its SQL functions call the same GEOS algorithm.
@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str, tmp_path: object) -> None:
    path = oracle.layer_path(name)
    mine = oracle.ours("centroid", oracle.read(path)).shapes
    sql = f'SELECT ST_Centroid(geometry) AS geometry FROM "{path.stem}"'
    theirs = oracle.ogr2ogr(path, "-dialect", "sqlite", "-sql", sql, folder=tmp_path)
    oracle.assert_same_shapes(mine, theirs.shapes)
