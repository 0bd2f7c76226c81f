"""Plain expressions to trees, with the precedence that DuckDB has.

A part of its language only: whatever else stands in an expression is left to
DuckDB itself, and so is whatever it would refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import lru_cache

from .limits import MAX_DEPTH, deepest
from .nodes import Call, Constant, Literal, Name, Node, NotPlain
from .tokens import Token, tokens

__all__ = ["field_names", "iso_date", "plain"]

#: Brackets, CASE and NOT that may nest in a plain expression.
NESTED = 20
_COMPARISONS = {"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">",
                ">=": ">="}  # fmt: skip
#: Functions, and how many arguments each may have.
_FUNCTIONS = {"upper": range(1, 2), "lower": range(1, 2), "round": range(1, 3)}


@lru_cache(maxsize=256)
def plain(text: str) -> Node | None:
    """The tree of an expression; None where it is not a plain one."""
    try:
        if deepest(text) > MAX_DEPTH:
            return None
        return _Parser(tokens(text)).whole()
    except NotPlain:
        return None


def field_names(node: Node) -> tuple[str, ...]:
    """Fields that a tree names, in order, without repeats."""
    if isinstance(node, Name):
        return (node.text,)
    args = node.args if isinstance(node, Call) else ()
    return tuple(dict.fromkeys(name for arg in args for name in field_names(arg)))


def iso_date(text: str) -> date:
    """The date of ``YYYY-MM-DD``.

    Raises
    ------
    NotPlain
        Of any other spelling.
    """
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise NotPlain("a date") from None
    if found.isoformat() != text:
        raise NotPlain("a date")
    return found


class _Parser:
    """A recursive descent, a method for each level of precedence."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at, self.depth = found, 0, 0

    def whole(self) -> Node:
        node = self.either()
        self.need("end", "")
        return node

    def is_(self, kind: str, *texts: str) -> bool:
        token = self.tokens[self.at]
        return token.kind == kind and (token.text in texts)

    def take(self, kind: str, *texts: str) -> str:
        """The text of the next token, "" if it is another one, which then stays."""
        if not self.is_(kind, *texts):
            return ""
        self.at += 1
        return self.tokens[self.at - 1].text

    def need(self, kind: str, text: str) -> None:
        if not self.is_(kind, text):
            raise NotPlain(f"{self.tokens[self.at].text} instead of {text}")
        self.at += 1

    def next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def either(self) -> Node:
        """``a OR b``, and so all else; counted, as what is deep is not plain."""
        self.depth += 1
        if self.depth > NESTED:
            raise NotPlain("depth")
        node = self._chain(self.both, "keyword", "or")
        self.depth -= 1
        return node

    def both(self) -> Node:
        return self._chain(self.negated, "keyword", "and")

    def _chain(self, operand: Callable[[], Node], kind: str, *names: str) -> Node:
        """Operands between operators of one level, the left ones first."""
        node = operand()
        while name := self.take(kind, *names):
            node = Call(name, (node, operand()))
        return node

    def negated(self) -> Node:
        if not self.take("keyword", "not"):
            return self.predicate()
        return Call("not", (self._deeper(self.negated),))

    def _deeper(self, operand: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > NESTED:
            raise NotPlain("depth")
        node = operand()
        self.depth -= 1
        return node

    def predicate(self) -> Node:
        """At most one comparison; of two in a row (``a = b IS NULL``) DuckDB knows the order."""
        left = self.joined()
        if sign := self.take("sign", *_COMPARISONS):
            return Call(_COMPARISONS[sign], (left, self.joined()))
        if self.take("keyword", "is"):
            inverted = self.take("keyword", "not")
            self.need("keyword", "null")
            return _inverted(Call("is null", (left,)), inverted)
        inverted = self.take("keyword", "not")
        if self.take("keyword", "in"):
            return _inverted(Call("in", (left, *self._listed(self.constant))), inverted)
        if self.take("keyword", "between"):
            low = self.joined()
            self.need("keyword", "and")
            return _inverted(Call("between", (left, low, self.joined())), inverted)
        if name := self.take("keyword", "like", "ilike"):
            return _inverted(Call(name, (left, self.constant())), inverted)
        if inverted:
            raise NotPlain("NOT")
        return left

    def joined(self) -> Node:
        return self._chain(self.sum, "sign", "||")

    def sum(self) -> Node:
        return self._chain(self.product, "sign", "+", "-")

    def product(self) -> Node:
        return self._chain(self.signed, "sign", "*", "/", "%")

    def signed(self) -> Node:
        if not self.take("sign", "-"):
            return self.operand()
        node = self._deeper(self.signed)
        if not isinstance(node, Constant):
            return Call("negative", (node,))
        return Constant(_negative(node.value))

    def constant(self) -> Constant:
        node = self.signed()
        if not isinstance(node, Constant):
            raise NotPlain("no constant")
        return node

    def operand(self) -> Node:
        token = self.next()
        if token.kind == "number":
            return Constant(_number(token.text))
        if token.kind == "text":
            return Constant(token.text)
        if token.kind == "quoted":
            return Name(token.text)
        if token.kind == "word":
            return self._named(token.text)
        if token == Token("mark", "("):
            node = self.either()
            self.need("mark", ")")
            # ``(1)`` is not seen as a constant by everything that minds constants.
            return node
        if token.kind == "keyword":
            return self._worded(token.text)
        raise NotPlain(token.text)

    def _named(self, word: str) -> Node:
        """A field, a function with its arguments, or ``DATE '2020-01-01'``."""
        if self.is_("mark", "("):
            args = self._listed(self.either)
            if len(args) not in _FUNCTIONS.get(word.lower(), ()):
                raise NotPlain(word)
            return Call(word.lower(), args)
        if word.lower() == "date" and self.tokens[self.at].kind == "text":
            return Constant(iso_date(self.next().text))
        return Name(word)

    def _worded(self, word: str) -> Node:
        if word in ("true", "false"):
            return Constant(word == "true")
        if word == "null":
            return Constant(None)
        if word == "coalesce":
            return Call(word, self._listed(self.either))
        if word == "case":
            return self._case()
        raise NotPlain(word)

    def _case(self) -> Node:
        """``CASE WHEN a THEN b … ELSE c END`` as a, b, …, c."""
        parts: list[Node] = []
        while self.take("keyword", "when"):
            parts.append(self.either())
            self.need("keyword", "then")
            parts.append(self.either())
        other = self.either() if self.take("keyword", "else") else Constant(None)
        self.need("keyword", "end")
        if not parts:
            raise NotPlain("CASE")
        return Call("case", (*parts, other))

    def _listed(self, item: Callable[[], Node]) -> tuple[Node, ...]:
        self.need("mark", "(")
        found = [item()]
        while self.take("mark", ","):
            found.append(item())
        self.need("mark", ")")
        return tuple(found)


def _inverted(node: Node, inverted: str) -> Node:
    return Call("not", (node,)) if inverted else node


def _number(text: str) -> int | Decimal | float:
    """A literal in the type that DuckDB gives it; digits up to which all types are exact."""
    if "e" in text.lower():
        return float(text)
    if "." not in text:
        return int(text)
    if len(text) > 16:
        raise NotPlain("digits")
    return Decimal(text)


def _negative(value: Literal) -> Literal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise NotPlain("no number")
    return value.copy_negate() if isinstance(value, Decimal) else -value
