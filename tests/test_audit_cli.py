"""``shpbatch audit`` and the gate of ``run``, as a user meets them; contracts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import shapefiles as make

import shpbatch
from shpbatch.auditing.contract_file import read_contract
from shpbatch.errors import PlanError, RecipeError

SAMPLES = Path(__file__).parents[1] / "sample_data"
SOHO = SAMPLES / "soho"


def shell(*words: object) -> tuple[int, str, str]:
    line = [sys.executable, "-m", "shpbatch", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def contract(folder: Path, text: str) -> Path:
    path = folder / "expect.yaml"
    path.write_text("layers:\n" + text)
    return path


def broken(src: Path, rules: Path) -> set[str]:
    """Sentences of the findings of a contract."""
    audit = shpbatch.audit(src, expect=rules, workers=1)
    told = [f for _, _, f in audit.told() if f.code.startswith("expected-")]
    assert all(f.severity == "error" for f in told)
    return {f.reason.removeprefix("contract: ") for f in told}


# -- the command -------------------------------------------------------------


def test_the_table_is_the_result_and_the_code_says_nothing_without_a_gate() -> None:
    code, out, _ = shell("audit", SAMPLES)
    assert code == 0
    assert "shp-truncated" in out
    assert "17 layers" in out


@pytest.mark.parametrize(
    ("src", "on", "code"),
    [("awkward", "error", 1), ("soho", "warning", 0), ("census", "error", 0),
     ("census", "warning", 1)],
)  # fmt: skip
def test_fail_on_makes_it_a_gate(src: str, on: str, code: int) -> None:
    assert shell("audit", SAMPLES / src, "--fail-on", on)[0] == code


def test_json_is_one_object() -> None:
    code, out, err = shell("audit", SOHO, "--json", "--deep", "-j", "1", "--progress", "none")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert [x["reading"]["read"] for x in found["layers"]] == [324, 13]


def test_pages_are_written_whole(tmp_path: Path) -> None:
    page, places = tmp_path / "p.html", tmp_path / "p.geojson"
    code, _, err = shell("audit", SOHO, "--html", page, "--geojson", places)
    assert (code, err) == (0, "")
    assert page.read_text("utf-8").endswith("</html>\n")
    assert len(json.loads(places.read_text())["features"]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.geojson", "p.html"]


def test_no_layer_is_written_over(tmp_path: Path) -> None:
    path = make.write(tmp_path)
    before = make.snapshot(tmp_path)
    assert shell("audit", tmp_path, "--html", path)[0] == 2
    assert shell("audit", tmp_path, "--html", tmp_path / "no/where.html")[0] == 2
    assert shell("audit", tmp_path, "--json", "--csv")[0] == 2
    assert make.snapshot(tmp_path) == before


# -- contracts ---------------------------------------------------------------


def test_a_contract_that_is_kept_says_nothing(tmp_path: Path) -> None:
    rules = contract(
        tmp_path,
        """
  "SohoPeople*": {type: Point, crs: EPSG:3857, count: 1..500, encoding: windows-1252,
                  fields: {Id: N6, Count: {type: N, nulls: false}}, other_fields: false,
                  valid: true, null_geometries: false}
  "*.shp": {type: [Point, LineString], count: 13.., fields: {Maybe: {type: C, required: false}}}
""",
    )
    assert broken(SOHO, rules) == set()
    assert shell("audit", SOHO, "--expect", rules, "--progress", "none")[0] == 0


def test_every_point_that_is_not_kept_is_told(tmp_path: Path) -> None:
    rules = contract(
        tmp_path,
        """
  SohoWater: {type: PolygonZ, crs: EPSG:4326, count: 5, encoding: UTF-8,
              fields: {Id: N7.2, id2: C, ID: N}, other_fields: false}
  "rivers_*": {type: PolyLine}
  "lakes_*": {required: false}
""",
    )
    assert broken(SOHO, rules) == {
        "Point, not PolygonZ",
        "CRS EPSG:3857, not EPSG:4326",
        "13 features, not 5",
        "field Id is N6, not N7.2",
        "no field id2",
        "no field ID (there is Id)",
        "no layer matches 'rivers_*', which the contract asks for",
    } | {r for r in broken(SOHO, rules) if r.startswith("encoding")}
    assert shell("audit", SOHO, "--expect", rules)[0] == 1


def test_what_a_contract_asks_of_features_is_read(tmp_path: Path) -> None:
    bowtie = make.poly(5, [(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)])
    rows = [(b"a", b"1"), (b"", b"2")]
    make.layer(tmp_path, [bowtie, make.NULL], 5, dbf=make.dbf_bytes(make.NAMES, rows))
    text = '  "a": {valid: true, null_geometries: false, fields: {NAME: {nulls: false}, N: N}}\n'
    assert broken(tmp_path, contract(tmp_path, text)) == {
        "geometries that are not valid",
        "features without a shape",
        "field NAME has NULL cells",
    }
    text = '  "a": {count: 2, fields: {NAME: C20, N: N5}}\n'
    assert broken(tmp_path, contract(tmp_path, text)) == set()


def test_a_crs_without_its_code_is_the_same_crs(tmp_path: Path) -> None:
    make.write(tmp_path, prj=make.WGS84)
    rules = contract(tmp_path, "  a: {crs: EPSG:4326}\n")
    assert broken(tmp_path, rules) == set()
    (tmp_path / "a.prj").unlink()
    assert broken(tmp_path, rules) == {"no CRS, not EPSG:4326"}


def test_all_mistakes_of_a_contract_are_told_at_once(tmp_path: Path) -> None:
    path = contract(
        tmp_path,
        """  "a":
    typ: Point
    type: Polygn
    count: 5..1
    crs: EPSG:99999999
    encoding: klingon
    fields: {A: 12, B: {type: NN, widht: 3}}
    valid: 1
  "b": 3
""",
    )
    with pytest.raises(RecipeError) as error:
        read_contract(str(path))
    lines = str(error.value).splitlines()
    places = [3, 4, 5, 6, 7, 8, 8, 8, 9, 10]
    assert [int(line.split(":")[1]) for line in lines] == places
    assert "did you mean 'type'" in lines[0]
    assert "did you mean 'Polygon'" in lines[1]
    code, out, err = shell("audit", SOHO, "--expect", path)
    assert (code, out, err.count("Error: ")) == (2, "", len(places))


@pytest.mark.parametrize("text", ["", "- a", "layers: []", "layers: {}", "layers: {a: [1]}"])
def test_what_is_no_contract_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"x\.yaml"):
        read_contract(str(path))
    with pytest.raises(RecipeError, match="check --expect"):
        read_contract(str(tmp_path / "none.yaml"))


# -- the gate of a run -------------------------------------------------------


def test_a_closed_gate_refuses_the_run_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = shell("run", SAMPLES / "awkward", "-o", out, "--gate")
    assert code == 2
    assert "virginia.shp" in err
    assert "[shp-truncated]" in err
    assert not out.exists()
    assert shell("run", SOHO, "-o", out, "--gate", "warning", "-q")[0] == 0
    assert (out / "SohoWater.shp").exists()


def test_a_contract_is_a_gate(tmp_path: Path) -> None:
    out, rules = tmp_path / "out", contract(tmp_path, '  "*": {type: Polygon}\n')
    with pytest.raises(PlanError, match="Point, not Polygon") as error:
        shpbatch.run(SOHO, out, [], expect=str(rules), workers=1)
    assert error.value.code == "gate-closed"
    assert not out.exists()
    rules = contract(tmp_path, '  "*": {type: Point}\n')
    report = shpbatch.run(SOHO, out, [], expect=str(rules), workers=1)
    assert [o.status for o in report.outcomes] == ["done", "done"]


def test_without_a_gate_the_others_are_done(tmp_path: Path) -> None:
    report = shpbatch.run(SAMPLES / "awkward", tmp_path / "out", [], workers=1)
    assert sorted(o.status for o in report.outcomes) == ["done", "done", "done", "failed"]
