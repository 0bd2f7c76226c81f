"""What a plain expression is made of, and the word for what is not plain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

__all__ = ["Call", "Constant", "Literal", "Name", "Node", "NotPlain"]

Literal = None | bool | int | Decimal | float | str | date


class NotPlain(Exception):
    """An expression, or a window of values, on which only DuckDB is sure of the result."""


@dataclass(frozen=True, slots=True)
class Name:
    """A field, as the expression spells it."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, text, date, truth value or NULL that stands in the expression."""

    value: Literal


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or function on what stands beside it or in its brackets."""

    name: str
    args: tuple[Node, ...]


Node = Name | Constant | Call
