"""What a repair saves and cannot vouch for is told by row: nothing doubtful passes as whole."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make
from test_repair import contents, lost, repair

from shpbatch.models import Outcome
from shpbatch.salvaging import state_of

SHAPES = [make.point(1 + i, 2 + i) for i in range(5)]
LINES = [make.poly(3, [(i, 0), (i + 9, 7), (i + 1, 5)]) for i in range(1, 6)]
RECORD = 28  # bytes of a point with its header
BOUNDS = (1.0, 2.0, 5.0, 6.0)


def damaged(folder: Path, shp: bytes, code: int = 1, **members: Any) -> Outcome:
    """The outcome of a repair of a layer of five rows, without a .shx if none is given."""
    rows = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c", b"d", b"e"))
    path = make.layer(folder / "in", SHAPES, code, **{"shx": None, "dbf": rows} | members, shp=shp)
    return repair(path, folder / "out")


def reasons(outcome: Outcome) -> str:
    return " ".join(x.reason for x in outcome.lost)


# --- the neighbours ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_point_before_bytes_that_are_none_is_doubtful(size: int, tmp_path: Path) -> None:
    """Bytes put into the second point: what is behind its declared end may be its own."""
    shp, _ = make.shp_bytes(SHAPES, 1)
    at = 100 + RECORD + 14
    outcome = damaged(tmp_path, shp[:at] + b"\x7f" * size + shp[at:])
    assert {x.row for x in outcome.lost} == {1}
    made = contents(tmp_path / "out/a.shp")
    assert [made[0], *made[2:]] == [SHAPES[0], *SHAPES[2:]]


def test_a_line_before_them_is_proved_by_its_own_extent(tmp_path: Path) -> None:
    shp, _ = make.shp_bytes(LINES, 3)
    end = 100 + 2 * (8 + len(LINES[0]))
    outcome = damaged(tmp_path / "between", shp[:end] + b"\x7f" * 9 + shp[end:], 3)
    assert (state_of(outcome), outcome.lost) == ("repaired", ())
    outcome = damaged(tmp_path / "within", shp[: end - 20] + b"\x7f" * 9 + shp[end - 20 :], 3)
    assert {x.row for x in outcome.lost} == {1}


def test_a_point_whose_header_was_hit_is_doubtful_and_the_one_before_it(tmp_path: Path) -> None:
    shp, _ = make.shp_bytes(SHAPES, 1)
    at = 100 + 2 * RECORD
    outcome = damaged(tmp_path, shp[: at + 4] + struct.pack(">i", 99) + shp[at + 8 :])
    assert lost(outcome) == [(1, 2, "doubtful")]
    assert contents(tmp_path / "out/a.shp") == SHAPES


# --- what records tell of themselves ----------------------------------------------------


@pytest.mark.parametrize("indexed", [True, False])
def test_vertices_outside_the_extent_of_their_record(indexed: bool, tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(LINES, 3)
    end = 100 + 2 * (8 + len(LINES[0]))
    outcome = damaged(
        tmp_path, shp[: end - 24] + bytes(24) + shp[end:], 3, shx=shx if indexed else None
    )
    assert lost(outcome) == [(1, 1, "doubtful")]
    assert "another extent" in reasons(outcome)


def test_measures_that_are_no_numbers_though_a_range_is_told(tmp_path: Path) -> None:
    lines = [struct.pack("<i", 23) + s[4:] + struct.pack("<5d", 1, 3, 1, 2, 3) for s in LINES]
    torn = [*lines[:3], lines[3][:-16] + b"\xff" * 16, lines[4]]
    shp, shx = make.shp_bytes(torn, 23)
    outcome = damaged(tmp_path, shp, 23, shx=shx)
    assert lost(outcome) == [(3, 1, "doubtful")]
    assert "range of M" in reasons(outcome)


def test_a_writer_that_tells_no_extents_is_no_damage(tmp_path: Path) -> None:
    lines = [s[:4] + bytes(32) + s[36:] for s in LINES]
    shp, shx = make.shp_bytes(lines, 3)
    assert not damaged(tmp_path, shp, 3, shx=shx).lost
    shp, shx = make.shp_bytes(lines[:1], 3)
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a"))
    assert not damaged(tmp_path / "one", shp, 3, shx=shx, dbf=dbf).lost


@pytest.mark.parametrize("bad", [struct.pack("<2d", 77.0, 3.0), bytes(16)])
def test_a_point_outside_the_extent_that_all_others_fill(bad: bytes, tmp_path: Path) -> None:
    shapes = [*SHAPES[:2], SHAPES[2][:4] + bad, *SHAPES[3:]]
    shp, shx = make.shp_bytes(shapes, 1, BOUNDS)
    outcome = damaged(tmp_path, shp, shx=shx)
    assert lost(outcome) == [(2, 1, "doubtful")]
    assert contents(tmp_path / "out/a.shp") == shapes


def test_a_header_that_is_stale_makes_no_point_doubtful(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(SHAPES, 1, (2.5, 2.5, 4.0, 4.0))
    outcome = damaged(tmp_path, shp, shx=shx)
    assert (state_of(outcome), outcome.lost) == ("repaired", ())


def test_a_null_shape_has_no_bytes_of_another(tmp_path: Path) -> None:
    shapes = [*LINES[:2], bytes(4) + LINES[2][4:], *LINES[3:]]
    shp, shx = make.shp_bytes(shapes, 3)
    outcome = damaged(tmp_path, shp, 3, shx=shx)
    assert lost(outcome) == [(2, 1, "shape")]
    assert "it is a null shape, and has" in reasons(outcome)


def test_a_record_of_another_type_is_told(tmp_path: Path) -> None:
    shapes = [*LINES[:2], struct.pack("<i", 5) + LINES[2][4:], *LINES[3:]]
    shp, shx = make.shp_bytes(shapes, 3)
    outcome = damaged(tmp_path, shp, 3, shx=shx)
    assert lost(outcome) == [(2, 1, "doubtful")]
    assert "shape type 5, the layer of 3" in reasons(outcome)


def test_a_record_with_more_bytes_than_its_counts_make(tmp_path: Path) -> None:
    """Counts that became 0: an empty line of 100 bytes."""
    shapes = [*LINES[:2], LINES[2][:4] + bytes(40) + LINES[2][44:], *LINES[3:]]
    shp, shx = make.shp_bytes(shapes, 3)
    outcome = damaged(tmp_path, shp, 3, shx=shx)
    assert {(x.row, x.what) for x in outcome.lost} == {(2, "doubtful")}


# --- the numbers of the records -----------------------------------------------------------


def swapped(shp: bytes) -> bytes:
    """The second and the third record in each other's place."""
    second, third = (slice(100 + i * RECORD, 100 + (i + 1) * RECORD) for i in (1, 2))
    return shp[: second.start] + shp[third] + shp[second] + shp[third.stop :]


def test_without_a_shx_records_are_put_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    outcome = damaged(tmp_path, swapped(make.shp_bytes(SHAPES, 1, BOUNDS)[0]))
    assert lost(outcome) == [(1, 2, "doubtful")]
    assert contents(tmp_path / "out/a.shp") == SHAPES


def test_a_shx_against_places_and_numbers_is_not_followed(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(SHAPES, 1, BOUNDS)
    shx = shx[:108] + shx[116:124] + shx[108:116] + shx[124:]
    outcome = damaged(tmp_path, shp, shx=shx)
    assert lost(outcome) == [(1, 2, "doubtful")]
    assert contents(tmp_path / "out/a.shp") == SHAPES


def test_numbers_against_shx_and_places_are_told(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(SHAPES, 1, BOUNDS)
    outcome = damaged(tmp_path, swapped(shp), shx=shx)
    assert lost(outcome) == [(1, 2, "doubtful")]
    assert contents(tmp_path / "out/a.shp") == [SHAPES[0], SHAPES[2], SHAPES[1], *SHAPES[3:]]


def test_numbers_that_mean_nothing_are_no_damage(tmp_path: Path) -> None:
    shp = bytearray(make.shp_bytes(SHAPES, 1, BOUNDS)[0])
    for i in range(5):
        struct.pack_into(">i", shp, 100 + i * RECORD, 7)
    outcome = damaged(tmp_path, bytes(shp), shx=make.shp_bytes(SHAPES, 1)[1])
    assert (state_of(outcome), outcome.lost) == ("repaired", ())


# --- the end of the file ------------------------------------------------------------------


def test_zeros_to_the_end_that_the_header_tells_are_a_loss(tmp_path: Path) -> None:
    """Nothing tells of how many records: one is told, and that they may be several."""
    shp, shx = make.shp_bytes(SHAPES, 1)
    shp = shp[: 100 + 2 * RECORD] + bytes(3 * RECORD)
    outcome = damaged(tmp_path / "alone", shp, dbf=None)
    assert {x.row for x in outcome.lost if x.what == "feature"} == {2}
    assert "may have been several" in reasons(outcome)
    for name, members in {"dbf": {}, "shx": {"shx": shx}}.items():
        outcome = damaged(tmp_path / name, shp, **members)
        rows = [x for x in outcome.lost if x.what == "shape"]
        assert sum(x.count for x in rows) == 3
        assert "the file ends" not in reasons(outcome)


@pytest.mark.parametrize("beside", ["shx", "dbf"])
def test_bytes_at_the_end_make_no_row_that_never_was(beside: str, tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(SHAPES, 1)
    shp = shp[:24] + struct.pack(">i", len(shp) // 2 + 16) + shp[28:] + b"\xee" * 30
    broken = shp[:104] + struct.pack(">i", 3) + shp[108:]  # makes it search for records
    members = {"shx": shx} if beside == "shx" else {}
    outcome = damaged(tmp_path, broken, **members)
    assert len(contents(tmp_path / "out/a.shp")) == 5
    assert all(x.what == "doubtful" for x in outcome.lost)
    assert any("behind the records" in what for what, _ in outcome.repairs)


@pytest.mark.parametrize("rows", [None, 5, 8])
def test_records_again_behind_the_end_are_none(rows: int | None, tmp_path: Path) -> None:
    """The last three once more: header and numbers say that there are five, unless rows do not."""
    shp, _ = make.shp_bytes(SHAPES, 1, BOUNDS)
    names = make.rows_of(*[b"x"] * (rows or 0))
    dbf = make.dbf_bytes(make.NAMES, names) if rows else None
    outcome = damaged(tmp_path, shp + shp[-3 * RECORD :], dbf=dbf)
    assert contents(tmp_path / "out/a.shp") == (SHAPES + SHAPES[-3:] if rows == 8 else SHAPES)
    assert not outcome.lost
