"""reproject: coordinates move, everything else is carried."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pytest
import shapely

from shpbatch.engine.apply import apply_header
from shpbatch.engine.fit import fit
from shpbatch.errors import CRSError, RecipeError
from shpbatch.models import Header
from shpbatch.recipes.recipe import parse_chain

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
