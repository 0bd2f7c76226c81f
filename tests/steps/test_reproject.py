"""reproject: coordinates move, everything else is carried."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.crs.moving import moved
from shpbatch.engine.apply import apply_header
from shpbatch.engine.fit import fit
from shpbatch.errors import CRSError, RecipeError
from shpbatch.models import Header
from shpbatch.recipes.recipe import parse_chain

NAN, INF = float("nan"), float("inf")
EXAMPLES = ["--dst-crs EPSG:3857 --src-crs EPSG:4326"]


def test_worked_case() -> None:
    layer = oracle.layer_of(["POINT (0 0)", "POINT (180 0)", None], "Point", crs="EPSG:4326")
    result = oracle.ours("reproject EPSG:3857", layer)
    # Half the equator of a sphere of 6378137 m; x before y whatever the CRS's axes.
    np.testing.assert_allclose(
        shapely.get_coordinates(result.geometry()), [(0, 0), (np.pi * 6378137, 0)], atol=1e-6
    )
    assert result.geometry()[2] is None
    assert result.header.crs == "EPSG:3857"


def test_which_source_crs_counts() -> None:
    known = oracle.layer_of(["POINT (1 2)"], "Point", crs="EPSG:3857")
    unknown = oracle.layer_of(["POINT (1 2)"], "Point")
    default = "reproject EPSG:3857 --src-crs-default EPSG:4326"
    assert shapely.get_x(oracle.ours(default, known).geometry())[0] == 1
    assert shapely.get_x(oracle.ours(default, unknown).geometry())[0] == pytest.approx(111319.49)
    override = "reproject EPSG:3857 --src-crs EPSG:4326"
    assert shapely.get_x(oracle.ours(override, known).geometry())[0] == pytest.approx(111319.49)


@pytest.mark.parametrize(
    ("crs", "code"),
    [
        (None, "crs-missing"),
        ("GEOGCS[nonsense", "crs-unreadable"),
        ("+proj=wag7 +datum=WGS84", "crs-no-operation"),  # PROJ has no inverse
    ],
)
def test_refusals(crs: str | None, code: str) -> None:
    layer = oracle.layer_of(["POINT (1 2)"], "Point", crs=crs)
    with pytest.raises(CRSError) as error:
        oracle.ours("reproject EPSG:4326", layer)
    assert error.value.code == code


def test_unknown_target_is_refused_at_once() -> None:
    with pytest.raises(RecipeError, match="PROJ knows"):
        parse_chain("reproject EPSG:123456")


def test_rows_that_leave_the_domain_are_rejected_and_counted() -> None:
    shapes = ["POINT (10 50)", "POINT (0 1e20)", "LINESTRING (0 0, 0 95)"]
    layer = oracle.layer_of([shapes[0], shapes[1]], "Point", crs="EPSG:4326")
    result = oracle.ours("reproject EPSG:32632", layer)
    assert len(result) == 1
    assert result.rows.tolist() == [0]
    assert [(r.row, r.step) for r in layer.account.rejects] == [(1, "reproject")]
    assert layer.account.features(len(result)).balances()


@pytest.mark.parametrize("y", [1e8, 1e12, -1.7976931348623157e308])
@pytest.mark.parametrize("others", [1, 100])
def test_a_place_that_leads_nowhere_back_is_rejected(y: float, others: int) -> None:
    """PROJ's inverse of what a zone does not map looks like a place: 0.2 degrees south."""
    near = [f"POINT ({400_000 + i} 5800000)" for i in range(others)]
    layer = oracle.layer_of([*near, f"POINT (400000 {y})"], "Point", crs="EPSG:32633")
    result = oracle.ours("reproject EPSG:4326", layer)
    assert result.rows.tolist() == list(range(others))
    assert [r.row for r in layer.account.rejects] == [others]
    x, y = shapely.get_coordinates(result.geometry())[0]
    assert (x, y) == pytest.approx((13.532122, 52.341175), abs=1e-6)


def test_a_number_that_no_map_has_is_rejected() -> None:
    """A conic has an answer for any: next to the pole that it cannot show."""
    layer = oracle.layer_of(["POINT (700000 6600000)", "POINT (1e12 5e6)"], "Point", "EPSG:2154")
    assert oracle.ours("reproject EPSG:4326", layer).rows.tolist() == [0]


def test_what_is_far_but_leads_back_is_kept() -> None:
    """Over the pole; all of a world, with its edges; across the antimeridian."""
    layer = oracle.layer_of(["POINT (400000 15000000)"], "Point", crs="EPSG:32633")
    assert len(oracle.ours("reproject EPSG:4326", layer)) == 1
    world = [f"POINT ({x} {y})" for x in range(-180, 181, 45) for y in range(-90, 91, 30)]
    layer = oracle.layer_of(world, "Point", crs="EPSG:4326")
    result = oracle.ours("reproject EPSG:8857 ! reproject EPSG:3857", layer)
    assert len(result) == len(world)
    beyond = [f"POINT ({x} 5000000)" for x in (2.1e7, 20037508.35, -20037508.35)]
    layer = oracle.layer_of(beyond, "Point", crs="EPSG:3857")
    assert len(oracle.ours("reproject EPSG:4326", layer)) == 3


@pytest.mark.parametrize("place", [(INF, 5), (NAN, 5), (5, INF)])
def test_a_row_with_an_x_or_y_only_is_rejected(place: tuple[float, float]) -> None:
    layer = oracle.layer_of([shapely.Point(*place), "POINT (1 1)"], "Point", crs="EPSG:4326")
    result = oracle.ours("reproject EPSG:3857", layer)
    assert result.rows.tolist() == [1]
    assert [r.row for r in layer.account.rejects] == [0]


@pytest.mark.parametrize("z", [NAN, INF, -1e39])
@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4267"])
def test_a_z_that_is_none_costs_no_x_and_y(z: float, crs: str) -> None:
    coords = np.array([[-100.0, 40.0, z], [-100.0, 40.0, 0.0]])
    result = moved(coords, "EPSG:4326", crs)
    np.testing.assert_array_equal(result[0, :2], result[1, :2])
    np.testing.assert_array_equal(result[0, 2], z)
    assert np.isfinite(result[1]).all()


def test_z_is_carried() -> None:
    layer = oracle.layer_of(["POINT Z (10 50 7)"], "Point", crs="EPSG:4326", has_z=True)
    assert shapely.get_z(oracle.ours("reproject EPSG:3857", layer).geometry())[0] == 7


def test_no_rows() -> None:
    layer = oracle.layer_of([], "Polygon", crs="EPSG:4326")
    assert len(oracle.ours("reproject EPSG:3857", layer)) == 0


@pytest.mark.parametrize("name", [*oracle.POLYGONS[:3], *oracle.LINES[:3], oracle.POINTS[0]])
def test_same_as_gdal(name: str, tmp_path: Path) -> None:
    path = oracle.layer_path(name)
    mine = oracle.ours("reproject --dst-crs EPSG:32633", oracle.read(path))
    theirs = oracle.pipeline(path, "reproject --dst-crs=EPSG:32633")
    # Two PROJ (pyproj's and GDAL's) may choose operations that differ by a datum shift of
    # metres where grids are missing; within one operation they agree to rounding.
    coords, gdal = (shapely.get_coordinates(g) for g in (mine.geometry(), theirs.shapes))
    assert coords.shape == gdal.shape
    finite = np.isfinite(gdal).all(axis=1)
    assert np.abs(coords - gdal)[finite].max() < (5 if "tokyo" in name or "gas" in name else 1e-3)


@pytest.mark.parametrize("wkt", ["POINT ZM (10 50 7 1)", "LINESTRING ZM (10 50 7 1, 11 51 7 2)"])
def test_z_is_carried_where_there_is_m_too(wkt: str) -> None:
    kind = "Point" if wkt.startswith("POINT") else "PolyLine"
    layer = oracle.layer_of([wkt], kind, crs="EPSG:4326", has_z=True)
    result = fit(oracle.ours("reproject EPSG:3857", layer))
    assert len(result) == 1
    assert set(shapely.get_coordinates(result.geometry(), include_z=True)[:, 2]) == {7.0}


def test_axes_are_x_before_y() -> None:
    # EPSG:4326 and EPSG:31467 both have latitude or northing first in the registry.
    layer = oracle.layer_of(["POINT (9 48)"], "Point", crs="EPSG:4326")
    (point,) = oracle.ours("reproject EPSG:31467", layer).geometry()
    assert point.x == pytest.approx(3_500_000, abs=200)  # on the meridian of zone 3
    assert point.y == pytest.approx(5_318_000, abs=1_000)


def test_the_plan_refuses_what_the_run_would() -> None:
    for crs, code in ((None, "crs-missing"), ("+proj=wag7 +datum=WGS84", "crs-no-operation")):
        with pytest.raises(CRSError) as error:
            apply_header(parse_chain("reproject EPSG:4326"), Header("Point", crs=crs))
        assert error.value.code == code


@pytest.mark.parametrize("name", [*oracle.POLYGONS[:1], *oracle.LINES[:1], oracle.POLYGONS[2]])
def test_same_as_ogr2ogr(name: str, tmp_path: Path) -> None:
    path = oracle.layer_path(name)
    mine = oracle.ours("reproject --dst-crs EPSG:3857", oracle.read(path))
    theirs = oracle.ogr2ogr(path, "-t_srs", "EPSG:3857", folder=tmp_path)
    np.testing.assert_allclose(
        shapely.get_coordinates(mine.geometry()), shapely.get_coordinates(theirs.shapes), rtol=1e-9
    )


def test_a_crs_that_is_used_elsewhere_is_told() -> None:
    melbourne = Header("Point", crs="EPSG:4326", bounds=(145.0, -38.0, 146.0, -37.0))
    for target, told in (("EPSG:32633", True), ("EPSG:32755", False), ("EPSG:3857", False)):
        after = apply_header(parse_chain(f"reproject {target}"), melbourne)
        assert ("crs-elsewhere" in [p.code for p in after.problems]) == told


def test_whether_a_place_leads_back_does_not_depend_on_those_beside_it() -> None:
    """Beyond the apex of a cone PROJ has an answer; a wedge of it lies between others."""
    places = np.array([[0.0, 6e6], [1.2e6, 6e6], [700_000.0, 12.7e6]])
    together = moved(places, "EPSG:2154", "EPSG:4326")
    alone = np.vstack([moved(place[None], "EPSG:2154", "EPSG:4326") for place in places])
    assert np.array_equal(together, alone)
    assert np.isfinite(together).all(axis=1).tolist() == [True, True, False]


def test_a_map_that_has_no_way_back_takes_all() -> None:
    there = moved(np.array([[500_000.0, 5_500_000.0]]), "EPSG:25832", "+proj=airy +datum=WGS84")
    assert np.isfinite(there).all()
