"""Scalar SQL expressions on the fields of a layer.

A plain one (`grammar`) is computed on Arrow's columns; all others, and those
of which it is not certain what DuckDB would give, are run by DuckDB itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..engine.aspects import find_field
from ..errors import StepError
from ..models import Field
from .binding import bind
from .grammar import field_names, plain
from .kinds import OF_FIELD
from .nodes import NotPlain
from .results import as_field

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check", "evaluate", "modules_of", "names", "plain_type", "result_type"]

#: Seconds that one window may take, unless the caller says otherwise.
TIMEOUT = 300.0
#: By the name of a `kinds.Kind`.
_FIELD_TYPES = {
    "integer": "int64",
    "decimal": "float64",
    "real": "float64",
    "text": "string",
    "null": "string",
    "date": "date32",
    "logical": "bool",
}


def check(text: str) -> None:
    """Refuse whatever can be refused without knowing the layer.

    Raises
    ------
    RecipeError
        ``expression-syntax``, ``-several``, ``-subquery``, ``-aggregate``,
        ``-window``, ``-star``, ``-function``, ``-kind``.
    """
    if plain(text) is None:
        from .tree import tree

        tree(text)


def names(text: str) -> tuple[str, ...]:
    """Fields that an expression names, as it spells them, without repeats."""
    node = plain(text)
    if node is not None:
        return field_names(node)
    from . import tree

    return tree.names(text)


def modules_of(text: str) -> tuple[str, ...]:
    """Modules that are imported where an expression is evaluated, or most likely so."""
    # pandas: Arrow imports it for the first Python value that it is given.
    return ("duckdb", "pandas") if plain(text) is None else (f"{__name__}.columnar",)


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
    from ..engine.columns import VIRTUAL_TYPES

    spelled = [f.name for f in fields]
    types = []
    for name in names(text):
        try:
            types.append((name, fields[find_field(name, spelled)].arrow))
        except StepError:
            if name.upper() not in VIRTUAL_TYPES:
                raise
            types.append((name, VIRTUAL_TYPES[name.upper()]))
    try:
        return plain_type(text, dict(types))
    except NotPlain:
        from . import sql

        return sql.type_on(text, tuple(types))


def plain_type(text: str, types: dict[str, str]) -> str:
    """The same by our own rules; Arrow is not imported for it."""
    node = plain(text)
    if node is None:
        raise NotPlain(text)
    part = bind(node, {name: OF_FIELD[kind] for name, kind in types.items()})
    return _FIELD_TYPES[part.kind.name]


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
    values = _plain_values(text, table)
    if values is None:
        from . import sql

        values = sql.evaluate(text, table, timeout)
    return as_field(values, text)


def _plain_values(text: str, table: pa.Table) -> Any:
    """The same without DuckDB; None where that is not certain to give the same."""
    node = plain(text)
    if node is None:
        return None
    from . import columnar

    try:
        return columnar.evaluate(node, table)
    except NotPlain:
        return None
