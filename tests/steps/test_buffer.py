"""buffer: the area within a distance."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.engine.fit import fit
from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.buffer import buffer

OPTIONS = (
    "",
    "--endcap-style square --join-style mitre --mitre-limit 2",
    "--endcap-style flat --join-style bevel",
    "--side left --quadrant-segments 3",
    "--side right --quadrant-segments 3",
)


@pytest.mark.parametrize(
    ("options", "area"),
    [
        ("--endcap-style flat", 10 * 2 * 1),
        ("--endcap-style square", 12 * 2 * 1),
        ("--side left", 10 * 1),
        ("--side right", 10 * 1),
        # A circle of 4 * 8 corners, area 32/2 * sin(2 pi / 32), beside the 10 x 2 band.
        ("", 20 + 16 * math.sin(math.pi / 16)),
        ("--quadrant-segments 1", 20 + 2),
    ],
)
def test_worked_case(options: str, area: float) -> None:
    layer = oracle.layer_of(["LINESTRING (0 0, 10 0)"], "PolyLine")
    (polygon,) = oracle.ours(f"buffer --distance 1 {options}", layer).shapes
    assert polygon.area == pytest.approx(area, rel=1e-12)


def test_sides_are_seen_in_the_direction_of_the_line() -> None:
    layer = oracle.layer_of(["LINESTRING (0 0, 10 0)"], "PolyLine")
    assert oracle.ours("buffer 1 --side left", layer).shapes[0].bounds == (0, 0, 10, 1)
    assert oracle.ours("buffer 1 --side right", layer).shapes[0].bounds == (0, -1, 10, 0)


def test_mitre_limit_cuts_corners() -> None:
    # A square of 2 grows to one of 4 with full corners (mitre ratio sqrt 2 = 1.41).
    layer = oracle.layer_of(["POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))"], "Polygon")
    full = oracle.ours("buffer 1 --join-style mitre", layer).shapes[0]
    cut = oracle.ours("buffer 1 --join-style mitre --mitre-limit 1", layer).shapes[0]
    assert full.area == pytest.approx(16)
    assert cut.area < 16


def test_header_is_of_polygons_without_z_and_m() -> None:
    layer = oracle.layer_of(["POINT ZM (0 0 5 6)"], "Point", has_z=True, has_m=True)
    result = oracle.ours("buffer 1", layer)
    assert result.header.geometry_type == "Polygon"
    assert not (result.header.has_z or result.header.has_m or shapely.has_z(result.shapes[0]))


def test_what_shrinks_to_nothing_is_null_and_counted() -> None:
    layer = oracle.layer_of(["POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"], "Polygon")
    result = oracle.ours("buffer --distance -1", layer)
    assert result.shapes[0].is_empty
    assert fit(result).shapes.tolist() == [None]
    assert layer.account.losses["geometries became empty and are written as null"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "'--distance' is required"),
        ("--distance near", "'--distance' must be a number"),
        ("1 --endcap-style butt", "'--endcap-style' is one of"),
        ("1 --join-style miter", "'--join-style' is one of"),
        ("1 --side up", "'--side' is one of"),
        ("1 --mitre-limit -1", "--mitre-limit"),
        ("1 --quadrant-segments 0", "--quadrant-segments"),
        ("1 --quadrant-segments 1.5", "--quadrant-segments"),
        ("1 --distanse 2", "did you mean '--distance'"),
    ],
)
def test_refusals(options: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse_chain(f"buffer {options}")
    assert message in str(error.value)


def test_nothing_stays_nothing() -> None:
    shapes = shapely.from_wkt(np.array([None, "LINESTRING EMPTY"], dtype=object))
    result, _ = buffer(shapes, distance=1.0)
    assert result[0] is None
    assert result[1].is_empty
    assert len(buffer(shapes[:0], distance=1.0)[0]) == 0


@pytest.mark.parametrize("name", [oracle.POLYGONS[0], oracle.LINES[1]])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    whole = oracle.ours("buffer 100", layer).shapes
    assert oracle.same_objects(oracle.in_windows("buffer 100", layer, 40), whole)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str, options: str) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    minx, miny, maxx, maxy = shapely.total_bounds(layer.shapes)
    distance = float(np.nan_to_num(max(maxx - minx, maxy - miny)) / 100) or 1.0
    chain = f"buffer --distance {distance} {options}"
    result = oracle.ours(chain, layer)
    theirs = oracle.pipeline(path, chain).shapes
    # Rows that GEOS refuses (one-sided buffers of winding lines) are rejected
    # with GEOS' reason by us, and silently without a geometry in GDAL.
    rejected = [r.row for r in layer.account.rejects]
    assert shapely.is_missing(theirs[rejected]).all()
    assert len(rejected) <= len(theirs) // 10
    oracle.assert_same_shapes(result.shapes, theirs[result.rows])
    assert {"POLYGON", "MULTIPOLYGON"} >= {s.geom_type.upper() for s in result.shapes if s}
