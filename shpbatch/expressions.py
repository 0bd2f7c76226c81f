"""Scalar SQL expressions on the fields of a layer; DuckDB runs them.

They are checked as parse trees first (`expression_tree`), and the connection
could not reach a file, a setting or the network if one slipped through (`duck`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .account import tell_loss
from .duck import connection
from .engine.aspects import find_field
from .errors import StepError
from .expression_tree import check, columns_of, rewritten, tree
from .models import Field

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check", "evaluate", "names", "result_type"]

#: Seconds that one window may take, unless the caller says otherwise.
TIMEOUT = 300.0
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


def names(text: str) -> tuple[str, ...]:
    """Fields that an expression names, as it spells them, without repeats."""
    return tuple(dict.fromkeys(node["column_names"][0] for node in columns_of(tree(text))))


def result_type(text: str, fields: Sequence[Field]) -> str:
    """Type of an expression on such fields, as `Field.arrow` spells it; no row is needed.

    Parameters
    ----------
    text : str
    fields : sequence of Field
        Of the layer; virtual fields such as ``FID`` are known besides.

    Raises
    ------
    StepError
        ``field-missing``, ``expression-type``, ``expression-failed``.
    """
    from .engine.columns import VIRTUAL_TYPES

    spelled = [f.name for f in fields]
    types = []
    for name in names(text):
        try:
            types.append((name, fields[find_field(name, spelled)].arrow))
        except StepError:
            if name.upper() not in VIRTUAL_TYPES:
                raise
            types.append((name, VIRTUAL_TYPES[name.upper()]))
    return _type_on(text, tuple(types))


@lru_cache(maxsize=256)
def _type_on(text: str, types: tuple[tuple[str, str], ...]) -> str:
    """Asked once for layers of one schema: a query costs 3 ms, and a folder has 1,000 of them.

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
        raise _no_field(text, found)
    return kind


def evaluate(text: str, table: pa.Table, timeout: float = TIMEOUT) -> Any:
    """Value of an expression for every row of a table.

    Parameters
    ----------
    text : str
    table : pyarrow.Table
        The columns that `names` gives, under these names.
    timeout : float
        Seconds.

    Returns
    -------
    pyarrow.Array
        One value a row, in the table's order: string, int64, float64, date32 or bool.

    Raises
    ------
    StepError
        ``expression-failed``, ``expression-timeout``, ``expression-type``.
    """
    import pyarrow as pa

    columns = names(text)
    arrays = [_widened(table.column(name)) for name in columns]
    # A column of its own keeps the row count where the expression names none.
    rows = pa.nulls(table.num_rows, pa.bool_())
    given = pa.table([*arrays, rows], names=[f"c{i}" for i in range(len(columns))] + ["r"])
    result = _run(rewritten(text, columns), given, timeout, columns, text)
    return _plain(result, text)


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


def _plain(array: Any, text: str) -> Any:
    """The result in one of the types that a field can have."""
    import pyarrow as pa

    is_ = pa.types
    targets: list[tuple[Callable[[Any], bool], Any]] = [
        (is_.is_boolean, pa.bool_()),
        (is_.is_integer, pa.int64()),
        (is_.is_floating, pa.float64()),
        (is_.is_decimal, pa.float64()),
        (is_.is_string, pa.string()),
        (is_.is_large_string, pa.string()),
        (is_.is_null, pa.string()),
        (is_.is_date32, pa.date32()),
    ]
    for test, target in targets:
        if test(array.type):
            made = array.cast(target)
            if is_.is_decimal(array.type):
                _tell_rounded(array, made, text)
            return made
    raise _no_field(text, str(array.type))


def _tell_rounded(exact: Any, reals: Any, text: str) -> None:
    """Count exact numbers of more digits than a real has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        back = reals.cast(exact.type, safe=False)
    except pa.ArrowInvalid:  # rounded up, the largest have one digit too many
        back = pa.nulls(len(exact), exact.type)
    bad = pc.indices_nonzero(pc.not_equal(back, exact).fill_null(exact.null_count < len(exact)))
    if len(bad):
        example = str(exact[bad[0].as_py()].as_py())
        tell_loss(f"'{text}': numbers were rounded to reals", len(bad), example)


def _no_field(text: str, kind: str) -> StepError:
    return StepError(
        f"'{text}' gives {kind}, which no field holds; cast it to DATE, VARCHAR or a number",
        "expression-type",
    )
