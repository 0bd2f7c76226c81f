"""assign-crs: another CRS, the same coordinates."""

from __future__ import annotations

import oracle
import pytest

from shpbatch.engine.apply import apply_header
from shpbatch.errors import RecipeError
from shpbatch.models import Header
from shpbatch.recipes.recipe import parse_chain

EXAMPLES = ["--crs EPSG:3857"]


def test_worked_case() -> None:
    layer = oracle.layer_of(["POINT (1 2)"], "Point", crs="EPSG:4326")
    result = oracle.ours("assign-crs --crs EPSG:3857", layer)
    assert result.header.crs == "EPSG:3857"
    assert result.shapes is layer.shapes


def test_nothing_is_decoded() -> None:
    layer = oracle.read_undecoded(oracle.SAMPLES / "soho/SohoWater.shp")
    assert oracle.ours("assign-crs EPSG:4326", layer).records is layer.records


def test_a_missing_crs_is_cured() -> None:
    recipe = parse_chain("assign-crs EPSG:4326 ! reproject EPSG:3857")
    assert apply_header(recipe, Header("Point")).crs == "EPSG:3857"


def test_refusals() -> None:
    with pytest.raises(RecipeError) as error:
        parse_chain("assign-crs --crs nonsense")
    assert error.value.code == "bad-crs"
