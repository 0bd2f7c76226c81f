"""What a step cannot do is written aside; what the format cannot hold is counted, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine.aspects import Geometry, Rejected
from shpbatch.engine.registry import step
from shpbatch.models import Outcome
from shpbatch.planning import divide

SAMPLES = Path(__file__).parents[1] / "sample_data"
CITIES = SAMPLES / "places/naturalearth_cities.shp"


def run(path: Path, dst: Path, recipe: Any, **options: Any) -> Outcome:
    (outcome,) = shpbatch.run(path, dst, recipe, method="inline", **options).outcomes
    return outcome


def refuse_odd(geometry: Geometry) -> tuple[Geometry, Rejected]:
    """A step that cannot do every second row."""
    rows = np.arange(1, len(geometry), 2)
    return geometry, Rejected(rows, ("is odd",) * len(rows))


ODD = [step(refuse_odd)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rejected_features_are_written_beside_the_output(tmp_path: Path) -> None:
    outcome = run(CITIES, tmp_path, ODD)
    assert outcome.features.rejected == 121
    assert any("rejected, the first by" in n and "is odd" in n for n in outcome.notes)
    aside = lines(tmp_path / "naturalearth_cities.rejects.geojsonl")
    assert [a["properties"]["fid"] for a in aside] == list(range(1, 243, 2))
    assert aside[0]["properties"]["reason"] == "is odd"
    assert aside[0]["properties"]["source"] == str(CITIES)
    assert {a["geometry"]["type"] for a in aside} == {"Point"}


def test_they_go_away_when_nothing_is_rejected_any_more(tmp_path: Path) -> None:
    run(CITIES, tmp_path, ODD)
    assert run(CITIES, tmp_path, ["make-valid"]).status == "done"
    assert not list(tmp_path.glob("*.geojsonl"))


def test_parts_and_sources_of_a_merge_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(CITIES, tmp_path / "whole", ["make-valid", ("segmentize", {"max_length": 1})])
    assert whole.status == "done"
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 4_000)
    outcome = run(CITIES, tmp_path / "parts", ODD)
    aside = lines(tmp_path / "parts/naturalearth_cities.rejects.geojsonl")
    assert len(aside) == outcome.features.rejected > 0
    merged = shpbatch.run(
        SAMPLES / "places", tmp_path / "m", ODD, merge="all", method="inline", exclude=["x"]
    ).outcomes[0]
    assert merged.status == "done", merged.reason
    sources = {a["properties"]["source"] for a in lines(tmp_path / "m/all.rejects.geojsonl")}
    assert len(sources) == 2


def test_a_geometry_that_is_no_json_is_null(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(1, 2), make.point(float("nan"), 2)])
    path = make.write(tmp_path / "src", shp=shp, shx=shx, dbf=None)
    run(path, tmp_path / "out", ODD)
    (aside,) = lines(tmp_path / "out/a.rejects.geojsonl")
    assert aside["geometry"] is None


def test_a_layer_fails_where_no_feature_may_be_rejected(tmp_path: Path) -> None:
    outcome = run(CITIES, tmp_path, ODD, on_bad_feature="fail")
    assert (outcome.status, outcome.code) == ("failed", "features-rejected")
    assert "121 features" in (outcome.reason or "")
    assert "FID 1" in (outcome.reason or "")
    assert not list(tmp_path.glob("*.shp"))


ROUNDED = [("calculate", {"field": "x", "expression": "1.0 / 3 * 1e-9"})]


def test_losses_are_told_with_their_first_example_or_refused(tmp_path: Path) -> None:
    dbf = make.dbf_bytes([(b"POP", "N", 5, 0)], [(b"   12",), (b"  abc",), (b"x    ",)])
    shp, shx = make.shp_bytes([make.point(i, i) for i in range(3)])
    path = make.write(tmp_path / "src", shp=shp, shx=shx, dbf=dbf)
    recipe = [("filter", {"where": "POP IS NULL OR POP > 1"})]
    outcome = run(path, tmp_path / "out", recipe)
    assert "field POP: values are not whole numbers, and are read as NULL (2, the first 'abc')" in (
        outcome.notes
    )
    outcome = run(path, tmp_path / "no", recipe, on_loss="fail")
    assert (outcome.status, outcome.code) == ("failed", "values-lost")
    assert "'abc'" in (outcome.reason or "")
    assert "--on-loss warn" in (outcome.reason or "")
    assert not list((tmp_path / "no").glob("*.shp"))


def test_what_is_no_number_is_told(tmp_path: Path) -> None:
    recipe = [("calculate", {"field": "x", "expression": "1e308 * 10 * (FID + 1)"})]
    outcome = run(CITIES, tmp_path / "out", recipe)
    told = "field x: numbers that are not finite are written as NULL (243, the first 'inf')"
    assert told in outcome.notes
    outcome = run(CITIES, tmp_path / "no", recipe, on_loss="fail")
    assert (outcome.status, outcome.code) == ("failed", "values-lost")
