"""clip: what lies in a box, or in the polygons of another layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pyogrio.raw
import pytest
import shapely

from shpbatch.engine.apply import apply_header
from shpbatch.errors import RecipeError, StepError
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.clip import clip

pytestmark = pytest.mark.filterwarnings("ignore:'crs' was not provided")

BOX = "clip --bbox 0,0,2,2"


def polygons_file(folder: Path, shapes: list[str], crs: str | None = None) -> Path:
    """A layer of polygons on disk."""
    path = folder / "like.shp"
    wkb = np.array([shapely.to_wkb(shapely.from_wkt(s)) for s in shapes], dtype=object)
    kind = shapely.from_wkt(shapes[0]).geom_type
    names = np.array([f"n{i}" for i in range(len(shapes))], dtype=object)
    pyogrio.raw.write(
        str(path), wkb, [names], ["name"], geometry_type=kind, crs=crs, driver="ESRI Shapefile"
    )
    return path


def test_worked_case() -> None:
    layer = oracle.layer_of(
        [
            "POLYGON ((0.5 0.5, 1 0.5, 1 1, 0.5 0.5))",  # inside
            "POLYGON ((1 1, 3 1, 3 3, 1 3, 1 1))",  # a quarter of its area of 4 is inside
            "POLYGON ((2 0, 3 0, 3 1, 2 1, 2 0))",  # touches along an edge
            None,
            "POLYGON ((5 5, 6 5, 6 6, 5 5))",  # outside
            "POLYGON EMPTY",
            # Two prongs reach in: they stay one feature.
            "POLYGON ((1.5 0, 3 0, 3 2, 1.5 2, 1.5 1.5, 2.5 1.5, 2.5 0.5, 1.5 0.5, 1.5 0))",
        ],
        "Polygon",
    )
    result = oracle.ours(BOX, layer)
    assert result.rows.tolist() == [0, 1, 6]
    assert result.shapes[0] is layer.shapes[0]
    assert result.shapes[1].equals(shapely.box(1, 1, 2, 2))
    assert result.shapes[2].geom_type == "MultiPolygon"
    assert result.shapes[2].area == pytest.approx(2 * 0.5 * 0.5)
    assert layer.account.filtered == 4


def test_lines_and_points() -> None:
    lines = oracle.layer_of(
        [
            "LINESTRING (-1 1, 3 1)",  # from edge to edge
            "LINESTRING (2 0, 2 2)",  # along the border: inside
            "LINESTRING (-1 1, 1 -1)",  # touches the corner (0 0) alone
            "LINESTRING (1 1, 5 1, 5 2, 1 2)",  # comes back along the border
        ],
        "PolyLine",
    )
    result = oracle.ours(BOX, lines)
    assert result.rows.tolist() == [0, 1, 3]
    assert shapely.length(result.shapes).tolist() == [2.0, 2.0, 2.0]
    points = oracle.layer_of(["POINT (1 1)", "POINT (2 2)", "POINT (2 2.1)"], "Point")
    assert oracle.ours(BOX, points).rows.tolist() == [0, 1]


def test_z_is_interpolated() -> None:
    layer = oracle.layer_of(["LINESTRING Z (0 1 0, 4 1 8)"], "PolyLine", has_z=True)
    assert oracle.ours(BOX, layer).shapes[0].wkt == "LINESTRING Z (0 1 0, 2 1 4)"


def test_like(tmp_path: Path) -> None:
    # Two boxes that share an edge are one area; the line along it is inside.
    like = polygons_file(
        tmp_path, ["POLYGON ((0 0, 1 0, 1 2, 0 2, 0 0))", "POLYGON ((1 0, 2 0, 2 2, 1 2, 1 0))"]
    )
    layer = oracle.layer_of(["LINESTRING (0.5 1, 1.5 1)", "LINESTRING (1 1, 9 1)"], "PolyLine")
    result = oracle.ours(f"clip --like {like}", layer)
    assert result.shapes[0] is layer.shapes[0]
    assert result.shapes[1].equals(shapely.from_wkt("LINESTRING (1 1, 2 1)"))
    both = oracle.ours(f"clip --like {like} --bbox 0,0,1.5,9", layer)
    assert shapely.length(both.shapes).tolist() == [1.0, 0.5]


def test_like_in_another_crs(tmp_path: Path) -> None:
    # 1 degree of longitude at the equator is 111,319.49 m of EPSG:3857.
    like = polygons_file(tmp_path, ["POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"], "EPSG:4326")
    line = "LINESTRING (0 10, 200000 10)"
    layer = oracle.layer_of([line], "PolyLine", "EPSG:3857")
    assert oracle.ours(f"clip --like {like}", layer).shapes[0].length == pytest.approx(111319.4908)
    # Without a CRS on one side it is taken to be the same.
    unknown = oracle.layer_of([line], "PolyLine")
    assert len(oracle.ours(f"clip --like {like}", unknown)) == 0


@pytest.mark.parametrize("box", ["0,0,1", "0,0,1,x", "0 0 1 1"])
def test_refusals_of_the_recipe(box: str) -> None:
    with pytest.raises(RecipeError):
        parse_chain(f"clip --bbox {box}")
    with pytest.raises(RecipeError, match="give --bbox or --like"):
        parse_chain("clip")


@pytest.mark.parametrize("box", ["1,0,0,1", "0,0,0,1", "0,0,1,nan", "0,0,1,inf"])
def test_refusals_of_the_plan(box: str) -> None:
    header = oracle.layer_of([], "Polygon").header
    with pytest.raises((StepError, RecipeError), match=r"no box|finite|number"):
        apply_header(parse_chain(f"clip --bbox {box}"), header)


def test_refusals_of_the_second_layer(tmp_path: Path) -> None:
    layer = oracle.layer_of(["POINT (1 1)"], "Point")
    with pytest.raises(StepError) as error:
        apply_header(parse_chain("clip --like nowhere.shp"), layer.header)
    assert error.value.code == "other-layer"
    lines = polygons_file(tmp_path, ["LINESTRING (0 0, 1 1)"])
    with pytest.raises(StepError) as error:
        apply_header(parse_chain(f"clip --like {lines}"), layer.header)
    assert error.value.code == "clip-no-polygons"
    (bow := tmp_path / "bow").mkdir()
    invalid = polygons_file(bow, ["POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"])
    with pytest.raises(StepError) as error:
        oracle.ours(f"clip --like {invalid}", layer)
    assert error.value.code == "clip-invalid"


def test_only_the_bad_row_is_rejected() -> None:
    with np.errstate(invalid="ignore"):
        bad = shapely.Polygon([(0, 0), (1, 0), (1, np.inf), (0, 1)])
    layer = oracle.layer_of(
        [shapely.box(1, 1, 3, 3), bad, None, shapely.box(0, 0, 1, 1)], "Polygon"
    )
    result = oracle.ours(BOX, layer)
    assert result.rows.tolist() == [0, 3]
    assert [r.row for r in layer.account.rejects] == [1]
    assert layer.account.filtered == 1


def test_nothing_in_nothing_out() -> None:
    nothing = np.array([None, None], dtype=object)
    shapes, rows, _ = clip(nothing, bbox=(0, 0, 1, 1))
    assert (len(shapes), len(rows)) == (0, 0)
    shapes, rows, _ = clip(nothing[:0], bbox=(0, 0, 1, 1))
    assert (len(shapes), len(rows)) == (0, 0)


@pytest.mark.parametrize("name", [*oracle.POLYGONS[:2], oracle.LINES[0]])
def test_windows_give_the_whole(name: str) -> None:
    layer = oracle.read(oracle.layer_path(name))
    chain = f"clip --bbox={_middle(layer.shapes)}"
    whole = oracle.ours(chain, layer).shapes
    assert 0 < len(whole) < len(layer)
    assert oracle.same_objects(oracle.in_windows(chain, layer, 40), whole)


@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_gdal(name: str) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    chain = f"clip --bbox={_middle(layer.shapes)}"
    result = oracle.ours(chain, layer)
    # GDAL makes a feature of each piece that a polygon or line is cut into; we
    # keep one, as ogr2ogr does. So the pieces of a source row are collected.
    theirs = oracle.pipeline(path, chain).by_source()
    assert result.rows.tolist() == theirs.rows.tolist()
    oracle.assert_same_shapes(result.shapes, theirs.shapes)


@pytest.mark.parametrize("name", [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS])
def test_same_as_ogr2ogr(name: str, tmp_path: Path) -> None:
    path = oracle.layer_path(name)
    layer = oracle.read(path)
    box = _middle(layer.shapes)
    result = oracle.ours(f"clip --bbox={box}", layer)
    theirs = oracle.ogr2ogr(path, "-clipsrc", *box.split(","), folder=tmp_path).shapes
    # ogr2ogr keeps features without geometry, and what only touches the box as
    # lines or points; gdal's step and ours do not.
    theirs = theirs[~shapely.is_missing(theirs)]
    dimension = max(shapely.get_dimensions(layer.shapes), default=0)
    theirs = theirs[shapely.get_dimensions(theirs) == dimension]
    oracle.assert_same_shapes(result.shapes, theirs)


@pytest.mark.parametrize("program", ["pipeline", "ogr2ogr"])
def test_like_same_as_gdal(program: str, tmp_path: Path) -> None:
    path = oracle.layer_path("sample:transport/newhaven_nework.shp")
    layer = oracle.read(path)
    area = shapely.convex_hull(layer.shapes[100]).buffer(0.02)
    hole = area.centroid.buffer(0.005)
    like = polygons_file(tmp_path, [(area - hole).wkt], "EPSG:4326")
    result = oracle.ours(f"clip --like {like}", layer)
    if program == "pipeline":
        theirs = oracle.pipeline(path, f'clip --like "{like}"').by_source()
    else:
        theirs = oracle.ogr2ogr(path, "-clipsrc", str(like), folder=tmp_path)
    assert 10 < len(result) < len(layer)
    oracle.assert_same_shapes(result.shapes, theirs.shapes)


def _middle(shapes: object) -> str:
    """A box over a part of a layer, as the option takes it."""
    minx, miny, maxx, maxy = np.nan_to_num(shapely.total_bounds(shapes))
    size = max(maxx - minx, maxy - miny) or 1.0
    box = (minx + 0.3 * size, miny + 0.2 * size, minx + 0.6 * size, miny + 0.55 * size)
    return ",".join(repr(float(v)) for v in box)
