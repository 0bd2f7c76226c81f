"""Cells of a .dbf to values: what is no value of its type is NULL, and told."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from shpbatch.models import Field
from shpbatch.shapefile import values
from shpbatch.shapefile.values import ARROW_TYPES, decode_cells

TEXT = Field("T", "C", 12)
INT = Field("I", "N", 9)
LONG = Field("J", "N", 18)
REAL = Field("R", "N", 20, 5)
FLOAT = Field("F", "F", 20)
DAY = Field("D", "D", 8)
YES = Field("L", "L", 1)


def cells_of(cells: list[bytes], width: int) -> NDArray[np.uint8]:
    data = b"".join(c.ljust(width) for c in cells)
    assert len(data) == width * len(cells), "a cell is wider than its field"
    return np.frombuffer(data, np.uint8).reshape(-1, width)


def decoded(field: Field, *cells: bytes, encoding: str = "utf-8") -> tuple[list[Any], list[int]]:
    """Values, and the rows that hold none."""
    found = decode_cells(cells_of(list(cells), field.width), field, encoding)
    assert found.array.type.equals(ARROW_TYPES[field.arrow])
    found.array.validate(full=True)
    return found.array.to_pylist(), found.bad.tolist()


# --- text ---------------------------------------------------------------------


def test_text_loses_trailing_blanks_only() -> None:
    assert decoded(TEXT, b"a  b  ", b"  ab", b"twelve bytes", b"tab\t") == (
        ["a  b", "  ab", "twelve bytes", "tab\t"],
        [],
    )


def test_text_of_nothing_is_null() -> None:
    assert decoded(TEXT, b"", bytes(12), b"\0abc", b"x") == ([None, None, None, "x"], [])


def test_text_ends_at_a_nul_byte() -> None:
    assert decoded(TEXT, b"ab\0cd", b"ab  \0", b"ab\0\0\0\0\0\0\0\0\0\0") == (["ab"] * 3, [])


def test_stars_in_text_are_text() -> None:
    assert decoded(TEXT, b"*" * 12, b"?") == (["*" * 12, "?"], [])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "–é€ÿ"),
        ("iso8859-1", "éÿ"),
        ("gbk", "漢字中"),
        ("shift_jis", "漢字ソ表"),  # a second byte of these is a backslash
        ("euc_kr", "한국"),
        ("utf-8", "é漢😀"),
        ("cp437", "ñ▒"),
    ],
)
def test_text_in_its_encoding(encoding: str, text: str) -> None:
    cells = [text.encode(encoding), b"plain", b"", text.encode(encoding) + b"  "]
    assert decoded(TEXT, *cells, encoding=encoding) == ([text, "plain", None, text], [])


def test_bytes_that_are_not_the_encoding_are_marked_and_told() -> None:
    cells = b"ok", b"\xd1o", b"\xd1o", b"\xff", b"", "é".encode()
    assert decoded(TEXT, *cells) == (["ok", "\ufffdo", "\ufffdo", "\ufffd", None, "é"], [1, 2, 3])


@pytest.mark.parametrize(
    ("encoding", "cell", "shown"),
    [
        ("gbk", b"a\xff", "a\ufffd"),
        ("shift_jis", b"a\x83", "a\ufffd"),
        ("cp1252", b"a\x81b", "a\ufffdb"),
        ("ascii", b"a\xe9", "a\ufffd"),
        ("utf-8", "漢漢漢漢".encode()[:11], "漢漢漢\ufffd"),
    ],
)
def test_a_character_that_is_cut_is_marked(encoding: str, cell: bytes, shown: str) -> None:
    assert decoded(TEXT, b"x", cell, encoding=encoding) == (["x", shown], [1])


def test_types_that_are_only_carried_read_as_text() -> None:
    for kind in "MBGPIOTY":
        assert decoded(Field("X", kind, 10), b"0000000012") == (["0000000012"], [])


# --- numbers ------------------------------------------------------------------


@pytest.mark.parametrize("field", [INT, LONG, REAL, FLOAT])
def test_numbers_of_nothing_are_null(field: Field) -> None:
    width = field.width
    cells = b"", bytes(width), b"*" * width, b"\0" + b"1" * (width - 1), b" " * (width - 1) + b"\0"
    assert decoded(field, *cells) == ([None] * 5, [])


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (b"12", 12),
        (b"       12", 12),
        (b"  12   ", 12),
        (b"-12", -12),
        (b"+7", 7),
        (b"007", 7),
        (b"-0", 0),
        (b"12.0", 12),
        (b"12.", 12),
        (b"1e3", 1000),
        (b"12\0xyz", 12),
        (b"\t12", 12),
        (b"999999999", 999_999_999),
    ],
)
def test_whole_numbers(cell: bytes, value: int) -> None:
    assert decoded(INT, cell) == ([value], [])
    assert decoded(INT, b"5", cell, b"", b"x") == ([5, value, None, None], [3])


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (b"123456789012345678", 123456789012345678),
        (b"-12345678901234567", -12345678901234567),
        (b"+9007199254740993", 9007199254740993),
        (b"999999999999999999", 999999999999999999),
    ],
)
def test_long_numbers_lose_no_digit(cell: bytes, value: int) -> None:
    assert decoded(LONG, cell) == ([value], [])
    assert decoded(LONG, cell, b"no number") == ([value, None], [1])


@pytest.mark.parametrize(
    "cell",
    [
        b"12.5", b"abc", b"12x", b"1 2", b"1,5", b"1.000,5", b"1_000", b"--1", b"+-1", b"-", b"+",
        b".", b"e5", b"nan", b"inf", b"-inf", b"NaN", b"0x1F", b"1e", b"****", b"$5", b"\xb2",
        b"5\xb0", b"\xff\xff", b"1e10", b"-1e300", b"1e400", b"9.9e9",
    ],
)  # fmt: skip
def test_what_is_no_whole_number_is_null_and_told(cell: bytes) -> None:
    assert decoded(INT, cell) == ([None], [0])
    assert decoded(INT, b"1", cell, b"", cell, b"2") == ([1, None, None, None, 2], [1, 3])


@pytest.mark.parametrize("cell", [b"0x1F", b"1e30", b"9.3e18", b"1_000", b"nan", b"-1e400"])
def test_what_is_no_long_number_is_null_and_told(cell: bytes) -> None:
    assert decoded(LONG, b"1", cell) == ([1, None], [1])


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (b"1.5", 1.5),
        (b"            -2.25000", -2.25),
        (b"+7", 7.0),
        (b"+.5", 0.5),
        (b"5.", 5.0),
        (b".5", 0.5),
        (b"12", 12.0),
        (b"1e10", 1e10),
        (b"1.5E-3", 0.0015),
        (b" 1.0000000000e+020", 1e20),
        (b"1e-400", 0.0),
        (b"0.1", 0.1),
        (b"0.30000000000000004", 0.30000000000000004),
        (b"-0.0", 0.0),
        (b"12345678901234567890", 12345678901234567890.0),
        (b"1.5\0garbage", 1.5),
    ],
)
@pytest.mark.parametrize("field", [REAL, FLOAT])
def test_real_numbers(field: Field, cell: bytes, value: float) -> None:
    assert decoded(field, cell) == ([value], [])
    assert decoded(field, b"2.5", cell, b"", b"x") == ([2.5, value, None, None], [3])


@pytest.mark.parametrize(
    "cell",
    [
        b"1,5", b"1.234,5", b"1 234.5", b"0           7047.185", b"1_000.5", b"1_0", b"abc",
        b"1.5m",
        b"1.2.3", b"-", b".", b"e", b"nan", b"-nan", b"NaN", b"inf", b"-inf", b"Infinity", b"1e400",
        b"-1e400", b"1.#QNAN", b"-1.#IND", b"1.#INF", b"0x10", b"1.5\xb0", b"\xa01.5", b"1/2",
        b"***", b"1d5",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", [REAL, FLOAT])
def test_what_is_no_real_number_is_null_and_told(field: Field, cell: bytes) -> None:
    assert decoded(field, cell) == ([None], [0])
    assert decoded(field, b"1.5", cell, b"", cell) == ([1.5, None, None, None], [1, 3])


def test_a_bad_cell_changes_no_other() -> None:
    """The column is read one by one then: what each holds is what it held before."""
    cells = [b"12", b"-7", b"12.0", b"+7", b"", b"007", b"1e3", b"999999999"]
    alone, _ = decoded(INT, *cells)
    beside, bad = decoded(INT, *cells, b"bad")
    assert beside == [*alone, None]
    assert bad == [len(cells)]


def test_a_bad_cell_takes_no_sign_of_a_zero() -> None:
    (zero, _), _ = decoded(REAL, b"-0.0", b"bad")
    assert str(zero) == "-0.0"


# --- dates --------------------------------------------------------------------


def test_dates() -> None:
    cells = b"20200229", b"19991231", b"00010101", b"99991231", b"19700101", b"16000229"
    expected = [(2020, 2, 29), (1999, 12, 31), (1, 1, 1), (9999, 12, 31), (1970, 1, 1)]
    days = [datetime.date(*d) for d in [*expected, (1600, 2, 29)]]
    assert decoded(DAY, *cells) == (days, [])


def test_dates_of_nothing_are_null() -> None:
    assert decoded(DAY, b"", bytes(8), b"00000000", b"*" * 8, b"\0" + b"2020022") == (
        [None] * 5,
        [],
    )


@pytest.mark.parametrize(
    "cell",
    [
        b"20200230", b"20210229", b"19000229", b"20200431", b"20201301", b"20200001", b"20200100",
        b"20200132", b"00000101", b"2020", b"2020022", b"202002 9", b"02/29/20", b"20-02-29",
        b"29.02.20", b"today", b"\xb22020022", b"0000    ", b"-2020022", b"99999999",
    ],
)  # fmt: skip
def test_days_that_there_are_not_are_null_and_told(cell: bytes) -> None:
    day = datetime.date(2020, 2, 29)
    assert decoded(DAY, cell) == ([None], [0])
    assert decoded(DAY, b"20200229", cell, b"") == ([day, None, None], [1])


def test_a_field_of_dates_may_have_another_width() -> None:
    wide, narrow = Field("D", "D", 10), Field("D", "D", 6)
    assert decoded(wide, b"20200229", b"20200229xx") == ([datetime.date(2020, 2, 29), None], [1])
    assert decoded(narrow, b"", b"202002") == ([None, None], [1])


# --- logicals -----------------------------------------------------------------


def test_logicals() -> None:
    assert decoded(YES, *(bytes([b]) for b in b"TtYyFfNn")) == ([True] * 4 + [False] * 4, [])
    assert decoded(YES, b"?", b" ", b"\0", b"*") == ([None] * 4, [])


@pytest.mark.parametrize("cell", [b"x", b"1", b"0", b"J", b"\xff", b"-"])
def test_what_is_no_logical_is_null_and_told(cell: bytes) -> None:
    assert decoded(YES, b"T", cell, b"F") == ([True, None, False], [1])


# --- columns ------------------------------------------------------------------

GOOD = {
    TEXT: b"a", INT: b"1", LONG: b"2", REAL: b"1.5", FLOAT: b"2.5", DAY: b"20200229", YES: b"T",
}  # fmt: skip
EVERY = pytest.mark.parametrize("field", GOOD, ids=lambda f: f.type + str(f.width))


@EVERY
def test_a_column_without_rows(field: Field) -> None:
    assert decoded(field) == ([], [])


@EVERY
def test_a_column_within_wider_rows(field: Field) -> None:
    """Cells are a slice of the rows: not contiguous."""
    rows = cells_of([b" " + GOOD[field].ljust(field.width) + b"!"] * 3, field.width + 2)
    cells = rows[:, 1:-1]
    assert not cells.flags.c_contiguous
    found = decode_cells(cells, field, "utf-8")
    assert found.array.equals(decode_cells(cells.copy(), field, "utf-8").array)
    assert found.array.null_count == 0


@EVERY
def test_a_column_in_slabs_is_the_same(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = b"\xff" * field.width
    cells = cells_of([GOOD[field], odd, b"", GOOD[field], b"", odd, odd], field.width)
    whole = decode_cells(cells, field, "utf-8")
    monkeypatch.setattr(values, "SLAB", 2 * field.width)
    slabs = decode_cells(cells, field, "utf-8")
    assert slabs.array.equals(whole.array)
    assert slabs.bad.tolist() == whole.bad.tolist() == [1, 5, 6]


@EVERY
def test_cells_are_not_changed(field: Field) -> None:
    cells = cells_of([GOOD[field], b"\0", b"*" * field.width], field.width).copy()
    before = cells.copy()
    decode_cells(cells, field, "utf-8")
    np.testing.assert_array_equal(cells, before)


def test_the_type_is_the_fields_whatever_the_cells_hold() -> None:
    for field in GOOD:
        array = decode_cells(cells_of([b"", b""], field.width), field, "utf-8").array
        assert array.type.equals(ARROW_TYPES[field.arrow])
        assert array.null_count == 2
    assert {f.arrow for f in GOOD} == set(ARROW_TYPES)
    assert pa.types.is_date32(ARROW_TYPES["date32"])
