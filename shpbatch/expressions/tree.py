"""The parse tree of an expression: what may stand in one, and what may not.

An expression comes from whoever wrote the recipe, so it is read as a tree
before it is run: only the node kinds and functions listed here pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..errors import RecipeError
from .duck import ask
from .limits import MAX_DEPTH, MAX_LENGTH, deepest

__all__ = ["FUNCTIONS", "names", "rewritten", "tree"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Every function and operator that may be called: scalar, repeatable, and none that
#: builds values larger than its input by much (repeat, range, printf stay out).
FUNCTIONS = _words(
    """
    + - * / // % ** ^ || ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape
    not_ilike_escape abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees div exp
    floor fmod greatest isfinite isinf isnan least ln log log10 log2 mod pi pow power
    radians round sign sin sqrt tan trunc concat concat_ws contains ends_with instr lcase
    left length lower lpad ltrim position prefix regexp_extract regexp_full_match
    regexp_matches regexp_replace replace reverse right rpad rtrim split_part starts_with
    strip_accents strlen strpos substr substring suffix trim ucase upper coalesce if ifnull
    nullif date_add date_diff date_part date_sub date_trunc datediff datepart day dayofweek
    dayofyear last_day make_date month quarter strftime week year
    """
)
_KINDS = _words(
    """
    BETWEEN CASE CAST COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION OPERATOR TYPE
    """
)
_OPERATORS = _words(
    """
    OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_COALESCE OPERATOR_NULLIF
    COMPARE_IN COMPARE_NOT_IN
    """
)
_CASTS = _words(
    """
    bigint bool boolean date decimal double float float4 float8 hugeint int int4 int8
    integer numeric real smallint string text timestamp tinyint varchar
    """
)
_REFUSED = {
    "SUBQUERY": ("a subquery", "expression-subquery"),
    "WINDOW": ("a window function", "expression-window"),
    "STAR": ("'*'", "expression-star"),
    "LAMBDA": ("a lambda", "expression-lambda"),
    "PARAMETER": ("a parameter", "expression-parameter"),
}


@lru_cache(maxsize=256)
def _serialized(text: str) -> str:
    """The checked parse tree of ``SELECT (text)`` as JSON text."""
    if len(text) > MAX_LENGTH:
        raise RecipeError(f"an expression of over {MAX_LENGTH:,} characters", "expression-syntax")
    if not text.strip():
        raise RecipeError("an expression is empty", "expression-syntax")
    if deepest(text) > MAX_DEPTH:
        raise RecipeError(f"an expression nested over {MAX_DEPTH} deep", "expression-syntax")
    # The line break ends a comment, so that none can hide the closing bracket.
    sql = f"SELECT (\n{text}\n)"
    serialized = ask("SELECT json_serialize_sql(?::VARCHAR)", sql)
    parsed = json.loads(serialized)
    if parsed["error"]:
        if "Only SELECT" in parsed["error_message"]:
            raise RecipeError(f"'{text[:80]}': one expression, no statement", "expression-several")
        reason = parsed["error_message"].partition("\n")[0]
        if 'near ";"' in reason:
            raise RecipeError(f"'{text[:80]}': one expression, without ';'", "expression-several")
        raise RecipeError(f"'{text[:80]}' is not an expression: {reason}", "expression-syntax")
    _check_statement(parsed["statements"], text)
    return str(serialized)


def tree(text: str) -> dict[str, Any]:
    """The parse tree of an expression in which nothing stands that may not.

    Raises
    ------
    RecipeError
        ``expression-syntax``, ``-several``, ``-subquery``, ``-aggregate``,
        ``-window``, ``-star``, ``-function``, ``-kind``.
    """
    found: dict[str, Any] = json.loads(_serialized(text))
    return found


def _check_statement(statements: list[dict[str, Any]], text: str) -> None:
    shown = text[:80]
    node = statements[0]["node"]
    several = len(statements) != 1 or node["type"] != "SELECT_NODE" or len(node["select_list"]) != 1
    if several or node["modifiers"] or node["cte_map"]["map"]:
        raise RecipeError(f"'{shown}': give one expression, without ';'", "expression-several")
    extra = ("where_clause", "group_expressions", "having", "qualify", "sample")
    if node["from_table"]["type"] != "EMPTY" or any(node.get(key) for key in extra):
        raise RecipeError(f"'{shown}': an expression has no FROM or WHERE", "expression-several")
    for child in _nodes(node["select_list"][0]):
        _check_node(child, shown)


def _check_node(node: dict[str, Any], shown: str) -> None:
    kind = node["class"]
    if kind not in _KINDS:
        what, code = _REFUSED.get(kind, (f"{kind.lower()}", "expression-kind"))
        raise RecipeError(f"'{shown}': {what} is not allowed in an expression", code)
    if kind == "FUNCTION":
        _check_function(node, shown)
    if kind == "OPERATOR" and node["type"] not in _OPERATORS:
        name = node["type"].lower().removeprefix("operator_")
        raise RecipeError(f"'{shown}': {name} is not allowed in an expression", "expression-kind")
    if kind == "CAST" and _cast_type(node) not in _CASTS:
        raise RecipeError(
            f"'{shown}': cast to one of {', '.join(sorted(_CASTS))}", "expression-kind"
        )
    if kind == "COLUMN_REF" and len(node["column_names"]) != 1:
        dotted = ".".join(node["column_names"])
        raise RecipeError(
            f"'{shown}': '{dotted}' names a table; quote a field with a dot: \"{dotted}\"",
            "expression-kind",
        )


def _cast_type(node: dict[str, Any]) -> str:
    """Target of a cast; DuckDB 2 writes an expression where DuckDB 1 wrote an id."""
    if "type_expr" in node:
        return str(node["type_expr"]["type_name"]).lower()
    return str(node["cast_type"]["id"]).lower()


def _check_function(node: dict[str, Any], shown: str) -> None:
    name = node["function_name"].lower()
    if name in FUNCTIONS and not node["schema"] and not node["filter"] and not node["distinct"]:
        return
    if name == "row":  # what DuckDB makes of (a, b)
        raise RecipeError(f"'{shown}': give one expression, without ','", "expression-several")
    if _is_aggregate(name):
        raise RecipeError(
            f"'{shown}': {name}() is an aggregate over rows; use dissolve --aggregates",
            "expression-aggregate",
        )
    listed = ", ".join(sorted(f for f in FUNCTIONS if f[0].isalpha()))
    raise RecipeError(
        f"'{shown}': function {name}() is not allowed; there are {listed}", "expression-function"
    )


@lru_cache(maxsize=64)
def _is_aggregate(name: str) -> bool:
    query = "SELECT count(*) FROM duckdb_functions() WHERE function_name = ? AND function_type = ?"
    return bool(ask(query, name, "aggregate"))


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every expression node of a parse tree."""
    if isinstance(value, dict):
        if "class" in value:
            yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def _columns_of(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a tree that name a field."""
    return (node for node in _nodes(root) if node["class"] == "COLUMN_REF")


def names(text: str) -> tuple[str, ...]:
    """Fields that an expression names, in order, without repeats."""
    return tuple(dict.fromkeys(node["column_names"][0] for node in _columns_of(tree(text))))


@lru_cache(maxsize=256)
def rewritten(text: str, columns: tuple[str, ...]) -> str:
    """The statement with fields named c0, c1, …, whatever their real names hold."""
    changed = tree(text)
    for node in _columns_of(changed):
        node["column_names"] = [f"c{columns.index(node['column_names'][0])}"]
    import duckdb

    try:
        statement = ask("SELECT json_deserialize_sql(?::JSON)", json.dumps(changed))
    except duckdb.SerializationException:
        raise RecipeError(
            f"'{text[:80]}': too many operators after one another; make several steps of it",
            "expression-syntax",
        ) from None
    return str(statement).rstrip("; \n")
