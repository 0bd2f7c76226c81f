"""A tree of a plain expression with the type of every part, by the rules of DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .grammar import iso_date
from .kinds import (
    BIGINT,
    DATE,
    LOGICAL,
    NULL,
    REAL,
    TEXT,
    Kind,
    common,
    decimal,
    kind_of,
)
from .nodes import Constant, Literal, Name, Node, NotPlain

__all__ = ["Bound", "bind"]


@dataclass(frozen=True, slots=True)
class Bound:
    """One part: a ``field`` or ``constant`` with its value, a ``cast`` or an operation."""

    name: str
    kind: Kind
    args: tuple[Bound, ...] = ()
    value: Literal = None


def bind(node: Node, kinds: Mapping[str, Kind]) -> Bound:
    """The parts with their types; ``kinds`` are those of the fields.

    Raises
    ------
    NotPlain
        Where a type, or what DuckDB makes of it, is not certain.
    """
    if isinstance(node, Name):
        if node.text not in kinds:
            raise NotPlain("a type of field")
        return Bound("field", kinds[node.text], value=node.text)
    if isinstance(node, Constant):
        return Bound("constant", kind_of(node.value), value=node.value)
    args = tuple(bind(arg, kinds) for arg in node.args)
    if all(arg.name == "constant" for arg in args):
        raise NotPlain("no field")  # DuckDB folds it, and may find an error in it
    return _RULES[node.name](node.name, args)


def cast(part: Bound, kind: Kind) -> Bound:
    """A part in another type; NULL is of every type."""
    if part.kind == kind:
        return part
    if part.kind == NULL:
        return replace(part, kind=kind)
    return Bound("cast", kind, (part,))


def _alike(parts: tuple[Bound, ...]) -> tuple[Bound, ...]:
    """The parts in one type."""
    kind = common([part.kind for part in parts])
    return tuple(cast(part, kind) for part in parts)


def _as_date(part: Bound) -> Bound:
    """A date, if it is the text of one in the expression itself."""
    if part.name != "constant" or not isinstance(part.value, str):
        return part
    return Bound("constant", DATE, value=iso_date(part.value))


def _compared(name: str, args: tuple[Bound, ...]) -> Bound:
    # Of several texts before a date DuckDB makes no dates.
    if args[0].kind == DATE or (len(args) == 2 and args[1].kind == DATE):
        args = tuple(_as_date(arg) for arg in args)
    args = _alike(args)
    if args[0].kind == LOGICAL and name not in ("=", "<>"):
        raise NotPlain("order of truth values")
    return Bound(name, LOGICAL, args)


def _logical(name: str, args: tuple[Bound, ...]) -> Bound:
    if not all(arg.kind in (LOGICAL, NULL) for arg in args):
        raise NotPlain("a number as condition")
    return Bound(name, LOGICAL, tuple(cast(arg, LOGICAL) for arg in args))


def _is_null(name: str, args: tuple[Bound, ...]) -> Bound:
    return Bound(name, LOGICAL, args)


def _like(name: str, args: tuple[Bound, ...]) -> Bound:
    text, pattern = args
    if text.kind != TEXT or pattern.kind != TEXT or "\\" in str(pattern.value):
        raise NotPlain("a pattern")
    return Bound(name, LOGICAL, args)


def _sum(name: str, args: tuple[Bound, ...]) -> Bound:
    kind = common(_numbers(args))
    if kind.name == "decimal":
        kind = decimal(kind.digits + 1, kind.scale)
    return _arithmetic(name, kind, args)


def _product(name: str, args: tuple[Bound, ...]) -> Bound:
    kinds = _numbers(args)
    kind = common(kinds)
    if kind.name != "decimal":
        return _arithmetic(name, kind, args)
    made = decimal(sum(k.digits for k in kinds), sum(k.scale for k in kinds))
    return Bound(name, made, args)  # scales add up: nothing is cast


def _quotient(name: str, args: tuple[Bound, ...]) -> Bound:
    _numbers(args)
    return _arithmetic(name, REAL, args)


def _remainder(name: str, args: tuple[Bound, ...]) -> Bound:
    _numbers(args)
    by = args[1].value
    if args[0].kind != BIGINT or not isinstance(by, int) or by < 1:
        raise NotPlain("a remainder")
    return Bound(name, BIGINT, args)


def _negative(name: str, args: tuple[Bound, ...]) -> Bound:
    return _arithmetic(name, _numbers(args)[0], args)


def _arithmetic(name: str, kind: Kind, args: tuple[Bound, ...]) -> Bound:
    if kind.name == "integer" and kind != BIGINT:
        raise NotPlain("32 bits")  # in which DuckDB would find it too large
    return Bound(name, kind, tuple(cast(arg, kind) for arg in args))


def _numbers(args: tuple[Bound, ...]) -> list[Kind]:
    if not all(arg.kind.is_number for arg in args):
        raise NotPlain("no numbers")
    return [arg.kind for arg in args]


def _text(name: str, args: tuple[Bound, ...]) -> Bound:
    if not all(arg.kind == TEXT for arg in args):
        raise NotPlain("no text")
    return Bound(name, TEXT, args)


def _coalesce(name: str, args: tuple[Bound, ...]) -> Bound:
    args = _alike(args)
    return Bound(name, args[0].kind, args)


def _case(name: str, args: tuple[Bound, ...]) -> Bound:
    """Conditions at even places but the last, values at the others."""
    values = _alike((*args[1::2], args[-1]))
    tests = _logical(name, args[:-1:2]).args
    parts = [part for pair in zip(tests, values, strict=False) for part in pair]
    return Bound(name, values[0].kind, (*parts, values[-1]))


def _round(name: str, args: tuple[Bound, ...]) -> Bound:
    places = args[1].value if len(args) == 2 else 0
    if args[0].kind != REAL or type(places) is not int or not 0 <= places <= 15:
        raise NotPlain("rounding")
    return Bound(name, REAL, args[:1], places)


_RULES: dict[str, Callable[[str, tuple[Bound, ...]], Bound]] = {
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">=", "in", "between"), _compared),
    **dict.fromkeys(("and", "or", "not"), _logical),
    **dict.fromkeys(("like", "ilike"), _like),
    **dict.fromkeys(("+", "-"), _sum),
    **dict.fromkeys(("||", "upper", "lower"), _text),
    "is null": _is_null,
    "*": _product,
    "/": _quotient,
    "%": _remainder,
    "negative": _negative,
    "coalesce": _coalesce,
    "case": _case,
    "round": _round,
}
