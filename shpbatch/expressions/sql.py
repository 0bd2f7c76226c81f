"""Expressions on the fields of a layer, run by DuckDB.

They are checked as parse trees first (`tree`), and the connection could not
reach a file, a setting or the network if one slipped through (`duck`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import StepError
from .duck import connection
from .results import no_field
from .tree import names, rewritten

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["evaluate", "type_on"]

_SQL_TYPES = {
    "string": "VARCHAR",
    "int32": "BIGINT",  # ``pop * 2`` must not overflow
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "date32": "DATE",
    "bool": "BOOLEAN",
}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_KINDS = {
    "BOOLEAN": "bool",
    **dict.fromkeys([*_WHOLE, *(f"U{name}" for name in _WHOLE)], "int64"),
    **dict.fromkeys(["FLOAT", "DOUBLE", "DECIMAL", "HUGEINT", "UHUGEINT"], "float64"),
    "VARCHAR": "string",
    "NULL": "string",
    "DATE": "date32",
}


@lru_cache(maxsize=256)
def type_on(text: str, types: tuple[tuple[str, str], ...]) -> str:
    """Type of an expression on fields of such types; no row is needed.

    Asked once for layers of one schema: a query costs 3 ms, and a folder has 1,000 of them.

    DuckDB alone is asked, on a relation without rows: to import Arrow as well
    would double what a run takes to start.
    """
    columns = tuple(name for name, _ in types)
    given = [f"NULL::{_SQL_TYPES[kind]} AS c{i}" for i, (_, kind) in enumerate(types)]
    query = f"{rewritten(text, columns)} FROM (SELECT {', '.join([*given, 'NULL'])}) WHERE false"
    with _explained(text, columns):
        relation = connection().sql(query)
        relation.fetchall()  # what is constant is found out only here: CAST('a' AS INTEGER)
    found = str(relation.types[0])
    kind = _KINDS.get(found.partition("(")[0].strip('"'))
    if kind is None:
        raise no_field(text, found)
    return kind


def evaluate(text: str, table: pa.Table, timeout: float) -> Any:
    """Value of an expression for every row of a table, in the type that DuckDB gives it."""
    import pyarrow as pa

    columns = names(text)
    arrays = [_widened(table.column(name)) for name in columns]
    # A column of its own keeps the row count where the expression names none.
    rows = pa.nulls(table.num_rows, pa.bool_())
    given = pa.table([*arrays, rows], names=[f"c{i}" for i in range(len(columns))] + ["r"])
    return _run(rewritten(text, columns), given, timeout, columns, text)


def _run(sql: str, table: pa.Table, timeout: float, columns: Sequence[str], text: str) -> Any:
    import duckdb

    duck = connection()
    timer = threading.Timer(timeout, duck.interrupt)
    timer.start()
    try:
        with _explained(text, columns):
            # A third faster than to register the table and ask for it by name.
            relation = duck.from_arrow(table).project(sql.removeprefix("SELECT "))
            return relation.to_arrow_table().column(0).combine_chunks()
    except duckdb.InterruptException:
        raise StepError(
            f"'{text}' took more than {timeout:.0f} s; make it simpler", "expression-timeout"
        ) from None
    finally:
        timer.cancel()


@contextmanager
def _explained(text: str, columns: Sequence[str]) -> Iterator[None]:
    """What DuckDB says, in the field names of the layer."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        message = str(error).partition("\n")[0]
        for i, name in enumerate(columns):
            message = re.sub(rf"\bc{i}\b", name.replace("\\", r"\\"), message)
        raise StepError(f"'{text}': {message}", "expression-failed") from None


def _widened(column: Any) -> Any:
    """32-bit integers as 64-bit: ``pop * 2`` must not overflow."""
    import pyarrow as pa

    return column.cast(pa.int64()) if pa.types.is_int32(column.type) else column
