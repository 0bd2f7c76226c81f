"""Plain expressions: what is computed without DuckDB is what DuckDB gives, and the rest is its."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shpbatch import expressions
from shpbatch.account import Account, counting
from shpbatch.expressions import columnar, sql, tree
from shpbatch.expressions.duck import connection
from shpbatch.expressions.grammar import field_names, plain
from shpbatch.expressions.nodes import NotPlain
from shpbatch.expressions.results import as_field
from shpbatch.expressions.tokens import KEYWORDS
from shpbatch.models import Field

ARROW = {
    "i": pa.int64(), "j": pa.int32(), "r": pa.float64(), "q": pa.float64(), "s": pa.string(),
    "t": pa.string(), "d": pa.date32(), "b": pa.bool_(),
}  # fmt: skip
WHOLE = [0, 1, -1, 2, 7, 100, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
REALS = [0.0, -0.0, 0.1, 0.5, 1.5, 2.5, -2.5, 1e15, 2.0**53, 1e308, -1e308, 5e-324, math.inf]
TEXTS = ["", "a", "A", "ab", "a b", "a\nb", "%", "_", "a_b", "\\", "é", "É", "漢字", "😀", "ß", "ſ"]
DAYS = [datetime.date(1970, 1, 1), datetime.date(2020, 2, 29), datetime.date(9999, 12, 31)]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": st.sampled_from(WHOLE) | st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9),
    "j": st.integers(-(2**31), 2**31 - 1) | st.integers(-9, 9),
    "r": st.sampled_from(REALS) | st.floats(allow_nan=False) | st.integers(-9, 9).map(float),
    "q": st.sampled_from(REALS) | st.floats() | st.integers(-99, 99).map(lambda n: n / 10),
    "s": st.sampled_from(TEXTS) | st.text(max_size=4).filter(lambda s: "\0" not in s),
    "t": st.sampled_from(TEXTS),
    "d": st.sampled_from(DAYS) | st.dates(),
    "b": st.booleans(),
}
ROWS = st.lists(
    st.fixed_dictionaries({n: st.none() | v for n, v in VALUES.items()}), min_size=0, max_size=6
)


def _in(operand: st.SearchStrategy[str], constant: st.SearchStrategy[str]) -> Any:
    listed = st.lists(constant, min_size=1, max_size=3).map(", ".join)
    return st.tuples(operand, st.sampled_from(["", "NOT "]), listed).map(
        lambda p: f"{p[0]} {p[1]}IN ({p[2]})"
    )


NUMBER = st.sampled_from(
    ["0", "1", "2", "-3", "10", "1.5", "0.1", "-0.25", ".5", "2.50", "1e3", "3000000000",
     "9007199254740993", "0.000001", "NULL", "2147483647", "100.0"]
)  # fmt: skip
NUMERIC = st.recursive(
    st.sampled_from(["i", "j", "r", "q"]) | NUMBER,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(" ".join)
        | st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda p: f"({' '.join(p)})"
        )
        | st.tuples(inner, st.sampled_from(["2", "7", "1"])).map(" % ".join)
        | inner.map(lambda e: f"- ({e})")
        | st.tuples(inner, inner).map(lambda p: f"coalesce({p[0]}, {p[1]})")
        | st.tuples(inner, inner).map(lambda p: f"CASE WHEN b THEN {p[0]} ELSE {p[1]} END")
        | st.tuples(inner, st.sampled_from(["", ", 0", ", 1", ", 5"])).map(
            lambda p: f"round({p[0]}{p[1]})"
        )
    ),
    max_leaves=4,
)
LITERAL = st.sampled_from(["'a'", "'A'", "''", "'é'", "'a''b'", "NULL", "'ab'"])
TEXT = st.recursive(
    st.sampled_from(["s", "t"]) | LITERAL,
    lambda inner: (
        st.tuples(inner, inner).map(" || ".join)
        | inner.map(lambda e: f"upper({e})")
        | inner.map(lambda e: f"Lower({e})")
        | st.tuples(inner, inner).map(lambda p: f"coalesce({p[0]}, {p[1]})")
        | st.tuples(inner, inner).map(lambda p: f"case when b then {p[0]} when i>1 then {p[1]} end")
    ),
    max_leaves=3,
)
PATTERN = st.lists(st.sampled_from(["a", "b", "A", "%", "_", "é", ".", "(", "\\", " "]), max_size=4)
LIKE = st.tuples(TEXT, st.sampled_from(["LIKE", "NOT LIKE", "ILIKE", "not ilike"]), PATTERN).map(
    lambda p: f"{p[0]} {p[1]} '{''.join(p[2])}'"
)
DATE = st.sampled_from(["d", "DATE '2020-02-29'", "'2020-01-01'", "'2020-1-1'", "NULL", "'x'"])
COMPARE = st.sampled_from(["=", "==", "<>", "!=", "<", "<=", ">", ">=", "=-", "<-"])
BETWEEN = st.sampled_from([" BETWEEN ", " NOT BETWEEN "])
TRUTH = st.recursive(
    st.sampled_from(["b", "true", "false", "NULL", "b = true", "b <> false", "b < true"])
    | LIKE
    | st.one_of(
        [
            st.one_of(
                st.tuples(operand, COMPARE, operand).map(" ".join),
                st.tuples(operand, BETWEEN, operand, st.just(" AND "), operand).map("".join),
                operand.map(lambda e: f"{e} IS NULL"),
                operand.map(lambda e: f"{e} IS NOT NULL"),
            )
            for operand in (NUMERIC, TEXT, DATE)
        ]
    )
    | _in(NUMERIC, NUMBER)
    | _in(TEXT, LITERAL)
    | _in(DATE, DATE.filter(lambda d: d != "d")),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["AND", "OR", "and", "Or"]), inner).map(" ".join)
        | inner.map(lambda e: f"NOT {e}")
        | inner.map(lambda e: f"({e})")
        | inner.map(lambda e: f"({e}) IS NULL")
    ),
    max_leaves=4,
)
MIXED = st.one_of(NUMERIC, TEXT, DATE, TRUTH)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = {n: pa.array([row[n] for row in rows], kind) for n, kind in ARROW.items()}
    return pa.table(columns)


ROW = {"i": 5, "j": 2, "r": 1.5, "q": -0.5, "s": "ab", "t": "é", "d": DAYS[1], "b": True}
SAMPLE = table([ROW, dict.fromkeys(ROW)])


def both(text: str, rows: pa.Table) -> tuple[Any, Any]:
    """Result and losses, ours and DuckDB's; raises NotPlain where there is none of ours."""
    node = plain(text)
    if node is None:
        raise NotPlain(text)
    found = []
    for evaluated in (lambda: columnar.evaluate(node, rows), lambda: sql.evaluate(text, rows, 60)):
        account = Account()
        with counting(account, "calculate", None):  # type: ignore[arg-type]
            found.append((as_field(evaluated(), text), account.losses))
    return found[0], found[1]


def assert_same(ours: Any, theirs: Any) -> None:
    assert ours[0].type == theirs[0].type
    assert repr(ours[0].to_pylist()) == repr(theirs[0].to_pylist())  # -0.0 is not 0.0
    assert ours[1] == theirs[1]


@settings(max_examples=300, deadline=None)
@given(MIXED, ROWS)
@example("q < 1", [{**ROW, "q": math.nan}])
@example("r * 0.1 + j * 0.1", [ROW])
@example("j * 0.1", [{**ROW, "j": n} for n in range(9)])
def test_same_as_duckdb(text: str, rows: list[dict[str, Any]]) -> None:
    given = table(rows)
    try:
        ours, theirs = both(text, given)
    except NotPlain:
        return
    assert_same(ours, theirs)


TAKEN = [
    "i > 500", "i>500", 'i > 1 AND "s" = \'ab\'', "I = 5", "i is not null", "NOT b", "b", "i",
    "(i)", "((i + 1)) * 2", "i = -5", "i=-5", "i<-5", "i*-1", "i - -1", "- - i", "-i", "-(r)",
    "i IN (1, 2.5, NULL)", "s NOT IN ('a', 'ab')", "j BETWEEN 1 AND 9 AND b",
    "s LIKE 'a%' OR t LIKE '_'", "s LIKE 'a.b'", "t NOT LIKE '%é'", "s ILIKE 'A%'", "i + j * r",
    "i / j", "i / 0", "r / 0 > 1", "i * 1.5", "j * 0.01", "j * 0.1 + r", "i * 1.50 = 7.5",
    "i % 2 = 0", "r * 2 + j", "1 - r", "round(r)", "round(r * 100, 2)", "coalesce(s, '?')",
    "coalesce(i, 1.5)", "CASE WHEN i > 3 THEN 'big' ELSE 'small' END", "case when b then i end",
    "s || '-' || t", "upper(s) || lower(s)", "d > '2020-01-01'", "'2020-01-01' < d",
    "d = DATE '2020-02-29'", "d BETWEEN '2020-01-01' AND '2020-12-31'", "d IN ('2020-02-29')",
    "b = true", "b <> false", "b AND NULL", "i = NULL", "NULL", "1", "1.5", "-1.5", "'x'", "true",
    "DATE '2020-01-01'", "i = 9007199254740993", "r = 9007199254740993", "i > 1.5", "r = 0.1",
    "s = ''", "s = 'it''s'", "i\n>\t5", "i >= 3 and not (j < 2 or s = 'b')", "i == 5", "i != 5",
    "r > 1e3", "r > .5", "3000000000 + j",
]  # fmt: skip
DECLINED = [
    # What is not of the plain language.
    "i > 5 -- more", "i /* more */ > 5", "i::VARCHAR", "CAST(i AS VARCHAR)", "abs(i)", "sqrt(r)",
    "E'a' = s", "x'41'", "$$a$$ = s", "U&'a'", "s ~ 'a'", "s GLOB 'a*'", "s SIMILAR TO 'a'",
    "i // 2", "i ** 2", "i ^ 2", "i & 1", "+i", "i--1", "i%-1", "i!=-5", "i ISNULL", "i IS TRUE",
    "i = 1 IS NULL", "i IS NULL = b", "i < j < 3", "i IN (j)", "i IN (1,)", "i IN ()",
    "i = ANY (SELECT 1)", "layer.i", "i; DROP TABLE x", "i, j", "*", "$1", "?", "#1", "[i]",
    "s COLLATE nocase = 'a'", "s LIKE t", "s LIKE 'a' ESCAPE '\\'", "s LIKE 'a\\%'", "1_000 < i",
    "0x1F < i", "5. < i", "1e400 < r", "i AS x", "'a' 'b'", "interval", "INTERVAL 1 DAY", "columns",
    "current_date", "CASE i WHEN 1 THEN 2 END", "CASE END", "\u00a0i > 5", "i > 5\u200b", "i\0",
    "\ud800", "", " ", "(", ")", "i >", "'x", '"x', '""', "upper(s, s)", "coalesce()",
    "i between 1",
    # What DuckDB may find an error in, or computes in a type of its own.
    "1 = 1", "1 + i > 2 * 3", "NOT true", "1 IN (1)", "2147483647 + 1", "coalesce(1, 2)",
    "i * 9223372036854775808", "i = -2147483648", "CASE WHEN b THEN 1 ELSE 2 END * 3",
    "0.12345678901234567 * i", "i % 0", "i % j", "r % 2", "i % 2.5",
    # What is cast by rules of its own, or refused.
    "s = 5", "i = '5'", "s > i", "d = s", "d = '2020-1-1'", "d = '20200229'", "d + 1", "d - d",
    "i = true", "b < true", "b = 1", "i AND b", "NOT i", "i || s", "s || 1", "upper(i)", "-s",
    "s + 1", "i LIKE '5'", "coalesce(i, s)", "coalesce(d, '2020-01-01')", "round(i)",
    "round(r, -1)", "round(r, j)", "'2020-01-01' BETWEEN '2019-01-01' AND d",
]  # fmt: skip
#: By the values of a row: these DuckDB computes, though the expression is a plain one.
ON_VALUES = [
    ("i + 1", {"i": 2**63 - 1}),
    ("i * j", {"i": 2**62, "j": 2}),
    ("-i", {"i": -(2**63)}),
    ("i * 1.5", {"i": 2**62}),
    ("i * 0.5 + r", {"i": 2**53}),
    ("q > 1", {"q": math.nan}),
    ("r - r = 0", {"r": math.inf}),
    ("upper(s)", {"s": "straße"}),
    ("s ILIKE 'a%'", {"s": "Ä"}),
]


@pytest.mark.parametrize("text", TAKEN)
def test_taken(text: str) -> None:
    rows = SAMPLE.append_column("I", SAMPLE.column("i"))  # names are given as they are spelled
    assert_same(*both(text, rows))


@pytest.mark.parametrize("text", DECLINED, ids=repr)
def test_declined(text: str) -> None:
    with pytest.raises(NotPlain):
        both(text, SAMPLE)


@pytest.mark.parametrize(("text", "values"), ON_VALUES)
def test_declined_for_a_value(text: str, values: dict[str, Any]) -> None:
    node = plain(text)
    assert node is not None
    columnar.evaluate(node, SAMPLE)
    with pytest.raises(NotPlain):
        columnar.evaluate(node, table([ROW, {**ROW, **values}]))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 21 + "i" + ")" * 21, "(" * 4000 + "i" + ")" * 4000, "NOT " * 21 + "b",
        "- " * 30 + "i",
        "CASE WHEN b THEN " * 21 + "i" + " END" * 21, "coalesce(i, " * 21 + "1" + ")" * 21,
        "i" + " + 1" * 76, "i" * 1_001, "'" + "(" * 101 + "'", "'" + "not " * 101 + "'",
        "i IN (" + ", ".join("1" * 200) + ")", '"' * 999,
    ],
    ids=lambda text: f"{text[:8]} x {len(text)}",
)  # fmt: skip
def test_what_is_long_or_deep_is_left_to_the_checks_of_duckdb(text: str) -> None:
    assert plain(text) is None


def test_the_longest_plain_expression_is_computed_by_both() -> None:
    text = "i" + " + 1" * 73
    assert_same(*both(text, SAMPLE))
    assert expressions.result_type(text, [Field("i", "N", 9)]) == "int64"


def test_keywords_are_no_fields() -> None:
    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
    known = {name for (name,) in connection().execute(query).fetchall()}
    assert "select" in known
    assert known <= KEYWORDS


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ij sd\"'()+-*/%=<>!|.,;15e\n_nNoOtTaAdD", max_size=12) | MIXED)
def test_what_is_plain_is_read_as_duckdb_reads_it(text: str) -> None:
    node = plain(text)
    if node is not None:
        assert field_names(node) == tree.names(text)


FIELDS = [
    Field("i", "N", 18), Field("j", "N", 9), Field("r", "N", 20, 5), Field("q", "F", 20, 5),
    Field("s", "C", 9), Field("t", "C", 9), Field("d", "D", 8), Field("b", "L", 1),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(MIXED)
def test_types_are_those_of_duckdb(text: str) -> None:
    node = plain(text)
    if node is None:
        return
    names = field_names(node)
    kinds = {f.name: f.arrow for f in FIELDS}
    try:
        found = expressions.plain_type(text, kinds)
    except NotPlain:
        return
    assert found == sql.type_on(text, tuple((name, kinds[name]) for name in names))
