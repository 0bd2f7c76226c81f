"""Types of plain expressions, as DuckDB derives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .nodes import Literal, NotPlain

__all__ = [
    "BIGINT",
    "DATE",
    "LOGICAL",
    "NULL",
    "OF_FIELD",
    "REAL",
    "TEXT",
    "Kind",
    "common",
    "decimal",
    "kind_of",
]

#: Digits of a DECIMAL of DuckDB, of its BIGINT and of its INTEGER.
MOST_DIGITS, WIDE, NARROW = 38, 19, 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A type; ``digits`` of whole numbers and decimals are an upper bound of DuckDB's."""

    name: str
    digits: int = 0
    scale: int = 0

    @property
    def is_number(self) -> bool:
        return self.name in ("integer", "decimal", "real")


TEXT, LOGICAL, DATE, REAL, NULL = map(Kind, ("text", "logical", "date", "real", "null"))
BIGINT, INTEGER = Kind("integer", WIDE), Kind("integer", NARROW)
#: By `Field.arrow`; a 32-bit field is computed with 64 bits.
OF_FIELD = {
    "string": TEXT,
    "int32": BIGINT,
    "int64": BIGINT,
    "float64": REAL,
    "date32": DATE,
    "bool": LOGICAL,
}


def decimal(digits: int, scale: int) -> Kind:
    """An exact number of DuckDB, if none of its limits is near."""
    if digits > MOST_DIGITS:
        raise NotPlain("digits")
    return Kind("decimal", digits, scale)


def kind_of(value: Literal) -> Kind:
    """Type of a constant."""
    if isinstance(value, Decimal):
        shape = value.as_tuple()
        scale = -int(shape.exponent)
        return decimal(max(len(shape.digits), scale) + 1, scale)
    if isinstance(value, int) and not isinstance(value, bool):
        # The least number of either size is read as the negative of one that is too large.
        if abs(value) >= 2**63 or value == -(2**31):
            raise NotPlain("size")
        return INTEGER if abs(value) < 2**31 else BIGINT
    if isinstance(value, float) and not math.isfinite(value):
        raise NotPlain("size")
    kinds = {bool: LOGICAL, float: REAL, str: TEXT, date: DATE, type(None): NULL}
    return kinds[type(value)]


def common(kinds: Sequence[Kind]) -> Kind:
    """The type to which values are cast before they are compared, or chosen between."""
    given = {k for k in kinds if k != NULL}
    if len(given) == 1:
        return given.pop()
    if not given or not all(k.is_number for k in given):
        raise NotPlain("types")
    if REAL in given:
        return REAL
    whole, scale = max(k.digits - k.scale for k in given), max(k.scale for k in given)
    if any(k.name == "decimal" for k in given):
        return decimal(whole + scale, scale)
    return Kind("integer", whole)
