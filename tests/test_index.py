"""Where records are: from the .shx, else from the chain of record headers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapefiles as make

from shpbatch.errors import ReadError
from shpbatch.models import Outcome
from shpbatch.parser import shp_parser
from shpbatch.shapefile.bundle import Bundle
from shpbatch.shapefile.index import build_shx, chain, check_index, count_records, read_shx

SHP, SHX = make.shp_bytes()
LINES = (
    make.poly(3, [(0, 0), (1, 1)]),
    make.NULL,
    make.poly(3, [(0, 0), (1, 1), (2, 0)], [(5, 5), (6, 6)]),
)


def bundle(path: Path) -> Bundle:
    return Bundle.of(make.source(path))


def run(path: Path, out: Path) -> Outcome:
    return shp_parser(path, recipe=[], dst=out)


def test_the_chain_is_what_the_index_says(tmp_path: Path) -> None:
    found = bundle(make.layer(tmp_path, LINES, 3))
    index = read_shx(found)
    assert index is not None
    assert index.tolist() == [[100, 80], [188, 4], [200, 132]]
    assert chain(found) == [tuple(row) for row in index.tolist()]
    check_index(found, index)


def test_a_rebuilt_shx_is_the_missing_one_byte_for_byte(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes(LINES, 3)
    assert build_shx(bundle(make.layer(tmp_path, LINES, 3, shx=None))) == shx
    assert build_shx(bundle(make.write(tmp_path / "whole", shp=shp, shx=shx))) == shx


def test_no_records_at_all(tmp_path: Path) -> None:
    found = bundle(make.layer(tmp_path, [], 3, shx=None))
    assert chain(found) == []
    assert count_records(found) == 0
    assert len(build_shx(found)) == 100


def test_a_missing_shx_is_rebuilt_but_not_in_the_users_folder(tmp_path: Path) -> None:
    path = make.layer(tmp_path / "src", LINES, 3, shx=None)
    before = make.snapshot(path.parent)
    outcome = run(path, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert outcome.notes == ("no usable .shx; the index is rebuilt in memory",)
    assert make.snapshot(path.parent) == before
    assert [f.name for f in path.parent.iterdir() if f.suffix == ".shx"] == []
    back = pyogrio.read_dataframe(outcome.sinks[0].path).geometry
    assert [None if g is None else g.wkt for g in back] == [
        "LINESTRING (0 0, 1 1)",
        None,
        "MULTILINESTRING ((0 0, 1 1, 2 0), (5 5, 6 6))",
    ]


def test_shape_restore_shx_of_the_users_shell_is_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHAPE_RESTORE_SHX", "YES")
    path = make.write(tmp_path / "src", shx=None)
    before = make.snapshot(path.parent)
    assert run(path, tmp_path / "out").status == "done"
    assert make.snapshot(path.parent) == before


@pytest.mark.parametrize(
    ("broken", "byte"),
    [
        (SHP[:-1], 156),  # cut within the last record
        (SHP[:140], 128),
        (SHP[:132] + struct.pack(">i", 9999) + SHP[136:], 128),  # longer than the file
        (SHP[:132] + struct.pack(">i", -1) + SHP[136:], 128),
        (SHP[:104] + struct.pack(">i", 0) + SHP[108:], 100),
        (SHP[:104] + struct.pack(">i", -(2**31)) + SHP[108:], 100),
        (SHP + bytes(12), 184),  # zeros trail
        (SHP + b"garbage!", 184),
    ],
)
def test_a_broken_chain_is_told_with_its_byte(tmp_path: Path, broken: bytes, byte: int) -> None:
    path = make.write(tmp_path / "src", shp=broken, shx=None)
    with pytest.raises(ReadError, match=f"record at byte {byte} does not fit") as error:
        chain(bundle(path))
    assert error.value.code == "chain-broken"
    before = make.snapshot(path.parent)
    outcome = run(path, tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "chain-broken")
    assert make.snapshot(path.parent) == before
    assert not list((tmp_path / "out").rglob("*.s*"))


@pytest.mark.parametrize("trail", [1, 5, 7])
def test_bytes_that_trail_break_the_chain(tmp_path: Path, trail: int) -> None:
    with pytest.raises(ReadError, match="byte 184"):
        chain(bundle(make.write(tmp_path, shp=SHP + bytes(trail), shx=None)))


@pytest.mark.parametrize("size", [156, 161])
def test_records_are_never_lost_silently(tmp_path: Path, size: int) -> None:
    """Cut at or near the end of a record, with neither .shx nor .dbf to contradict."""
    outcome = run(make.write(tmp_path / "src", shp=SHP[:size], shx=None, dbf=None), tmp_path / "o")
    told = [n for n in outcome.notes if "184" in n or "length" in n]
    assert outcome.status == "failed" or told


@pytest.mark.parametrize("size", [101, 128, 156, 183])
def test_a_truncated_shp_is_told(tmp_path: Path, size: int) -> None:
    path = make.write(tmp_path / "src", shp=SHP[:size])
    outcome = run(path, tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "shp-truncated")
    number = (size - 100) // 28 + 1
    assert f"record {number} should end at byte {100 + 28 * number}" in (outcome.reason or "")
    assert f"the file has {size}" in (outcome.reason or "")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(("offset", "length"), [(49, 10), (-5, 10), (50, -10), (2**30, 10)])
def test_an_index_that_points_outside(tmp_path: Path, offset: int, length: int) -> None:
    found = bundle(make.write(tmp_path))
    index = np.array([[offset * 2, length * 2]], dtype=np.int64)
    with pytest.raises(ReadError) as error:
        check_index(found, index)
    assert error.value.code == "shp-truncated"


@pytest.mark.parametrize(
    "shx",
    [b"", SHX[:99], b"\0" * 200, b"text" * 50, None],
    ids=["empty", "short", "zeros", "text", "none"],
)
def test_what_is_no_index_is_none(tmp_path: Path, shx: bytes | None) -> None:
    assert read_shx(bundle(make.write(tmp_path, shx=shx))) is None


@pytest.mark.parametrize(
    "shx",
    [
        b"text" * 50,
        bytes(200),
        SHX[:24] + struct.pack(">i", -5) + SHX[28:],
        SHX[:24] + struct.pack(">i", 54) + SHX[28:108],
        SHX[:-8],
    ],
    ids=["text", "zeros", "negative", "one-entry", "cut"],
)
@pytest.mark.parametrize("dbf", [True, False], ids=["dbf", "no-dbf"])
def test_an_index_that_disagrees_gives_way_to_the_chain(
    tmp_path: Path, shx: bytes, dbf: bool
) -> None:
    members = {} if dbf else {"dbf": None}
    outcome = run(make.write(tmp_path / "src", shx=shx, **members), tmp_path / "out")
    assert (outcome.status, outcome.features.written) == ("done", 3)


def test_a_short_index_loses_nothing_silently(tmp_path: Path) -> None:
    """One entry of three, and no .dbf to contradict it."""
    shx = SHX[:24] + struct.pack(">i", 54) + SHX[28:108]
    outcome = run(make.write(tmp_path / "src", shx=shx, dbf=None), tmp_path / "out")
    assert outcome.status == "failed" or outcome.features.written == 3


def test_a_missing_dbf_is_a_layer_without_fields(tmp_path: Path) -> None:
    outcome = run(make.write(tmp_path / "src", dbf=None), tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert outcome.features.written == 3
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        ".shpbatch",
        "a.prj",
        "a.shp",
        "a.shx",
    ]


@pytest.mark.parametrize("names", [(), (b"x",), (b"a", b"b"), (b"a", b"b", b"c", b"d")])
def test_a_dbf_of_another_length(tmp_path: Path, names: tuple[bytes, ...]) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*names))
    outcome = run(make.write(tmp_path / "src", dbf=dbf), tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "count-mismatch")
    assert f"3 shapes but {len(names)} rows" in (outcome.reason or "")


def test_a_dbf_cut_within_its_rows(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c"))
    outcome = run(make.write(tmp_path / "src", dbf=dbf[:-10]), tmp_path / "out")
    assert outcome.code == "count-mismatch"


@pytest.mark.parametrize("deleted", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_deleted_rows_are_left_out_and_counted(tmp_path: Path, deleted: tuple[int, ...]) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c"), deleted=deleted)
    outcome = run(make.write(tmp_path / "src", dbf=dbf), tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    features = outcome.features
    assert (features.declared, features.deleted) == (3, len(deleted))
    assert features.read == features.written == 3 - len(deleted)
    assert features.balances()
    assert f"{len(deleted)} features were flagged as deleted and left out" in outcome.notes
    frame = pyogrio.read_dataframe(outcome.sinks[0].path)
    kept = [i for i in range(3) if i not in deleted]
    assert frame["NAME"].tolist() == [["a", "b", "c"][i] for i in kept]
    assert [g.x for g in frame.geometry] == [[1.0, 3.0, 5.0][i] for i in kept]
