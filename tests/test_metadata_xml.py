"""Metadata tell the CRS and the extent that a layer has now; all else stays byte for byte."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import shapefiles as make

import shpbatch
from shpbatch.crs.identity import in_degrees
from shpbatch.shapefile.crs import esri_wkt
from shpbatch.shapefile.metadata_place import placed
from shpbatch.shapefile.place import Place

UTM = ("reproject", {"dst_crs": "EPSG:32631"})
PE = (
    "&lt;GeographicCoordinateSystem xsi:type='typens:GeographicCoordinateSystem' "
    "xmlns:typens='http://www.esri.com/schemas/ArcGIS/10.8'&gt;&lt;WKT&gt;GEOGCS[&amp;quot;"
    "GCS_WGS_1984&amp;quot;]&lt;/WKT&gt;&lt;XOrigin&gt;-400&lt;/XOrigin&gt;&lt;WKID&gt;4326"
    "&lt;/WKID&gt;&lt;/GeographicCoordinateSystem&gt;"
)
#: As ArcGIS writes it (9.3 and 10), in one line, with what ArcCatalog's editors left.
ESRI = f"""<?xml version="1.0"?>
<!--<!DOCTYPE metadata SYSTEM "http://www.esri.com/metadata/esriprof80.dtd">-->
<metadata xml:lang="en"><Esri><DataProperties><itemProps><itemName Sync="TRUE">roads</itemName>\
<nativeExtBox><westBL Sync="TRUE">1.000000</westBL><eastBL Sync="TRUE">5.000000</eastBL>\
<southBL Sync="TRUE">2.000000</southBL><northBL Sync="TRUE">6.000000</northBL>\
<exTypeCode Sync="TRUE">1</exTypeCode></nativeExtBox></itemProps><coordRef>\
<type Sync="TRUE">Geographic</type><geogcsn Sync='TRUE'>GCS_WGS_1984</geogcsn>\
<projcsn Sync="TRUE">none</projcsn><peXml Sync="TRUE">{PE}</peXml></coordRef></DataProperties></Esri>
<idinfo><spdom><bounding><westbc Sync="TRUE"> 1.000000</westbc><eastbc>5.000000</eastbc>\
<northbc>6.000000</northbc><southbc>2.000000</southbc></bounding><lboundng><leftbc>1.0</leftbc>\
<rightbc>5.0</rightbc><bottombc>2.0</bottombc><topbc>6.0</topbc></lboundng></spdom></idinfo>
<dataIdInfo><idAbs>Stra\xdfen &#8211; 1.000000 &lt;b&gt; westBL</idAbs><dataExt><geoEle>\
<GeoBndBox esriExtentType="search"><westBL>1</westBL><eastBL>5</eastBL><northBL>6</northBL>\
<southBL>2</southBL></GeoBndBox></geoEle></dataExt></dataIdInfo>
<spref><horizsys><cordsysn><geogcsn>GCS_WGS_1984</geogcsn></cordsysn></horizsys></spref>
<refSysInfo><RefSystem><refSysID><identCode code="4326" Sync="TRUE"/>\
<idCodeSpace Sync="TRUE">EPSG</idCodeSpace></refSysID></RefSystem></refSysInfo>
<eainfo><detailed Name="roads"><attr><attrlabl Sync="TRUE">NAME</attrlabl><attrdef>NAME of it</attrdef>\
</attr><attr><attrlabl>OTHER</attrlabl></attr></detailed></eainfo></metadata>
"""  # noqa: E501
GMD = """<gmd:MD_Metadata xmlns:gmd="http://www.isotc211.org/2005/gmd"
  xmlns:gco="http://www.isotc211.org/2005/gco">
 <gmd:referenceSystemInfo><gmd:MD_ReferenceSystem><gmd:referenceSystemIdentifier><gmd:RS_Identifier>
  <gmd:code><gco:CharacterString>{}</gco:CharacterString></gmd:code>
 </gmd:RS_Identifier></gmd:referenceSystemIdentifier></gmd:MD_ReferenceSystem>
 </gmd:referenceSystemInfo>
 <gmd:extent><gmd:EX_Extent><gmd:geographicElement><gmd:EX_GeographicBoundingBox>
  <gmd:westBoundLongitude><gco:Decimal>1.0000</gco:Decimal></gmd:westBoundLongitude>
  <gmd:eastBoundLongitude><gco:Decimal>5.0000</gco:Decimal></gmd:eastBoundLongitude>
  <gmd:southBoundLatitude><gco:Decimal>2.0000</gco:Decimal></gmd:southBoundLatitude>
  <gmd:northBoundLatitude><gco:Decimal>6.0000</gco:Decimal></gmd:northBoundLatitude>
 </gmd:EX_GeographicBoundingBox></gmd:geographicElement></gmd:EX_Extent></gmd:extent>
</gmd:MD_Metadata>
"""
QMD = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.34.4-Prizren">
  <identifier>roads</identifier>
  <abstract>EPSG:4326 it was</abstract>
  <crs>
    <spatialrefsys nativeFormat="Wkt">
      <wkt>GEOGCRS["WGS 84",ENSEMBLE["World Geodetic System 1984 ensemble"]]</wkt>
      <proj4>+proj=longlat +datum=WGS84 +no_defs</proj4>
      <srsid>3452</srsid>
      <srid>4326</srid>
      <authid>EPSG:4326</authid>
      <description>WGS 84</description>
      <projectionacronym>longlat</projectionacronym>
      <ellipsoidacronym>EPSG:7030</ellipsoidacronym>
      <geographicflag>true</geographicflag>
    </spatialrefsys>
  </crs>
  <extent>
    <spatial minx="1" maxx="5" miny="2" maxy="6" minz="0" maxz="0" dimensions="2" crs="EPSG:4326"/>
    <temporal><period><start></start><end></end></period></temporal>
  </extent>
</qgis>
"""


def run(src: Path, out: Path, *steps: object, **options: object) -> list[str]:
    """Notes of the one outcome."""
    report = shpbatch.run(src, out, list(steps), method="inline", **options)
    assert [o.status for o in report.outcomes] == ["done"], report.outcomes
    return list(report.outcomes[0].notes)


def texts(path: Path, tag: str) -> list[str]:
    root = ElementTree.fromstring(path.read_bytes())
    return [e.text or "" for e in root.iter() if e.tag.rpartition("}")[2] == tag]


def bounds(shp: Path) -> tuple[float, ...]:
    import pyogrio

    return tuple(float(v) for v in pyogrio.read_info(shp, force_total_bounds=True)["total_bounds"])


def test_a_reprojected_layer_tells_its_crs_and_where_it_is(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI})
    notes = run(src, tmp_path / "out", UTM)
    path = tmp_path / "out/roads.shp.xml"
    assert notes == []
    west, south, east, north = bounds(path.with_name("roads.shp"))
    assert texts(path, "leftbc") == [f"{west:.1f}"]
    assert texts(path, "topbc") == [f"{north:.1f}"]
    root = ElementTree.fromstring(path.read_bytes())
    box = root.find("Esri/DataProperties/itemProps/nativeExtBox")
    assert box is not None
    sides = [box.findtext(n) for n in ("westBL", "southBL", "eastBL", "northBL")]
    assert sides == [f"{v:.6f}" for v in (west, south, east, north)]
    # The same features: what was measured in degrees is still so.
    assert texts(path, "westbc") == [" 1.000000"]
    assert root.findtext("dataIdInfo/dataExt/geoEle/GeoBndBox/westBL") == "1"
    assert root.findtext("Esri/DataProperties/coordRef/type") == "Projected"
    assert texts(path, "projcsn") == ["WGS_1984_UTM_Zone_31N"]
    assert texts(path, "geogcsn") == ["GCS_WGS_1984"] * 2
    assert [e.get("code") for e in root.iter("identCode")] == ["32631"]
    pe = ElementTree.fromstring(texts(path, "peXml")[0].replace("xsi:", ""))
    assert pe.tag == "ProjectedCoordinateSystem"
    assert pe.get("type") == "typens:ProjectedCoordinateSystem"
    assert pe.findtext("WKT") == path.with_name("roads.prj").read_text()
    assert pe.findtext("WKID") == "32631"


def test_what_is_not_of_crs_and_extent_stays_byte_for_byte(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI})
    run(src, tmp_path / "out", UTM)
    made = (tmp_path / "out/roads.shp.xml").read_bytes()
    changed = rb"<(/?)(\w*BL|\w+bc|peXml|projcsn|type|identCode)\b[^>]*>[^<]*"
    assert re.sub(changed, b"", made) == re.sub(changed, b"", ESRI.encode())
    assert b'<westbc Sync="TRUE"> 1.000000<' in made
    assert b"<geogcsn Sync='TRUE'>" in made


def test_fewer_features_have_a_smaller_extent(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI, "qmd": QMD})
    run(src, tmp_path / "out", ("filter", {"where": "N < 2"}))
    path = tmp_path / "out/roads.shp.xml"
    assert texts(path, "eastbc") == ["3.000000"]
    assert texts(path, "northBL") == ["4.000000"] * 2
    made = path.read_bytes().decode()
    sides = r">([\d.]+)</(east|north|right|top)(BL|bc)>"
    assert re.sub(sides, "", made) == re.sub(sides, "", ESRI)
    wanted = QMD.replace('maxx="5"', 'maxx="3.000000"').replace('maxy="6"', 'maxy="4.000000"')
    assert (tmp_path / "out/roads.qmd").read_text().replace(".000000", "") == wanted.replace(
        ".000000", ""
    )


def test_clipped_and_reprojected(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI})
    run(src, tmp_path / "out", ("filter", {"where": "N < 2"}), UTM)
    path = tmp_path / "out/roads.shp.xml"
    degrees = in_degrees("EPSG:32631", bounds(path.with_name("roads.shp")))  # type: ignore[arg-type]
    assert degrees is not None
    assert texts(path, "eastbc") == [f"{degrees[2]:.6f}"]
    assert degrees[2] == pytest.approx(3, abs=0.01)


def test_qgis_metadata(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", qmd=QMD)
    run(src, tmp_path / "out", UTM)
    path = tmp_path / "out/roads.qmd"
    assert texts(path, "authid") == ["EPSG:32631"]
    assert texts(path, "srid") == ["32631"]
    assert texts(path, "srsid") == ["0"]
    assert texts(path, "projectionacronym") == ["utm"]
    assert texts(path, "geographicflag") == ["false"]
    assert texts(path, "ellipsoidacronym") == ["EPSG:7030"]
    assert texts(path, "wkt")[0].startswith("PROJCRS[")
    assert texts(path, "proj4")[0].startswith("+proj=utm +zone=31 ")
    assert "+type=crs" not in texts(path, "proj4")[0]
    root = ElementTree.fromstring(path.read_bytes())
    extent = root.find("extent/spatial")
    assert extent is not None
    assert extent.get("crs") == "EPSG:32631"
    sides = [float(str(extent.get(n))) for n in ("minx", "miny", "maxx", "maxy")]
    assert sides == pytest.approx(bounds(path.with_name("roads.shp")), abs=1e-5)
    assert b"<abstract>EPSG:4326 it was</abstract>" in path.read_bytes()
    assert path.read_bytes().startswith(QMD[:60].encode())


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("EPSG:4326", "EPSG:32631"),
        ("4326", "EPSG:32631"),
        ("urn:ogc:def:crs:EPSG::4326", "urn:ogc:def:crs:EPSG::32631"),
        ("urn:ogc:def:crs:EPSG:6.9:4326", "urn:ogc:def:crs:EPSG:6.9:32631"),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", "http://www.opengis.net/def/crs/EPSG/0/32631"),
    ],
)  # fmt: skip
def test_iso_metadata(was: str, now: str) -> None:
    old = Place(esri_wkt("EPSG:4326"), (1, 2, 5, 6))
    new = Place("EPSG:32631", (400_000.0, 300_000.0, 500_000.0, 400_000.0))
    made = placed(GMD.format(was).encode(), "shp.xml", old, new).decode()
    assert f"<gco:CharacterString>{now}<" in made
    degrees = in_degrees("EPSG:32631", (400_000.0, 300_000.0, 500_000.0, 400_000.0))
    assert degrees is not None
    for side in degrees:
        assert f"<gco:Decimal>{side:.4f}<" in made


def test_a_crs_without_a_code_is_told_by_its_wkt() -> None:
    crs = "+proj=laea +lat_0=12 +lon_0=3.5 +ellps=GRS80"
    new = Place(crs, (0, 0, 1, 1))
    made = placed(ESRI.encode(), "shp.xml", Place("EPSG:4326", (1, 2, 5, 6)), new)
    root = ElementTree.fromstring(made)
    assert [e.get("code") for e in root.iter("identCode")] == [esri_wkt(crs)]
    assert [e.text for e in root.iter("idCodeSpace")] == ["WKT"]


def test_an_extent_across_the_antimeridian() -> None:
    new = Place("EPSG:3832", (3_000_000.0, 0.0, 4_000_000.0, 1.0))  # Pacific, 150° E in the middle
    made = placed(ESRI.encode(), "shp.xml", Place("EPSG:4326", (1, 2, 5, 6)), new)
    root = ElementTree.fromstring(made)
    assert float(str(root.findtext(".//westbc"))) > 170
    assert float(str(root.findtext(".//eastbc"))) < -170


@pytest.mark.parametrize(
    "data",
    [
        "<metadata><idinfo/></metadata>",
        ESRI.replace(">1.000000<", ">REQUIRED: Western-most<").split("<Esri>")[0] + "</metadata>",
        "<metadata><spdom><bounding><westbc>1</westbc></bounding></spdom></metadata>",
        "<metadata><spdom><bounding><westbc/><eastbc/><northbc/><southbc/></bounding></spdom></metadata>",
        QMD,
    ],
)  # fmt: skip
def test_nothing_is_added(tmp_path: Path, data: str) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": data})
    assert run(src, tmp_path / "out", UTM) == []
    assert (tmp_path / "out/roads.shp.xml").read_text() == data


@pytest.mark.parametrize("data", [b"<metadata>", b"", ESRI.encode("utf-16")])
def test_what_cannot_be_read_travels_as_it_is(tmp_path: Path, data: bytes) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": data})
    notes = run(src, tmp_path / "out", UTM)
    assert (tmp_path / "out/roads.shp.xml").read_bytes() == data
    assert any(n.startswith("roads.shp.xml travels as it is, with the old CRS") for n in notes)


def test_a_layer_without_features_keeps_what_was_told(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI, "qmd": QMD})
    run(src, tmp_path / "out", ("filter", {"where": "N > 99"}))
    assert (tmp_path / "out/roads.shp.xml").read_bytes() == ESRI.encode()
    assert (tmp_path / "out/roads.qmd").read_text() == QMD


def test_a_layer_without_a_crs_tells_its_extent_only(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", prj=None, **{"shp.xml": ESRI})
    run(src, tmp_path / "out", ("filter", {"where": "N < 2"}))
    root = ElementTree.fromstring((tmp_path / "out/roads.shp.xml").read_bytes())
    assert root.findtext(".//nativeExtBox/eastBL") == "3.000000"
    assert root.findtext(".//eastbc") == "5.000000"
    assert root.findtext(".//coordRef/type") == "Geographic"


def test_parameters_of_a_projection_that_are_left_are_told(tmp_path: Path) -> None:
    data = ESRI.replace("</cordsysn>", "</cordsysn><geodetic><horizdn>NAD83</horizdn></geodetic>")
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": data})
    told = "roads.shp.xml has the parameters of the source's CRS in spref/horizsys, which are left"
    assert run(src, tmp_path / "out", UTM) == [told]
    assert run(src, tmp_path / "plain", ("filter", {"where": "N < 2"})) == []


def test_described_fields_are_described_under_their_new_names(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI})
    notes = run(src, tmp_path / "out", ("rename", {"fields": ["A=NAME"]}))
    made = (tmp_path / "out/roads.shp.xml").read_bytes().decode()
    assert made == ESRI.replace(">NAME</attrlabl>", ">A</attrlabl>")
    assert notes == ["roads.shp.xml: 1 reference to a renamed field was changed"]


def test_a_field_that_is_written_shorter_has_its_alias_where_it_was_described(
    tmp_path: Path,
) -> None:
    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI})
    run(src, tmp_path / "out", ("rename", {"fields": ["population_density=NAME"]}))
    path = tmp_path / "out/roads.shp.xml"
    assert texts(path, "attalias")[0] == "population_density"
    assert len(texts(path, "attrlabl")) == 3  # the other field is described now
    assert "NAME" not in texts(path, "attrlabl")


def test_each_step_and_a_container(tmp_path: Path) -> None:
    import zipfile

    src = make.write(tmp_path / "in", "roads", **{"shp.xml": ESRI})
    steps = [UTM, ("reproject", {"dst_crs": "EPSG:3857"})]
    shpbatch.run(src, tmp_path / "out", steps, method="inline", each_step=True, container="shz")
    found = []
    for path in sorted((tmp_path / "out").rglob("*.shz")):
        with zipfile.ZipFile(path) as archive:
            root = ElementTree.fromstring(archive.read("roads.shp.xml"))
        found.append([e.get("code") for e in root.iter("identCode")])
    assert found == [["32631"], ["3857"]]


def test_real_metadata(corpus: Path, tmp_path: Path) -> None:
    """Those of the corpus: what changes is told as numbers, names and codes; nothing else moves."""
    seen = 0
    for path in sorted(corpus.rglob("*.shp.xml")):
        data = path.read_bytes()
        old = Place("EPSG:4326", (1, 2, 5, 6))
        assert placed(data, "shp.xml", old, old) == data
        made = placed(data, "shp.xml", old, Place("EPSG:32631", (1e5, 2e5, 3e5, 4e5)))
        before, after = (list(ElementTree.fromstring(d).iter()) for d in (data, made))
        assert [e.tag for e in before] == [e.tag for e in after]
        moved = {e.tag.rpartition("}")[2] for e, f in zip(before, after, strict=True)
                 if (e.text, e.attrib) != (f.text, f.attrib)}  # fmt: skip
        assert moved <= {"westBL", "eastBL", "southBL", "northBL", "westbc", "eastbc", "southbc",
                         "northbc", "leftbc", "rightbc", "topbc", "bottombc", "type", "geogcsn",
                         "projcsn", "peXml", "identCode", "idCodeSpace"}  # fmt: skip
        seen += bool(moved)
    assert seen > 30
