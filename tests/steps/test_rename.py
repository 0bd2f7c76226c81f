"""rename: other names for fields, and back by the mapping of a run."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import oracle
import pyogrio
import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine.apply import apply_header
from shpbatch.errors import PlanError, RecipeError, ShpbatchError, StepError
from shpbatch.models import Field, Header, Outcome
from shpbatch.recipes.recipe import parse_chain

EXAMPLES = ["--fields other={text}", "--fields a_name_of_many_bytes={number}"]
SIDS = oracle.SAMPLES / "census/sids.shp"


def names(chain: str) -> list[str]:
    return oracle.ours(chain, oracle.read_undecoded(SIDS)).header.field_names()


def run(path: Any, dst: Path, recipe: Any, **options: Any) -> Outcome:
    given = {"workers": 1, "method": "inline", **options}
    (outcome,) = shpbatch.run(path, dst, recipe, **given).outcomes
    assert outcome.status == "done", outcome.reason
    return outcome


def test_worked_case() -> None:
    before = oracle.read_undecoded(SIDS).header.field_names()
    after = names("rename --fields county=NAME,area=AREA")
    assert after == [{"NAME": "county", "AREA": "area"}.get(n, n) for n in before]
    assert names("rename --fields county=name") == names("rename --fields county=NAME")


def test_nothing_else_changes() -> None:
    layer = oracle.read_undecoded(SIDS)
    result = oracle.ours("rename --fields county=NAME", layer)
    assert result.columns == layer.columns
    assert result.records is layer.records
    pairs = zip(result.header.fields, layer.header.fields, strict=True)
    assert all(replace(a, name=b.name) == b for a, b in pairs)


def test_names_may_be_swapped() -> None:
    """Two fields of one type: only their names say which is which."""
    layer = oracle.read_undecoded(SIDS)
    swapped = oracle.ours("rename --fields SID74=SID79,SID79=SID74", layer)
    assert swapped.column("SID74").to_pylist() == layer.column("SID79").to_pylist()
    assert swapped.column("SID79").to_pylist() == layer.column("SID74").to_pylist()


def test_later_steps_know_the_new_names() -> None:
    chain = "rename --fields births_in_1974=BIR74 ! filter --where 'births_in_1974 > 10000'"
    result = oracle.ours(chain, oracle.read_undecoded(SIDS))
    assert 0 < len(result) < 100
    with pytest.raises(StepError) as error:
        oracle.ours("rename --fields a=BIR74 ! select BIR74", oracle.read_undecoded(SIDS))
    assert error.value.code == "field-missing"


@pytest.mark.parametrize(
    ("chain", "error", "code"),
    [
        ("rename", StepError, "bad-rename"),
        ("rename --fields new", RecipeError, "bad-rename"),
        ("rename --fields =NAME", RecipeError, "bad-rename"),
        ("rename --fields new=", RecipeError, "bad-rename"),
        ("rename --fields new=nope", StepError, "field-missing"),
        ("rename --fields a=NAME,b=name", StepError, "bad-rename"),
        ("rename --fields area=NAME", StepError, "names-collide"),
        ("rename --fields x=NAME,X=AREA", StepError, "names-collide"),
        ("rename --from-mapping nope.csv", StepError, "mapping-missing"),
        ("rename --fields a=NAME --direction sideways", RecipeError, "bad-choice"),
    ],
)
def test_refusals(chain: str, error: type[ShpbatchError], code: str) -> None:
    with pytest.raises(error) as raised:
        names(chain)
    assert raised.value.code == code


def test_names_that_came_in_alike_may_stay_so() -> None:
    fields = (Field("NAME", "C", 5), Field("NAME", "C", 6), Field("n", "N", 5))
    header = Header("Point", fields=fields)

    def renamed(text: str) -> list[str]:
        return apply_header(parse_chain(f"rename --fields {text}"), header).field_names()

    assert renamed("x=n") == ["NAME", "NAME", "x"]
    assert renamed("x=NAME") == ["x", "NAME", "n"]
    with pytest.raises(StepError):
        renamed("name=n")


def test_it_is_written(tmp_path: Path) -> None:
    """Also where no other byte of the table changes; the descriptor keeps all but the name."""
    path = make.write(tmp_path / "src")
    run(path, tmp_path / "out", [("rename", {"fields": ["Ort=NAME", "NAME=N"]})])
    before, after = (path.with_suffix(".dbf").read_bytes(), (tmp_path / "out/a.dbf").read_bytes())
    assert after[32:43] == b"Ort".ljust(11, b"\0")
    assert after[64:75] == b"NAME".ljust(11, b"\0")
    assert after[43:64] == before[43:64]
    assert after[75:] == before[75:]
    assert (tmp_path / "out/a.shp").read_bytes() == path.read_bytes()


@pytest.mark.skipif(not shutil.which("ogr2ogr"), reason="no ogr2ogr")
def test_values_are_those_of_ogr2ogr(tmp_path: Path) -> None:
    run(SIDS, tmp_path / "ours", [("rename", {"fields": ["county=NAME", "births=BIR74"]})])
    sql = "SELECT NAME AS county, BIR74 AS births FROM sids"
    subprocess.run(["ogr2ogr", tmp_path / "theirs.shp", SIDS, "-sql", sql], check=True)
    _, ours = pyogrio.read_arrow(tmp_path / "ours/sids.shp", columns=["county", "births"])
    _, theirs = pyogrio.read_arrow(tmp_path / "theirs.shp", columns=["county", "births"])
    for name in ("county", "births"):
        assert ours.column(name).to_pylist() == theirs.column(name).to_pylist()


# --- mappings -----------------------------------------------------------------

LONG = [
    ("calculate", {"field": "population_density", "expression": "N"}),
    ("calculate", {"field": "population_2020", "expression": "N + 1"}),
]


def test_there_and_back(tmp_path: Path) -> None:
    run(make.write(tmp_path / "src"), tmp_path / "out", LONG)
    mapping = str(tmp_path / "out/fields.csv")
    chain = [
        ("rename", {"from_mapping": mapping}),
        ("filter", {"where": "population_density > 0 AND population_2020 < 3"}),
        ("rename", {"from_mapping": mapping, "direction": "apply"}),
        ("filter", {"where": "popul_dens = 1 AND popul_2020 = 2"}),
    ]
    outcome = run(tmp_path / "out/a.shp", tmp_path / "back", chain)
    assert outcome.features.written == 1
    assert outcome.renamed == ()
    assert list(pyogrio.read_info(tmp_path / "back/a.shp")["fields"]) == [
        *("NAME", "N", "popul_dens", "popul_2020")
    ]


def test_names_that_are_restored_are_written_as_they_were(tmp_path: Path) -> None:
    run(make.write(tmp_path / "src"), tmp_path / "out", LONG)
    mapping = {"from_mapping": str(tmp_path / "out/fields.csv")}
    outcome = run(tmp_path / "out/a.shp", tmp_path / "again", [("rename", mapping)])
    assert {n[0] for n in outcome.renamed} == {"population_density", "population_2020"}
    for name in ("a.dbf", "a.shp", "fields.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_rows_of_a_mapping_are_of_their_layers(tmp_path: Path) -> None:
    """``popul_dens`` is what the field of one layer is written as, and an own name elsewhere."""
    run(make.write(tmp_path / "src", "one"), tmp_path / "out", LONG)
    own = ("calculate", {"field": "popul_dens", "expression": "N"})
    run(make.write(tmp_path / "more", "two"), tmp_path / "out", [own])
    run(make.write(tmp_path / "more", "three"), tmp_path / "out", [own, LONG[0]])
    mapping = {"from_mapping": str(tmp_path / "out/fields.csv")}
    report = shpbatch.run(
        tmp_path / "out", tmp_path / "back", [("rename", mapping)], format="GPKG", method="inline"
    )
    assert [o.status for o in report.outcomes] == ["done"] * 3
    found = {
        name: list(pyogrio.read_info(tmp_path / f"back/{name}.gpkg")["fields"])[2:]
        for name in ("one", "two", "three")
    }
    assert found == {
        "one": ["population_density", "population_2020"],
        "two": ["popul_dens"],
        "three": ["popul_dens", "population_density"],
    }


def test_a_layer_that_lies_elsewhere_is_told_by_its_place_or_its_names(tmp_path: Path) -> None:
    run(make.write(tmp_path / "src", "one"), tmp_path / "out", LONG)
    mapping = {"from_mapping": str(tmp_path / "out/fields.csv")}
    for stem in ("one", "other"):
        for part in (tmp_path / "out").glob("one.*"):
            (tmp_path / "copy").mkdir(exist_ok=True)
            shutil.copy(part, tmp_path / f"copy/{stem}{part.suffix}")
        recipe = [("rename", mapping), ("select", {"fields": ["population_density"]})]
        run(tmp_path / f"copy/{stem}.shp", tmp_path / "back", recipe)


def test_a_mapping_of_ones_own(tmp_path: Path) -> None:
    """Two columns will do, from any spreadsheet."""
    path = make.write(tmp_path / "src")
    mapping = tmp_path / "names.csv"
    mapping.write_bytes("\ufeffsource_name,written_name\nOrt,NAME\n\nnope,zz\n".encode())
    run(path, tmp_path / "out", [("rename", {"from_mapping": str(mapping)})])
    assert list(pyogrio.read_info(tmp_path / "out/a.shp")["fields"]) == ["Ort", "N"]
    mapping.write_text("source_name,written_name\nStadt,NAME\n")
    outcome = run(path, tmp_path / "out", [("rename", {"from_mapping": str(mapping)})])
    assert "second layer changed" in outcome.why
    assert list(pyogrio.read_info(tmp_path / "out/a.shp")["fields"]) == ["Stadt", "N"]


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2\n", b"source_name,written_name\nonly\n", b"\xff\xfe\0\0", b'"a']
)
def test_what_is_no_mapping(data: bytes, tmp_path: Path) -> None:
    mapping = tmp_path / "names.csv"
    mapping.write_bytes(data)
    with pytest.raises(PlanError) as error:
        run(make.write(tmp_path / "src"), tmp_path / "out", f"rename --from-mapping {mapping}")
    assert error.value.code == "bad-mapping"
