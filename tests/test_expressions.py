"""Expressions: what they give, what they are called when wrong, and what never gets through."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shpbatch import expressions
from shpbatch.errors import RecipeError, ShpbatchError, StepError
from shpbatch.models import Field

TABLE = pa.table(
    {
        "pop": pa.array([1, 2, None], pa.int32()),
        "kind": pa.array(["a", "b", None]),
        "ADDR:CITY": pa.array(["x", "y", "z"]),
        "名": pa.array(["á", "é", "í"]),
        "day": pa.array([datetime.date(2020, 1, 2), None, None]),
    }
)
FIELDS = [
    Field("pop", "N", 9),
    Field("kind", "C", 10),
    Field("NAME", "C", 5),
    Field("name", "C", 5),
]


def evaluate(text: str) -> list[Any]:
    result = expressions.evaluate(text, TABLE.select(list(expressions.names(text))))
    values: list[Any] = result.to_pylist()
    return values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pop * 2 + 1", [3, 5, None]),
        ("pop / 2", [0.5, 1.0, None]),  # not integer division, unlike OGR SQL
        ("pop // 2", [0, 1, None]),
        ("pop * 2000000000", [2_000_000_000, 4_000_000_000, None]),  # no 32-bit overflow
        ("pop > 1 AND kind = 'b'", [False, True, None]),
        ("kind = 'A'", [False, False, None]),  # minds case, unlike OGR SQL
        ("kind ILIKE 'A%'", [True, False, None]),
        ("kind IN ('a', 'c')", [True, False, None]),
        ("pop BETWEEN 1 AND 1", [True, False, None]),
        ("kind IS NULL", [False, False, True]),
        ("coalesce(kind, '?')", ["a", "b", "?"]),
        ("CASE WHEN pop > 1 THEN 'big' ELSE 'small' END", ["small", "big", "small"]),
        ("upper(kind) || '-' || \"ADDR:CITY\"", ["A-x", "B-y", None]),
        ("round(pop / 3.0, 2)", [0.33, 0.67, None]),
        ("upper(名)", ["Á", "É", "Í"]),
        ("year(day)", [2020, None, None]),
        ("extract(year FROM day)", [2020, None, None]),
        ("substr(kind, 1, 1)", ["a", "b", None]),
        ("lpad(kind, 3, '0')", ["00a", "00b", None]),
        ("TRY_CAST(kind AS INTEGER)", [None, None, None]),
        ("pop::VARCHAR", ["1", "2", None]),
        ("nullif(pop, 1)", [None, 2, None]),
        ("-pop", [-1, -2, None]),
        ("kind ~ '^a'", [True, False, None]),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    assert evaluate(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pop +", "expression-syntax"),
        ("", "expression-syntax"),
        ("'x", "expression-syntax"),
        ("pop; DROP TABLE x", "expression-several"),
        ("pop, kind", "expression-several"),
        ("1), (2", "expression-several"),
        ("1) FROM x --", "expression-syntax"),
        ("(1) FROM range(3) WHERE (true", "expression-syntax"),
        ("pop IN (SELECT 1)", "expression-subquery"),
        ("EXISTS (SELECT 1)", "expression-subquery"),
        ("(SELECT 1)", "expression-subquery"),
        ("array(SELECT 1)", "expression-subquery"),
        ("1 = ANY (SELECT 1)", "expression-subquery"),
        ("sum(pop)", "expression-aggregate"),
        ("count(*)", "expression-aggregate"),
        ("row_number() OVER ()", "expression-window"),
        ("sum(pop) OVER ()", "expression-window"),
        ("*", "expression-star"),
        ("COLUMNS('p.*')", "expression-star"),
        ("$1", "expression-parameter"),
        ("?", "expression-parameter"),
        ("#1", "expression-kind"),
        ("layer.pop", "expression-kind"),
        ("kind[1]", "expression-kind"),
        ("kind COLLATE nocase", "expression-kind"),
        ("CAST(pop AS INTEGER[])", "expression-kind"),
        ("x -> x + 1", None),
        ("random()", "expression-function"),
        ("now()", "expression-function"),
        ("uuid()", "expression-function"),
        ("getenv('HOME')", "expression-function"),
        ("current_setting('threads')", "expression-function"),
        ("repeat('a', 1000000000)", "expression-function"),
        ("range(1000000000)", "expression-function"),
        ("unnest([1, 2])", "expression-function"),
        ("[1, 2]", "expression-function"),
        ("{'a': 1}", "expression-function"),
        ("list_transform([1], x -> x)", "expression-function"),
        ("printf('%1000000000d', 1)", "expression-function"),
        ("nextval('s')", "expression-function"),
        ("error('x')", "expression-function"),
        ("read_text('/etc/hostname')", "expression-function"),
        ("read_csv('/etc/hostname')", "expression-function"),
        ("glob('/*')", "expression-function"),
        ("main.read_text('x')", "expression-function"),
        ("json_execute_serialized_sql('x')", "expression-function"),
        ("'a' * " * 3000 + "'a'", "expression-syntax"),
        ("(" * 4000 + "1" + ")" * 4000, "expression-syntax"),
        ("-" * 5000 + "1", "expression-syntax"),
        ("NOT " * 2000 + "true", "expression-syntax"),
        ("x" * 16_000_000, "expression-syntax"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_refused_before_any_file_is_opened(text: str, code: str | None) -> None:
    with pytest.raises(RecipeError) as error:
        expressions.check(text)
    if code is not None:
        assert error.value.code == code
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize(
    "text",
    [
        "COPY (SELECT 1) TO '{out}'",
        "1) TO '{out}'; --",
        "1); COPY (SELECT 1) TO '{out}'; --",
        "ATTACH '{out}'",
        "PRAGMA database_list",
        "SET threads = 2",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE '{out}'",
        "CREATE TABLE x AS SELECT 1",
        "(FROM '{secret}')",
        "(SELECT content FROM read_text('{secret}'))",
        "(TABLE '{secret}')",
        "kind IN (SELECT content FROM read_text('{secret}'))",
        "coalesce((SELECT 1 FROM '{secret}'), 1)",
        "CASE WHEN EXISTS (FROM read_blob('{secret}')) THEN 1 END",
        "1 UNION SELECT 2",
        "1) UNION (SELECT 2",
        "1 LIMIT 1",
        "1 ORDER BY 1",
        "[x FOR x IN read_text('{secret}')]",
        "getvariable('x')",
        "query('SELECT 1')",
        "query_table('x')",
        "sniff_csv('{secret}')",
        "parquet_metadata('{secret}')",
        "write_log('x')",
        "pg_size_pretty(1)",
        "which_secret('x', 'y')",
        "duckdb_secrets()",
    ],
)
def test_attacks_neither_pass_nor_touch_a_file(text: str, tmp_path: Path) -> None:
    secret, out = tmp_path / "secret.txt", tmp_path / "out"
    secret.write_text("TOP SECRET")
    with pytest.raises(ShpbatchError) as error:
        evaluate(text.format(secret=secret, out=out))
    assert "TOP SECRET" not in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.txt"]


def test_the_connection_itself_is_locked(tmp_path: Path) -> None:
    import duckdb

    from shpbatch.expressions.duck import ask

    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for query in (
        f"SELECT * FROM '{secret}'",
        f"SELECT content FROM read_text('{secret}')",
        f"COPY (SELECT 1) TO '{tmp_path / 'out'}'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT * FROM secret",  # a Python variable
    ):
        with pytest.raises(duckdb.Error):
            ask(query)
    assert not (tmp_path / "out").exists()


def test_names_are_found_as_fields_are_spelled() -> None:
    assert expressions.names("Pop > 1 OR pop < 0") == ("Pop", "pop")
    assert expressions.result_type("POP + 1", FIELDS) == "int64"
    assert expressions.result_type("NAME || name", FIELDS) == "string"
    assert expressions.result_type("FID > 3", FIELDS) == "bool"
    assert expressions.result_type("ogr_geom_area / 10000", FIELDS) == "float64"
    with pytest.raises(StepError, match=r"did you mean 'kind'\?") as missing:
        expressions.result_type("knid = 'a'", FIELDS)
    assert missing.value.code == "field-missing"
    with pytest.raises(StepError) as ambiguous:
        expressions.result_type("Name = 'a'", FIELDS)
    assert ambiguous.value.code == "field-ambiguous"


def test_type_errors_come_before_reading() -> None:
    for text, code in (
        ("upper(pop) + kind", "expression-failed"),
        ("kind + 1 > 'x' || 2 || pop + kind", "expression-failed"),
        ("TIMESTAMP '2020-01-01'", "expression-type"),
    ):
        with pytest.raises(StepError) as error:
            expressions.result_type(text, FIELDS)
        assert error.value.code == code


def test_a_failing_value_names_the_field() -> None:
    with pytest.raises(StepError, match="kind") as error:
        evaluate("CAST(kind AS INTEGER)")
    assert error.value.code == "expression-failed"
    assert "c0" not in str(error.value)


def test_endless_work_is_interrupted() -> None:
    table = pa.table({"kind": ["a" * 1000] * 200_000})
    with pytest.raises(StepError) as error:
        expressions.evaluate("regexp_replace(kind, 'a+b', 'c')", table, timeout=0.2)
    assert error.value.code == "expression-timeout"
    assert evaluate("pop") == [1, 2, None]  # the connection still works


def test_a_huge_value_is_refused_by_the_memory_limit() -> None:
    with pytest.raises(StepError) as error:
        evaluate(f"concat({', '.join(['lpad(kind, 20000000, kind)'] * 60)})")
    assert error.value.code == "expression-failed"


def test_order_is_kept_over_many_batches() -> None:
    whole = pa.table({"pop": pa.array(range(300_000))})
    chunked = pa.concat_tables([whole.slice(i, 1000) for i in range(0, 300_000, 1000)])
    assert expressions.evaluate("pop + 1", chunked).to_pylist() == list(range(1, 300_001))


def test_no_rows_give_no_values_of_the_right_type() -> None:
    empty = TABLE.slice(0, 0)
    assert str(expressions.evaluate("pop / 2", empty.select(["pop"])).type) == "double"
    assert len(expressions.evaluate("1", empty)) == 0
