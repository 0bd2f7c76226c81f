"""segmentize: no segment longer than a length."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.errors import RecipeError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.segmentize import MOST_VERTICES, segmentize


def test_worked_case() -> None:
    # 5 units long (3-4-5), cut at 2: the fewest equal pieces are 3, each of 5/3.
    # 2 units long, cut at 2: stays whole.
    layer = oracle.layer_of(["LINESTRING (0 0, 4.5 6, 4.5 8)"], "PolyLine")
    (line,) = oracle.ours("segmentize --max-length 2.5", layer).shapes
    assert line.wkt == "LINESTRING (0 0, 1.5 2, 3 4, 4.5 6, 4.5 8)"


def test_z_is_interpolated_and_repeated_vertices_stay() -> None:
    layer = oracle.layer_of(["LINESTRING Z (0 0 10, 2 0 20, 2 0 20)"], "PolyLine", has_z=True)
    (line,) = oracle.ours("segmentize --max-length 1", layer).shapes
    assert line.wkt == "LINESTRING Z (0 0 10, 1 0 15, 2 0 20, 2 0 20)"


def test_rings_and_parts() -> None:
    wkt = [
        "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0), (0.5 0.5, 1 0.5, 1 1, 0.5 0.5))",
        "MULTIPOLYGON (((0 0, 2 0, 2 2, 0 0)), ((90 0, 91 0, 91 1, 90 0)))",
        "MULTILINESTRING ((0 0, 1 0), (50 0, 50 4))",
    ]
    result, _ = segmentize(shapely.from_wkt(wkt), max_length=2.0)
    # Nothing is inserted on the way from one part to the next.
    assert shapely.get_num_coordinates(result).tolist() == [9, 9, 5]
    assert shapely.get_type_id(result).tolist() == [3, 6, 5]
    polygon, *_ = segmentize(shapely.from_wkt(wkt), max_length=1.0)[0]
    assert polygon.exterior.wkt == "LINEARRING (0 0, 1 0, 2 0, 2 1, 2 2, 1 2, 0 2, 0 1, 0 0)"
    assert polygon.is_valid


def test_rounding_makes_no_extra_piece() -> None:
    line = shapely.linestrings([(0, 0), (0.1 + 0.2, 0)])  # 0.30000000000000004
    assert shapely.get_num_coordinates(segmentize(np.array([line]), max_length=0.1)[0]) == 4


def test_row_too_large_is_rejected_alone() -> None:
    layer = oracle.layer_of(["LINESTRING (0 0, 1e9 0)", "LINESTRING (0 0, 2 0)"], "PolyLine")
    result = oracle.ours("segmentize --max-length 1", layer)
    assert [s.wkt for s in result.shapes] == ["LINESTRING (0 0, 1 0, 2 0)"]
    (reject,) = layer.account.rejects
    assert (reject.row, reject.step) == (0, "segmentize")
    assert f"{MOST_VERTICES:,}" in reject.reason


def test_m_is_lost_and_the_header_says_so() -> None:
    shapes = ["LINESTRING M (0 0 1, 2 0 2)", "LINESTRING (0 0, 2 0)"]
    layer = oracle.layer_of(shapes, "PolyLine", has_m=True)
    result = oracle.ours("segmentize --max-length 1", layer)
    assert [s.wkt for s in result.shapes] == ["LINESTRING (0 0, 1 0, 2 0)"] * 2
    assert not result.header.has_m


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "far"])
def test_refusals(wrong: str) -> None:
    with pytest.raises(RecipeError, match="--max-length"):
        parse_chain(f"segmentize --max-length={wrong}")
    with pytest.raises(RecipeError, match="required"):
        parse_chain("segmentize")


def test_nothing_and_points_stay() -> None:
    shapes = shapely.from_wkt(
        np.array([None, "POLYGON EMPTY", "POINT M (1 1 5)", "LINESTRING (0 0, 0 0)"], dtype=object)
    )
    result, rejected = segmentize(shapes, max_length=0.1)
    assert oracle.same_objects(result, shapes)
    assert not len(rejected.rows)
    assert len(segmentize(shapes[:0], max_length=1.0)[0]) == 0


def test_coordinates_that_are_not_finite_stay() -> None:
    with np.errstate(invalid="ignore"):
        shapes = shapely.linestrings([[(0, 0), (1, np.nan), (2, 2)]])
    result, _ = segmentize(shapes, max_length=10.0)
    np.testing.assert_array_equal(shapely.get_coordinates(result), [(0, 0), (1, np.nan), (2, 2)])


@pytest.mark.parametrize("name", [*oracle.POLYGONS[:2], oracle.LINES[0]])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    chain = f"segmentize --max-length {_length(layer.shapes)}"
    whole = oracle.ours(chain, layer).shapes
    assert oracle.same_objects(oracle.in_windows(chain, layer, 40), whole)


@pytest.mark.parametrize("program", ["pipeline", "ogr2ogr"])
@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str, program: str, tmp_path: object) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    if not len(layer):
        pytest.skip("no features")
    length = _length(layer.shapes)
    mine = oracle.ours(f"segmentize --max-length {length}", layer).shapes
    if program == "pipeline":
        theirs = oracle.pipeline(path, f"segmentize --max-length {length}").shapes
    else:
        theirs = oracle.ogr2ogr(path, "-segmentize", str(length), folder=tmp_path).shapes
    assert len(mine) == len(theirs)
    # GDAL takes ceil(ratio - 0.01) pieces: it leaves segments up to 1 % of a
    # piece too long. Rows with such a segment have fewer vertices there.
    close = np.isin(np.arange(len(mine)), _nearly_whole(layer.shapes, length))
    # Z apart: GDAL copies that of a neighbour to a new vertex, we interpolate it.
    flat, other = shapely.force_2d(mine), shapely.force_2d(theirs)
    scale = np.nan_to_num(np.abs(shapely.bounds(flat)).max(axis=1)) * 1e-12
    missing = shapely.is_missing(flat) & shapely.is_missing(other)
    same = missing | shapely.equals_exact(flat, other, tolerance=scale)
    assert (same | close).all(), f"rows {np.flatnonzero(~same & ~close)[:5]}"
    more = shapely.get_num_coordinates(flat) >= shapely.get_num_coordinates(other)
    assert more[close].all()
    assert close.mean() < 0.5 or len(close) < 5


def _length(shapes: object) -> float:
    """A length that cuts some segments and leaves others, whatever the CRS."""
    minx, miny, maxx, maxy = shapely.total_bounds(shapes)
    return float(np.nan_to_num(max(maxx - minx, maxy - miny)) / 150) or 1.0


def _nearly_whole(shapes: object, length: float) -> np.ndarray:
    """Rows with a segment at most 1 % of a piece longer than a whole number of pieces."""
    coords, row = shapely.get_coordinates(shapes, return_index=True)
    ratio = np.hypot(*np.diff(coords, axis=0).T) / length
    return row[:-1][(ratio > 1) & (ratio - np.floor(ratio) < 0.0101)]
