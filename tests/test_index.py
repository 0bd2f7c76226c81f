"""Where records are: from the .shx, else from the chain of record headers."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapefiles as make

import shpbatch
from shpbatch.errors import ReadError
from shpbatch.models import Outcome
from shpbatch.shapefile import index
from shpbatch.shapefile.bundle import Bundle
from shpbatch.shapefile.index import Index, chain, load_index

SHP, SHX = make.shp_bytes()
#: The three points of it, in words.
THREE = [[50, 10], [64, 10], [78, 10]]
LINES = (
    make.poly(3, [(0, 0), (1, 1)]),
    make.NULL,
    make.poly(3, [(0, 0), (1, 1), (2, 0)], [(5, 5), (6, 6)]),
)


def bundle(path: Path) -> Bundle:
    return Bundle.of(make.source(path))


def run(path: Path, out: Path, on_bad_record: str = "fail") -> Outcome:
    options = {"on_bad_record": on_bad_record, "method": "inline"}
    (outcome,) = shpbatch.run(path, out, [], **options).outcomes
    return outcome


def test_the_chain_is_what_the_index_says(tmp_path: Path) -> None:
    found = bundle(make.layer(tmp_path, LINES, 3))
    loaded = load_index(found)
    assert loaded.entries.tolist() == [[50, 40], [94, 2], [100, 66]]
    assert not loaded.rebuilt
    assert chain(found).tolist() == loaded.entries.tolist()


def test_a_window_of_an_index_is_in_bytes(tmp_path: Path) -> None:
    found = load_index(bundle(make.layer(tmp_path, LINES, 3)))
    assert len(found) == 3
    starts, sizes = found.window(1, 3)
    assert (starts.tolist(), sizes.tolist()) == ([188, 200], [4, 132])
    assert [len(v) for v in found.window(2, 2)] == [0, 0]
    assert [len(v) for v in found.window(3, 9)] == [0, 0]


def test_places_behind_2_gb_are_positive() -> None:
    """A word is 2 bytes: an offset that fits 32 bits is a place that does not."""
    far = Index(np.array([[2**31 - 1, 2**30]], dtype=">i4"))
    starts, sizes = far.window(0, 1)
    assert (starts.tolist(), sizes.tolist()) == ([2**32 - 2], [2**31])


def test_a_rebuilt_index_is_the_missing_one_byte_for_byte(tmp_path: Path) -> None:
    found = load_index(bundle(make.layer(tmp_path, LINES, 3, shx=None))).entries
    assert found.astype(">i4").tobytes() == make.shp_bytes(LINES, 3)[1][100:]


def test_no_records_at_all(tmp_path: Path) -> None:
    found = bundle(make.layer(tmp_path, [], 3, shx=None))
    assert len(chain(found)) == len(load_index(found)) == 0
    assert chain(found).shape == (0, 2)
    assert load_index(found).rebuilt


# --- the chain: at once, or record by record ----------------------------------


def both(data: bytes, folder: Path) -> tuple[object, object]:
    """The chain as it is found at once, and record by record; a code where it is refused."""
    path = make.write(folder, shp=data, shx=None)
    found = bundle(path)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        likely = index._likely(view)
        try:
            walked: object = index._walk(view, found).tolist()
        except ReadError as error:
            walked = error.code
    return None if likely is None else likely.tolist(), walked


def zeros(count: int) -> bytes:
    """A MultiPoint whose coordinates are many zero words."""
    return struct.pack("<i4d i", 8, 0, 0, 0, 0, count) + bytes(16 * count)


def whole_numbers(count: int) -> bytes:
    """A PolyLine of integer coordinates: half of their words are 0."""
    return make.poly(3, [(i, 2 * i) for i in range(count)])


LIKELY: dict[str, tuple[int, list[bytes]]] = {
    "points": (1, list(make.POINTS)),
    "one point": (1, [make.point(0, 0)]),
    "points at 0": (1, [make.point(0, 0)] * 50),
    "lines and nulls": (3, [*LINES, make.NULL, make.NULL, *LINES]),
    "nulls only": (3, [make.NULL] * 20),
    "nulls of no type": (0, [make.NULL] * 20),
    "a null first": (5, [make.NULL, make.poly(5, [(0, 0), (0, 1), (1, 1), (0, 0)])]),
    "whole numbers": (3, [whole_numbers(n) for n in (2, 30, 300)]),
    "zeros": (8, [zeros(n) for n in (1, 0, 40, 7)]),
    "zeros and nulls": (8, [make.NULL, zeros(9), make.NULL, make.NULL, zeros(3)]),
}


@pytest.mark.parametrize(("code", "records"), LIKELY.values(), ids=LIKELY)
def test_the_chain_is_found_at_once(tmp_path: Path, code: int, records: list[bytes]) -> None:
    shp, shx = make.shp_bytes(records, code)
    expected = np.frombuffer(shx[100:], ">i4").reshape(-1, 2).tolist()
    assert both(shp, tmp_path) == (expected, expected)


@pytest.mark.parametrize("step", [3, 4, 10, 11, 64])
@pytest.mark.parametrize(("code", "records"), LIKELY.values(), ids=LIKELY)
def test_a_chain_longer_than_what_is_looked_at_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, records: list[bytes], step: int
) -> None:
    monkeypatch.setattr(index, "SLAB", step)
    shp, shx = make.shp_bytes(records, code)
    expected = np.frombuffer(shx[100:], ">i4").reshape(-1, 2).tolist()
    assert both(shp, tmp_path) == (expected, expected)


def test_what_only_looks_like_a_record_is_none(tmp_path: Path) -> None:
    """Coordinates of which 12 bytes are a number, a length and the layer's type."""
    fake = struct.pack(">2i", 2, 10) + struct.pack("<i", 8)
    content = zeros(4)[:40] + fake + bytes(52)
    shp, shx = make.shp_bytes([content, zeros(1)], 8)
    expected = np.frombuffer(shx[100:], ">i4").reshape(-1, 2).tolist()
    likely, walked = both(shp, tmp_path)
    assert walked == expected
    assert likely is None
    assert chain(bundle(tmp_path / "a.shp")).tolist() == expected


def test_numbers_that_look_like_a_shape_type_are_none(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(i, 5e-324) for i in range(50)])
    expected = np.frombuffer(shx[100:], ">i4").reshape(-1, 2).tolist()
    assert both(shp, tmp_path) == (None, expected)
    assert chain(bundle(tmp_path / "a.shp")).tolist() == expected


def test_a_whole_record_within_a_record_is_none(tmp_path: Path) -> None:
    inside = struct.pack(">2i", 2, 10) + make.point(1, 2)
    content = zeros(3)[:40] + inside + bytes(20)
    shp, _ = make.shp_bytes([content, zeros(2)], 8)
    shp = shp[:32] + struct.pack("<i", 1) + shp[36:]
    likely, walked = both(shp, tmp_path)
    assert likely is None or likely == walked
    assert walked == [[50, 44], [98, 36]]


def test_records_of_an_odd_number_of_words_are_found(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(1, 2) + b"\0\0", make.point(3, 4)])
    assert chain(bundle(make.write(tmp_path, shp=shp, shx=None))).tolist() == [[50, 11], [65, 10]]


def test_records_of_another_type_are_found(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([*LINES, make.point(1, 2), *LINES], 3)
    expected = np.frombuffer(shx[100:], ">i4").reshape(-1, 2).tolist()
    assert chain(bundle(make.write(tmp_path, shp=shp, shx=None))).tolist() == expected


def test_numbers_of_records_do_not_matter(tmp_path: Path) -> None:
    data = bytearray(SHP)
    data[100:104], data[128:132] = struct.pack(">i", -7), struct.pack(">i", 2**31 - 1)
    assert chain(bundle(make.write(tmp_path, shp=bytes(data), shx=None))).tolist() == THREE


@pytest.mark.parametrize("trail", [bytes(1), bytes(4), bytes(12), b"garbage!", b"\xff" * 30])
def test_bytes_behind_the_declared_length_are_no_records(tmp_path: Path, trail: bytes) -> None:
    """The header tells where the records end; that bytes follow is told, and nothing is lost."""
    likely, walked = both(SHP + trail, tmp_path / "src")
    assert likely is None or likely == THREE
    assert walked == THREE
    outcome = run(tmp_path / "src" / "a.shp", tmp_path / "out")
    assert (outcome.status, outcome.features.written) == ("done", 3)
    assert any("header says 184 bytes" in note for note in outcome.notes)


def declared(data: bytes) -> bytes:
    """With its own length in its header."""
    return data[:24] + struct.pack(">i", len(data) // 2) + data[28:]


@pytest.mark.parametrize("length", [100, 128, 156, 0, 10**6])
def test_a_header_that_lies_hides_no_record(tmp_path: Path, length: int) -> None:
    lying = SHP[:24] + struct.pack(">i", length // 2) + SHP[28:]
    assert chain(bundle(make.write(tmp_path, shp=lying, shx=None))).tolist() == THREE


def test_a_missing_shx_is_rebuilt_but_not_in_the_users_folder(tmp_path: Path) -> None:
    path = make.layer(tmp_path / "src", LINES, 3, shx=None)
    before = make.snapshot(path.parent)
    outcome = run(path, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert outcome.notes == (
        "no usable .shx; the index is rebuilt in memory",
        "no .dbf: a layer without fields",
    )
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
        (SHP[:-12], 156),
        (SHP[:140], 128),
        (SHP[:132] + struct.pack(">i", 9999) + SHP[136:], 128),  # longer than the file
        (SHP[:132] + struct.pack(">i", -1) + SHP[136:], 128),
        (SHP[:104] + struct.pack(">i", 0) + SHP[108:], 100),
        (SHP[:104] + struct.pack(">i", -(2**31)) + SHP[108:], 100),
        (declared(SHP + bytes(12)), 184),  # zeros trail
        (declared(SHP + b"garbage!"), 184),
    ],
)
def test_a_broken_chain_is_told_with_its_byte(tmp_path: Path, broken: bytes, byte: int) -> None:
    path = make.write(tmp_path / "src", shp=broken, shx=None)
    with pytest.raises(ReadError, match=f"record at byte {byte} does not fit") as error:
        chain(bundle(path))
    assert error.value.code == "chain-broken"
    with pytest.raises(ReadError) as error:
        load_index(bundle(path), check=False)
    assert error.value.code == "chain-broken"
    before = make.snapshot(path.parent)
    outcome = run(path, tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "chain-broken")
    assert make.snapshot(path.parent) == before
    assert not list((tmp_path / "out").rglob("*.sh[px]"))


@pytest.mark.parametrize("trail", [2, 4, 6])
def test_bytes_that_trail_break_the_chain(tmp_path: Path, trail: int) -> None:
    with pytest.raises(ReadError, match="byte 184"):
        chain(bundle(make.write(tmp_path, shp=declared(SHP + bytes(trail)), shx=None)))


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
    assert not list((tmp_path / "out").rglob("*.sh[px]"))


def entries(*pairs: tuple[int, int]) -> bytes:
    """A .shx of these offsets and lengths, in words."""
    body = b"".join(struct.pack(">2i", *pair) for pair in pairs)
    return SHX[:24] + struct.pack(">i", 50 + len(body) // 2) + SHX[28:100] + body


#: The chain breaks at the first record: only an index tells the others.
BROKEN = SHP[:104] + struct.pack(">i", 9999) + SHP[108:]


@pytest.mark.parametrize("slab", [1, 2, 100])
@pytest.mark.parametrize(("offset", "length"), [(49, 10), (-5, 10), (2**30, 10)])
def test_an_index_that_points_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int, length: int, slab: int
) -> None:
    monkeypatch.setattr(index, "SLAB", slab)
    shx = entries((50, 10), (64, 10), (offset, length))
    found = bundle(make.write(tmp_path, shp=BROKEN, shx=shx))
    with pytest.raises(ReadError, match="record 3 should end at byte") as error:
        load_index(found)
    assert error.value.code == "shp-truncated"
    assert load_index(found, check=False).entries.tolist()[2] == [offset, length]


@pytest.mark.parametrize("slab", [1, 2, 3, 100])
def test_an_index_whose_records_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slab: int
) -> None:
    monkeypatch.setattr(index, "SLAB", slab)
    shx = entries((78, 10), (50, 14), (64, 10))
    found = bundle(make.write(tmp_path, shp=BROKEN, shx=shx))
    with pytest.raises(ReadError, match=r"records 2 and 3 .* overlap at byte 128") as error:
        load_index(found)
    assert error.value.code == "bad-index"
    assert len(load_index(found, check=False)) == 3


@pytest.mark.parametrize("skip", ["fail", "skip"])
@pytest.mark.parametrize("entry", [(49, 10), (-5, 10), (50, 10), (64, -10), (64, 60), (2**30, 10)])
def test_where_the_chain_is_whole_a_wrong_index_loses_nothing(
    tmp_path: Path, entry: tuple[int, int], skip: str
) -> None:
    path = make.write(tmp_path / "src", shx=entries((50, 10), entry, (78, 10)))
    outcome = run(path, tmp_path / "out", skip)
    assert (outcome.status, outcome.features.written) == ("done", 3), outcome.reason
    assert any("the .shx had wrong places" in note for note in outcome.notes)
    assert Path(outcome.sinks[0].path).read_bytes() == SHP
    assert Path(outcome.sinks[0].path).with_suffix(".shx").read_bytes() == SHX


@pytest.mark.parametrize("slab", [1, 2, 100])
def test_an_index_in_another_order_than_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slab: int
) -> None:
    monkeypatch.setattr(index, "SLAB", slab)
    found = load_index(bundle(make.write(tmp_path, shx=entries((78, 10), (50, 10), (64, 10)))))
    assert found.entries.tolist() == [[78, 10], [50, 10], [64, 10]]
    assert not found.rebuilt


def test_an_index_of_records_with_gaps_is_believed(tmp_path: Path) -> None:
    """Only the index knows them: the chain breaks at the first gap."""
    shp = SHP[:128] + bytes(8) + SHP[128:]
    path = make.write(tmp_path, shp=declared(shp), shx=entries((50, 10), (68, 10), (82, 10)))
    found = load_index(bundle(path))
    assert found.entries.tolist() == [[50, 10], [68, 10], [82, 10]]
    assert not found.rebuilt


def moved(shp: bytes, row: int, x: float) -> bytes:
    """An editor wrote a record anew at the end; the old one stays where it was."""
    return declared(shp + struct.pack(">2i", row + 1, 10) + make.point(x, x))


@pytest.mark.parametrize("gap", [0, 8])
@pytest.mark.parametrize("skip", ["fail", "skip"])
@pytest.mark.parametrize("members", [{}, {"dbf": None}], ids=["dbf", "no-dbf"])
def test_older_versions_of_records_are_no_rows(
    tmp_path: Path, members: dict[str, None], skip: str, gap: int
) -> None:
    """Written anew twice, and once; only the index tells which is the one."""
    shp = moved(moved(moved(SHP, 1, 7), 1, 8) + bytes(gap), 0, 9)
    shx = entries((120 + gap // 2, 10), (106, 10), (78, 10))
    path = make.write(tmp_path / "src", shp=shp, shx=shx, **members)
    outcome = run(path, tmp_path / "out", skip)
    assert outcome.status == "done", outcome.reason
    assert (outcome.features.declared, outcome.features.unreadable) == (3, 0)
    assert "no usable .shx; the index is rebuilt in memory" not in outcome.notes
    back = pyogrio.read_dataframe(outcome.sinks[0].path).geometry
    assert [g.x for g in back] == [9, 8, 5]
    assert [g.x for g in pyogrio.read_dataframe(path).geometry] == [9, 8, 5]


@pytest.mark.parametrize(("size", "whole"), [(128 + 8, 1), (156 + 5, 2), (184 - 1, 2)])
def test_a_short_index_of_a_cut_file(tmp_path: Path, size: int, whole: int) -> None:
    """What is lost at the end is told, though the index does not know of it."""
    path = make.write(tmp_path / "src", shp=SHP[:size], shx=entries((50, 10)), dbf=None)
    outcome = run(path, tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "chain-broken")
    outcome = run(path, tmp_path / "skip", "skip")
    features = outcome.features
    assert (features.declared, features.read, features.unreadable) == (whole + 1, whole, 1)


@pytest.mark.parametrize(
    "rest",
    [
        bytes(40),
        b"\xff" * 30,
        struct.pack("<40d", *(2.0**i for i in range(40))),
        struct.pack(">3i", 4, 10, 99) + bytes(16),
        struct.pack(">3i", 4, 40, 1),
    ],
    ids=["zeros", "ones", "numbers", "no-type", "too-long"],
)
def test_what_is_left_of_longer_records_is_none(tmp_path: Path, rest: bytes) -> None:
    shp = declared(SHP[:128] + rest + SHP[128:])
    at = (128 + len(rest)) // 2
    shx = entries((50, 10), (at, 10), (at + 14, 10))
    found = load_index(bundle(make.write(tmp_path, shp=shp, shx=shx)))
    assert (len(found), found.rebuilt) == (3, False)


def test_a_large_index_is_looked_at_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 16 MB on it is mapped, not read: null shapes make a long one of a small file."""
    count = (1 << 24) // 8
    numbers = np.zeros((count, 3), dtype=">i4")
    numbers[:, 0], numbers[:, 1] = np.arange(1, count + 1), 2
    pairs = np.empty((count, 2), dtype=">i4")
    pairs[:, 0], pairs[:, 1] = 50 + 6 * np.arange(count), 2
    path = make.write(
        tmp_path,
        shp=declared(SHP[:100] + numbers.tobytes()),
        shx=declared(SHX[:100] + pairs.tobytes()),
        dbf=None,
    )
    found = load_index(bundle(path))
    assert (len(found), found.rebuilt) == (count, False)
    starts, sizes = found.window(count - 1, count)
    assert (starts.tolist(), sizes.tolist()) == ([100 + 12 * (count - 1)], [4])
    assert np.array_equal(chain(bundle(path)), pairs)
    for file in (path, path.with_suffix(".shx")):
        file.unlink()


@pytest.mark.parametrize(
    "shx",
    [b"", SHX[:99], b"\0" * 200, b"text" * 50, None],
    ids=["empty", "short", "zeros", "text", "none"],
)
def test_what_is_no_index_is_rebuilt(tmp_path: Path, shx: bytes | None) -> None:
    found = load_index(bundle(make.write(tmp_path, shx=shx)))
    assert found.rebuilt
    assert found.entries.tolist() == THREE


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
    assert outcome.code == "dbf-truncated"


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
