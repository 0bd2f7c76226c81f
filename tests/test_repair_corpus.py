"""Repair over a folder of real shapefiles, where one is at hand: every file is accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make

from shpbatch.planning.discover import discover

CORPUS = Path(os.environ.get("SHPBATCH_CORPUS", Path(__file__).parents[2] / "shared/data/open"))
pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}"),
    pytest.mark.xdist_group("corpus"),
]

#: Every source of which nothing is saved, with its code.
LOST = {"represent-boundaries-0.10.2/fixtures/bad.zip": "bad-zip"}
#: Every other one of which something is lost: rows and what. A polygon without area.
SALVAGED = {"shapelib-a2ad7b3/csah.shp": [(83, 1, "shape")]}
#: What a run would put right, or refuse.
REPAIRED = {
    "cartopy-data-0.21.1/gshhs/c/GSHHS_c_L1.shp",
    "django-5.2.19/gas_lines/gas_leitung.shp",
    "go-shp-0.1.1/multipatch.shp",
    "go-shp-0.1.1/multipointm.shp",
    "go-shp-0.1.1/pointm.shp",
    "go-shp-0.1.1/polygonm.shp",
    "go-shp-0.1.1/polylinem.shp",
    "mapserver-8.0.0/iso-subset.shp",
    "mbostock-shapefile-ffe6088/ignore-properties.shp",
    "mbostock-shapefile-ffe6088/multipointm.shp",
    "mbostock-shapefile-ffe6088/ne_10m_time_zones.shp",
    "mbostock-shapefile-ffe6088/number-null-property.shp",
    "mbostock-shapefile-ffe6088/pointm.shp",
    "mbostock-shapefile-ffe6088/polygonm.shp",
    "mbostock-shapefile-ffe6088/polylinem.shp",
    "mbostock-shapefile-ffe6088/singleton.shp",
    "naturalearth-wagnerVII-f3aca89/10m_physical/ne_10m_geographic_lines.shp",
    "naturalearth-wagnerVII-f3aca89/110m_cultural/ne_110m_admin_0_pacific_groupings.shp",
    "naturalearth-wagnerVII-f3aca89/110m_cultural/ne_110m_admin_1_states_provinces_lakes_shp.shp",
    "naturalearth-wagnerVII-f3aca89/110m_cultural/ne_110m_admin_1_states_provinces_shp.shp",
    "naturalearth-wagnerVII-f3aca89/110m_cultural/ne_110m_admin_1_states_provinces_shp_scale_rank.shp",
    "naturalearth-wagnerVII-f3aca89/110m_physical/ne_110m_coastline.shp",
    "naturalearth-wagnerVII-f3aca89/110m_physical/ne_110m_geographic_lines.shp",
    "naturalearth-wagnerVII-f3aca89/110m_physical/ne_110m_geography_marine_polys.shp",
    "pyshp-3.1.6/corrupt_too_long.shp",
    "pyshp-3.1.6/latin1.shp",
    "shapefile-rs-5319cb3/linem.shp",
    "shapefile-rs-5319cb3/linez.shp",
    "shapefile-rs-5319cb3/multi_polygon.shp",
    "shapefile-rs-5319cb3/multipatch.shp",
    "shapefile-rs-5319cb3/multipoint.shp",
    "shapefile-rs-5319cb3/multipointz.shp",
    "shapefile-rs-5319cb3/ne_10m_lakes_north_america.shp",
    "shapefile-rs-5319cb3/pointm.shp",
    "shapefile-rs-5319cb3/pointz.shp",
    "shapefile-rs-5319cb3/polygon.shp",
    "shapefile-rs-5319cb3/polygonm.shp",
    "shapefile-rs-5319cb3/polygonz.shp",
    "shapelib-a2ad7b3/3dpoints.shp",
    "shapelib-a2ad7b3/brklinz.shp",
    "shapelib-a2ad7b3/masspntz.shp",
}


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of the outputs, and the outcomes by the path of their sources in the corpus."""
    out = tmp_path_factory.mktemp("repaired") / "out"
    before = make.snapshot(CORPUS)
    line = [sys.executable, "-m", "shpbatch", "repair", str(CORPUS), "-o", str(out), "--json"]
    done = subprocess.run(
        [*line, "-j", "4", "--durability", "fast"], capture_output=True, text=True, timeout=280
    )
    assert make.snapshot(CORPUS) == before, "a file was left or changed in the source folder"
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    told = json.loads(done.stdout)["outcomes"]
    return out, {str(Path(o["sources"][0]).relative_to(CORPUS)): o for o in told}


def test_every_source_is_accounted_for(repaired: tuple[Path, dict[str, Any]]) -> None:
    found = {str(Path(s.name).relative_to(CORPUS)) for s in discover([str(CORPUS)]).sources}
    assert set(repaired[1]) == found
    for name, outcome in repaired[1].items():
        features = outcome["features"]
        assert features["declared"] == features["read"] + features["deleted"], name
        assert outcome["saved"] + sum(x["count"] for x in outcome["lost"]) == outcome["records"]


def test_what_cannot_be_saved_is_known(repaired: tuple[Path, dict[str, Any]]) -> None:
    told = repaired[1].items()
    assert {n: o["code"] for n, o in told if o["state"] == "lost"} == LOST
    rows = {n: [(x["row"], x["count"], x["what"]) for x in o["lost"]] for n, o in told if o["lost"]}
    assert rows == SALVAGED


def test_what_was_put_right_is_known(repaired: tuple[Path, dict[str, Any]]) -> None:
    made = {n: [x["what"] for x in o["repairs"]] for n, o in repaired[1].items()}
    assert {n for n, what in made.items() if what} == REPAIRED | set(SALVAGED)


def test_the_broken_chain_of_natural_earth_holds_all_its_records(
    repaired: tuple[Path, dict[str, Any]],
) -> None:
    """Its .shx is missing, and bytes stand between records 6, 23 and 85 and the next ones."""
    out, told = repaired
    name = "mbostock-shapefile-ffe6088/ne_10m_time_zones.shp"
    assert (told[name]["saved"], told[name]["records"]) == (120, 120)
    import pyogrio

    assert pyogrio.read_info(out / name, force_feature_count=True)["features"] == 120


def test_what_was_whole_is_the_same_to_the_byte(repaired: tuple[Path, dict[str, Any]]) -> None:
    out, told = repaired
    compared = 0
    for name, outcome in told.items():
        if outcome["state"] != "whole" or not (CORPUS / name).is_file():
            continue
        for member in CORPUS.joinpath(name).parent.glob(f"{Path(name).stem}.*"):
            kind = member.suffix.lower()
            if kind in (".shp", ".shx", ".dbf", ".prj") and member.stem == Path(name).stem:
                made = (out / name).with_suffix(kind)
                assert made.read_bytes() == member.read_bytes(), member
                compared += 1
    assert compared > 600


def test_a_repaired_folder_needs_no_repair(
    repaired: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, told = repaired
    line = [sys.executable, "-m", "shpbatch", "repair", str(out), "-o", str(tmp_path / "again")]
    done = subprocess.run(
        [*line, "--json", "-j", "4", "--durability", "fast"],
        capture_output=True,
        text=True,
        timeout=280,
    )
    record = json.loads(done.stdout)
    assert record["states"] == {"whole": len(told) - len(LOST)}
    assert done.returncode == 0
