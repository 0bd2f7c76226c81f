"""--src-crs, --src-crs-default, --on-crs; the operation PROJ used, and what a better one lacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapefiles as make
from pyproj import CRS

import shpbatch
from shpbatch.crs.operation import operation
from shpbatch.errors import CRSError, PlanError
from shpbatch.models import Outcome

TO_MERCATOR = "! reproject EPSG:3857"
HTML = b"<html><body>404 Not Found</body></html>"


def ran(path: Path, chain: str = "", **options: object) -> list[Outcome]:
    out = path.parent / "out" if path.suffix else path.with_name("out")
    return list(shpbatch.run(path, out, chain, method="inline", **options).outcomes)


def prj(path: Path) -> CRS:
    return CRS(path.with_suffix(".prj").read_text())


def layer_at(folder: Path, stem: str, x: float, y: float, crs: str | None) -> Path:
    points = [make.point(x + d, y + d) for d in (0, 500, 1000)]
    shp, shx = make.shp_bytes(points, bounds=(x, y, x + 1000, y + 1000))
    text = None if crs is None else CRS(crs).to_wkt("WKT1_ESRI")
    return make.write(folder, stem, shp=shp, shx=shx, prj=text)


# -- what the sources are said to be in ------------------------------------------


def test_a_crs_for_all_sources(tmp_path: Path) -> None:
    """Whatever the .prj says; the coordinates stay, the .prj is a new one."""
    path = make.write(tmp_path / "in")
    (outcome,) = ran(path, src_crs="EPSG:32633")
    sink = Path(outcome.sinks[0].path)
    assert prj(sink).equals(CRS(CRS("EPSG:32633").to_wkt("WKT1_ESRI")))
    assert sink.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("bad", [None, HTML, b"", b"GEOGCS[nonsense"])
def test_a_default_is_for_sources_that_tell_nothing(tmp_path: Path, bad: bytes | None) -> None:
    make.write(tmp_path / "in", "known")
    make.write(tmp_path / "in", "unknown", prj=bad)
    outcomes = ran(tmp_path / "in", src_crs_default="EPSG:4258")
    names = {Path(o.sinks[0].path).stem: prj(Path(o.sinks[0].path)).name for o in outcomes}
    assert names["unknown"] == CRS(CRS("EPSG:4258").to_wkt("WKT1_ESRI")).name
    told = (tmp_path / "in/known.prj").read_bytes()
    assert (tmp_path / "out/known.prj").read_bytes() == told


def test_a_default_serves_reproject(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in", prj=None)
    (outcome,) = ran(path, TO_MERCATOR, src_crs_default="EPSG:4326")
    assert outcome.status == "done", outcome.reason
    x = pyogrio.read_bounds(outcome.sinks[0].path)[1][0]
    np.testing.assert_allclose(x, np.radians([1, 3, 5]) * 6378137)


@pytest.mark.parametrize("option", ["src_crs", "src_crs_default"])
def test_a_crs_that_is_none_is_refused_before_anything(tmp_path: Path, option: str) -> None:
    path = make.write(tmp_path / "in")
    with pytest.raises(PlanError, match="EPSG:123456") as error:
        ran(path, **{option: "EPSG:123456"})
    assert error.value.code == "bad-crs"
    assert not (tmp_path / "in/out").exists()


# -- layers without a usable CRS -------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "code"),
    [(None, "crs-missing"), (HTML, "crs-missing"), (b"GEOGCS[no", "crs-unreadable")],
)
@pytest.mark.parametrize("policy", ["fail", "assign", "skip"])
def test_alone_it_fails_or_is_passed_over(
    tmp_path: Path, bad: bytes | None, code: str, policy: str
) -> None:
    """One sister far away speaks for no CRS."""
    path = layer_at(tmp_path / "in", "a", 400_000, 5_800_000, None)
    layer_at(tmp_path / "in", "b", 400_000, 100_000, "EPSG:32633")
    if bad is not None:
        path.with_suffix(".prj").write_bytes(bad)
    outcome, other = ran(tmp_path / "in", TO_MERCATOR, on_crs=policy)
    assert outcome.status == ("skipped" if policy == "skip" else "failed")
    assert outcome.code == code
    assert outcome.reason
    assert other.status == "done"
    assert [p.name for p in (tmp_path / "out").glob("*.shp")] == ["b.shp"]


def test_sisters_settle_it(tmp_path: Path) -> None:
    for stem, crs in (("a", "EPSG:25833"), ("b", "EPSG:25833"), ("c", None)):
        layer_at(tmp_path / "in", stem, 400_000, 5_800_000, crs)
    outcomes = ran(tmp_path / "in", "! reproject EPSG:4326", on_crs="assign")
    assert [o.status for o in outcomes] == ["done"] * 3
    notes = " ".join(outcomes[2].notes)
    assert "EPSG:25833 is assumed (90% sure)" in notes
    assert not any("assumed" in n for o in outcomes[:2] for n in o.notes)
    boxes = [pyogrio.read_info(o.sinks[0].path)["total_bounds"] for o in outcomes]
    np.testing.assert_allclose(boxes[2], boxes[0], atol=1e-9)


def test_sisters_in_a_zip_settle_it(tmp_path: Path) -> None:
    for stem, crs in (("a", "EPSG:25833"), ("b", "EPSG:25833"), ("c", None)):
        layer_at(tmp_path / "loose", stem, 400_000, 5_800_000, crs)
    make.zipped(tmp_path / "all.zip", tmp_path / "loose")
    outcomes = ran(tmp_path / "all.zip", "! reproject EPSG:4326", on_crs="assign")
    assert [o.status for o in outcomes] == ["done"] * 3


def test_what_is_not_sure_is_told(tmp_path: Path) -> None:
    for stem, crs in (("a", "EPSG:25833"), ("b", None)):
        layer_at(tmp_path / "in", stem, 400_000, 5_800_000, crs)
    _, unsure = ran(tmp_path / "in", "! reproject EPSG:4326", on_crs="assign")
    assert unsure.code == "crs-missing"
    assert "perhaps it is EPSG:25833 (75%)" in str(unsure.reason)


def test_no_step_that_needs_a_crs_asks_for_one(tmp_path: Path) -> None:
    path = layer_at(tmp_path / "in", "a", 400_000, 5_800_000, None)
    (outcome,) = ran(path, "! segmentize 100", on_crs="assign")
    assert (outcome.status, outcome.notes) == ("done", ())


def test_the_command_line_has_them(tmp_path: Path) -> None:
    layer_at(tmp_path / "in", "a", 400_000, 5_800_000, None)
    for name, *option in (
        ("skipped", "--on-crs", "skip"),
        ("done", "--src-crs-default", "EPSG:25833"),
        ("done", "--src-crs", "EPSG:32633"),
    ):
        out = tmp_path / "-".join(option).replace(":", "")
        args = ["run", tmp_path / "in", "-o", out, "--json", *option, "!", "reproject", "EPSG:4326"]
        done = subprocess.run(
            [sys.executable, "-m", "shpbatch", *map(str, args)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["files"][name] == 1


# -- the operation -----------------------------------------------------------------

DHDN = (3_400_000.0, 5_600_000.0)


def test_the_operation_is_logged_with_its_accuracy(tmp_path: Path) -> None:
    path = layer_at(tmp_path / "in", "a", 400_000, 5_800_000, "EPSG:32633")
    (outcome,) = ran(path, "! reproject EPSG:4326")
    assert outcome.operations == ("Inverse of UTM zone 33N (accuracy 0 m)",)
    assert outcome.notes == ()


def test_a_better_one_that_needs_a_grid_is_told(tmp_path: Path) -> None:
    path = layer_at(tmp_path / "in", "a", *DHDN, "EPSG:31467")
    (outcome,) = ran(path, "! reproject EPSG:4326 --src-crs EPSG:31467")
    found = operation("EPSG:31467", "EPSG:4326", (*DHDN, *DHDN))
    assert found is not None
    if not found.better:
        pytest.skip("the grid de_adv_BETA2007.tif is installed")
    (note,) = outcome.notes
    assert "de_adv_BETA2007.tif" in note
    assert "projsync" in note
    assert f"accuracy {found.accuracy:g} m" in outcome.operations[0]


def test_a_better_one_elsewhere_is_no_better() -> None:
    """Grids of Canada and of single states of the USA are nothing for Havana."""
    found = operation("EPSG:4267", "EPSG:4326", (-82.5, 23.0, -82.2, 23.2))
    assert found is not None
    assert found.better == ""


def test_of_two_better_ones_that_of_the_place_is_named() -> None:
    found = operation("EPSG:4267", "EPSG:4326", (-71.2, 42.2, -70.9, 42.4))  # Boston
    assert found is not None
    if found.better:
        assert "us_noaa_nehpgn.tif" in found.better


def test_an_unknown_way_between_datums_is_told(tmp_path: Path) -> None:
    """Where PROJ knows no transformation it leaves the coordinates as they are."""
    own = 'GEOGCS["own",DATUM["own",SPHEROID["own",6378000,298]],PRIMEM["Greenwich",0],'
    own += 'UNIT["Degree",0.0174532925199433]]'
    path = make.write(tmp_path / "in", prj=own)
    (outcome,) = ran(path, "! reproject EPSG:4326")
    assert outcome.status == "done", outcome.reason
    assert any("no transformation between the datums is known" in n for n in outcome.notes)


def test_an_accuracy_can_be_asked_for(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(-82.3, 23.1)] * 3, bounds=(-82.3, 23.1, -82.3, 23.1))
    nad27 = CRS("EPSG:4267").to_wkt("WKT1_ESRI")
    make.write(tmp_path / "in", "a", shp=shp, shx=shx, prj=nad27)
    make.write(tmp_path / "in", "b")
    rough, exact = ran(tmp_path / "in", "! reproject EPSG:4326 --accuracy 0.5")
    assert (rough.status, rough.code) == ("failed", "crs-inaccurate")
    assert "not within 0.5 m" in str(rough.reason)
    assert exact.status == "done", exact.reason
    both = ran(tmp_path / "in", "! reproject EPSG:4326 --accuracy 100")
    assert [o.status for o in both] == ["done"] * 2 or both[1].code == "up-to-date"


def test_an_accuracy_is_kept_by_what_is_exact(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in")
    (outcome,) = ran(path, "! reproject EPSG:32631 --accuracy 0.001")
    assert outcome.status == "done", outcome.reason


# -- where the domain ends -----------------------------------------------------------


def test_vertices_near_the_poles_are_counted(tmp_path: Path) -> None:
    """Antarctica reaches -90: 242 million metres in Web Mercator, if not infinity."""
    points = [make.point(0, 60), make.point(10, -89.9), make.point(20, 86), make.point(0, 85)]
    path = make.layer(tmp_path / "in", points, prj=make.WGS84.encode())
    (outcome,) = ran(path, TO_MERCATOR)
    assert outcome.status == "done", outcome.reason
    (note,) = [n for n in outcome.notes if "85.06" in n]
    assert "2" in note
    (plain,) = ran(path, "! reproject EPSG:3031")
    assert not any("85.06" in n for n in plain.notes)


def test_loss_fails_where_that_is_asked_for(tmp_path: Path) -> None:
    path = make.layer(tmp_path / "in", [make.point(10, -89.9)], prj=make.WGS84.encode())
    (outcome,) = ran(path, TO_MERCATOR, on_loss="fail")
    assert outcome.status == "failed"


def test_what_leaves_the_domain_is_rejected_with_its_row(tmp_path: Path) -> None:
    """Never written as inf."""
    points = [make.point(9, 50), make.point(9, 95), make.point(10, 51)]
    path = make.layer(tmp_path / "in", points, prj=make.WGS84.encode())
    (outcome,) = ran(path, "! reproject EPSG:32632")
    assert (outcome.features.written, outcome.features.rejected) == (2, 1)
    box = pyogrio.read_info(outcome.sinks[0].path)["total_bounds"]
    assert np.isfinite(box).all()
    (line,) = (tmp_path / "in/out/a.rejects.geojsonl").read_text().splitlines()
    assert json.loads(line)["properties"]["fid"] == 1


def test_errors_name_what_to_do() -> None:
    from shpbatch.engine.apply import apply_header
    from shpbatch.models import Header
    from shpbatch.recipes.recipe import parse_chain

    for crs, remedy in ((None, "--src-crs-default"), ("GEOGCS[no", "--src-crs")):
        with pytest.raises(CRSError, match=remedy):
            apply_header(parse_chain("reproject EPSG:4326"), Header("Point", crs=crs))
