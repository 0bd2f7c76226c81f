"""What a .prj is, where coordinates cannot be, and what a layer without one may be in."""

from __future__ import annotations

import oracle
import pytest
from pyproj import CRS

from shpbatch.crs.identity import identified, shown
from shpbatch.doctors.crs import SURE, examine_crs
from shpbatch.models import Bounds4, Header, Problem

BERLIN: Bounds4 = (13.0, 52.3, 13.8, 52.7)
BERLIN_UTM: Bounds4 = (368_000.0, 5_799_000.0, 415_000.0, 5_837_000.0)
BERLIN_MERCATOR: Bounds4 = (1_450_000.0, 6_850_000.0, 1_530_000.0, 6_920_000.0)


def header(bounds: Bounds4 | None, crs: str | None, *problems: str) -> Header:
    told = tuple(Problem(code, code) for code in problems)
    return Header("Point", crs=crs, bounds=bounds, problems=told)


def codes(bounds: Bounds4 | None, crs: str | None, *problems: str) -> list[str]:
    return [f.code for f in examine_crs(header(bounds, crs, *problems)).findings]


@pytest.mark.parametrize(
    "code", ["EPSG:4326", "EPSG:3857", "EPSG:32633", "EPSG:25832", "EPSG:2263", "EPSG:27700",
             "EPSG:2154", "EPSG:3035", "EPSG:31467", "EPSG:4490", "EPSG:28992"]
)  # fmt: skip
def test_esri_wkt_is_matched_to_its_code(code: str) -> None:
    """As ESRI writes it: no authority, other names of datums and parameters."""
    found = identified(CRS(code).to_wkt("WKT1_ESRI"))
    assert found is not None
    assert found.code == code
    assert found.confidence >= 0.7


def test_a_crs_of_ones_own_has_no_code() -> None:
    wkt = CRS("+proj=laea +lat_0=12 +lon_0=34 +datum=WGS84").to_wkt("WKT1_ESRI")
    report = examine_crs(header((0.0, 0.0, 9.0, 9.0), wkt))
    assert report.code is None
    assert "crs-uncoded" in [f.code for f in report.findings]


@pytest.mark.parametrize(
    ("bounds", "crs", "code"),
    [
        ((52.3, 113.0, 52.7, 113.8), "EPSG:4326", "axes-swapped"),  # a latitude of 113
        ((52.3, 7.0, 52.7, 7.8), "EPSG:4314", "axes-swapped"),  # DHDN is used in Germany
        (BERLIN_UTM, "EPSG:4326", "crs-not-degrees"),
        (BERLIN, "EPSG:32633", "crs-in-degrees"),
        ((5_000_000.0, 100_000.0, 5_100_000.0, 200_000.0), "EPSG:27700", "crs-elsewhere"),
        (None, "GEOGCS[nonsense", "crs-unreadable"),
    ],
)
def test_coordinates_that_a_crs_cannot_have(bounds: Bounds4 | None, crs: str, code: str) -> None:
    assert code in codes(bounds, crs)


@pytest.mark.parametrize(
    ("bounds", "crs"),
    [
        (BERLIN, "EPSG:4326"),
        (BERLIN_UTM, "EPSG:25833"),
        ((170.0, -20.0, 190.0, -10.0), "EPSG:4326"),  # over the date line, both ways to say it
        ((-190.0, -20.0, -170.0, -10.0), "EPSG:4326"),
        ((-5.0, 50.0, 2.0, 59.0), "EPSG:4277"),
        (None, "EPSG:32633"),
    ],
)
def test_no_word_of_what_is_right(bounds: Bounds4 | None, crs: str) -> None:
    assert codes(bounds, crs) == []


def test_each_remedy_is_an_option_or_a_step() -> None:
    for bounds, crs in ((BERLIN_UTM, "EPSG:4326"), (BERLIN, "EPSG:32633"), (BERLIN, None)):
        for finding in examine_crs(header(bounds, crs)).findings:
            assert finding.remedy is not None
            assert finding.remedy.startswith(("--src-crs", "! "))


@pytest.mark.parametrize(("problem", "code"), [("prj-missing", "crs-missing"),
                                               ("prj-unreadable", "crs-unreadable")])  # fmt: skip
def test_a_missing_and_an_unreadable_prj_are_told_apart(problem: str, code: str) -> None:
    assert codes(BERLIN, None, problem) == [code]


def test_sisters_speak_for_theirs() -> None:
    sisters = [header(BERLIN_UTM, "EPSG:25833"), header(BERLIN_UTM, "EPSG:25833")]
    (best, share), *_ = examine_crs(header(BERLIN_UTM, None), sisters).candidates
    assert (best, share >= SURE) == ("EPSG:25833", True)


def test_one_sister_is_not_enough() -> None:
    (best, share), *_ = examine_crs(
        header(BERLIN_UTM, None), [header(BERLIN_UTM, "EPSG:25833")]
    ).candidates
    assert (best, share < SURE) == ("EPSG:25833", True)


def test_sisters_that_disagree_settle_nothing() -> None:
    sisters = [header(BERLIN_UTM, crs) for crs in ("EPSG:25833", "EPSG:32633") * 3]
    assert all(
        share < SURE for _, share in examine_crs(header(BERLIN_UTM, None), sisters).candidates
    )


def test_a_place_speaks_for_a_zone_and_for_mercator() -> None:
    sisters = [header(BERLIN, "EPSG:4326")]
    for bounds, crs in ((BERLIN_UTM, "EPSG:32633"), (BERLIN_MERCATOR, "EPSG:3857")):
        found = dict(examine_crs(header(bounds, None), sisters).candidates)
        assert max(found, key=lambda c: found[c]) == crs


def test_an_extent_alone_is_never_sure() -> None:
    for bounds in (BERLIN, BERLIN_UTM, BERLIN_MERCATOR):
        assert all(share < SURE for _, share in examine_crs(header(bounds, None)).candidates)


def test_a_crs_in_a_sentence_is_short() -> None:
    assert shown("EPSG:4326") == "EPSG:4326"
    assert shown(CRS("EPSG:25833").to_wkt("WKT1_ESRI")) == "ETRS89 / UTM zone 33N"
    assert len(shown("GEOGCS[" + "x" * 500)) < 40


def test_the_real_layers_are_in_what_their_prj_says() -> None:
    """No word of a wrong place for the samples with a .prj."""
    from shpbatch.header import read_header
    from shpbatch.models import Source

    seen = 0
    for path in sorted(oracle.SAMPLES.glob("*/*.prj")):
        found = read_header(Source(str(path.with_suffix(".shp")), path.stem))
        if found.crs and found.bounds:
            seen += 1
            told = {f.code for f in examine_crs(found).findings}
            assert told <= {"crs-uncoded"}, (path, told)
    assert seen >= 8


# --- codes that are named, and those that are only like one ---------------------

GEOSERVER = (
    'GEOGCS["WGS 84", DATUM["World Geodetic System 1984", SPHEROID["WGS 84", 6378137.0, '
    '298.257223563, AUTHORITY["EPSG","7030"]], AUTHORITY["EPSG","6326"]], PRIMEM["Greenwich", 0.0,'
    ' AUTHORITY["EPSG","8901"]], UNIT["degree", 0.017453292519943295], AXIS["Geodetic longitude", '
    'EAST], AXIS["Geodetic latitude", NORTH], AUTHORITY["EPSG","4326"]]'
)
#: North before east, or twins that differ in what no .prj tells.
NORTH_FIRST = [2193, 3006, 3035, 2180, 31287, 3301, 31467, 2498, 2590, 4037, 4326, 5677]


@pytest.mark.parametrize("number", NORTH_FIRST)
def test_a_code_that_the_prj_names_is_believed(number: int) -> None:
    found = identified(CRS(number).to_wkt("WKT1_GDAL"))
    assert found is not None
    assert (found.code, found.confidence) == (f"EPSG:{number}", 1.0)


def test_the_order_of_axes_does_not_make_another_crs() -> None:
    for text in (GEOSERVER, GEOSERVER.replace(', AUTHORITY["EPSG","4326"]', "")):
        found = identified(text)
        assert found is not None
        assert found.sure == "EPSG:4326"


def test_a_code_that_names_another_crs_is_not_believed() -> None:
    found = identified(CRS(32633).to_wkt("WKT1_GDAL").replace('"32633"', '"32634"'))
    assert found is not None
    assert found.code == "EPSG:32633"


SITE = (
    'PROJCS["Site",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,'
    '298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",0.0],'
    'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",13.4],'
    'PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",52.5],UNIT["Meter",1.0]]'
)


@pytest.mark.parametrize(
    "crs",
    [
        SITE,
        'LOCAL_CS["site",UNIT["metre",1]]',
        CRS("+proj=laea +lat_0=52 +lon_0=10 +datum=WGS84").to_wkt("WKT1_ESRI"),
        CRS("+proj=merc +lon_0=150 +datum=WGS84").to_wkt("WKT1_ESRI"),
    ],
)
def test_of_a_crs_of_ones_own_it_is_not_known_where_it_is_used(crs: str) -> None:
    assert codes((0.0, 0.0, 80.0, 60.0), crs) == ["crs-uncoded"]


@pytest.mark.parametrize("units", ["km", "us-ft"])
def test_the_same_in_other_units_is_another_crs(units: str) -> None:
    wkt = CRS(f"+proj=utm +zone=33 +datum=WGS84 +units={units}").to_wkt("WKT1_ESRI")
    report = examine_crs(header((390.0, 5800.0, 400.0, 5810.0), wkt))
    assert report.code is None
    assert "crs-uncoded" in [f.code for f in report.findings]


def remedy(bounds: Bounds4, crs: str | None, *sisters: Header, problem: str = "") -> str:
    known = header(bounds, crs, *([problem] if problem else []))
    return examine_crs(known, sisters).findings[0].remedy


def test_a_remedy_names_what_is_likely_and_nothing_else() -> None:
    assert remedy(BERLIN_UTM, None, problem="prj-missing") == "--src-crs-default EPSG:…"
    assert remedy(BERLIN, None, problem="prj-missing") == "--src-crs-default EPSG:4326"
    assert remedy(BERLIN, "EPSG:32633") == "--src-crs EPSG:4326"
    beside = [header(BERLIN, "EPSG:4258")] * 2
    assert remedy(BERLIN, "EPSG:32633", *beside) == "--src-crs EPSG:4258"
    elsewhere = header((20.0, 40.0, 21.0, 41.0), "EPSG:4258")
    assert remedy(BERLIN, "EPSG:32633", elsewhere) == "--src-crs EPSG:4258"


def test_axes_that_are_swapped_beside_sisters() -> None:
    beside = [header((13.0, 52.0, 14.0, 53.0), "EPSG:4326")] * 3
    swapped = examine_crs(header((52.0, 13.0, 53.0, 14.0), "EPSG:4326"), beside)
    assert [(f.code, f.remedy) for f in swapped.findings] == [("axes-swapped", "! swap-xy")]
    for bounds in (BERLIN, (60.0, 20.0, 61.0, 21.0)):
        assert examine_crs(header(bounds, "EPSG:4326"), beside).findings == ()
