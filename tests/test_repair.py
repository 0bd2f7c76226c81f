"""Repair: all that is whole is saved, to the byte; what is lost is told by row; sources stay."""

from __future__ import annotations

import csv
import json
import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapefiles as make
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_corruptions import DAMAGES, ROWS, SIDS, good
from test_corruptions import packed as put

import shpbatch
from shpbatch.cli.repair import command
from shpbatch.models import Outcome
from shpbatch.salvaging import TABLE, doubtful_of, saved_of, state_of
from shpbatch.shapefile.found import Places, places

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def repair(path: Path, dst: Path, **options: Any) -> Outcome:
    """The outcome of a repair of one layer; what it read is as it was."""
    before = make.snapshot(path.parent)
    report = shpbatch.repair(path, dst, workers=1, method="inline", **options)
    assert make.snapshot(path.parent) == before
    (outcome,) = report.outcomes
    assert outcome.features.balances()
    return outcome


def contents(shp: Path) -> list[bytes]:
    """The contents of all records, by the .shx."""
    data, index = shp.read_bytes(), shp.with_suffix(".shx").read_bytes()
    entries = np.frombuffer(index, ">i4", offset=100).reshape(-1, 2).astype(int) * 2
    return [data[at + 8 : at + 8 + size] for at, size in entries]


def lost(outcome: Outcome) -> list[tuple[int, int, str]]:
    return [(x.row, x.count, x.what) for x in outcome.lost]


# --- 17 kinds of damage -----------------------------------------------------------

#: What becomes of it: state, features saved wholly, the members that are as before the damage.
STATES: dict[str, tuple[str, int, str]] = {
    "dbf-record-count-2**31-1": ("repaired", ROWS, "shp shx dbf"),
    "dbf-record-length-0": ("repaired", ROWS, "shp shx dbf"),
    "dbf-header-length-65535": ("repaired", ROWS, "shp shx dbf"),
    "shp-length-lies": ("repaired", ROWS, "shp shx dbf"),
    "shx-length-lies": ("repaired", ROWS, "shp shx dbf"),
    "shx-entry-too-long": ("repaired", ROWS, "shp shx dbf"),
    "parts-2**31-1": ("salvaged", ROWS - 1, "dbf"),
    "points-5e7": ("salvaged", ROWS - 1, "dbf"),
    "points-minus-1": ("salvaged", ROWS - 1, "dbf"),
    "shp-cut": ("salvaged", ROWS - 1, "dbf"),
    "dbf-cut": ("salvaged", ROWS - 1, "shp shx"),
    "no-dbf": ("whole", ROWS, "shp shx"),
    "no-shx": ("repaired", ROWS, "shp shx dbf"),
    "dbf-of-1-row": ("salvaged", 1, "shp shx"),
    "dbf-of-6-rows": ("salvaged", 6, "shp shx"),
    "row-marked-deleted": ("repaired", ROWS - 1, ""),
    "shp-is-vrt-text": ("lost", 0, ""),
}


def same_members(made: Path, original: Path) -> set[str]:
    pairs = {e: (made.with_suffix(f".{e}"), original.with_suffix(f".{e}")) for e in KINDS}
    return {e for e, (a, b) in pairs.items() if a.exists() and undated(a, e) == undated(b, e)}


KINDS = ("shp", "shx", "dbf")


def undated(path: Path, kind: str) -> bytes:
    """The bytes of a member, without the date of change of a .dbf."""
    data = path.read_bytes()
    return data[:1] + data[4:] if kind == "dbf" else data


@pytest.mark.parametrize("name", DAMAGES)
def test_each_kind_of_damage(name: str, tmp_path: Path) -> None:
    assert STATES.keys() == DAMAGES.keys()
    path = good(tmp_path / "src")
    DAMAGES[name](path)
    outcome = repair(path, tmp_path / "out")
    state, saved, same = STATES[name]
    assert (state_of(outcome), saved_of(outcome)[0]) == (state, saved), outcome
    assert same_members(tmp_path / "out/sids.shp", SIDS) == set(same.split())
    assert bool(outcome.lost) == (state == "salvaged")
    if state == "lost":
        return
    info = pyogrio.read_info(tmp_path / "out/sids.shp", force_feature_count=True)
    assert info["features"] == saved_of(outcome)[1]
    shapes = pyogrio.read_dataframe(tmp_path / "out/sids.shp").geometry
    nulls = sum(x.count for x in outcome.lost if x.what == "shape")
    assert int(shapes.isna().sum()) == nulls


@pytest.mark.parametrize("name", DAMAGES)
def test_a_dry_run_says_the_same_and_writes_nothing(name: str, tmp_path: Path) -> None:
    path = good(tmp_path / "src")
    DAMAGES[name](path)
    told = repair(path, tmp_path / "none", dry_run=True)
    assert not (tmp_path / "none").exists()
    done = repair(path, tmp_path / "out")
    for attribute in ("repairs", "lost", "code"):
        assert getattr(told, attribute) == getattr(done, attribute)
    assert (state_of(told), saved_of(told)) == (state_of(done), saved_of(done))


def test_a_repaired_layer_is_whole(tmp_path: Path) -> None:
    for name, (state, _, _) in STATES.items():
        if state == "lost":
            continue
        path = good(tmp_path / name)
        DAMAGES[name](path)
        once = tmp_path / "once" / name
        repair(path, once)
        again = repair(once / path.name, tmp_path / "twice" / name)
        assert (state_of(again), again.repairs, again.lost) == ("whole", (), ()), name


# --- any damage to the .shp -------------------------------------------------------


@st.composite
def records(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    """A shape type, and records of it."""
    code = draw(st.sampled_from([1, 3, 5, 11, 13, 15]))
    xy = st.tuples(*[st.integers(-180, 180).map(float) | st.floats(-180, 180)] * 2)

    def shape(parts: list[list[tuple[float, float]]]) -> bytes:
        n = sum(map(len, parts))
        if code == 1:
            return make.point(*parts[0][0])
        if code == 11:
            return make.point_zm(*parts[0][0], 7.5, 8.5)
        flat = struct.pack("<i", code) + make.poly(code % 10, *parts)[4:]
        return flat + (struct.pack(f"<{2 + n}d", *range(2 + n)) if code > 10 else b"")

    part = st.lists(xy, min_size=1, max_size=5)
    shapes = st.lists(part, min_size=1, max_size=3).map(shape) | st.just(make.NULL)
    return code, draw(st.lists(shapes, min_size=1, max_size=9))


def found(data: bytes, code: int, entries: bytes | None) -> tuple[Places, dict[int, bytes]]:
    """What is found in a .shp, as contents by row."""
    index = None
    if entries is not None:
        index = 2 * np.frombuffer(entries, ">i4", offset=100).astype(np.int64).reshape(-1, 2)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        where = places(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), code, index)
    pairs = enumerate(zip(where.starts.tolist(), where.sizes.tolist(), strict=True))
    return where, {row: data[at + 8 : at + 8 + size] for row, (at, size) in pairs if at}


def missing(where: Places) -> set[int]:
    return {row for g in where.gone for row in range(g.first, g.first + g.rows)}


@SETTINGS
@given(records(), st.floats(0, 1), st.booleans())
def test_cut_anywhere_every_whole_record_is_saved_and_no_other(
    layer: tuple[int, list[bytes]], share: float, indexed: bool
) -> None:
    code, shapes = layer
    shp, shx = make.shp_bytes(shapes, code)
    size = 101 + round(share * (len(shp) - 101))
    ends = np.cumsum([8 + len(s) for s in shapes]) + 100
    whole = int((ends <= size).sum())
    where, saved = found(shp[:size], code, shx if indexed else None)
    assert saved == dict(enumerate(shapes[:whole]))
    if size > ([100, *ends.tolist()][whole]) + 4:
        assert missing(where) == {whole}


@SETTINGS
@given(records(), st.data(), st.booleans())
def test_of_a_damaged_record_header_all_other_records_are_saved(
    layer: tuple[int, list[bytes]], data: st.DataObject, indexed: bool
) -> None:
    code, shapes = layer
    shp, shx = make.shp_bytes(shapes, code)
    row = data.draw(st.integers(0, len(shapes) - 1))
    at = 100 + sum(8 + len(s) for s in shapes[:row])
    head = data.draw(st.binary(min_size=8, max_size=8))
    _, saved = found(shp[:at] + head + shp[at + 8 :], code, shx if indexed else None)
    others = {i: s for i, s in enumerate(shapes) if i != row}
    assert {i: s for i, s in saved.items() if i != row} == others


def test_a_last_record_as_long_as_measures_is_not_taken_for_them() -> None:
    def line(*parts: list[tuple[float, float]]) -> bytes:
        n = sum(map(len, parts))
        flat = struct.pack("<i", 13) + make.poly(3, *parts)[4:]
        return flat + struct.pack(f"<{2 + n}d", *range(2 + n))

    first, last = line([(0.0, 0.0)] * 5, [(0.0, 0.0)] * 5), line([(1.0, 2.0)])
    assert 8 + len(last) == 16 + 8 * 10  # what the measures of the first would take
    shp, _ = make.shp_bytes([first, last], 13)
    _, saved = found(shp[:100] + bytes(8) + shp[108:], 13, None)
    assert saved == {0: first, 1: last}


@SETTINGS
@given(records(), st.data(), st.booleans())
def test_garbage_between_records_costs_none(
    layer: tuple[int, list[bytes]], data: st.DataObject, indexed: bool
) -> None:
    code, shapes = layer
    shp, shx = make.shp_bytes(shapes, code)
    row = data.draw(st.integers(0, len(shapes) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=60).filter(any))
    at = 100 + sum(8 + len(s) for s in shapes[:row])
    _, saved = found(shp[:at] + junk + shp[at:], code, shx if indexed else None)
    assert saved == dict(enumerate(shapes))


@SETTINGS
@given(records(), st.binary(max_size=400), st.booleans())
@example((5, [make.NULL]), bytes(400), True)
@example((5, [make.NULL]), struct.pack(">2ii", 2, 2, 0) * 30, False)
def test_whatever_the_bytes_what_is_saved_stands_apart(
    layer: tuple[int, list[bytes]], junk: bytes, indexed: bool
) -> None:
    code, shapes = layer
    shp, shx = make.shp_bytes(shapes, code)
    where, _ = found(shp[:100] + junk, code, shx if indexed else None)
    rows = np.flatnonzero(where.starts)
    order = rows[np.argsort(where.starts[rows])]
    ends = where.starts[order] + where.sizes[order] + 8
    assert (where.starts[order[1:]] >= ends[:-1]).all()
    assert (ends <= 100 + len(junk)).all()
    assert missing(where) == set(range(len(where.starts))) - set(rows.tolist())


def test_rows_after_lost_ones_keep_their_attributes(tmp_path: Path) -> None:
    """The third of five records has neither number, length nor type; all others have their row."""
    shapes = [make.point(i + 1, i + 2) for i in range(5)]
    shp, shx = make.shp_bytes(shapes, 1)
    at = 100 + 2 * 28
    broken = shp[:at] + b"\xff" * 12 + shp[at + 12 :]
    names = [b"a", b"b", b"c", b"d", b"e"]
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*names))
    for indexed in (True, False):
        dst = tmp_path / f"out{indexed}"
        path = make.write(
            tmp_path / f"{indexed}", shp=broken, shx=shx if indexed else None, dbf=dbf
        )
        outcome = repair(path, dst)
        assert lost(outcome) == [(1, 1, "doubtful"), (2, 1, "shape")]
        assert contents(dst / "a.shp") == [*shapes[:2], make.NULL, *shapes[3:]]
        assert undated(dst / "a.dbf", "dbf") == undated(path.with_suffix(".dbf"), "dbf")


@pytest.mark.parametrize("indexed", [True, False])
def test_a_record_that_was_cut_out_is_known_by_its_number(indexed: bool, tmp_path: Path) -> None:
    shapes = [make.point(i + 1, i + 2) for i in range(5)]
    shp, shx = make.shp_bytes(shapes, 1)
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c", b"d", b"e"))
    members = {"shp": shp[:128] + shp[156:], "shx": shx if indexed else None, "dbf": dbf}
    outcome = repair(make.write(tmp_path / "in", **members), tmp_path / "out")
    assert lost(outcome) == [(1, 1, "shape")]
    assert contents(tmp_path / "out/a.shp") == [shapes[0], make.NULL, *shapes[2:]]


def test_records_out_of_order_are_told_by_their_index(tmp_path: Path) -> None:
    """A layer that was edited in place: the second record was moved behind the others."""
    shapes = [make.poly(3, [(i, 0), (i, 9)]) for i in range(4)]
    longer = make.poly(3, [(1, 0), (1, 5), (1, 9)])
    shp, shx = (bytearray(b) for b in make.shp_bytes(shapes, 3))
    struct.pack_into(">2i", shx, 108, len(shp) // 2, len(longer) // 2)
    shp += struct.pack(">2i", 2, len(longer) // 2) + longer
    struct.pack_into(">i", shp, 24, len(shp) // 2)
    struct.pack_into("<i", shp, 100 + 8 + 36, 2**30)  # and the parts of the first cannot be
    path = make.layer(tmp_path / "in", shapes, 3, shp=bytes(shp), shx=bytes(shx))
    outcome = repair(path, tmp_path / "out")
    assert lost(outcome) == [(0, 1, "feature")]
    assert contents(tmp_path / "out/a.shp") == [longer, *shapes[2:]]


# --- what the other headers say ---------------------------------------------------


@pytest.mark.parametrize(
    ("at", "layout", "value", "text"),
    [
        (0, ">i", 9995, "magic number"),
        (28, "<i", 1, "version"),
        (32, "<i", 3, "shape type"),
        (32, "<i", 77, "shape type"),
        (36, "<d", -9.0, "extent"),
        (24, ">i", 7, "length"),
    ],
)
def test_a_lying_shp_header_is_made_anew(
    at: int, layout: str, value: float, text: str, tmp_path: Path
) -> None:
    path = make.write(tmp_path / "in")
    original = path.read_bytes()
    put("shp", at, layout, value)(path)  # type: ignore[arg-type]
    outcome = repair(path, tmp_path / "out")
    assert any(text in what for what, _ in outcome.repairs), outcome
    assert not outcome.lost
    made = (tmp_path / "out/a.shp").read_bytes()
    assert (made[:68], made[100:]) == (original[:68], original[100:])


def test_without_proof_no_magic_number_is_believed(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes()
    path = make.write(tmp_path / "in", shp=b"\0" * 4 + shp[4:-2], shx=shx)
    outcome = repair(path, tmp_path / "out")
    assert (state_of(outcome), outcome.code) == ("lost", "bad-magic")


def test_bytes_in_the_header_move_all_records(tmp_path: Path) -> None:
    """All three records are there, as the .shx says, though no place is right."""
    shp, shx = make.shp_bytes()
    path = make.write(tmp_path / "in", shp=shp[:20] + b"xyz" + shp[20:])
    outcome = repair(path, tmp_path / "out")
    assert (state_of(outcome), outcome.lost) == ("repaired", ())
    assert (tmp_path / "out/a.shp").read_bytes() == shp
    path = make.write(tmp_path / "alone", shp=shp[:20] + b"xyz" + shp[20:], shx=None)
    assert repair(path, tmp_path / "none").code == "unknown-type"


@pytest.mark.parametrize("size", range(0, 100, 9))
def test_a_shp_cut_within_its_header_is_lost(size: int, tmp_path: Path) -> None:
    shp, _ = make.shp_bytes()
    path = make.write(tmp_path / "in", shp=shp[:size])
    outcome = repair(path, tmp_path / "out")
    assert (state_of(outcome), outcome.code) == ("lost", "bad-magic" if size else "empty-file")


def test_a_stale_shx_of_another_layer_is_not_believed(tmp_path: Path) -> None:
    shapes = [make.poly(3, [(0, 0), (i, 9)], [(i, i), (30, 3)]) for i in range(6)]
    other = [make.poly(3, [(0, 0)] * (2 + i)) for i in range(5)]
    path = make.layer(tmp_path / "in", shapes, 3, shx=make.shp_bytes(other, 3)[1])
    outcome = repair(path, tmp_path / "out")
    assert (state_of(outcome), contents(tmp_path / "out/a.shp")) == ("repaired", shapes)


TABLE_OF_THREE = make.dbf_bytes(make.NAMES, make.rows_of(b"one", b"two", b"three"))


@pytest.mark.parametrize(
    ("at", "layout", "by"),
    [(4, "<I", 2), (4, "<I", -3), (8, "<H", 1), (10, "<H", 1), (10, "<H", -1)],
)
def test_a_dbf_header_that_is_off_by_some(at: int, layout: str, by: int, tmp_path: Path) -> None:
    dbf = bytearray(TABLE_OF_THREE)
    (value,) = struct.unpack_from(layout, dbf, at)
    struct.pack_into(layout, dbf, at, value + by)
    outcome = repair(make.write(tmp_path / "in", dbf=bytes(dbf)), tmp_path / "out")
    assert (state_of(outcome), saved_of(outcome)) == ("repaired", (3, 3))
    assert undated(tmp_path / "out/a.dbf", "dbf") == undated_bytes(TABLE_OF_THREE)


@SETTINGS
@given(st.integers(97, len(TABLE_OF_THREE) - 2))
def test_a_dbf_cut_anywhere_keeps_its_whole_rows(size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = make.write(Path(name, "in"), dbf=TABLE_OF_THREE[:size])
        outcome = repair(path, Path(name, "out"))
        whole = (size - 97) // 26
        assert saved_of(outcome) == (whole, 3)
        made = Path(name, "out/a.dbf").read_bytes()
    blank = b" " * (26 * (3 - whole))
    assert made[97:] == TABLE_OF_THREE[97 : 97 + 26 * whole] + blank + b"\x1a"


@pytest.mark.parametrize(
    ("at", "layout", "by"), [(8, "<H", 7), (8, "<H", 1), (8, "<H", -32), (10, "<H", 3)]
)
def test_blanks_are_no_proof_of_a_dbf_header(at: int, layout: str, by: int, tmp_path: Path) -> None:
    """Rows of blanks and few characters begin with a blank at many places."""
    dbf = bytearray(make.dbf_bytes([(b"A", "N", 9, 0), (b"B", "N", 30, 0)], [(b"1", b"2")] * 3))
    whole = bytes(dbf)
    (value,) = struct.unpack_from(layout, dbf, at)
    struct.pack_into(layout, dbf, at, value + by)
    outcome = repair(make.write(tmp_path / "in", dbf=bytes(dbf)), tmp_path / "out")
    assert (state_of(outcome), saved_of(outcome)) == ("repaired", (3, 3))
    assert undated(tmp_path / "out/a.dbf", "dbf") == undated_bytes(whole)


def test_a_dbf_as_its_writer_made_it_is_no_damage(tmp_path: Path) -> None:
    """Without a mark of the end, a header of two bytes more, cells or flags of zeros."""
    dbf = TABLE_OF_THREE
    longer = dbf[:8] + struct.pack("<H", 99) + dbf[10:97] + b"\0\0" + dbf[97:]
    cells = make.dbf_bytes(make.NAMES, [(b"%d" % i, b"\0" * 5) for i in range(3)])
    flags = bytearray(dbf)
    flags[97::26] = bytes(len(flags[97::26]))
    numbers = bytearray(make.dbf_bytes([(b"A", "N", 9, 0)], [(b"1",)] * 3))
    numbers[65:-1:10] = bytes(3)
    for name, data in enumerate((dbf[:-1], longer, cells, bytes(flags), bytes(numbers))):
        path = make.write(tmp_path / f"{name}", dbf=data)
        assert state_of(repair(path, tmp_path / f"out{name}")) == "whole", name


@pytest.mark.parametrize("behind", [b"\r\0", b"\r" + bytes(263), b"\r\0\0"])
@pytest.mark.parametrize("cut", [0, 1, 2])
@pytest.mark.parametrize("stale", [0, 2])
def test_rows_of_blanks_stay_behind_the_header_of_clipper_and_foxpro(
    behind: bytes, cut: int, stale: int, tmp_path: Path
) -> None:
    """Cells that end in blanks look like flags one byte before the true ones."""
    dbf = make.dbf_bytes(make.NAMES[::-1], [(b"%d" % i, b"name") for i in range(20)])
    head = struct.pack("<IH", 20 - stale, 96 + len(behind))
    table = dbf[:4] + head + dbf[10:96] + behind + dbf[97 : len(dbf) - 1 - cut]
    shapes = [make.point(i, i) for i in range(20)]
    outcome = repair(make.layer(tmp_path / "in", shapes, dbf=table), tmp_path / "out")
    assert "the .dbf header tells another place" not in str(outcome.repairs)
    assert dbf[97 : 97 + 18 * 26] in (tmp_path / "out/a.dbf").read_bytes()


@pytest.mark.parametrize(
    ("begin", "end", "torn"),
    [
        (2 * 26, 4 * 26, [(2, 2, "attributes")]),
        (2 * 26 + 9, 4 * 26 + 3, [(2, 1, "doubtful"), (3, 1, "attributes"), (4, 1, "doubtful")]),
        (2 * 26 + 9, 2 * 26 + 23, [(2, 1, "doubtful")]),
        (9 * 26 + 9, 10 * 26 + 1, [(9, 1, "doubtful")]),
    ],
)
def test_rows_that_zeros_were_written_over_are_told(
    begin: int, end: int, torn: list[tuple[int, int, str]], tmp_path: Path
) -> None:
    dbf = bytearray(make.dbf_bytes(make.NAMES, make.rows_of(*[b"name"] * 10)))
    dbf[97 + begin : 97 + end] = bytes(end - begin)
    shapes = [make.point(i, i) for i in range(10)]
    outcome = repair(make.layer(tmp_path / "in", shapes, dbf=bytes(dbf)), tmp_path / "out")
    assert lost(outcome) == torn
    made = (tmp_path / "out/a.dbf").read_bytes()
    assert set(made[97:-1:26]) == {0x20}


def test_a_dbf_that_is_none_costs_the_attributes(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in", dbf=b"<html>no table</html>" * 20)
    outcome = repair(path, tmp_path / "out")
    assert lost(outcome) == [(0, 3, "attributes")]
    assert contents(tmp_path / "out/a.shp") == list(make.POINTS)
    assert not (tmp_path / "out/a.dbf").exists()


def test_rows_without_shapes_become_null_shapes(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"1", b"2", b"3", b"4", b"5"))
    outcome = repair(make.write(tmp_path / "in", dbf=dbf), tmp_path / "out")
    assert lost(outcome) == [(3, 2, "shape")]
    assert contents(tmp_path / "out/a.shp") == [*make.POINTS, make.NULL, make.NULL]
    assert undated(tmp_path / "out/a.dbf", "dbf") == undated_bytes(dbf)


def test_rows_that_were_deleted_are_no_loss(tmp_path: Path) -> None:
    names = make.rows_of(b"1", b"2", b"3", b"4", b"5", b"6")
    dbf = make.dbf_bytes(make.NAMES, names, deleted=(1, 4))
    outcome = repair(make.write(tmp_path / "in", dbf=dbf), tmp_path / "out")
    assert lost(outcome) == [(3, 1, "shape"), (5, 1, "shape")]
    assert saved_of(outcome) == (2, 4)


def undated_bytes(dbf: bytes) -> bytes:
    return dbf[:1] + dbf[4:]


# --- labels -------------------------------------------------------------------------


def test_text_is_labelled_as_what_it_is(tmp_path: Path) -> None:
    """Bytes that are UTF-8, in several words, under a language byte that says cp1252."""
    words = ["Größe", "Straße", "Übung"]
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*(w.encode() for w in words)), ldid=0x57)
    path = make.write(tmp_path / "in", dbf=dbf, cpg="1252")
    outcome = repair(path, tmp_path / "out")
    assert any("labelled utf-8" in what for what, _ in outcome.repairs), outcome
    assert (tmp_path / "out/a.cpg").read_text() == "UTF-8"
    made = (tmp_path / "out/a.dbf").read_bytes()
    assert made[29] == 0
    assert made[97:] == dbf[97:]
    assert state_of(repair(tmp_path / "out/a.shp", tmp_path / "again")) == "whole"


def test_a_prj_that_is_no_crs_is_left_out(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in", prj="<html>404</html>")
    outcome = repair(path, tmp_path / "out")
    assert any(".prj" in what for what, _ in outcome.repairs)
    assert not (tmp_path / "out/a.prj").exists()
    assert any("perhaps EPSG:4326" in note for note in outcome.notes)


# --- geometries -----------------------------------------------------------------------

SQUARE = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)]
NAN = float("nan")


@pytest.mark.parametrize(
    ("rings", "made", "text"),
    [
        ([SQUARE[:-1]], [SQUARE], "rings were closed"),
        ([SQUARE[::-1]], [SQUARE], "wrong way"),
        ([SQUARE, [(5, 5), (6, 6)]], [SQUARE], "no line and no area"),
        ([[*SQUARE[:2], (NAN, 0), *SQUARE[2:]]], [SQUARE], "of no place"),
    ],
)
def test_geometries_are_cured_where_they_ail(
    rings: list[Any], made: list[Any], text: str, tmp_path: Path
) -> None:
    whole = make.poly(5, [(2, 2), (2, 3), (3, 3), (2, 2)])
    shapes = [whole, make.poly(5, *rings), make.NULL]
    outcome = repair(make.layer(tmp_path / "in", shapes, 5), tmp_path / "out")
    assert any(text in what for what, _ in outcome.repairs)
    assert lost(outcome) == ([(1, 1, "doubtful")] if "no place" in text else [])
    assert contents(tmp_path / "out/a.shp") == [whole, make.poly(5, *made), make.NULL]


def test_a_height_that_is_not_known_costs_no_vertex(tmp_path: Path) -> None:
    shapes = [make.poly_z(SQUARE, [NAN] * 5), make.poly_z(SQUARE, [1, NAN, 3, 4, 1])]
    outcome = repair(make.layer(tmp_path / "in", shapes, 15), tmp_path / "out")
    assert not outcome.lost
    assert contents(tmp_path / "out/a.shp") == shapes


def test_a_shape_of_which_nothing_is_left_is_lost_and_its_row_is_not(tmp_path: Path) -> None:
    shapes = [make.poly(3, [(1, 1)]), make.poly(3, [(0, 0), (1, 1)])]
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"one", b"two"))
    outcome = repair(make.layer(tmp_path / "in", shapes, 3, dbf=dbf), tmp_path / "out")
    assert lost(outcome) == [(0, 1, "shape")]
    assert contents(tmp_path / "out/a.shp") == [make.NULL, shapes[1]]
    assert undated(tmp_path / "out/a.dbf", "dbf") == undated_bytes(dbf)


def test_invalid_polygons_stay_unless_asked(tmp_path: Path) -> None:
    bow = make.poly(5, [(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)])
    path = make.layer(tmp_path / "in", [bow, make.poly(5, SQUARE)], 5)
    assert state_of(repair(path, tmp_path / "plain")) in ("whole", "repaired")
    assert len(contents(tmp_path / "plain/a.shp")[0]) == len(bow)
    outcome = repair(path, tmp_path / "valid", make_valid=True)
    assert dict(outcome.repairs)["invalid geometries were made valid"] == 1
    assert len(contents(tmp_path / "valid/a.shp")[0]) > len(bow)
    assert contents(tmp_path / "valid/a.shp")[1] == make.poly(5, SQUARE)


def test_lost_rows_are_those_of_the_source(tmp_path: Path) -> None:
    """Without a .dbf lost records leave no row: later ones move up, and are told as they were."""
    shapes = [make.poly(3, [(i, 0), (i, 1)]) for i in range(4)]
    shapes[3] = make.poly(3, [(1, 1)])
    shp, shx = (bytearray(b) for b in make.shp_bytes(shapes, 3))
    struct.pack_into("<i", shp, 100 + 8 + 36, 2**30)
    path = make.layer(tmp_path / "in", shapes, 3, shp=bytes(shp), shx=bytes(shx))
    outcome = repair(path, tmp_path / "out")
    assert lost(outcome) == [(0, 1, "feature"), (3, 1, "shape")]
    assert saved_of(outcome) == (2, 4)


def test_a_run_may_repair_before_its_steps(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in", shp=make.shp_bytes()[0][:-5])
    options = {"workers": 1, "method": "inline", "repair": "structure"}
    steps = [("filter", {"where": "name <> 'one'"})]
    (outcome,) = shpbatch.run(path, tmp_path / "out", steps, **options).outcomes
    assert (outcome.status, outcome.features.filtered) == ("done", 1)
    assert contents(tmp_path / "out/a.shp") == [make.POINTS[1], make.NULL]
    (merged,) = shpbatch.run(path, tmp_path / "one", [], merge="all", **options).outcomes
    assert (merged.status, merged.code) == ("failed", "bad-value")


# --- the command --------------------------------------------------------------------


def invoke(*words: str) -> Any:
    return CliRunner().invoke(command, [*words, "-j", "1"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole layer, one without .shx, one that is cut, and one that is none."""
    src = tmp_path / "src"
    make.write(src, "whole")
    make.write(src, "bare", shx=None)
    make.write(src, "cut", shp=make.shp_bytes()[0][:-5])
    make.write(src, "text", shp=b"no layer")
    return src


def test_the_terminal_tells_each_layer(folder: Path, tmp_path: Path) -> None:
    done = invoke(str(folder), "-o", str(tmp_path / "out"))
    assert done.exit_code == 1
    for line in ("whole       ", "repaired    ", "salvaged 2 of 3 records  ", "lost        "):
        assert any(told.startswith(line) for told in done.stdout.splitlines()), done.stdout
    assert "lost: shape of row 2: the file ends within the record" in done.stdout
    assert "[bad-magic]" in done.stdout


def test_json_is_that_of_run_and_more(folder: Path, tmp_path: Path) -> None:
    done = invoke(str(folder), "-o", str(tmp_path / "out"), "--json")
    record = json.loads(done.stdout)
    assert record["schema"] == 1
    assert record["exit_code"] == done.exit_code == 1
    assert record["states"] == {"lost": 1, "repaired": 1, "salvaged": 1, "whole": 1}
    told = {Path(o["sources"][0]).stem: o for o in record["outcomes"]}
    assert told["cut"]["lost"][0]["row"] == 2
    assert (told["cut"]["saved"], told["cut"]["records"]) == (2, 3)
    assert told["bare"]["repairs"][0]["what"].startswith("the .shx was missing")


def test_the_table_has_each_lost_row_also_when_nothing_was_to_be_done(
    folder: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        done = invoke(str(folder), "-o", str(tmp_path / "out"))
        assert done.exit_code == 1
        with open(tmp_path / "out" / TABLE, newline="") as file:
            lines = [(Path(x["layer"]).stem, x["row"], x["what"]) for x in csv.DictReader(file)]
        assert sorted(lines) == [("cut", "2", "shape"), ("text", "", "layer")]
    for member in folder.glob("text.*"):
        member.unlink()
    shutil.copy(folder / "whole.shp", folder / "cut.shp")
    assert invoke(str(folder), "-o", str(tmp_path / "out")).exit_code == 0
    assert not (tmp_path / "out" / TABLE).exists()


def test_a_layer_whose_shp_is_gone_is_lost_and_a_lone_table_is_none(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "bare.shp").unlink()  # it has neither .shp nor .shx now: a table
    (folder / "whole.shp").unlink()
    done = invoke(str(folder), "-o", str(tmp_path / "out"), "--json")
    told = {Path(o["sources"][0]).name: o["code"] for o in json.loads(done.stdout)["outcomes"]}
    assert told == {"cut.shp": None, "text.shp": "bad-magic", "whole.dbf": "shp-missing"}


def test_a_dry_run_leaves_no_folder(folder: Path, tmp_path: Path) -> None:
    done = invoke(str(folder), "-o", str(tmp_path / "out"), "-n")
    assert done.exit_code == 1
    assert "salvaged 2 of 3 records" in done.stdout
    assert not (tmp_path / "out").exists()


def test_from_the_shell_on_a_pool_out_of_a_zip(folder: Path, tmp_path: Path) -> None:
    archive = make.zipped(tmp_path / "ä b.zip", folder, "sub/")
    line = [sys.executable, "-m", "shpbatch", "repair", str(archive), "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [*line, "--container", "shz", "--json", "-j", "2"], capture_output=True, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["states"] == {
        "lost": 1, "repaired": 1, "salvaged": 1, "whole": 1
    }  # fmt: skip
    assert len(list((tmp_path / "out").rglob("*.shz"))) == 3
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_torn_sidecar_in_a_zip_does_not_cost_what_is_packed_otherwise(
    method: int, tmp_path: Path
) -> None:
    path = make.write(tmp_path / "src")
    (tmp_path / "zip").mkdir()
    archive = tmp_path / "zip/a.zip"
    with zipfile.ZipFile(archive, "w", method) as out:
        for member in sorted(path.parent.iterdir()):
            if member.suffix != ".cpg":
                out.write(member, member.name)
        out.writestr("a.cpg", b"UTF-8", zipfile.ZIP_STORED)
        torn = out.getinfo("a.cpg").header_offset
    data = bytearray(archive.read_bytes())
    data[data.index(b"UTF-8", torn)] ^= 0x20
    archive.write_bytes(data)
    outcome = repair(archive, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert "the .cpg in the zip has not the checksum that it tells" in dict(outcome.repairs)
    (made,) = (tmp_path / "out").rglob("a.shp")
    assert contents(made) == list(make.POINTS)


@pytest.mark.parametrize("kind", ["shp", "shx", "dbf"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_with_a_wrong_checksum_is_unpacked_as_far_as_it_goes(
    kind: str, method: int, tmp_path: Path
) -> None:
    path = good(tmp_path / "src")
    (tmp_path / "zip").mkdir()
    archive = tmp_path / "zip/a.zip"
    with zipfile.ZipFile(archive, "w", method) as out:
        for member in sorted(path.parent.glob("sids.*")):
            out.write(member, member.name)
    data, packed = bytearray(archive.read_bytes()), zipfile.ZipFile(archive).infolist()
    (member,) = [m for m in packed if m.filename.endswith(kind)]
    data[member.header_offset + 40 + member.compress_size // 2] ^= 0x10
    archive.write_bytes(data)
    outcome = repair(archive, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert f"the .{kind} in the zip has not the checksum that it tells" in dict(outcome.repairs)
    told = {row for x in outcome.lost for row in range(x.row, x.row + x.count)}
    assert told == (set() if kind == "shx" else set(range(ROWS)))
    (made,) = (tmp_path / "out").rglob("sids.shp")
    assert kind == "shp" or contents(made) == contents(SIDS)
    assert kind == "shp" or saved_of(outcome) == (ROWS, ROWS)
    assert kind != "dbf" or doubtful_of(outcome) == ROWS


def test_several_types_in_one_layer_are_saved_as_they_are(tmp_path: Path) -> None:
    shapes = [make.point(1, 2), make.poly(3, [(0, 0), (1, 1)]), make.point(3, 4)]
    shp, shx = make.shp_bytes(shapes, 1)
    path = make.layer(tmp_path / "in", shapes, 1, shp=shp[:-4], shx=shx)
    outcome = repair(path, tmp_path / "out")
    assert lost(outcome) == [(1, 1, "doubtful"), (2, 1, "feature")]
    assert contents(tmp_path / "out/a.shp") == shapes[:2]
    assert any("were not examined" in note for note in outcome.notes)


def test_in_windows_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good(tmp_path / "src")
    data = bytearray(path.read_bytes())
    for at in (500, 9_000, 20_000):
        data[at : at + 80] = b"\xfe" * 80
    path.write_bytes(data[:-30])
    whole = repair(path, tmp_path / "one")
    for name in ("shpbatch.shapefile.found", "shpbatch.shapefile.reader"):
        monkeypatch.setattr(f"{name}.WINDOW_ROWS", 3)
    monkeypatch.setattr("shpbatch.repairing.mended.ROWS", 7)
    bits = repair(path, tmp_path / "many")
    assert (bits.lost, bits.repairs, bits.features) == (whole.lost, whole.repairs, whole.features)
    for kind in KINDS:
        made = [(tmp_path / d / f"sids.{kind}").read_bytes() for d in ("one", "many")]
        assert made[0] == made[1], kind


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["shp", "shx", "dbf"]), st.data())
def test_whatever_is_damaged_there_is_an_outcome(kind: str, data: st.DataObject) -> None:
    """Bytes that are cut out, written over or put in, anywhere in a member."""
    with tempfile.TemporaryDirectory() as name:
        path = good(Path(name, "src"))
        member = path.with_suffix(f".{kind}")
        whole = member.read_bytes()
        at = data.draw(st.integers(0, 200) | st.integers(0, len(whole)))
        gone = data.draw(st.integers(0, 90))
        member.write_bytes(whole[:at] + data.draw(st.binary(max_size=90)) + whole[at + gone :])
        outcome = repair(path, Path(name, "out"), durability="fast")
        saved, total = saved_of(outcome)
        assert outcome.code in (None, "bad-magic", "unknown-type")
        assert 0 <= saved <= total
        if outcome.status == "done":
            made = contents(Path(name, "out/sids.shp"))
            whole_shapes = contents(SIDS)
            assert kind != "shx" or made == whole_shapes
            assert sum(a == b for a, b in zip(made, whole_shapes, strict=False)) >= 90 or at < 100


def test_many_that_stand_in_each_other_take_no_ages(tmp_path: Path) -> None:
    """40,000 heads, each of a record to the end of the file: no byte is read twice."""
    n = 40_000
    size = 44 + 4 + 16 * n
    heads = np.zeros((n, 12), dtype=">i4")
    heads[:, 0], heads[:, 1] = np.arange(1, n + 1), size // 2
    body = heads.copy()
    body.view("<i4")[:, 2], body.view("<i4")[:, 11] = 5, 1
    shp = make.shp_bytes([], 5)[0] + body.tobytes()
    path = make.layer(tmp_path / "in", [], 5, shp=shp, shx=None)
    outcome = repair(path, tmp_path / "out", timeout=30)
    assert outcome.status == "done"
    assert saved_of(outcome)[0] <= n


def test_a_large_broken_layer_takes_seconds(tmp_path: Path) -> None:
    """300,000 points, a gap in each thousandth: 8 MB, two gaps of them without a header."""
    n = 300_000
    one = np.zeros(n, dtype=[("n", ">i4"), ("w", ">i4"), ("t", "<i4"), ("xy", "<f8", 2)])
    one["n"], one["w"], one["t"], one["xy"] = np.arange(1, n + 1), 10, 1, 3.0
    one["t"][::1000] = 99
    one["n"][:2000:1000] = -7
    head = make.shp_bytes([], 1)[0]
    shp = head[:24] + struct.pack(">i", 50 + 14 * n) + head[28:] + one.tobytes()
    path = make.layer(tmp_path / "in", [], 1, shp=shp, shx=b"")
    outcome = repair(path, tmp_path / "out", timeout=60)
    assert sum(x.count for x in outcome.lost if x.what != "doubtful") == n // 1000
    assert [x.row for x in outcome.lost if x.what == "doubtful"] == [999]  # before a gap
    assert saved_of(outcome) == (n - n // 1000, n)
