"""Windows of a source: together they are all of it, and what is left out is counted."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyogrio
import pytest
import shapefiles as make
from numpy.typing import NDArray

from shpbatch.errors import ReadError, WriteError
from shpbatch.models import Source
from shpbatch.shapefile import reader as reader_module
from shpbatch.shapefile import writer
from shpbatch.shapefile.dbf import parse_table
from shpbatch.shapefile.encode import encode
from shpbatch.shapefile.reader import Reader, Window
from shpbatch.shapefile.records import Records
from shpbatch.shapefile.shp import decode
from shpbatch.shapefile.writer import ShpWriter, shp_head

SHP, SHX = make.shp_bytes()
DBF = make.dbf_bytes(make.NAMES, make.rows_of(b"one", b"two", b"three"))
#: Bytes of a row of the table above, and where its rows begin.
ROW, ROWS = 26, 97
LINE = make.poly(3, [(0, 0), (1, 1)])
LONG_LINE = make.poly(3, [(0, 0), (1, 1), (2, 0)], [(5, 5), (6, 6)])
BROKEN = LINE[:44] + struct.pack("<i", 7) + LINE[48:]  # its only part begins at vertex 7


def opened(path: Path, on_bad_record: Literal["fail", "skip"] = "fail") -> Reader:
    return Reader(make.source(path), on_bad_record)


def contents(records: Records) -> list[bytes]:
    return [
        records.data[s + 8 : s + 8 + n].tobytes()
        for s, n in zip(records.starts, records.sizes, strict=True)
    ]


def names(body: NDArray[np.uint8] | None) -> list[bytes]:
    assert body is not None
    return [row[1:21].tobytes().rstrip() for row in body]


def lines(folder: Path, records: Sequence[bytes], **members: bytes | None) -> Path:
    """A layer of lines, each with a name of its own."""
    rows = make.rows_of(*(f"row {i}".encode() for i in range(len(records))))
    return make.layer(folder, records, 3, **({"dbf": make.dbf_bytes(make.NAMES, rows)} | members))


# --- windows ------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Rows of several sizes, null ones and deleted ones among them."""
    records = [LINE, make.NULL, LONG_LINE, LINE, LINE, make.NULL, LONG_LINE, LINE]
    rows = make.rows_of(*(f"row {i}".encode() for i in range(len(records))))
    return lines(tmp_path, records, dbf=make.dbf_bytes(make.NAMES, rows, deleted=(3, 6)))


def all_of(windows: Sequence[Window]) -> tuple[list[int], list[bytes], list[bytes], int, int]:
    return (
        [int(r) for w in windows for r in w.rows],
        [c for w in windows for c in contents(w.records)],
        [n for w in windows for n in names(w.body)],
        sum(w.deleted for w in windows),
        sum(w.unreadable for w in windows),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_windows_of_any_number_of_rows_are_the_whole(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with opened(mixed) as reader:
        (whole,) = reader.windows(whole=True)
        monkeypatch.setattr(reader_module, "WINDOW_ROWS", size)
        windows = list(reader.windows())
    assert len(windows) == -(-8 // size)
    assert whole.rows.tolist() == [0, 1, 2, 4, 5, 7]
    assert (whole.deleted, whole.unreadable) == (2, 0)
    assert all_of(windows) == all_of([whole])
    assert [w.start for w in windows] == [0, *(w.stop for w in windows[:-1])]
    assert windows[-1].stop == 8


@pytest.mark.parametrize("size", [1, 30, 150, 300, 1000])
def test_windows_of_any_number_of_bytes_are_the_whole(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with opened(mixed) as reader:
        whole = reader.window(0, 8)
        monkeypatch.setattr(reader_module, "WINDOW_BYTES", size)
        windows = list(reader.windows())
    assert all_of(windows) == all_of([whole])
    assert len(windows) == {1: 8, 30: 8, 1000: 1}.get(size, len(windows))
    assert len(windows) >= 4 or size > 150


@pytest.mark.parametrize(("start", "stop"), [(0, 8), (2, 5), (3, 4), (6, 8), (0, 1), (7, 100)])
def test_windows_of_some_rows(mixed: Path, start: int, stop: int) -> None:
    with opened(mixed) as reader:
        windows = list(reader.windows(start, stop))
    expected = [i for i in (0, 1, 2, 4, 5, 7) if start <= i < stop]
    rows, records, found, _, unreadable = all_of(windows)
    assert rows == expected
    assert found == [f"row {i}".encode() for i in expected]
    every = [LINE, make.NULL, LONG_LINE, LINE, LINE, make.NULL, LONG_LINE, LINE]
    assert records == [every[i] for i in expected]
    assert unreadable == 0


@pytest.mark.parametrize("whole", [True, False])
def test_a_layer_without_rows_is_one_window_of_none(tmp_path: Path, whole: bool) -> None:
    with opened(lines(tmp_path, [])) as reader:
        (window,) = reader.windows(whole=whole)
    assert (len(window.rows), len(window.records), window.deleted) == (0, 0, 0)
    assert window.body is not None and window.body.shape == (0, ROW)
    assert window.flaws == ()


def test_a_layer_without_a_dbf_has_no_body(tmp_path: Path) -> None:
    with opened(lines(tmp_path, [LINE, LONG_LINE], dbf=None)) as reader:
        (window,) = reader.windows()
        assert (reader.table, reader.count, reader.table_rows) == (None, 2, 0)
        assert not reader.table_is_whole()
    assert window.body is None
    assert contents(window.records) == [LINE, LONG_LINE]


def test_a_layer_of_deleted_rows_only(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c"), deleted=(0, 1, 2))
    with opened(make.write(tmp_path, dbf=dbf)) as reader:
        (window,) = reader.windows()
    assert (len(window.rows), window.deleted, window.unreadable) == (0, 3, 0)
    assert window.flaws == ("rows flagged as deleted were left out",)


def test_records_of_rows_in_any_order(mixed: Path) -> None:
    every = [LINE, make.NULL, LONG_LINE, LINE, LINE, make.NULL, LONG_LINE, LINE]
    with opened(mixed) as reader:
        for rows in ([0], [2, 5, 7], [7, 0, 2], [4, 4]):
            found = reader.records(np.array(rows, dtype=np.int64))
            assert contents(found) == [every[i] for i in rows]


def test_the_layer_in_a_zip_is_the_same(tmp_path: Path, mixed: Path) -> None:
    with opened(mixed) as reader:
        plain = all_of(list(reader.windows()))
    archive = make.zipped(tmp_path.parent / "z.zip", mixed.parent, "sub/")
    with Reader(Source(str(archive), "z.zip/sub/a.shp", "sub/a.shp")) as reader:
        assert all_of(list(reader.windows())) == plain
        assert reader.file_flaws() == ()
        assert reader.code == 3


# --- rows of the .dbf ---------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 4, 9])
def test_a_dbf_of_another_length_is_refused(tmp_path: Path, count: int) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*[b"x"] * count))
    with (
        opened(make.write(tmp_path, dbf=dbf)) as reader,
        pytest.raises(ReadError, match=f"3 shapes but {count} rows") as error,
    ):
        list(reader.windows())
    assert error.value.code == "count-mismatch"


@pytest.mark.parametrize("count", [0, 1, 2, 4, 9])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_dbf_of_another_length_is_counted_where_bad_records_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, size: int
) -> None:
    monkeypatch.setattr(reader_module, "WINDOW_ROWS", size)
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*[b"x"] * count))
    with opened(make.write(tmp_path, dbf=dbf), "skip") as reader:
        windows = list(reader.windows())
        assert reader.count == max(3, count)
    rows, records, _, deleted, unreadable = all_of(windows)
    kept = min(3, count)
    assert rows == list(range(kept))
    assert records == list(make.POINTS[:kept])
    assert (deleted, unreadable) == (0, max(3, count) - kept)


@pytest.mark.parametrize("size", [ROWS + 3 * ROW - 1, ROWS + 2 * ROW, ROWS + 1, ROWS])
def test_a_dbf_cut_within_its_rows_is_told_with_its_byte(tmp_path: Path, size: int) -> None:
    path = make.write(tmp_path, dbf=DBF[:size])
    whole = (size - ROWS) // ROW
    with opened(path) as reader, pytest.raises(ReadError) as error:
        list(reader.windows())
    assert error.value.code == "dbf-truncated"
    assert f"row {whole + 1} of " in str(error.value)
    assert f"should end at byte {ROWS + (whole + 1) * ROW} of" in str(error.value)
    assert f"the .dbf, which has {size}:" in str(error.value)
    with opened(path, "skip") as reader:
        rows, _, _, _, unreadable = all_of(list(reader.windows()))
    assert (rows, unreadable) == (list(range(whole)), 3 - whole)


@pytest.mark.parametrize("end", [b"", b"\x1a", b"\0", b"\x1a" * 9])
def test_a_count_of_0_is_not_believed_where_rows_are_there(tmp_path: Path, end: bytes) -> None:
    dbf = DBF[:4] + bytes(4) + DBF[8:-1] + end
    with opened(make.write(tmp_path, dbf=dbf)) as reader:
        (window,) = reader.windows()
        assert (reader.count, reader.table_rows) == (3, 3)
        assert not reader.table_is_whole()
    assert names(window.body) == [b"one", b"two", b"three"]


def test_a_count_of_0_is_believed_where_other_rows_are_there(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b"))
    path = make.write(tmp_path, dbf=dbf[:4] + bytes(4) + dbf[8:])
    with opened(path) as reader, pytest.raises(ReadError) as error:
        list(reader.windows())
    assert error.value.code == "count-mismatch"


def test_rows_behind_those_declared_are_not_rows(tmp_path: Path) -> None:
    path = make.write(tmp_path, dbf=DBF[:-1] + b" " * (2 * ROW) + b"\x1a")
    with opened(path) as reader:
        (window,) = reader.windows()
        assert reader.table_is_whole()
    assert names(window.body) == [b"one", b"two", b"three"]


# --- records that cannot be read ----------------------------------------------

#: What stands in the place of the middle record, of three.
UNREADABLE = {
    "a part out of range": BROKEN,
    "an unknown type": struct.pack("<i", 7) + LINE[4:],
    "too short": LINE[:20],
    "a point cut short": make.point(1, 2)[:12],
}


@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE)
def test_a_broken_record_fails_the_layer(tmp_path: Path, bad: bytes) -> None:
    with opened(lines(tmp_path, [LINE, bad, LINE])) as reader, pytest.raises(ReadError) as error:
        list(reader.windows())
    assert error.value.code == "bad-record"
    assert f"record 2, byte {100 + 8 + len(LINE)} of the .shp" in str(error.value)


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE)
def test_broken_records_are_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, size: int
) -> None:
    monkeypatch.setattr(reader_module, "WINDOW_ROWS", size)
    path = lines(tmp_path, [bad, LINE, bad, make.NULL, LONG_LINE, bad])
    with opened(path, "skip") as reader:
        windows = list(reader.windows())
    rows, records, found, deleted, unreadable = all_of(windows)
    assert rows == [1, 3, 4]
    assert records == [LINE, make.NULL, LONG_LINE]
    assert found == [b"row 1", b"row 3", b"row 4"]
    assert (deleted, unreadable) == (0, 3)
    flaws = {f for w in windows for f in w.flaws}
    assert "records that could not be read were left out" in flaws


def test_several_lies_are_all_found(tmp_path: Path) -> None:
    bad = list(UNREADABLE.values())
    with opened(lines(tmp_path, [*bad, LINE, *bad]), "skip") as reader:
        rows, records, *_, unreadable = all_of(list(reader.windows()))
    assert (rows, records, unreadable) == ([4], [LINE], 8)


def test_a_deleted_row_may_have_a_broken_record(tmp_path: Path) -> None:
    rows = make.rows_of(b"a", b"b", b"c")
    path = lines(tmp_path, [LINE, BROKEN, LINE], dbf=make.dbf_bytes(make.NAMES, rows, deleted=(1,)))
    with opened(path) as reader:
        (window,) = reader.windows()
    assert window.rows.tolist() == [0, 2]
    assert (window.deleted, window.unreadable) == (1, 0)


def entries(*pairs: tuple[int, int]) -> bytes:
    """A .shx of these offsets and lengths, in words."""
    body = b"".join(struct.pack(">2i", *pair) for pair in pairs)
    return SHX[:24] + struct.pack(">i", 50 + len(body) // 2) + SHX[28:100] + body


#: The chain breaks at the last record, so that only the index tells where it is.
BROKEN = SHP[:160] + struct.pack(">i", 9999) + SHP[164:]
OUTSIDE = {
    "behind the end": (200, 10),
    "over the end": (78, 100),
    "far out": (2**30, 10),
    "in the header": (20, 10),
    "negative": (-5, 10),
    "of negative length": (64, -10),
}


@pytest.mark.parametrize("pair", OUTSIDE.values(), ids=OUTSIDE)
def test_places_outside_the_file_are_not_read(tmp_path: Path, pair: tuple[int, int]) -> None:
    path = make.write(tmp_path, shp=BROKEN, shx=entries((50, 10), pair, (78, 10)))
    with opened(path) as reader, pytest.raises(ReadError) as error:
        list(reader.windows())
    assert error.value.code in ("shp-truncated", "bad-index", "chain-broken")
    with opened(path, "skip") as reader:
        rows, records, found, _, unreadable = all_of(list(reader.windows()))
    assert rows == [0, 2]
    assert records == [make.POINTS[0], make.POINTS[2]]
    assert found == [b"one", b"three"]
    assert unreadable == 1


def test_a_file_cut_within_its_last_record_keeps_the_others(tmp_path: Path) -> None:
    with opened(make.write(tmp_path, shp=SHP[:-4]), "skip") as reader:
        rows, records, *_, unreadable = all_of(list(reader.windows()))
    assert (rows, records, unreadable) == ([0, 1], list(make.POINTS[:2]), 1)


def test_a_window_in_which_nothing_can_be_read(tmp_path: Path) -> None:
    path = make.write(tmp_path, shp=BROKEN, shx=entries(*[(2**30, 10)] * 3))
    with opened(path, "skip") as reader:
        (window,) = reader.windows()
    assert (len(window.rows), len(window.records), window.unreadable) == (0, 0, 3)


# --- a source that changes ----------------------------------------------------


@pytest.mark.parametrize("extension", ["shp", "dbf"])
def test_a_source_that_is_cut_while_it_is_read(tmp_path: Path, extension: str) -> None:
    count = 1000
    shp, shx = make.shp_bytes([make.point(i, i) for i in range(count)])
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(*[b"x"] * count))
    path = make.write(tmp_path, shp=shp, shx=shx, dbf=dbf)
    with opened(path) as reader:
        assert reader.count == count
        reader.window(0, 10)
        member = path.with_suffix(f".{extension}")
        os.truncate(member, 5000)
        with pytest.raises(ReadError, match="cut at byte 5000 while it was read") as error:
            reader.window(0, count)
        assert error.value.code == "source-changed"
        assert str(member) in str(error.value)


def test_a_source_that_is_replaced_while_it_is_read_is_read_on(tmp_path: Path) -> None:
    """The file that was opened is what is read, whatever has its name now."""
    path = make.write(tmp_path)
    with opened(path) as reader:
        assert reader.count == 3
        first = reader.window(0, 1)
        (tmp_path / "new").write_bytes(b"other")
        os.replace(tmp_path / "new", path)
        assert contents(reader.window(0, 1).records) == contents(first.records)


# --- why a .shp is not to be copied as it is ----------------------------------


def window_flaws(path: Path) -> tuple[str, ...]:
    with opened(path) as reader:
        (window,) = reader.windows()
        return window.flaws


def test_a_well_formed_layer_has_no_flaws(tmp_path: Path) -> None:
    path = make.write(tmp_path)
    assert window_flaws(path) == ()
    with opened(path) as reader:
        assert reader.file_flaws() == ()
        assert reader.table_is_whole()


@pytest.mark.parametrize("size", [1, 2])
def test_a_well_formed_layer_has_no_flaws_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(reader_module, "WINDOW_ROWS", size)
    with opened(make.write(tmp_path)) as reader:
        assert [w.flaws for w in reader.windows()] == [()] * -(-3 // size)


def lengthened(data: bytes, size: int) -> bytes:
    """With another length in its header."""
    return data[:24] + struct.pack(">i", size // 2) + data[28:]


INDEX, LENGTH, TRAILING = (
    "the .shx was missing or of no use",
    "the length in the .shp header was wrong, or bytes trailed the records",
    "bytes trailed the .shx",
)
FILES: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no index": ({"shx": None}, INDEX),
    "an index that is none": ({"shx": b"text" * 50}, INDEX),
    "an index that leaves out records": ({"shx": entries((50, 10))}, INDEX),
    "a length too short": ({"shp": lengthened(SHP, 128)}, LENGTH),
    "a length too long": ({"shp": lengthened(SHP, 1000)}, LENGTH),
    "bytes behind the records": ({"shp": SHP + bytes(8)}, LENGTH),
    "bytes behind the records, counted": ({"shp": lengthened(SHP + bytes(8), 192)}, LENGTH),
    "bytes behind the index": ({"shx": SHX + bytes(8)}, TRAILING),
    "half an entry behind the index": ({"shx": lengthened(SHX + bytes(4), 128)}, TRAILING),
}


@pytest.mark.parametrize(("members", "flaw"), FILES.values(), ids=FILES)
def test_flaws_of_the_file(tmp_path: Path, members: dict[str, bytes | None], flaw: str) -> None:
    with opened(make.write(tmp_path, **members)) as reader:
        assert flaw in reader.file_flaws()
        (window,) = reader.windows()
    assert contents(window.records) == list(make.POINTS)


def headed(number: int, words: int, content: bytes) -> bytes:
    return struct.pack(">2i", number, words) + content


A, B, C = make.POINTS
ORDER, NUMBERS, LENGTHS = (
    "records stood with gaps or out of order",
    "record numbers were not 1, 2, 3, …",
    "record lengths and the .shx did not agree",
)
RECORDS: dict[str, tuple[bytes, bytes, str]] = {
    "numbers from 0 on": (
        headed(0, 10, A) + headed(1, 10, B) + headed(2, 10, C), SHX, NUMBERS,
    ),
    "a number twice": (headed(1, 10, A) + headed(2, 10, B) + headed(2, 10, C), SHX, NUMBERS),
    "a length too short": (headed(1, 10, A) + headed(2, 2, B) + headed(3, 10, C), SHX, LENGTHS),
    "a length too long": (headed(1, 10, A) + headed(2, 10, B) + headed(3, 99, C), SHX, LENGTHS),
    "a gap": (
        headed(1, 10, A) + bytes(4) + headed(2, 10, B) + headed(3, 10, C),
        entries((50, 10), (66, 10), (80, 10)),
        ORDER,
    ),
    "a gap before the first": (
        bytes(4) + headed(1, 10, A) + headed(2, 10, B) + headed(3, 10, C),
        entries((52, 10), (66, 10), (80, 10)),
        ORDER,
    ),
    "out of order": (
        headed(2, 10, B) + headed(1, 10, A) + headed(3, 10, C),
        entries((64, 10), (50, 10), (78, 10)),
        ORDER,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "shx", "flaw"), RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_flaws_of_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, shx: bytes, flaw: str, size: int
) -> None:
    monkeypatch.setattr(reader_module, "WINDOW_ROWS", size)
    shp = lengthened(SHP[:100], 100 + len(body)) + body
    with opened(make.write(tmp_path, shp=shp, shx=shx)) as reader:
        windows = list(reader.windows())
    assert {f for w in windows for f in w.flaws} == {flaw}
    assert [c for w in windows for c in contents(w.records)] == [A, B, C]


def test_records_within_each_other_are_refused(tmp_path: Path) -> None:
    path = make.write(tmp_path, shp=BROKEN, shx=entries((50, 10), (50, 10), (64, 10)))
    with opened(path) as reader, pytest.raises(ReadError, match="records 1 and 2") as error:
        list(reader.windows())
    assert error.value.code == "bad-index"


@pytest.mark.parametrize("cut", [0, 31, 60])
def test_a_dbf_cut_within_its_header(tmp_path: Path, cut: int) -> None:
    with opened(make.write(tmp_path, dbf=DBF[:cut])) as reader, pytest.raises(ReadError) as error:
        list(reader.windows())
    assert error.value.code == "bad-dbf"


# --- the writer ---------------------------------------------------------------


def written(folder: Path, code: int, *windows: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The bytes of a .shp and .shx of some windows."""
    target = ShpWriter(folder / "w.shp", code)
    for window in windows:
        shp, _ = make.shp_bytes(window)
        sizes = np.array([len(c) for c in window], dtype=np.int64)
        target.add(Records.packed_from(np.frombuffer(shp[100:], np.uint8), sizes))
    target.finish()
    assert target.count == sum(map(len, windows))
    return (folder / "w.shp").read_bytes(), (folder / "w.shx").read_bytes()


def ranges(head: bytes) -> tuple[float, ...]:
    return struct.unpack("<8d", head[36:100])


def test_what_is_written_is_what_the_specification_says(tmp_path: Path) -> None:
    assert written(tmp_path, 1, make.POINTS) == (SHP, SHX)


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_windows_are_numbered_on(tmp_path: Path, at: int) -> None:
    assert written(tmp_path, 1, make.POINTS[:at], make.POINTS[at:]) == (SHP, SHX)


def test_a_layer_of_no_records_has_a_type_and_no_bounds(tmp_path: Path) -> None:
    shp, shx = written(tmp_path, 15)
    assert shp == shx
    assert (len(shp), struct.unpack("<2i", shp[28:36]), struct.unpack(">i", shp[24:28])) == (
        100,
        (1000, 15),
        (50,),
    )
    assert ranges(shp) == (0,) * 8


def test_null_shapes_have_no_part_in_the_bounds(tmp_path: Path) -> None:
    shp, shx = written(tmp_path, 1, [make.NULL], [A, make.NULL, B], [make.NULL])
    assert ranges(shp) == ranges(shx) == (1, 2, 3, 4, 0, 0, 0, 0)
    assert ranges(written(tmp_path, 1, [make.NULL, make.NULL])[0]) == (0,) * 8


def test_negative_bounds_are_not_those_of_0(tmp_path: Path) -> None:
    """Null shapes beside them, in their window and in others."""
    points = [make.point(-5, -6), make.NULL, make.point(-3, -9)]
    shp, _ = written(tmp_path, 1, points, [make.NULL])
    assert ranges(shp) == (-5, -9, -3, -6, 0, 0, 0, 0)


def test_ranges_of_heights_and_measures(tmp_path: Path) -> None:
    windows = [make.point_zm(1, 2, -7, 4), make.NULL], [make.point_zm(0, 5, -9, -1e39)]
    assert ranges(written(tmp_path, 11, *windows)[0]) == (0, 2, 1, 5, -9, -7, 4, 4)
    no_m = [struct.pack("<i3d", 11, 1, 2, 3)]
    assert ranges(written(tmp_path, 11, no_m)[0]) == (1, 2, 1, 2, 3, 3, 0, 0)
    assert ranges(written(tmp_path, 21, [make.point_m(1, 2, 3), make.point_m(0, 2, 8)])[0]) == (
        0, 2, 1, 2, 0, 0, 3, 8,
    )  # fmt: skip


def test_records_in_another_order_are_written_one_after_the_other(tmp_path: Path) -> None:
    shp, _ = make.shp_bytes(make.POINTS)
    sizes = np.array([20, 20, 20], dtype=np.int64)
    records = Records.packed_from(np.frombuffer(shp[100:], np.uint8), sizes)
    target = ShpWriter(tmp_path / "w.shp", 1)
    target.add(records.take(np.array([2, 0])))
    target.finish()
    expected, index = make.shp_bytes([C, A], bounds=(1, 2, 5, 6))
    assert (tmp_path / "w.shp").read_bytes() == expected
    assert (tmp_path / "w.shx").read_bytes() == index


def test_gdal_reads_what_is_written(tmp_path: Path) -> None:
    written(tmp_path, 3, [LINE, make.NULL], [LONG_LINE])
    found = pyogrio.read_dataframe(tmp_path / "w.shp").geometry
    assert [None if g is None else g.wkt for g in found] == [
        "LINESTRING (0 0, 1 1)",
        None,
        "MULTILINESTRING ((0 0, 1 1, 2 0), (5 5, 6 6))",
    ]
    info = pyogrio.read_info(tmp_path / "w.shp")
    assert tuple(info["total_bounds"]) == (0, 0, 6, 6)


def test_a_shapefile_of_more_than_2_gb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer.LARGEST == 2**31 - 1
    monkeypatch.setattr(writer, "LARGEST", 184)
    written(tmp_path, 1, make.POINTS)  # just as many
    sizes = np.array([20, 20, 20], dtype=np.int64)
    points = Records.packed_from(np.frombuffer(SHP[100:], np.uint8), sizes)
    with ShpWriter(tmp_path / "w.shp", 1) as target:
        target.add(points)
        with pytest.raises(WriteError, match="more than 2 GB") as error:
            target.add(points.take(np.array([0])))
        assert error.value.code == "too-large"
        target.finish()
    assert (tmp_path / "w.shp").read_bytes() == SHP


def test_a_writer_that_let_go_of_its_files_writes_on(tmp_path: Path) -> None:
    sizes = np.array([20, 20, 20], dtype=np.int64)
    points = Records.packed_from(np.frombuffer(SHP[100:], np.uint8), sizes)
    with ShpWriter(tmp_path / "w.shp", 1) as target:
        for row in range(3):
            target.add(points.take(np.array([row])))
            target.release()
        target.finish()
    assert (tmp_path / "w.shp").read_bytes() == SHP
    assert (tmp_path / "w.shx").read_bytes() == SHX


def test_a_head_writes_what_is_not_known_as_0() -> None:
    nan = float("nan")
    head = shp_head(11, 2**31 - 2, np.array([1, 2, 3, 4, nan, nan, float("inf"), nan]))
    assert len(head) == 100
    assert ranges(head) == (1, 2, 3, 4, 0, 0, float("inf"), 0)
    assert struct.unpack(">i", head[24:28]) == (2**30 - 1,)


# --- the whole way ------------------------------------------------------------


@pytest.mark.parametrize("name", ["polygons", "lines_zm", "points_m", "null_rows", "multipoints"])
def test_a_layer_of_pyshp_is_read_and_written_byte_for_byte(
    tmp_path: Path, shapefile: Callable[[str], Path], name: str
) -> None:
    path = shapefile(name)
    with opened(path) as reader:
        assert reader.file_flaws() == ()
        target = ShpWriter(tmp_path / "w.shp", reader.code)
        for window in reader.windows():
            assert window.flaws == ()
            target.add(encode(decode(window.records, reader.code)))
        target.finish()
    ours, theirs = (tmp_path / "w.shp").read_bytes(), path.read_bytes()
    assert ours[100:] == theirs[100:]
    assert ours[:68] == theirs[:68]
    assert (tmp_path / "w.shx").read_bytes()[100:] == path.with_suffix(".shx").read_bytes()[100:]


def test_the_table_is_that_of_the_dbf(tmp_path: Path) -> None:
    with opened(make.write(tmp_path)) as reader:
        assert reader.table == parse_table(DBF, "a")
        body: Any = reader.body(1, 3)
        assert body.tobytes() == DBF[ROWS + ROW : ROWS + 3 * ROW]
        assert reader.body(2, 2).shape == (0, ROW)  # type: ignore[union-attr]
