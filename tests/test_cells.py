"""Values to cells of a .dbf: as narrow as they allow, read back as they were, or told."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shpbatch.errors import WriteError
from shpbatch.models import Field
from shpbatch.shapefile.cells import encode_cells
from shpbatch.shapefile.columns import Slice, joined
from shpbatch.shapefile.values import ARROW_TYPES, decode_cells
from shpbatch.shapefile.widths import Need, fitted, need_of

#: Fields as a step adds them: as wide as they may become.
TEXT = Field("T", "C", 0, fresh=True)
INT = Field("I", "N", 9, fresh=True)
LONG = Field("J", "N", 18, fresh=True)
REAL = Field("R", "N", 24, 15, fresh=True)
DAY = Field("D", "D", 8, fresh=True)
YES = Field("L", "L", 1, fresh=True)


def array_of(field: Field, values: list[Any]) -> Any:
    return pa.array(values, ARROW_TYPES[field.arrow])


def fit(field: Field, *values: Any, encoding: str = "utf-8") -> Field:
    return fitted(field, need_of(array_of(field, list(values)), field, encoding))


def encoded(field: Field, *values: Any, encoding: str = "utf-8") -> tuple[list[bytes], list[int]]:
    """Cells of a field made wide enough, and the rows that were rounded."""
    wide = fit(field, *values, encoding=encoding)
    cells, rounded = encode_cells(array_of(field, list(values)), wide, encoding)
    assert cells.shape == (len(values), wide.width)
    return [row.tobytes() for row in cells], rounded.tolist()


def there_and_back(
    field: Field, values: list[Any], encoding: str = "utf-8"
) -> tuple[list[Any], set[int], Field]:
    """Values as they are read back, the rows told as rounded, and the field."""
    wide = fit(field, *values, encoding=encoding)
    cells, rounded = encode_cells(array_of(field, values), wide, encoding)
    found = decode_cells(cells, wide, encoding)
    assert found.bad.tolist() == []
    assert wide.arrow == field.arrow or {wide.arrow, field.arrow} == {"int32", "int64"}
    return found.array.to_pylist(), set(rounded.tolist()), wide


# --- widths -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "values", "width", "decimals"),
    [
        (TEXT, ("a", "bcd", None), 3, 0),
        (TEXT, ("é",), 2, 0),
        (TEXT, (None, ""), 1, 0),
        (TEXT, (), 1, 0),
        (INT, (1, 200, -30), 3, 0),
        (INT, (-200,), 4, 0),
        (INT, (0,), 1, 0),
        (INT, (None,), 1, 0),
        (INT, (), 1, 0),
        (LONG, (123456789012345678,), 18, 0),
        (REAL, (1.5, -22.25), 6, 2),
        (REAL, (0.1,), 3, 1),
        (REAL, (1.0, 20.0), 4, 1),
        (REAL, (0.30000000000000004,), 19, 17),
        (REAL, (1e10,), 13, 1),
        (REAL, (0.001, 1000.0), 8, 3),
        (REAL, (None,), 3, 1),
        (REAL, (), 3, 1),
        (DAY, (datetime.date(2020, 2, 29),), 8, 0),
        (YES, (True, None), 1, 0),
    ],
)
def test_a_new_field_is_as_narrow_as_its_values_allow(
    field: Field, values: tuple[Any, ...], width: int, decimals: int
) -> None:
    found = fit(field, *values)
    assert (found.width, found.decimals) == (width, decimals)
    assert (found.name, found.type) == (field.name, field.type)
    cells, rounded = encoded(field, *values)
    assert rounded == []
    assert len(cells) == len(values)


def test_a_new_number_with_a_fraction_is_read_back_as_a_real() -> None:
    for values in ([1.0], [20.0, None], [1e22], [-3.0]):
        assert fit(REAL, *values).arrow == "float64"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (Field("T", "C", 10), ("a", None)),
        (Field("T", "C", 254), ("a",)),
        (Field("I", "N", 9), (1,)),
        (Field("J", "N", 18), (-5, None)),
        (Field("R", "N", 12, 3), (1.5,)),
        (Field("R", "N", 12, 3), (1.23456,)),
        (Field("R", "F", 19, 11), (1.5,)),
        (Field("R", "N", 33, 15), (1.5,)),
        (Field("R", "N", 5, 2), (None,)),
        (Field("D", "D", 8), (None,)),
        (Field("L", "L", 1), (None,)),
    ],
)
def test_a_declared_width_is_kept_where_values_fit(field: Field, values: tuple[Any, ...]) -> None:
    assert fit(field, *values) == field


@pytest.mark.parametrize(
    ("field", "values", "width"),
    [
        (Field("T", "C", 3), ("abcde",), 5),
        (Field("T", "C", 3), ("éé",), 4),
        (Field("I", "N", 3), (12345,), 5),
        (Field("I", "N", 3), (-123,), 4),
        (Field("R", "N", 6, 2), (12345.5,), 8),
        (Field("R", "N", 6, 2), (-1234.5,), 8),
        (Field("R", "N", 4, 3), (-1.5,), 6),
    ],
)
def test_a_declared_field_is_widened_for_what_does_not_fit(
    field: Field, values: tuple[Any, ...], width: int
) -> None:
    found = fit(field, *values)
    assert (found.width, found.decimals) == (width, field.decimals)
    assert there_and_back(field, list(values))[:2] == (list(values), set())


def test_needs_of_windows_are_needs_of_all() -> None:
    windows = [[1.5, -200.0], [0.125], [None], []]
    whole = need_of(array_of(REAL, [v for w in windows for v in w]), REAL, "utf-8")
    need = Need()
    for values in windows:
        need |= need_of(array_of(REAL, values), REAL, "utf-8")
    assert fitted(REAL, need) == fitted(REAL, Need() | whole)
    assert (need.left, need.decimals) == (4, 3)


def test_a_slice_of_a_column_needs_what_its_rows_need() -> None:
    array = array_of(TEXT, ["very long", "a", None, "bc", "very long"]).slice(1, 3)
    field = fitted(TEXT, need_of(array, TEXT, "utf-8"))
    assert field.width == 2
    cells, _ = encode_cells(array, field, "utf-8")
    assert [c.tobytes() for c in cells] == [b"a ", b"  ", b"bc"]


# --- numbers ------------------------------------------------------------------


def test_numbers_stand_right_with_their_points_under_each_other() -> None:
    assert encoded(REAL, 1.5, None, -22.25, 100.0) == (
        [b"  1.50", b"      ", b"-22.25", b"100.00"],
        [],
    )
    assert encoded(INT, 1, None, -22) == ([b"  1", b"   ", b"-22"], [])


def test_declared_decimals_are_written_in_full() -> None:
    field = Field("R", "N", 10, 3)
    assert encoded(field, 1.5, 0.0, -1.0, None, 1e5) == (
        [b"     1.500", b"     0.000", b"    -1.000", b" " * 10, b"100000.000"],
        [],
    )


def test_what_has_more_decimals_is_rounded_and_told() -> None:
    field = Field("R", "N", 8, 2)
    assert encoded(field, 1.25, 1.256, None, -0.001, 3.14159) == (
        [b"    1.25", b"    1.26", b" " * 8, b"   -0.00", b"    3.14"],
        [1, 3, 4],
    )


@pytest.mark.parametrize(
    "value",
    [
        1e16, 1e20, 123456789012345680000.0, 1e22, 1e100, -1e100, 1.5e300, 1.7976931348623157e308,
        -1.2345678901234567e25, 1e-5, 1.5e-7, -2.5e-10, 0.1 + 0.2, 1 / 3, -1 / 3, 2.0**53, -0.0,
    ],
)  # fmt: skip
def test_numbers_with_exponents_are_read_back_the_same(value: float) -> None:
    found, rounded, field = there_and_back(REAL, [value, 1.0])
    assert (found, rounded) == ([value, 1.0], set())
    assert field.width <= 24


def test_exponents_are_written_only_where_digits_do_not_fit() -> None:
    assert encoded(REAL, 1e10, 1e20) == (
        [b"10000000000.0".rjust(23), b"100000000000000000000.0"],
        [],
    )
    assert b"e" in encoded(REAL, 1e100)[0][0]


@pytest.mark.parametrize("value", [5e-324, 1.5e-30, -2.5e-25, 1.2345678901234567e-200])
def test_tiny_numbers_of_a_new_field_do_not_become_0(value: float) -> None:
    found, _, _ = there_and_back(REAL, [value])
    assert found[0] == pytest.approx(value, rel=1e-12, abs=0)


@pytest.mark.parametrize("value", [1.2345678e25, -1.5e100, 9.87654321e300])
def test_a_declared_field_is_widened_for_a_number_with_an_exponent(value: float) -> None:
    found, _, _ = there_and_back(Field("R", "N", 6, 2), [value])
    assert found[0] == pytest.approx(value, rel=1e-12, abs=0)


def test_a_number_that_fits_no_width_is_refused() -> None:
    array = array_of(REAL, [1.0, 1e100])
    with pytest.raises(WriteError, match=r"field R: 1e\+100 does not fit 4 characters") as error:
        encode_cells(array, Field("R", "N", 4, 1), "utf-8")
    assert error.value.code == "number-too-wide"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_a_blank(value: float) -> None:
    """A cell of "nan" would be a bad value to whoever reads it."""
    cells, _ = encoded(REAL, 1.5, value, -2.5)
    assert cells[1].strip() == b""
    assert fit(REAL, 1.5, value, -2.5) == fit(REAL, 1.5, None, -2.5)


# --- text ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"), [("名", "ascii"), ("Ж", "cp1252"), ("😀", "gbk"), ("é", "cp1251")]
)
def test_text_that_the_encoding_lacks(text: str, encoding: str) -> None:
    array = pa.array([None, "a", "a" + text])
    for refuse in (need_of, encode_cells):
        with pytest.raises(WriteError, match=f"field T: 'a{text}' has characters that") as error:
            refuse(array, Field("T", "C", 80), encoding)
        assert error.value.code == "text-unencodable"


@pytest.mark.parametrize(("text", "size"), [("x" * 255, 255), ("é" * 128, 256), ("名" * 85, 255)])
@pytest.mark.parametrize("field", [TEXT, Field("T", "C", 80)])
def test_text_that_a_dbf_cannot_hold(text: str, size: int, field: Field) -> None:
    with pytest.raises(WriteError, match=f"a text of {size} bytes, a .dbf holds 254") as error:
        fitted(field, need_of(pa.array(["short", text]), field, "utf-8"))
    assert error.value.code == "text-too-long"


@pytest.mark.parametrize("text", ["x" * 254, "é" * 127])
def test_the_longest_text_that_fits(text: str) -> None:
    found, _, field = there_and_back(TEXT, [text, "a"])
    assert (found, field.width) == ([text, "a"], 254)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "é漢😀"),
        ("gbk", "漢字"),
        ("cp1252", "–é"),
        ("iso8859-1", "éÿ"),
        ("shift_jis", "表"),
    ],
)
def test_text_is_written_in_the_encoding(encoding: str, text: str) -> None:
    raw = text.encode(encoding)
    cells, _ = encoded(TEXT, "plain", None, "", text, encoding=encoding)
    width = max(5, len(raw))
    assert cells == [c.ljust(width) for c in (b"plain", b"", b"", raw)]
    back = there_and_back(TEXT, ["plain", None, "", text], encoding)
    assert back[:2] == (["plain", None, None, text], set())


# --- dates and logicals -------------------------------------------------------


def test_dates_of_every_year_that_eight_digits_hold() -> None:
    days = [(1, 1, 1), (999, 2, 3), (1970, 1, 1), (2020, 2, 29), (9999, 12, 31)]
    cells, _ = encoded(DAY, *(datetime.date(*d) for d in days), None)
    assert cells == [b"00010101", b"09990203", b"19700101", b"20200229", b"99991231", b" " * 8]


@pytest.mark.parametrize("days", [-719_163, -(2**31), 2_932_897, 2**31 - 1])
def test_a_date_that_eight_digits_cannot_hold_is_null(days: int) -> None:
    """One day before the year 1, one day after the year 9999."""
    array = pa.array([0, days], pa.int32()).cast(pa.date32())
    cells, _ = encode_cells(array, DAY, "utf-8")
    assert [c.tobytes() for c in cells] == [b"19700101", b" " * 8]


def test_logicals_are_letters() -> None:
    assert encoded(YES, True, False, None) == ([b"T", b"F", b"?"], [])


# --- there and back -----------------------------------------------------------

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(-(10**9), 10**9, places=4, allow_nan=False).map(float)


@given(st.lists(st.none() | FLOATS | DECIMALS))
def test_new_reals_are_read_back_the_same_or_told(values: list[float | None]) -> None:
    found, rounded, field = there_and_back(REAL, values)
    for i, (a, b) in enumerate(zip(values, found, strict=True)):
        if i not in rounded:
            assert a == b
        else:
            assert a is not None and b is not None and a != b
            assert abs(a - b) <= 0.5 * 10.0**-field.decimals + 1e-12 * abs(a)


@given(st.lists(st.none() | DECIMALS))
def test_new_reals_of_few_digits_are_read_back_the_same(values: list[float | None]) -> None:
    found, rounded, _ = there_and_back(REAL, values)
    assert (found, rounded) == (values, set())


@given(st.lists(st.none() | FLOATS), st.integers(3, 30), st.data())
def test_declared_reals_are_read_back_the_same_or_told(
    values: list[float | None], width: int, data: st.DataObject
) -> None:
    declared = Field("R", "N", width, data.draw(st.integers(1, width - 2)))
    found, rounded, field = there_and_back(declared, values)
    assert field.width >= declared.width and field.decimals == declared.decimals
    for i, (a, b) in enumerate(zip(values, found, strict=True)):
        if i not in rounded:
            assert a == b
        else:
            assert a is not None and b is not None and a != b
            assert abs(a - b) <= 0.5 * 10.0**-field.decimals + 1e-12 * abs(a)


@given(st.lists(st.none() | st.integers(-(10**17) + 1, 10**18 - 1)))
def test_whole_numbers_are_read_back_the_same(values: list[int | None]) -> None:
    assert there_and_back(LONG, values)[:2] == (values, set())
    assert there_and_back(Field("J", "N", 10), values)[:2] == (values, set())


@given(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1)))
def test_short_numbers_are_read_back_the_same(values: list[int | None]) -> None:
    assert there_and_back(INT, values)[:2] == (values, set())


#: What a cell can hold: no NUL, no blanks behind.
CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0")


@given(st.lists(st.none() | st.text(CHARACTERS, max_size=60)))
def test_text_is_read_back_the_same_without_blanks_behind(values: list[str | None]) -> None:
    expected = [None if v is None else v.rstrip(" ") or None for v in values]
    assert there_and_back(TEXT, values)[0] == expected
    assert there_and_back(Field("T", "C", 7), values)[0] == expected


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-2", "gbk", "shift_jis", "cp866"])
@given(st.data())
def test_text_of_other_encodings_is_read_back_the_same(encoding: str, data: st.DataObject) -> None:
    characters = st.characters(codec=encoding, exclude_characters="\0¥‾")
    values = data.draw(st.lists(st.none() | st.text(characters, max_size=40)))
    values = [v for v in values if v is None or v.encode(encoding).decode(encoding) == v]
    expected = [None if v is None else v.rstrip(" ") or None for v in values]
    assert there_and_back(TEXT, values, encoding)[0] == expected


@given(st.lists(st.none() | st.dates()))
def test_dates_are_read_back_the_same(values: list[datetime.date | None]) -> None:
    assert there_and_back(DAY, values)[:2] == (values, set())


@given(st.lists(st.none() | st.booleans()))
def test_logicals_are_read_back_the_same(values: list[bool | None]) -> None:
    assert there_and_back(YES, values)[:2] == (values, set())


@pytest.mark.parametrize("field", [TEXT, INT, LONG, REAL, DAY, YES], ids=lambda f: f.name)
@pytest.mark.parametrize("values", [[], [None], [None, None]], ids=len)
def test_columns_of_nothing(field: Field, values: list[None]) -> None:
    assert there_and_back(field, values)[:2] == (values, set())


@pytest.mark.parametrize("field", [INT, REAL, DAY, YES], ids=lambda f: f.name)
def test_a_slice_of_a_column_is_encoded_as_a_copy_of_it(field: Field) -> None:
    one: Any = {"I": 7, "R": 2.5, "D": datetime.date(2020, 2, 29), "L": True}[field.name]
    whole = array_of(field, [one, None, one, None, one])
    wide = fitted(field, need_of(whole, field, "utf-8"))
    cells, _ = encode_cells(whole.slice(1, 3), wide, "utf-8")
    expected, _ = encode_cells(array_of(field, [None, one, None]), wide, "utf-8")
    np.testing.assert_array_equal(cells, expected)


def test_carried_cells_side_by_side_are_copied_at_once() -> None:
    fields = [Field(name, "C", 4) for name in "abcdef"]
    made = pa.array(["x"])
    columns = [Slice(1, 5), Slice(5, 9), made, Slice(13, 17), Slice(17, 20), Slice(1, 5)]
    found = [(w.start, w.stop, f.name, f.width, c) for w, f, c in joined(fields, columns)]
    assert found == [
        (0, 2, "a to b", 8, Slice(1, 9)),
        (2, 3, "c", 4, made),
        (3, 4, "d", 4, Slice(13, 17)),
        (4, 5, "e", 4, Slice(17, 20)),  # narrower than its field: blanks are put between
        (5, 6, "f", 4, Slice(1, 5)),
    ]
    assert [*joined([], [])] == []
