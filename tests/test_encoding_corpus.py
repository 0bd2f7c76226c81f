"""Text of real layers whose truth is known: never garbled, with and without their labels."""

from __future__ import annotations

from pathlib import Path

import pyogrio
import pytest
import shapefiles as make
from test_corpus import CORPUS

import shpbatch
from shpbatch.header import read_header

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}")

NE = "naturalearth-wagnerVII-f3aca89"
#: Layers with bytes above 127, and words that a person reads there.
TRUTH: dict[str, tuple[str, ...]] = {
    "django-5.2.19/ch-city/ch-city": ("Zürich",),
    "fiona-1.10.1/gre": ("Гренада", "கிரெனடா"),
    "geopandas-0.14.4/naturalearth_cities/naturalearth_cities": ("Lomé", "Reykjavík", "Asunción"),
    "geopandas-0.14.4/naturalearth_lowres/naturalearth_lowres": ("Côte d'Ivoire",),
    "gisdata-0.5.4/data/bad/points_wgs84_no_prj": ("Meliá", "Isleña", "Azúcar"),
    "gisdata-0.5.4/data/good/vector/san_andres_y_providencia_administrative": ("Ramírez",),
    "gisdata-0.5.4/data/good/vector/san_andres_y_providencia_location": ("Andrés",),
    "gisdata-0.5.4/data/good/vector/san_andres_y_providencia_poi": ("Meliá", "Azúcar"),
    "gisdata-0.5.4/data/good/vector/san_andres_y_providencia_water": ("Andrés",),
    "mapserver-8.0.0/iso-subset": ("Südliche Weinstraße",),
    "mapserver-8.0.0/utf-subset": ("Südliche Weinstraße",),
    "mbostock-shapefile-ffe6088/latin1-property": ("México",),
    "mbostock-shapefile-ffe6088/utf8-property": ("☃", "ηελλο ςορλδ"),
    f"{NE}/10m_cultural/ne_10m_parks_and_protected_lands_point": ("César", "Chávez"),
    f"{NE}/10m_physical/ne_10m_geographic_lines": ("23.4°", "66.5°"),
    f"{NE}/10m_physical/ne_10m_glaciated_areas": ("Drangajökull", "Langjökull"),
    f"{NE}/110m_cultural/ne_110m_admin_0_tiny_countries": ("São", "Tomé"),
    f"{NE}/110m_cultural/ne_110m_populated_places": ("Bratislavský", "Laâyoune", "Lomé"),
    f"{NE}/110m_physical/ne_110m_geography_marine_polys": ("Méditerranée", "Caraïbes"),
    f"{NE}/110m_physical/ne_110m_geography_regions_polys": ("Hawai‘i", "PENÍNSULA IBÉRICA"),
    f"{NE}/110m_physical/ne_110m_lakes": ("Vänern",),
    f"{NE}/110m_physical/ne_110m_rivers_lake_centerlines": ("Paraná",),
    f"{NE}/50m_cultural/ne_50m_admin_1_states_provinces_shp": ("Rondônia", "Amapá"),
    "node-gdal-c83e785/shp/sample_int64": ("Décret n°81-377",),
    "plotly_geo-1.0.0/cb_2016_us_county_500k": ("Mayagüez",),
    "pyshp-3.1.6/latin1": ("Ñandú",),
    "r-spData-2.2.1/world": ("Côte d'Ivoire",),
    "shapefile-rs-5319cb3/file_cp936": ("测试中文",),
    "shapelib-a2ad7b3/mpatch3": ("Föryngringsskog", "Åker"),
}


def text_of(path: Path) -> str:
    """Names of fields and values of all text, as GDAL reads what the labels say."""
    meta, _, _, columns = pyogrio.raw.read(path, read_geometry=False)
    values = [str(v) for column in columns if column.dtype == object for v in column]
    return "\n".join([*meta["fields"], *values])


@pytest.mark.parametrize("stem", TRUTH)
def test_what_comes_out_is_what_a_person_reads(stem: str, tmp_path: Path) -> None:
    """Kept as it is, and in UTF-8."""
    source = CORPUS / f"{stem}.shp"
    for chain in ("", "! recode --encoding UTF-8"):
        report = shpbatch.run(source, tmp_path / chain[-5:], chain, method="inline")
        (outcome,) = report.outcomes
        assert outcome.status == "done", outcome.reason
        found = read_header(make.source(Path(outcome.sinks[0].path)), whole=True)
        assert found.encoding == ("utf-8" if chain else read_header(make.source(source)).encoding)
        if chain:
            text = text_of(Path(outcome.sinks[0].path))
            assert [w for w in TRUTH[stem] if w not in text] == []


@pytest.mark.parametrize("stem", TRUTH)
def test_without_its_labels(stem: str, tmp_path: Path) -> None:
    """All 29 are read right from their bytes alone."""
    table = bytearray((CORPUS / f"{stem}.dbf").read_bytes())
    table[29] = 0  # the language byte
    shp = (CORPUS / f"{stem}.shp").read_bytes()
    path = make.write(tmp_path / "in", dbf=bytes(table), shp=shp, shx=None)
    report = shpbatch.run(path, tmp_path / "out", "! recode --encoding UTF-8", method="inline")
    (outcome,) = report.outcomes
    text = text_of(Path(outcome.sinks[0].path))
    assert [w for w in TRUTH[stem] if w not in text] == []
