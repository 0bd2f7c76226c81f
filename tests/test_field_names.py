"""Names of fields: any length until they are written, 10 bytes then, the same in a whole run."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import pytest
import shapefiles as make
from hypothesis import example, given
from hypothesis import strategies as st

import shpbatch
from shpbatch.durable import Files
from shpbatch.errors import PlanError
from shpbatch.fields.mapping import read_mapping, taken_names
from shpbatch.fields.names import fits, layer_names, planned_names
from shpbatch.models import Field, Header, Outcome, Report
from shpbatch.planning import divide
from shpbatch.planning.naming import names_of_run, note_plan
from shpbatch.shapefile import reader
from shpbatch.shapefile.metadata_xml import write_aliases

SAMPLES = Path(__file__).parents[1] / "sample_data"
SIDS = SAMPLES / "census/sids.shp"
ENCODINGS = ["utf-8", "cp1252", "gbk", "shift_jis", "ascii", "koi8-r", "big5"]

# --- the pure functions -------------------------------------------------------

WORDS = st.lists(
    st.sampled_from(["population", "density", "of", "the", "2020", "2021", "Area", "m2", "größe"]),
    min_size=1,
    max_size=5,
)
NAMES = st.one_of(
    st.builds(lambda words, gap: gap.join(words), WORDS, st.sampled_from(["_", " ", "", ":", "."])),
    st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=24),
    st.text("abAB_1", min_size=9, max_size=13),
    st.text("人口总数é", min_size=1, max_size=8),
)
SETS = st.lists(NAMES, max_size=12)


@given(SETS, st.sampled_from(ENCODINGS), st.randoms(use_true_random=False))
@example(["人 口 总 数 计 表", "人_口_总_数_计_表"], "utf-8", random.Random(0))
@example(["\udce9" * 12, "\t" * 11, "_" * 11], "utf-8", random.Random(0))
def test_a_plan_of_names(names: list[str], encoding: str, shuffled: random.Random) -> None:
    plan = planned_names(names, encoding)
    assert plan.keys() == set(names)
    other = list(names)
    shuffled.shuffle(other)
    assert planned_names(other, encoding) == plan
    for name, written in plan.items():
        assert 1 <= len(written.encode(encoding, "surrogateescape")) <= 10
        assert written == name or not fits(name, encoding)
        if not fits(name, encoding):
            written.encode(encoding)  # whole characters of it
    made = [w.casefold() for n, w in plan.items() if not fits(n, encoding)]
    kept = {n.casefold() for n in names if fits(n, encoding)}
    assert len(made) == len(set(made))
    assert not kept & set(made)
    again = planned_names(plan.values(), encoding)
    assert all(name == written for name, written in again.items())


@given(SETS, SETS, st.sampled_from(ENCODINGS))
def test_a_field_that_comes_later_renames_no_other(
    first: list[str], later: list[str], encoding: str
) -> None:
    taken = planned_names(first, encoding)
    plan = planned_names([*first, *later], encoding, taken)
    short = {w.casefold() for w in later if fits(w, encoding)}
    for name in first:
        assert plan[name] == taken[name] or taken[name].casefold() in short
    alone = planned_names(later, encoding, taken)  # its sisters need not be there
    reserved = {w.casefold() for n, w in taken.items() if n not in later}
    for name in later:
        if not fits(name, encoding):
            assert alone[name].casefold() not in reserved


@pytest.mark.parametrize(
    ("names", "encoding", "written"),
    [
        ("population_density", "utf-8", "popul_dens"),
        ("population_2020 population_2021", "utf-8", "popul_2020 popul_2021"),
        ("total_population_of_the_municipality_2020", "utf-8", "topomu2020"),
        ("avgTemperature2020", "utf-8", "avgTem2020"),
        ("number_of_inhabitants number_of_households", "utf-8", "number_inh number_hou"),
        ("OBJECTID_12_1", "utf-8", "OBJEC_12_1"),
        ("ADDR:HOUSENUMBER ADDR:CITY", "utf-8", "ADD:HOUSEN ADDR:CITY"),
        ("straßenname straßennummer", "cp1252", "straßennam straßennum"),
        ("größenmaß größenmaße", "cp1252", "größenmaß größenmaße"),
        ("größenmaß größenmaße", "utf-8", "größenma größnmß"),
        ("人口总数", "gbk", "人口总数"),
        ("人口总数", "utf-8", "人口总"),
        ("人口总数计 人口总数表", "utf-8", "人口计 人口总"),
        ("人口2020", "utf-8", "人口2020"),
        ("größenänderung", "ascii", "grossenand"),
        ("人口", "ascii", "field"),
        ("abcdefghijk abcdefghijl ABCDEFGHIJK", "utf-8", None),
    ],
)
def test_names_stay_readable(names: str, encoding: str, written: str | None) -> None:
    found = planned_names(names.split(), encoding)
    if written is not None:
        assert " ".join(found.values()) == written
    assert len({w.casefold() for w in found.values()}) == len(found)


def test_what_a_source_has_is_never_touched() -> None:
    """Eleven bytes without the NUL that should be the last, twice the same, odd signs."""
    own = ["ELEVENBYTES", "NAME", "NAME", "name", "a:b", "\udcb9\udcfa"]
    assert layer_names([*own, "elevenbytes_2"], "utf-8", own=own)[:-1] == own
    assert layer_names(own, "utf-8", {"NAME": "other"}, own) == own


def test_two_fields_of_one_long_name() -> None:
    written = layer_names(["population_density"] * 3, "utf-8", {"population_density": "density"})
    assert written[0] == "density"
    assert len(set(written)) == 3
    assert all(fits(w, "utf-8") for w in written)


def test_a_name_that_several_encodings_have_is_the_same_in_all(tmp_path: Path) -> None:
    headers = [
        Header("Point", fields=(Field("größenänderung", "N", 5),), encoding=encoding)
        for encoding in ("cp1252", "utf-8", "latin-1")
    ]
    (written,) = names_of_run(headers, str(tmp_path)).values()
    assert all(layer_names(h.field_names(), h.encoding, {}) for h in headers)
    for h in headers:
        assert fits(written, h.encoding)
        assert layer_names(h.field_names(), h.encoding, {"größenänderung": written}) == [written]


# --- runs ---------------------------------------------------------------------

DENSITY = ("calculate", {"field": "population_density", "expression": "N * 2"})
LATER = ("filter", {"where": "population_density > 1"})


def run(path: Any, dst: Path, recipe: Any, **options: Any) -> Report:
    return shpbatch.run(path, dst, recipe, **{"workers": 1, "method": "inline", **options})


def done(path: Any, dst: Path, recipe: Any, **options: Any) -> Outcome:
    (outcome,) = run(path, dst, recipe, **options).outcomes
    assert outcome.status == "done", outcome.reason
    return outcome


def names(sink: Path) -> list[str]:
    return list(pyogrio.read_info(sink)["fields"])


def mapping(dst: Path) -> list[tuple[str, str, str, str]]:
    with open(dst / "fields.csv", encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]  # type: ignore[misc]


def test_later_steps_know_the_long_name_and_people_are_told_the_short(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src", cpg="UTF-8")
    outcome = done(path, tmp_path / "out", [DENSITY, LATER])
    sink = tmp_path / "out/a.shp"
    assert names(sink) == ["NAME", "N", "popul_dens"]
    assert pyogrio.read_dataframe(sink).popul_dens.tolist() == [2, 4]
    assert "field population_density is written as popul_dens (1)" in outcome.notes
    assert mapping(tmp_path / "out") == [("population_density", "popul_dens", "utf-8", "a.shp")]
    if shutil.which("ogrinfo"):
        told = subprocess.run(
            ["ogrinfo", "-so", "-al", sink], capture_output=True, text=True, check=True
        ).stdout
        assert "popul_dens: Integer" in told


def test_a_strict_run_refuses_another_name(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    (outcome,) = run(path, tmp_path / "out", [DENSITY], on_loss="fail").outcomes
    assert (outcome.status, outcome.code) == ("failed", "values-lost")
    assert "population_density is written as popul_dens" in str(outcome.reason)
    assert not list((tmp_path / "out").glob("a.*"))
    assert not (tmp_path / "out/fields.csv").exists()


def test_the_plan_tells_the_names(tmp_path: Path) -> None:
    planned = shpbatch.plan(make.write(tmp_path / "src"), tmp_path / "out", [DENSITY])
    assert planned.names == {"population_density": "popul_dens"}
    assert planned.headers[0] is not None
    assert planned.headers[0].field_names()[-1] == "population_density"
    words = ["plan", tmp_path / "src", "-o", tmp_path / "out"]
    words += ["!", "calculate", "--field", "population_density", "--expression", "N"]
    told = subprocess.run(
        [sys.executable, "-m", "shpbatch", *words], capture_output=True, text=True, check=True
    ).stdout
    assert "name    population_density -> popul_dens\n" in told


@pytest.mark.parametrize("options", [{}, {"merge": "all"}, {"container": "shz"}])
def test_windows_and_parts_give_the_same(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = [("calculate", {"field": "births_per_area", "expression": "BIR74 / AREA"})]
    done(SIDS, tmp_path / "whole", recipe, **options)
    monkeypatch.setattr(reader, "WINDOW_ROWS", 9)
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 10_000)
    done(SIDS, tmp_path / "bits", recipe, **options)
    for path in (tmp_path / "whole").glob("*.*"):
        if path.is_file():
            assert (tmp_path / "bits" / path.name).read_bytes() == path.read_bytes()


def test_names_are_those_of_the_last_run_whatever_comes_later(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    second = ("calculate", {"field": "population_density_a", "expression": "N"})
    first = ("calculate", {"field": "population_density_b", "expression": "N"})
    done(path, tmp_path / "alone", [second, first])
    done(path, tmp_path / "out", [first])
    (before,) = mapping(tmp_path / "out")
    done(path, tmp_path / "out", [second, first])
    after = {row[0]: row for row in mapping(tmp_path / "out")}
    assert after["population_density_b"] == before
    assert {r[1] for r in mapping(tmp_path / "alone")} == {r[1] for r in after.values()}


def test_the_user_may_choose_the_names(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    done(path, tmp_path / "out", [DENSITY])
    chosen = "source_name,written_name\r\npopulation_density,density\r\n"
    (tmp_path / "out/fields.csv").write_text(chosen)
    done(path, tmp_path / "out", [DENSITY], force=True)
    assert names(tmp_path / "out/a.shp")[-1] == "density"
    assert mapping(tmp_path / "out")[0][1:2] == ("density",)


def test_a_source_that_is_added_keeps_to_the_names_of_the_others(tmp_path: Path) -> None:
    """It has a field of the very name that the others' long one is written under."""
    make.write(tmp_path / "src", "b")
    done(tmp_path / "src", tmp_path / "out", [DENSITY])
    taken = make.dbf_bytes([(b"N", "N", 5, 0), (b"POPUL_DENS", "N", 5, 0)], [(b"1", b"7")] * 3)
    make.write(tmp_path / "src", "a", dbf=taken)
    report = run(tmp_path / "src", tmp_path / "out", [DENSITY])
    assert [o.status for o in report.outcomes] == ["done", "skipped"]
    assert names(tmp_path / "out/b.shp")[-1] == "popul_dens"
    own, other = names(tmp_path / "out/a.shp")[1:]
    assert own == "POPUL_DENS"
    assert other.casefold() != "popul_dens"
    assert sorted(row[1::2] for row in mapping(tmp_path / "out")) == sorted(
        [(other, "a.shp"), ("popul_dens", "b.shp")]
    )


def test_names_without_case_are_kept_apart_from_those_of_sisters(tmp_path: Path) -> None:
    """Known before the first is written: so no name means two things in a run."""
    make.write(tmp_path / "src", "b")
    taken = make.dbf_bytes([(b"N", "N", 5, 0), (b"POPUL_DENS", "N", 5, 0)], [(b"1", b"7")] * 3)
    make.write(tmp_path / "src", "a", dbf=taken)
    run(tmp_path / "src", tmp_path / "out", [DENSITY])
    (row,) = mapping(tmp_path / "out")
    assert row[1].casefold() != "popul_dens"
    assert row[3] == "a.shp;b.shp"


def test_names_of_a_function_are_found_out_by_the_run(tmp_path: Path) -> None:
    def give(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return gdf.assign(population_density=1, population_2020=2)

    done(make.write(tmp_path / "src"), tmp_path / "out", [give])
    assert names(tmp_path / "out/a.shp")[-2:] == ["popul_dens", "popul_2020"]
    assert [row[1] for row in mapping(tmp_path / "out")] == ["popul_2020", "popul_dens"]


def test_every_sink_of_a_partition_and_every_step_is_in_the_mapping(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    done(path, tmp_path / "p", [DENSITY, ("partition", {"field": "population_density"})])
    assert mapping(tmp_path / "p")[0][3] == "a/0.shp;a/2.shp;a/4.shp"
    run(path, tmp_path / "s", ["make-valid", DENSITY], each_step=True)
    assert mapping(tmp_path / "s")[0][3] == "calculate/a.shp"


def test_the_mapping_goes_away_with_the_names(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    done(path, tmp_path / "out", [DENSITY])
    done(path, tmp_path / "out", ["make-valid"])
    assert not (tmp_path / "out/fields.csv").exists()
    assert not (tmp_path / "out/a.shp.xml").exists()


def test_names_are_written_down_before_anything_has_them(tmp_path: Path) -> None:
    """So that the run after one that was killed gives the same; what never came is let go."""
    path, dst = make.write(tmp_path / "src"), tmp_path / "out"
    dst.mkdir()
    planned = shpbatch.plan(path, dst, [DENSITY])
    note_plan(str(dst), planned.tasks, planned.headers, Files())
    assert mapping(dst) == [("population_density", "popul_dens", "utf-8", "a.shp")]
    assert taken_names(str(dst)) == planned.names
    done(path, dst, ["make-valid"])
    assert not (dst / "fields.csv").exists()


def test_a_failed_source_keeps_the_names_of_its_last_output(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    done(path, tmp_path / "out", [DENSITY])
    before = (tmp_path / "out/fields.csv").read_bytes()
    path.write_bytes(b"broken")
    assert run(path, tmp_path / "out", [DENSITY]).outcomes[0].status == "failed"
    assert (tmp_path / "out/fields.csv").read_bytes() == before


def test_paths_with_odd_signs_come_back(tmp_path: Path) -> None:
    make.write(tmp_path / "src/x;y %3B", "ä b")
    done(tmp_path / "src", tmp_path / "out", [DENSITY])
    (found,) = read_mapping(tmp_path / "out/fields.csv")
    assert found.layers == ("x;y %3B/ä b.shp",)


def test_a_file_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/fields.csv").write_text("id,name\n1,x\n")
    with pytest.raises(PlanError) as error:
        run(path, tmp_path / "out", [DENSITY])
    assert error.value.code == "bad-mapping"
    done(path, tmp_path / "out", ["make-valid"])  # it concerns nobody here
    assert (tmp_path / "out/fields.csv").read_text() == "id,name\n1,x\n"


def test_the_parser_alone_gives_the_same_names(tmp_path: Path) -> None:
    from shpbatch import shp_parser

    path = make.write(tmp_path / "src")
    done(path, tmp_path / "out", [DENSITY])
    outcome = shp_parser(path, recipe=[DENSITY], dst=tmp_path / "alone")
    assert outcome.status == "done", outcome.reason
    assert names(tmp_path / "alone/a.shp") == names(tmp_path / "out/a.shp")


def test_a_merge_that_recodes_a_name(tmp_path: Path) -> None:
    """Ten bytes of Latin-1 are more in UTF-8, to which the two are united."""
    first = make.dbf_bytes([("STRAßENNAM".encode("cp1252"), "C", 4, 0)], [(b"a",)] * 3)
    second = make.dbf_bytes([("名".encode("gbk"), "C", 4, 0)], [(b"b",)] * 3)
    paths = [
        make.write(tmp_path / "src", "a", dbf=first, cpg="1252"),
        make.write(tmp_path / "src", "b", dbf=second, cpg="GBK"),
    ]
    done(paths, tmp_path / "out", [], merge="all")
    assert names(tmp_path / "out/all.shp") == ["STRAßENNA", "名"]
    done(paths[0], tmp_path / "out", [])
    assert names(tmp_path / "out/a.shp") == ["STRAßENNAM"]


@pytest.mark.parametrize(
    "recipe", [[], ["make-valid"], [("calculate", {"field": "x", "expression": "1"})]]
)
def test_carried_names_stay_byte_for_byte(recipe: list[Any], tmp_path: Path) -> None:
    """Odd, twice, cut within a character, and of eleven bytes."""
    raws = [b"ADDR:CITY", b"NAME", b"NAME", b"name", "人口总数计".encode("gbk"), b"ELEVENBYTES"]
    raws.append("é".encode() + b"\xc3")
    described = [(raw, "C", 3, 0) for raw in raws]
    dbf = bytearray(make.dbf_bytes([(r[:10], *d) for r, *d in described], [(b"a",) * 7] * 3))
    dbf[32 + 5 * 32 + 10] = ord("S")
    path = make.write(tmp_path / "src", dbf=bytes(dbf), cpg="GBK")
    done(path, tmp_path / "out", recipe)
    written = (tmp_path / "out/a.dbf").read_bytes()
    for i in range(len(raws)):
        at = 32 + 32 * i
        assert written[at : at + 12] == bytes(dbf[at : at + 12])
    assert not (tmp_path / "out/fields.csv").exists()


# --- metadata -----------------------------------------------------------------


def aliases(path: Path) -> dict[str, str]:
    """Labels and aliases, in the order that GDAL 3.13 wants them: that of the fields."""
    root = ET.fromstring(path.read_bytes())
    return {
        a.findtext("attrlabl", ""): a.findtext("attalias", "")
        for a in root.findall("eainfo/detailed/attr")
    }


def test_whole_names_are_aliases(tmp_path: Path) -> None:
    done(make.write(tmp_path / "src"), tmp_path / "out", [DENSITY])
    found = aliases(tmp_path / "out/a.shp.xml")
    assert found == {"NAME": "NAME", "N": "N", "popul_dens": "population_density"}
    assert list(found) == names(tmp_path / "out/a.shp")


XML = """<?xml version="1.0" encoding="{encoding}"?>
<!-- kept & > -->
<metadata xml:lang="de"><idinfo><descript>Größe <![CDATA[<eainfo>]]></descript></idinfo>{more}
</metadata><!-- end -->
"""


DESCRIBED = "<eainfo><detailed><attr>{}</attr></detailed></eainfo>"


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1"])
@pytest.mark.parametrize(
    "more",
    [
        "",
        "<eainfo></eainfo>",
        "<eainfo/>",
        "<eainfo><detailed Name='x'></detailed></eainfo>",
        "<eainfo><detailed Name='x > y'><attr><attrlabl>FID</attrlabl></attr></detailed></eainfo>",
        DESCRIBED.format("<attrlabl>short</attrlabl>"),
        DESCRIBED.format("<attrlabl>short</attrlabl><attalias x='>'>old</attalias>"),
        DESCRIBED.format("<attalias>old</attalias><attrlabl>short</attrlabl>"),
        DESCRIBED.format(
            "<attrlabl>short</attrlabl><attalias><!-- > --><![CDATA[<x>]]></attalias>"
        ),
        DESCRIBED.format("<attrlabl>short</attrlabl><attalias/>"),
    ],
)
def test_what_metadata_has_besides_stays(more: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.shp.xml"
    before = XML.format(encoding=encoding, more=more).encode(encoding)
    path.write_bytes(before)
    given = {"short": "long & größe <人>", "other": 'qu"ote'}
    assert write_aliases(path, ["NAME", "short", "other"], given, "a")
    root = ET.fromstring(path.read_bytes())
    assert root.findtext("idinfo/descript") == "Größe <eainfo>"
    found = {
        a.findtext("attrlabl"): a.findtext("attalias") for a in root.findall("eainfo/detailed/attr")
    }
    assert {n: found[n] for n in given} == given
    assert len(root.findall("eainfo/detailed")) == 1
    after = path.read_bytes()
    for line in before.splitlines()[:2]:
        assert line in after
    assert after.endswith(b"</metadata><!-- end -->\n")
    assert write_aliases(path, ["NAME", "short", "other"], given, "a")
    assert path.read_bytes() == after


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<metadata><open></metadata>",
        b"<html></html>",
        XML.format(encoding="UTF-16", more="").encode("utf-16"),
        b'<?xml version="1.0" encoding="nonsense"?><metadata></metadata>',
    ],
)
def test_what_is_no_metadata_is_left_alone(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.shp.xml"
    path.write_bytes(data)
    assert not write_aliases(path, ["short"], {"short": "long"}, "a")
    assert path.read_bytes() == data


def test_metadata_of_the_source_travels_with_the_aliases_in_it(tmp_path: Path) -> None:
    metadata = XML.format(encoding="UTF-8", more="")
    path = make.write(tmp_path / "src", **{"shp.xml": metadata})
    done(path, tmp_path / "out", [DENSITY])
    assert aliases(tmp_path / "out/a.shp.xml")["popul_dens"] == "population_density"
    done(path, tmp_path / "out", ["make-valid"])
    assert (tmp_path / "out/a.shp.xml").read_text() == metadata
    path = make.write(tmp_path / "broken", **{"shp.xml": "<metadata>"})
    outcome = done(path, tmp_path / "out2", [DENSITY])
    assert (tmp_path / "out2/a.shp.xml").read_text() == "<metadata>"
    assert any(".shp.xml cannot be added to" in note for note in outcome.notes)


# --- real files ---------------------------------------------------------------


def test_names_of_real_layers_stay_as_they_are(corpus: Path, tmp_path: Path) -> None:
    """A field more, so that every header is made anew: the descriptors of the others stay."""
    recipe = [("calculate", {"field": "a_name_of_many_bytes", "expression": "FID"})]
    report = run(corpus, tmp_path / "out", recipe, workers=2, method="auto", proof=True)
    looked = 0
    for outcome in report.outcomes:
        if outcome.status != "done":
            continue
        source, sink = outcome.sources[0], outcome.sinks[0].path
        if not os.path.isfile(source):
            continue
        before = _descriptors(Path(source))
        after = _descriptors(Path(sink))
        assert [d[:12] + d[16:18] for d in after[:-1]] == [d[:12] + d[16:18] for d in before]
        assert len(after[-1][:11].rstrip(b"\0")) <= 10
        looked += 1
    assert looked > 100
    assert set(taken_names(str(tmp_path / "out"))) == {"a_name_of_many_bytes"}


def _descriptors(shp: Path) -> list[bytes]:
    found = [p for p in shp.parent.iterdir() if p.name.lower() == shp.stem.lower() + ".dbf"]
    if not found:
        return []
    data = found[0].read_bytes()
    made = []
    for at in range(32, int.from_bytes(data[8:10], "little") - 1, 32):
        if data[at] == 0x0D:
            break
        made.append(data[at : at + 32])
    return made
