"""The forms of an audit: table, JSON, CSV, GeoJSON, page; hostile names harm none of them."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import shapefiles as make

import shpbatch
from shpbatch.auditing import Audit
from shpbatch.auditing.footprint import as_geojson, footprint
from shpbatch.auditing.grid import LayerAudit, Sketch
from shpbatch.auditing.kinds import kinds_of
from shpbatch.auditing.page import POLICY, as_html
from shpbatch.auditing.records import as_csv, as_json
from shpbatch.auditing.svg import extent_map, sketch_picture
from shpbatch.auditing.table import table
from shpbatch.doctors.crs import CrsReport
from shpbatch.findings import Finding, Place
from shpbatch.models import Header, Source

SAMPLES = Path(__file__).parents[1] / "sample_data"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
UTM60 = (
    'PROJCS["WGS_1984_UTM_Zone_60N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
    'SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",177.0],PARAMETER["Scale_Factor",0.9996],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


@pytest.fixture(scope="module")
def samples() -> Audit:
    return shpbatch.audit(SAMPLES, deep=True, workers=2)


def hostile(folder: Path, url: str = "http://127.0.0.1:9/") -> Audit:
    """Names of files, folders and fields that want to be tags, formulas and escapes."""
    image = f"<img src={url.replace('/', chr(0x2215))}>"  # a name has no slash
    columns = [(b"<script>a", "C", 5, 0), (b"=cmd|' /C", "C", 5, 0), (b"\x1b[2J\x07", "C", 5, 0)]
    dbf = make.dbf_bytes(columns, [(b"a", b"b", b"c")] * 3)
    names = ["=cmd|'C calc'!A0", "<script>alert(1)<∕script>", "a\x1b[2J\nb", "@SUM(1)", image]
    for name in names:
        make.write(folder, name, dbf=dbf, prj=f'GEOGCS["<img src={url}>",NO[1]]')
    if sys.platform == "linux":  # a name that is no UTF-8
        make.write(folder, os.fsdecode(b"caf\xe9"))
    (folder / '"><svg onload=x>.shp').write_bytes(b"text" * 50)
    (folder / "<b>.dbf").write_bytes(b"")
    return shpbatch.audit(folder)


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.tags


def cells(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


# -- the table ---------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 100, 132, 220])
def test_the_table_fits(width: int, samples: Audit) -> None:
    lines = table(samples, width).splitlines()
    grid = lines[: lines.index("")]
    assert len(grid) == 1 + 17
    assert max(map(cells, grid)) <= width
    assert all(any(word in line for line in grid) for word in ("error", "warning", "ok"))


def test_wide_letters_are_two_cells(tmp_path: Path) -> None:
    for stem in ("道路" * 20, "a" * 60):
        make.write(tmp_path, stem)
    lines = table(shpbatch.audit(tmp_path), 70).splitlines()
    assert max(map(cells, lines[:3])) <= 70
    assert len({cells(line[: line.index("Point")]) for line in lines[1:3]}) == 1


def test_a_wide_terminal_shows_all(samples: Audit) -> None:
    text = table(samples, 400)
    assert "census/boston_tracts.shp" in text
    assert "EPSG:4267" in text
    assert "shp-truncated, records-unreadable" in text


#: Codes of CRS with their marks: doubtful, and odd.
CODES = ("EPSG:4490", "EPSG:32650 *", "EPSG:2223 ?")


def layer_audit(name: str, code: str, *findings: Finding) -> LayerAudit:
    confidence, odd = (0.5 if "?" in code else 1.0), (("crs",) if "*" in code else ())
    crs = CrsReport("named", code.split()[0], confidence)
    source = Source(f"in/{name}", name)
    return LayerAudit(source, Header("Polygon", count=10), crs=crs, odd=odd, findings=findings)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_codes_marks_and_problems_are_seen_in_any_width(width: int) -> None:
    bad = [Finding(c, "error", "") for c in ("self-intersection", "not-finite")]
    names = [f"a_long_folder_{n}/with_a_long_name_{n}.shp" for n in range(3)]
    layers = [layer_audit(n, c, *bad) for n, c in zip(names, CODES, strict=True)]
    grid = table(Audit(tuple(layers)), width).splitlines()[1:4]
    for code, line in zip(CODES, grid, strict=True):
        assert code in line
        assert "self-inters" in line
        assert line.endswith(("+1", "not-finite"))


def test_a_kind_names_layers_rows_and_what_differs() -> None:
    places = (Place(5, 1.5, 2.0, "Self-intersection"), Place(7))
    crossing = Finding("self-intersection", "error", "they cross", "! make-valid", 27, places)
    broken = [Finding("expected-field", "error", f"contract: no field {f}") for f in "XY"]
    layers = [
        layer_audit(f"{n}.shp", "EPSG:4490", f, crossing) for n, f in zip("ab", broken, strict=True)
    ]
    text = table(Audit(tuple(layers)), 80)
    assert "self-intersection ×54 in 2 places: they cross" in text
    assert "in/b.shp ×27: first row 5 at (1.5, 2): Self-intersection" in text
    assert "in/a.shp: contract: no field X" in text
    assert "in/b.shp: contract: no field Y" in text


def test_a_command_is_one_line_that_can_be_pasted() -> None:
    finding = Finding("crs-missing", "warning", "none", "--src-crs EPSG:4326")
    layer = layer_audit("a folder/" + "long" * 30 + ".shp", "-", finding)
    commands = [x for x in table(Audit((layer,)), 80).splitlines() if "shpbatch run" in x]
    assert shlex.split(commands[0])[2:] == [
        *(layer.source.path, "-o", "OUT", "--src-crs", "EPSG:4326")
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows has not")
def test_a_name_like_a_place_for_the_path_stays_quoted(tmp_path: Path) -> None:
    folder, name = tmp_path / "a {path} b", "{path};touch x;.shp"
    folder.mkdir()
    (folder / name).write_bytes(b"<html>")
    (folder / "a.gpkg").write_bytes(b"")
    found = as_json(shpbatch.audit(folder))
    ((finding,), (stray,)) = found["layers"][0]["findings"], found["strays"]
    assert shlex.split(finding["remedy"]) == [
        *("shpbatch", "run", "SRC", "-o", "OUT", "--exclude", name)
    ]
    assert shlex.split(stray["remedy"])[2] == str(folder)


class Reason(str):
    """A reason that tells how often it was compared."""

    compared = 0

    def __hash__(self) -> int:
        Reason.compared += 1
        return super().__hash__()


def test_what_layers_say_alike_is_judged_once() -> None:
    """The forms ask for it at each place, of which there may be ten thousand."""
    finding = Finding("odd-fields", "note", Reason("they differ"))
    (kind,) = kinds_of(Audit(tuple(layer_audit(f"{n}.shp", "-", finding) for n in range(30))))
    assert [kind.reason for _ in kind.told] == ["they differ"] * 30
    assert Reason.compared == 30


# -- data --------------------------------------------------------------------


def test_json_is_plain_data_of_every_layer(samples: Audit) -> None:
    found = json.loads(json.dumps(as_json(samples), allow_nan=False))
    assert (found["schema"], found["deep"], len(found["layers"])) == (1, True, 17)
    virginia = next(x for x in found["layers"] if x["layer"] == "awkward/virginia.shp")
    assert virginia["reading"]["unreadable"] == 74
    (cut,) = [f for f in virginia["findings"] if f["code"] == "shp-truncated"]
    assert cut["remedy"].startswith("shpbatch repair ")
    assert cut["remedy"].endswith("virginia.shp -o OUT")
    cities = next(x for x in found["layers"] if x["layer"] == "places/cities.shp")
    assert cities["fields"][0] == {"name": "Name", "type": "C", "width": 80, "decimals": 0}


def test_csv_has_a_line_a_layer(samples: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(samples))))
    assert len(rows) == 17
    by_name = {row["layer"]: row for row in rows}
    assert by_name["census/NY8_utm18.shp"]["invalid"] == "5"
    assert by_name["awkward/emptypoints.shp"]["null"] == "1"
    assert by_name["transport/newhaven_nework.shp"]["minx"].startswith("-7")  # a number, no text


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows has not")
def test_hostile_names_harm_no_spreadsheet_and_no_terminal(tmp_path: Path) -> None:
    audit = hostile(tmp_path)
    for row in csv.reader(io.StringIO(as_csv(audit))):
        for cell in row:
            number = re.fullmatch(r"-?[\d.e+-]+", cell)
            assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
            assert cell.isprintable(), repr(cell)
    assert table(audit, 100).replace("\n", "").isprintable()
    json.dumps(as_json(audit), ensure_ascii=False).encode("utf-8")  # half a character is none


# -- footprints --------------------------------------------------------------


def geometries(audit: Audit) -> list[dict | None]:
    return [f["geometry"] for f in json.loads(as_geojson(audit))["features"]]


def test_footprints_are_in_degrees(samples: Audit) -> None:
    features = json.loads(as_geojson(samples))["features"]
    found = {f["properties"]["layer"]: f["geometry"] for f in features}
    assert found["census/sids.shp"] is None  # no .prj: degrees are not guessed
    (ring,) = found["soho/SohoPeople.shp"]["coordinates"]
    west, south = ring[0]
    assert (round(west, 2), round(south, 2)) == (-0.14, 51.51)  # London
    assert ring[0] == ring[-1]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    assert area > 0, "RFC 7946: an outer ring goes counter-clockwise"


def test_a_footprint_across_the_antimeridian_is_two(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(bounds=(400_000, 6_000_000, 800_000, 6_100_000))
    make.write(tmp_path, shp=shp, shx=shx, prj=UTM60)
    (geometry,) = geometries(shpbatch.audit(tmp_path))
    assert geometry is not None
    assert geometry["type"] == "MultiPolygon"
    east, west = (polygon[0] for polygon in geometry["coordinates"])
    assert max(x for x, _ in east) == 180
    assert min(x for x, _ in west) == -180


@pytest.mark.parametrize(
    ("west", "east", "meant"),
    [
        (170, 190, (170, -170)),
        (190, 200, (-170, -160)),
        (-190, -170, (170, -170)),
        (0, 360, (-180, 180)),
        (-180, 180, (-180, 180)),
        (170, 180.0000001, (170, 180)),
    ],
)
def test_longitudes_beyond_180_come_in_again(
    west: float, east: float, meant: tuple[float, float]
) -> None:
    header = Header("Polygon", count=1, crs="EPSG:4326", bounds=(west, 1, east, 2))
    layer = replace(layer_audit("a.shp", "EPSG:4326"), header=header)
    box = footprint(layer)
    assert box is not None
    assert (box[0], box[2]) == pytest.approx(meant)


def test_degrees_that_are_none_have_no_footprint(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(bounds=(500_000, 5_000_000, 600_000, 5_100_000))
    make.write(tmp_path, shp=shp, shx=shx)  # metres under a .prj of degrees
    assert geometries(shpbatch.audit(tmp_path)) == [None]


# -- the page ----------------------------------------------------------------


def test_the_page_needs_nothing_from_elsewhere(samples: Audit) -> None:
    page = as_html(samples)
    tags = tags_of(page)
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}) in tags
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & {t for t, _ in tags}
    for tag, given in tags:
        assert not [name for name in given if name.startswith("on")], tag
        for name in ("src", "href", "action", "xlink:href"):
            assert str(given.get(name, "#")).startswith("#"), (tag, given)
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_has_a_row_a_layer_and_a_picture_of_those_with_features(samples: Audit) -> None:
    tags = tags_of(as_html(samples))
    assert len([1 for t, a in tags if t == "tr" and a.get("class") == "row"]) == 17
    drawn = [1 for t, a in tags if t == "svg" and a.get("class") == "sketch"]
    assert len(drawn) == 2 * 16  # in the row and in the details; emptypoints has nothing to draw
    ids = {a["id"] for t, a in tags if "id" in a}
    links = {str(a["href"])[1:] for t, a in tags if t == "a"}
    assert links <= ids
    assert len(links) >= 10


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows has not")
def test_a_layer_of_few_points_can_be_seen_in_the_page() -> None:
    def picture(cells: int) -> str:
        return sketch_picture(Sketch(8, 8, bytes([0xFF] * cells + [0x80] + [0] * (7 - cells))))

    assert "sparse" in picture(0)
    assert "sparse" not in picture(4)


def test_no_label_of_the_map_is_cut() -> None:
    box = (-20.0, 40.0, 25.9, 50.0)
    page = extent_map([("l0", layer_audit("a.shp", "EPSG:4326"), box)])
    west, _, width, _ = map(float, re.findall(r'viewBox="([^"]*)"', page)[0].split())
    labels = re.findall(r'<text x="([^"]*)" y="[^"]*" font-size="([^"]*)">([^<]*)<', page)
    assert len(labels) > 5
    assert all(float(x) + 0.6 * len(t) * float(s) <= west + width for x, s, t in labels)


def test_the_page_tells_the_reason_of_each_layer_where_they_differ() -> None:
    findings = [Finding("expected-field", "error", f"contract: no field {f}") for f in "XY"]
    layers = [layer_audit(f"{n}.shp", "-", f) for n, f in zip("ab", findings, strict=True)]
    kinds = as_html(Audit(tuple(layers))).partition("</section>")[0]
    assert "such as: contract: no field X" in kinds
    assert 'in/b.shp</a> <span class="soft">contract: no field Y' in kinds


def test_the_remedy_of_a_kind_is_that_of_one_layer_in_the_page() -> None:
    """Run over all, the encoding of one would garble the others."""
    remedies = [Finding("encoding-doubtful", "warning", "", f"--encoding {e}") for e in ("a", "b")]
    layers = [layer_audit(f"{f.remedy[-1]}.shp", "-", f) for f in remedies]
    kinds = as_html(Audit(tuple(layers))).partition("</section>")[0]
    assert "shpbatch run in/a.shp -o OUT --encoding a<" in kinds
    assert "SRC" not in kinds


@pytest.mark.parametrize(
    ("kept", "told"),
    [(5, "and 2 more<"), (6, "and 2 more; --json has the rows of 1<"),
     (7, "and 2 more; --json has their rows<")],
)  # fmt: skip
def test_the_page_promises_the_rows_that_the_data_has(kept: int, told: str) -> None:
    places = tuple(Place(row) for row in range(kept))
    layer = layer_audit("a.shp", "-", Finding("duplicate", "note", "", "", 7, places))
    assert f"<li>{told}" in as_html(Audit((layer,)))


def test_hostile_names_are_text_in_the_page(tmp_path: Path) -> None:
    page = as_html(hostile(tmp_path))
    tags = tags_of(page)
    assert not {"script", "img", "b>"} & {t for t, _ in tags}
    assert not [a for _, a in tags if "onload" in a]
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", page)
    page.encode("utf-8")


class _Counting(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.hits.append(self.path)  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as found:
        found.hits = []  # type: ignore[attr-defined]
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def dom(page: Path, profile: Path) -> str:
    """The page as a browser has it once it is loaded."""
    line = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
    ]
    line += ["--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    return subprocess.run(line, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.skipif(not BROWSER, reason="no chromium, chromium-browser or google-chrome here")
def test_no_request_leaves_the_page_in_a_browser(
    server: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}/hit"
    audit = hostile(tmp_path / "src", url)
    page = tmp_path / "page.html"
    page.write_text(as_html(audit), "utf-8")
    shown = tags_of(dom(page, tmp_path / "profile"))
    rows = [1 for t, a in shown if t == "tr" and a.get("class") == "row"]
    assert len(rows) == len(audit.layers) >= 6
    assert server.hits == []  # type: ignore[attr-defined]
    # The policy holds even where a tag came through ...
    leaky = as_html(audit).replace("<h1>", f"<img src='{url}'><h1>")
    page.write_text(leaky, "utf-8")
    dom(page, tmp_path / "profile")
    assert server.hits == []  # type: ignore[attr-defined]
    # ... and this test sees what leaves: without the policy it does.
    page.write_text(leaky.replace(POLICY, ""), "utf-8")
    dom(page, tmp_path / "profile")
    assert server.hits == ["/hit"]  # type: ignore[attr-defined]


def test_an_audit_of_nothing() -> None:
    assert "Nothing was found" in as_html(Audit())
    assert table(Audit(), 80).startswith("0 layers")
