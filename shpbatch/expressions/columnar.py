"""Plain expressions on columns, computed with Arrow alone.

DuckDB takes a second to be imported, and pandas half of one; a condition on
one field takes 20 microseconds. What is computed here is what DuckDB would
give, bit by bit; what may not be is declined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import FALSE, arrow_of, numpy_of, scalar_of
from .binding import Bound, bind
from .kinds import BIGINT, DATE, LOGICAL, REAL, TEXT
from .nodes import Node, NotPlain

__all__ = ["evaluate"]

#: Whole numbers up to which every one has a real of its own.
EXACT = 2**53
_ARROW = {
    "text": pa.string(),
    "logical": pa.bool_(),
    "date": pa.date32(),
    "real": pa.float64(),
    "integer": pa.int64(),
    "decimal": pa.int64(),  # without their point, see `Kind.scale`
    "null": pa.null(),
}
_KINDS = {
    pa.string(): TEXT,
    pa.int32(): BIGINT,
    pa.int64(): BIGINT,
    pa.float64(): REAL,
    pa.date32(): DATE,
    pa.bool_(): LOGICAL,
}


def evaluate(node: Node, table: pa.Table) -> pa.Array:
    """Value of an expression for every row, in the type in which DuckDB would give it.

    Raises
    ------
    NotPlain
        Where DuckDB might give another value, or an error.
    """
    kinds = {f.name: _KINDS[f.type] for f in table.schema if f.type in _KINDS}
    part = bind(node, kinds)
    try:
        value = _value(part, table)
    except pa.ArrowInvalid:  # a whole number has become too large
        raise NotPlain("overflow") from None
    if isinstance(value, pa.Scalar):
        value = pa.repeat(value, table.num_rows)
    return _with_point(value, part.kind.scale) if part.kind.name == "decimal" else value


def _with_point(units: Any, scale: int) -> Any:
    """Exact numbers of whole ones, in the 128 bits of Arrow's."""
    low = numpy_of(units)
    words = np.column_stack([low, low >> 63])
    return arrow_of(words, numpy_of(units.is_valid()), pa.decimal128(38, scale))


def _value(part: Bound, table: pa.Table) -> Any:
    """Array or, of a constant, scalar of a part."""
    if part.name == "field":
        column = table.column(str(part.value)).combine_chunks()
        return column.cast(pa.int64()) if column.type == pa.int32() else column
    if part.name == "constant":
        return _constant(part)
    return _OPERATIONS[part.name](part, *(_value(arg, table) for arg in part.args))


def _constant(part: Bound) -> Any:
    value = part.value
    if isinstance(value, Decimal):
        value = int(value.scaleb(part.kind.scale))
    return scalar_of(value, _ARROW[part.kind.name])


def _cast(part: Bound, value: Any) -> Any:
    """Whole numbers, with more decimals or as reals."""
    was, kind = part.args[0].kind, part.kind
    if kind.name == "integer":
        return value
    if kind.name == "decimal":
        return pc.multiply_checked(value, _power(kind.scale - was.scale, pa.int64()))
    real = value.cast(pa.float64(), safe=False)
    if was.name == "integer":
        return real
    if not _within(value, EXACT):
        raise NotPlain("digits")
    return pc.divide(real, _power(was.scale, pa.float64()))


def _power(scale: int, kind: Any) -> Any:
    if scale > 18:
        raise NotPlain("decimals")
    return scalar_of(10**scale, kind)


def _within(value: Any, limit: int) -> bool:
    if isinstance(value, pa.Scalar):
        value = pa.repeat(value, 1)
    ends = [end or 0 for end in pc.min_max(value).as_py().values()]
    return -limit <= min(ends) and max(ends) <= limit


def _compared(part: Bound, left: Any, right: Any) -> Any:
    if part.args[0].kind.name == "real":
        _refuse_nan(left)
        _refuse_nan(right)
    return _COMPARISONS[part.name](left, right)


def _refuse_nan(value: Any) -> None:
    """NaN is larger than all numbers, and equal to itself, to DuckDB alone."""
    if isinstance(value, pa.Array) and pc.any(pc.is_nan(value)).as_py():
        raise NotPlain("NaN")


def _in(part: Bound, value: Any, *among: Any) -> Any:
    equal = replace(part, name="=")
    return reduce(pc.or_kleene, (_compared(equal, value, one) for one in among))


def _between(part: Bound, value: Any, low: Any, high: Any) -> Any:
    above = _compared(replace(part, name=">="), value, low)
    return pc.and_kleene(above, _compared(replace(part, name="<="), value, high))


def _like(part: Bound, text: Any, pattern: Any) -> Any:
    return pc.match_like(text, pattern.as_py())


def _ilike(part: Bound, text: Any, pattern: Any) -> Any:
    _refuse_other_letters(text)
    _refuse_other_letters(pattern)
    return pc.match_like(pc.ascii_lower(text), pattern.as_py().lower())


def _refuse_other_letters(text: Any) -> None:
    """Capitals of other letters than ASCII's are as DuckDB's version of Unicode has them."""
    if isinstance(text, pa.Scalar):
        text = pa.repeat(text, 1)
    if not pc.all(pc.string_is_ascii(text), min_count=0).as_py():
        raise NotPlain("letters")


def _cased(part: Bound, text: Any) -> Any:
    _refuse_other_letters(text)
    return pc.ascii_upper(text) if part.name == "upper" else pc.ascii_lower(text)


def _joined(part: Bound, left: Any, right: Any) -> Any:
    return pc.binary_join_element_wise(left, right, scalar_of(""))


def _arithmetic(part: Bound, *values: Any) -> Any:
    functions = _REALS if part.kind.name == "real" else _CHECKED
    return functions[part.name](*values)


def _remainder(part: Bound, value: Any, by: Any) -> Any:
    return pc.subtract(value, pc.multiply(pc.divide(value, by), by))


def _rounded(part: Bound, value: Any) -> Any:
    factor = scalar_of(10 ** int(str(part.value)), pa.float64())
    whole = pc.round(pc.multiply(value, factor), round_mode="half_towards_infinity")
    made = pc.divide(whole, factor)
    return pc.if_else(pc.is_finite(made), made, value)


def _case(part: Bound, *values: Any) -> Any:
    *pairs, made = values
    for test, value in reversed(list(zip(pairs[::2], pairs[1::2], strict=True))):
        made = pc.if_else(pc.coalesce(test, FALSE), value, made)
    return made


def _plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Arrow's that gives what DuckDB gives."""
    return lambda part, *values: function(*values)


_COMPARISONS = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_REALS = {"+": pc.add, "-": pc.subtract, "*": pc.multiply, "/": pc.divide, "negative": pc.negate}
_CHECKED = {
    "+": pc.add_checked,
    "-": pc.subtract_checked,
    "*": pc.multiply_checked,
    "negative": pc.negate_checked,
}
_OPERATIONS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_COMPARISONS, _compared),
    **dict.fromkeys(_REALS, _arithmetic),
    **dict.fromkeys(("upper", "lower"), _cased),
    "cast": _cast,
    "in": _in,
    "between": _between,
    "like": _like,
    "ilike": _ilike,
    "||": _joined,
    "%": _remainder,
    "round": _rounded,
    "case": _case,
    "and": _plainly(pc.and_kleene),
    "or": _plainly(pc.or_kleene),
    "not": _plainly(pc.invert),
    "is null": _plainly(pc.is_null),
    "coalesce": _plainly(pc.coalesce),
}
