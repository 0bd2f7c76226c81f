"""Damage that readers pass over: none of it goes through, in a source, while staged, or published.

Of these 17 kinds of damage, geopandas raises for five; twelve it reads without a
warning, ten of them with data missing or wrong.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make
from click.testing import CliRunner

import shpbatch
from shpbatch.cli.verify import command as verify
from shpbatch.models import Outcome
from shpbatch.work import task as work
from shpbatch.writing.output import STEM, Output

SIDS = Path(__file__).parents[1] / "sample_data/census/sids.shp"
ROWS = 100
Damage = Callable[[Path], None]


def packed(extension: str, at: int, layout: str, value: int) -> Damage:
    """Another number at a byte of a member."""

    def damage(shp: Path) -> None:
        path = shp.with_suffix(f".{extension}")
        data = bytearray(path.read_bytes())
        struct.pack_into(layout, data, at, value)
        path.write_bytes(data)

    return damage


def cut(extension: str, size: int) -> Damage:
    """A member without its last bytes."""

    def damage(shp: Path) -> None:
        path = shp.with_suffix(f".{extension}")
        path.write_bytes(path.read_bytes()[:-size])

    return damage


def gone(extension: str) -> Damage:
    return lambda shp: shp.with_suffix(f".{extension}").unlink()


def other_table(rows: int) -> Damage:
    """The ``.dbf`` of a layer of so many rows."""
    data = make.dbf_bytes(make.NAMES, make.rows_of(*[b"x"] * rows))
    return lambda shp: shp.with_suffix(".dbf").write_bytes(data) and None


def deleted(shp: Path) -> None:
    """The first row, flagged as deleted."""
    data = bytearray(shp.with_suffix(".dbf").read_bytes())
    data[struct.unpack_from("<H", data, 8)[0]] = ord("*")
    shp.with_suffix(".dbf").write_bytes(data)


def vrt(shp: Path) -> None:
    shp.write_bytes(b"<OGRVRTDataSource/>" * 9)


MOST = 2**31 - 1
DAMAGES: dict[str, Damage] = {
    "dbf-record-count-2**31-1": packed("dbf", 4, "<I", MOST),
    "dbf-record-length-0": packed("dbf", 10, "<H", 0),
    "dbf-header-length-65535": packed("dbf", 8, "<H", 65535),
    "shp-length-lies": packed("shp", 24, ">i", MOST),
    "shx-length-lies": packed("shx", 24, ">i", MOST),
    "shx-entry-too-long": packed("shx", 104, ">i", 2**30),
    "parts-2**31-1": packed("shp", 144, "<i", MOST),
    "points-5e7": packed("shp", 148, "<i", 50_000_000),
    "points-minus-1": packed("shp", 148, "<i", -1),
    "shp-cut": cut("shp", 30),
    "dbf-cut": cut("dbf", 40),
    "no-dbf": gone("dbf"),
    "no-shx": gone("shx"),
    "dbf-of-1-row": other_table(1),
    "dbf-of-6-rows": other_table(6),
    "row-marked-deleted": deleted,
    "shp-is-vrt-text": vrt,
}
#: Refused, with this code; all others are put in order, and it is said how.
CODES = {
    "dbf-record-count-2**31-1": "dbf-truncated",
    "dbf-record-length-0": "bad-dbf",
    "dbf-header-length-65535": "bad-dbf",
    "parts-2**31-1": "bad-record",
    "points-5e7": "bad-record",
    "points-minus-1": "bad-record",
    "shp-cut": "shp-truncated",
    "dbf-cut": "dbf-truncated",
    "dbf-of-1-row": "count-mismatch",
    "dbf-of-6-rows": "count-mismatch",
    "shp-is-vrt-text": "bad-magic",
}
#: Put in order: what a note says, and how many features are written.
NORMALISED = {
    "shp-length-lies": ("header says 4294967294 bytes", ROWS),
    "shx-length-lies": ("the index is rebuilt in memory", ROWS),
    "shx-entry-too-long": ("the .shx had wrong places", ROWS),
    "no-dbf": ("no .dbf", ROWS),
    "no-shx": ("the index is rebuilt in memory", ROWS),
    "row-marked-deleted": ("1 features were flagged as deleted and left out", ROWS - 1),
}


def good(folder: Path) -> Path:
    """A copy of a layer of 100 polygons."""
    folder.mkdir()
    for member in SIDS.parent.glob("sids.*"):
        shutil.copy(member, folder / member.name)
    return folder / SIDS.name


def run(path: Path, dst: Path, recipe: Any = (), **options: Any) -> Outcome:
    (outcome,) = shpbatch.run(path, dst, recipe, workers=1, method="inline", **options).outcomes
    return outcome


def published(dst: Path) -> list[str]:
    return sorted(p.name for p in dst.glob("*") if p.name != ".shpbatch")


def test_they_are_17() -> None:
    assert len(DAMAGES) == 17
    assert CODES.keys() | NORMALISED.keys() == DAMAGES.keys()
    assert not CODES.keys() & NORMALISED.keys()


# --- a source -----------------------------------------------------------------

COPY: list[Any] = []
FIELDS = [("calculate", {"field": "x", "expression": "FID"})]
SHAPES = [("simplify", {"tolerance": 0.01})]
RECIPES = pytest.mark.parametrize("recipe", [COPY, FIELDS, SHAPES], ids=["copy", "field", "shape"])


@RECIPES
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_source(name: str, recipe: Any, tmp_path: Path) -> None:
    path = good(tmp_path / "src")
    DAMAGES[name](path)
    outcome = run(path, tmp_path / "out", recipe)
    if name in CODES:
        assert (outcome.status, outcome.code) == ("failed", CODES[name]), outcome.reason
        assert published(tmp_path / "out") == []
        return
    text, written = NORMALISED[name]
    assert outcome.status == "done", outcome.reason
    assert any(text in note for note in outcome.notes), outcome.notes
    features = outcome.features
    assert features.balances()
    assert (features.declared, features.written) == (ROWS, written)
    assert features.deleted == ROWS - written


# --- what was staged ----------------------------------------------------------


def damaged_after_writing(monkeypatch: pytest.MonkeyPatch, damage: Damage) -> list[Path]:
    """Damage every set when it has been written; gives the folders in which that was done."""
    close, done = Output.close, []

    def close_and_damage(self: Output) -> None:
        close(self)
        damage(self.folder / f"{STEM}.shp")
        done.append(self.folder)

    monkeypatch.setattr(work.Output, "close", close_and_damage)
    return done


@RECIPES
@pytest.mark.parametrize("name", DAMAGES)
def test_a_set_that_is_damaged_before_the_proof(
    name: str, recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = damaged_after_writing(monkeypatch, DAMAGES[name])
    outcome = run(good(tmp_path / "src"), tmp_path / "out", recipe)
    assert done
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs"), outcome.reason
    assert published(tmp_path / "out") == []
    assert not any((tmp_path / "out/.shpbatch/stage").rglob("*.shp"))


def test_without_damage_the_proof_lets_it_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = damaged_after_writing(monkeypatch, lambda shp: None)
    assert run(good(tmp_path / "src"), tmp_path / "out", SHAPES).status == "done"
    assert len(done) == 1


# --- an output ----------------------------------------------------------------


def member_of(name: str) -> str:
    """The file that a damage is done to."""
    return "sids.shp" if name.startswith(("parts", "points")) else f"sids.{extension_of(name)}"


def extension_of(name: str) -> str:
    if name == "row-marked-deleted":
        return "dbf"
    return next(e for e in ("dbf", "shp", "shx") if e in name.split("-"))


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_output(name: str, tmp_path: Path) -> None:
    path, out = good(tmp_path / "src"), tmp_path / "out"
    assert run(path, out).status == "done"
    assert CliRunner().invoke(verify, [str(out)]).exit_code == 0
    DAMAGES[name](out / "sids.shp")
    missing = not (out / member_of(name)).exists()
    found = CliRunner().invoke(verify, [str(out)])
    assert found.exit_code == 1
    assert f"{'missing' if missing else 'changed'}" in found.output
    assert member_of(name) in found.output
    again = run(path, out)
    if missing:
        assert (again.status, again.why) == ("done", f"output is gone: {member_of(name)}")
        assert CliRunner().invoke(verify, [str(out)]).exit_code == 0
        return
    assert (again.status, again.code) == ("failed", "output-edited"), again.reason
    assert "output was edited by hand" in str(again.reason)
    replaced = run(path, out, if_exists="overwrite")
    assert (replaced.status, replaced.why) == ("done", "output was edited by hand")
    assert CliRunner().invoke(verify, [str(out)]).exit_code == 0
