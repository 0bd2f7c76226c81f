"""The header of a .dbf: read, written, and every way in which it is broken."""

from __future__ import annotations

import struct
from datetime import date

import pytest
import shapefiles as make
from hypothesis import given
from hypothesis import strategies as st

from shpbatch.errors import ReadError, WriteError
from shpbatch.models import Field
from shpbatch.shapefile.dbf import Table, dated, header_bytes, name_bytes, parse_table

COLUMNS: list[make.Column] = [
    (b"NAME", "C", 20, 0),
    (b"POP", "N", 9, 0),
    (b"AREA", "F", 19, 11),
    (b"DAY", "D", 8, 0),
    (b"OK", "L", 1, 0),
]
ROWS = [(b"one", b"1", b"2.5", b"20200229", b"T")] * 3
DBF = make.dbf_bytes(COLUMNS, ROWS, ldid=0x57)
START, LENGTH = 33 + 5 * 32, 1 + 57
FIELDS = tuple(Field(n.decode(), k, w, d) for n, k, w, d in COLUMNS)


def parsed(data: bytes) -> Table:
    return parse_table(data, "layer.shp")


def put(at: int, value: bytes, data: bytes = DBF) -> bytes:
    return data[:at] + value + data[at + len(value) :]


# --- reading ------------------------------------------------------------------


def test_a_header_says_where_the_cells_are() -> None:
    table = parsed(DBF)
    assert (table.declared, table.start, table.length, table.ldid) == (3, START, LENGTH, 0x57)
    assert table.header == DBF[:START]
    found = [(d.name, d.kind, d.width, d.decimals) for d in table.descriptors]
    assert found == COLUMNS
    places = [(d.start, d.stop) for d in table.descriptors]
    assert places == [(1, 21), (21, 30), (30, 49), (49, 57), (57, 58)]
    assert [d.raw for d in table.descriptors] == [
        DBF[i : i + 32] for i in range(32, 32 + 5 * 32, 32)
    ]
    row = DBF[START : START + LENGTH]
    assert [row[a:b].strip() for a, b in places] == list(ROWS[0])


def test_a_header_is_enough() -> None:
    assert parsed(DBF[:START]) == parsed(DBF)


@pytest.mark.parametrize(
    ("size", "rows"),
    [
        (0, 0), (START, 0), (START + LENGTH - 1, 0), (START + LENGTH, 1), (len(DBF), 3),
        (START + 100 * LENGTH + 5, 100),
    ],
)  # fmt: skip
def test_rows_that_a_file_has_room_for(size: int, rows: int) -> None:
    assert parsed(DBF).rows_in(size) == rows


def test_a_table_without_fields() -> None:
    table = parsed(make.dbf_bytes([], []))
    assert (table.descriptors, table.start, table.length) == ((), 33, 1)


def test_a_header_may_be_longer_than_its_fields() -> None:
    """FoxPro has 263 bytes more, for the name of a database."""
    data = DBF[:8] + struct.pack("<H", START + 263) + DBF[10:START] + bytes(263) + DBF[START:]
    table = parsed(data)
    assert (table.start, len(table.descriptors)) == (START + 263, 5)


def test_a_header_may_lack_its_end() -> None:
    """Where the bytes of the header hold whole descriptors only."""
    data = put(8, struct.pack("<H", START - 1))
    assert len(parsed(data).descriptors) == 5
    assert parsed(put(START - 1, b"\0")).start == START


def test_a_row_may_be_longer_than_its_fields() -> None:
    assert parsed(put(10, struct.pack("<H", LENGTH + 7))).length == LENGTH + 7


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"ELEVENBYTES", b"ELEVENBYTES"),
        (b"TEN_BYTES_\0", b"TEN_BYTES_"),
        (b"A\0garbage\xff\xff", b"A"),
        (bytes(11), b""),
        (b" A B \0\0\0\0\0\0", b" A B "),
        ("中文名称字".encode("gbk") + b"\0", "中文名称字".encode("gbk")),
    ],
)
def test_a_name_ends_at_its_first_nul(raw: bytes, name: bytes) -> None:
    assert parsed(put(32, raw)).descriptors[0].name == name


@pytest.mark.parametrize("kind", "CNFDLMBGPIOTYVWXQ0@+")
def test_every_type_of_field_is_carried(kind: str) -> None:
    assert parsed(put(43, kind.encode())).descriptors[0].kind == kind


def test_text_wider_than_255_bytes_uses_the_byte_of_the_decimals() -> None:
    """As Clipper writes it."""
    wide = put(48, bytes([44, 1]))  # 300
    wide = put(10, struct.pack("<H", LENGTH - 20 + 300), wide)
    first, second, *_ = parsed(wide).descriptors
    assert (first.width, first.decimals, first.stop) == (300, 0, 301)
    assert (second.start, second.stop) == (301, 310)


@pytest.mark.parametrize("decimals", [1, 5, 15])
def test_decimals_of_a_text_may_mean_nothing(decimals: int) -> None:
    """Where the row has no room for a wider field: GDAL never looks at them."""
    table = parsed(put(49, bytes([decimals])))
    assert (table.descriptors[0].width, table.descriptors[0].stop) == (20, 21)
    assert table.descriptors[-1].stop == LENGTH


# --- what is broken -----------------------------------------------------------

BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut within its header"),
    "cut in the first bytes": (DBF[:31], "cut within its header"),
    "cut before the fields": (DBF[:32], f"cut within its header, at byte 32 of {START}"),
    "cut in a field": (DBF[:100], f"cut within its header, at byte 100 of {START}"),
    "cut at the end": (DBF[: START - 1], f"at byte {START - 1} of {START}"),
    "a header of no bytes": (put(8, bytes(2)), "says that a row has"),
    "a header of 32 bytes": (put(8, struct.pack("<H", 32)), "says that a row has"),
    "a row of no bytes": (put(10, bytes(2)), f"a row has 0 bytes .* need {LENGTH}"),
    "a row too short": (put(10, struct.pack("<H", LENGTH - 1)), f"a row has {LENGTH - 1} bytes"),
    "an unknown type": (put(43, b"?"), r"byte 32: field 'NAME' has an unknown type '\?'"),
    "a type that is no letter": (put(75, b"\xff"), "byte 64: field 'POP' has an unknown type"),
    "a field without a width": (put(80, b"\0"), "byte 64: field 'POP' has no width"),
    "text": (b"<html><body>Not found</body></html>" * 9, "the .dbf"),
    "zeros": (bytes(300), "the .dbf"),
    "ones": (b"\xff" * 70_000, r"\.dbf"),
}


@pytest.mark.parametrize(("data", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_header_is_told(data: bytes, words: str) -> None:
    with pytest.raises(ReadError, match=words) as error:
        parsed(data)
    assert error.value.code == "bad-dbf"
    assert str(error.value).startswith("layer.shp: ")


@given(st.data())
def test_a_damaged_header_is_told_or_sound(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, START - 1))
    damaged = put(at, bytes([data.draw(st.integers(0, 255))]))
    try:
        table = parsed(damaged)
    except ReadError as error:
        assert error.code == "bad-dbf"
        return
    stops = [1, *(d.stop for d in table.descriptors)]
    assert [d.start for d in table.descriptors] == stops[:-1]
    assert stops[-1] <= table.length
    assert table.start <= len(damaged)


# --- writing ------------------------------------------------------------------


def test_a_header_is_dated_and_counted() -> None:
    found = dated(DBF[:START], 70_000, date(2026, 7, 4))
    assert found[:8] == b"\x03" + bytes([126, 7, 4]) + struct.pack("<I", 70_000)
    assert found[8:] == DBF[8:START]
    assert parsed(found + bytes(9)).declared == 70_000
    today = date.today()
    assert dated(DBF[:START], 0)[1:4] in {
        bytes([d.year - 1900, d.month, d.day]) for d in (today, date.today())
    }


def test_a_new_header_says_what_was_asked_for() -> None:
    header = header_bytes(FIELDS, [None] * 5, "utf-8", 0x57)
    assert dated(header, 3, date(1995, 7, 26)) == DBF[:START]


def test_a_new_header_keeps_the_descriptors_of_carried_fields() -> None:
    """Their reserved bytes too, but not a place in the old row."""
    raw = bytearray(DBF[32:64])
    raw[12:16], raw[18:32] = b"\x01\x02\x03\x04", bytes(range(14))
    header = header_bytes(FIELDS, [bytes(raw), None, None, None, None], "utf-8", 0)
    assert header[32:64] == bytes(raw[:12]) + bytes(4) + bytes(raw[16:])
    assert header[64:] == DBF[64:START]
    renamed = bytes(raw).replace(b"NAME", b"\xffAME")
    assert header_bytes(FIELDS, [renamed] + [None] * 4, "utf-8", 0)[32:36] == b"\xffAME"


def test_a_new_header_of_no_fields() -> None:
    table = parsed(header_bytes((), (), "utf-8", 0))
    assert (table.descriptors, table.length, table.start) == ((), 1, 33)


@pytest.mark.parametrize("width", [1, 254, 255, 256, 300, 1000])
def test_a_width_is_read_back(width: int) -> None:
    header = header_bytes([Field("T", "C", width), Field("N", "N", 9, 3)], [None] * 2, "utf-8", 0)
    first, second = parsed(header).descriptors
    assert (first.width, first.decimals) == (width, 0)
    assert (second.width, second.decimals, second.start) == (9, 3, width + 1)


def test_a_row_that_is_too_wide_is_refused() -> None:
    fields = [Field(f"F{i}", "C", 254) for i in range(259)]
    header_bytes(fields[:258], [None] * 258, "utf-8", 0)
    with pytest.raises(WriteError, match=r"65787 bytes, a \.dbf holds 65535") as error:
        header_bytes(fields, [None] * 259, "utf-8", 0)
    assert error.value.code == "row-too-wide"


def test_more_fields_than_a_header_can_count_are_refused() -> None:
    """Its own length is a number of 16 bits too: 2046 fields are the most."""
    fields = [Field(f"F{i}", "L", 1) for i in range(2047)]
    assert len(parsed(header_bytes(fields[:2046], [None] * 2046, "utf-8", 0)).descriptors) == 2046
    with pytest.raises(WriteError) as error:
        header_bytes(fields, [None] * 2047, "utf-8", 0)
    assert error.value.code == "row-too-wide"


@pytest.mark.parametrize("name", ["ELEVENBYTES", "名前名前", "größegröß"])
def test_a_name_that_is_too_long(name: str) -> None:
    with pytest.raises(WriteError, match=r"a \.dbf holds 10") as error:
        name_bytes(name, "utf-8")
    assert error.value.code == "name-too-long"
    with pytest.raises(WriteError):
        header_bytes([Field(name, "C", 5)], [None], "utf-8", 0)


@pytest.mark.parametrize(
    ("text", "encoding"), [("名", "ascii"), ("Ж", "cp1252"), ("😀", "gbk"), ("é", "cp1251")]
)
def test_a_name_that_the_encoding_lacks(text: str, encoding: str) -> None:
    with pytest.raises(WriteError, match=f"field name '{text}' has characters") as error:
        name_bytes(text, encoding)
    assert error.value.code == "text-unencodable"


def test_names_are_bytes_of_the_encoding() -> None:
    assert name_bytes("中文名称字", "gbk") == "中文名称字".encode("gbk")
    assert name_bytes("a:b", "utf-8") == b"a:b"
    assert name_bytes("TEN_BYTES_", "ascii") == b"TEN_BYTES_"


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "shift_jis"])
def test_a_name_cut_within_a_character_keeps_its_bytes(encoding: str) -> None:
    raw = "a中中中中中中".encode(encoding)[:10]
    assert name_bytes(raw.decode(encoding, "surrogateescape"), encoding) == raw
