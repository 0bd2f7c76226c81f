"""Names of fields in expressions of QGIS.

The words are those of its lexer (``src/core/qgsexpressionlexer.ll``): text in
``'…'``, names in ``"…"``, bare names, ``@variables``, ``$functions``, numbers,
``-- comments`` and ``/* comments */``. CQL, of GeoServer's styles, has the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .xml_places import Change

__all__ = ["References", "in_expression", "in_template"]

#: What is not closed goes on to the end, and is taken at once: no second look from each quote on.
_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\r\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>'(?:''|\\.|[^'\\])*+'?)
    |(?P<quoted>"(?:""|[^"])*+"?)
    |(?P<variable>[@$][\w]+)
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<assign>:=)
    |(?P<space>\s+)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KEYWORDS = frozenset(
    {"and", "or", "not", "in", "like", "ilike", "is", "null", "between", "true", "false"}
    | {"case", "when", "then", "else", "end"}
)
#: Functions whose last argument may be the name of a field as text.
_NAMING = frozenset({"attribute", "represent_value", "current_value"})
#: Functions whose expressions are about another layer, which their first argument names.
_ELSEWHERE = re.compile(r"(aggregate|relation_aggregate|overlay_\w+)\Z")
_THIS_LAYER = frozenset({"@layer", "@layer_id", "@layer_name"})
_SIZE_LIMIT = 1 << 20


@dataclass
class References:
    """What a style says of the fields of a layer, and what becomes of that.

    Attributes
    ----------
    names : mapping of str to (str or None)
        Of all fields of the source: the name that it has now, None where it is gone.
    count : int
        References that were changed.
    gone : dict of str
        Fields that are referred to, and are no longer there, as first met.
    doubtful : dict of str
        Names that may be those of another layer's fields: they are left.
    """

    names: Mapping[str, str | None]
    count: int = 0
    gone: dict[str, None] = field(default_factory=dict)
    doubtful: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._blind: dict[str, str | None] = {}
        for name in self.names:
            key = name.casefold()
            self._blind[key] = None if key in self._blind else name

    def field(self, name: str) -> str | None:
        """The field that is meant: of this very name, else the one that differs by case."""
        return name if name in self.names else self._blind.get(name.casefold())

    def new_name(self, name: str) -> str | None:
        """What to write for a name; None where it is to stay. It is counted."""
        found = self.field(name)
        if found is None:
            return None
        new = self.names[found]
        if new is None:
            self.gone[found] = None
        if new is None or new == found:
            return None
        self.count += 1
        return new

    def doubt(self, name: str) -> None:
        """Keep in mind a name that is left because it may be another layer's."""
        found = self.field(name)
        if found is not None and self.names[found] != found:
            self.doubtful[found] = None


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    start: int
    stop: int


def in_expression(text: str, references: References, at: int = 0) -> list[Change]:
    """Changes that an expression needs; places are counted from ``at`` on.

    A text of which not all is an expression gives what was recognised: names
    in quotes and bare names that are those of fields.
    """
    if len(text) > _SIZE_LIMIT:
        raise ValueError("an expression of more than 1 MB")
    tokens = list(_tokens(text))
    found = []
    for i, elsewhere, naming in _with_calls(tokens):
        token = tokens[i]
        name = _named(token, tokens, i, naming)
        if name is None:
            continue
        if elsewhere:
            references.doubt(name)
            continue
        new = references.new_name(name)
        if new is not None:
            found.append((at + token.start, at + token.stop, _written(token, new)))
    return found


def in_template(text: str, references: References, marks: tuple[str, str]) -> list[Change]:
    """The same of expressions in a text, such as ``[% "name" %]`` of a map tip."""
    found, at = [], 0
    while (start := text.find(marks[0], at)) >= 0:
        start += len(marks[0])
        stop = text.find(marks[1], start)
        if stop < 0:
            break
        found += in_expression(text[start:stop], references, start)
        at = stop + len(marks[1])
    return found


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        kind = str(found.lastgroup)
        if kind not in ("comment", "space"):
            yield _Token(kind, found[0], found.start(), found.end())


def _with_calls(tokens: Sequence[_Token]) -> Iterator[tuple[int, bool, bool]]:
    """Each token's place; whether it is about another layer, or text that names a field."""
    calls: list[tuple[bool, str, int]] = []
    maps: set[int] = set()  # where calls of attributes() end
    for i, token in enumerate(tokens):
        if token.text == "(" and token.kind == "other":
            function = tokens[i - 1].text.lower() if i and tokens[i - 1].kind == "word" else ""
            elsewhere = bool(_ELSEWHERE.match(function)) and not _is_own(tokens, i + 1)
            calls.append((elsewhere or any(c[0] for c in calls[-1:]), function, i + 1))
        elif token.text == ")" and token.kind == "other":
            if calls and calls.pop()[1] == "attributes":
                maps.add(i)
        else:
            elsewhere, function, begun = calls[-1] if calls else (False, "", 0)
            after = tokens[i + 1].text if i + 1 < len(tokens) else ""
            naming = function in _NAMING and after == ")"
            naming |= function == "get_feature" and i == begun + 2 and _is_own(tokens, begun)
            naming |= i - 2 in maps and tokens[i - 1].text == "[" and after == "]"
            yield i, elsewhere, naming


def _is_own(tokens: Sequence[_Token], at: int) -> bool:
    """Whether the first argument of a call is the layer itself."""
    rest = tokens[at : at + 3]
    if len(rest) == 3 and rest[0].text.lower() == "layer" and rest[1].kind == "assign":
        rest = rest[2:]
    return bool(rest) and rest[0].text.lower() in _THIS_LAYER


def _named(token: _Token, tokens: Sequence[_Token], i: int, naming: bool) -> str | None:
    """The name of a field that a token may be."""
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    if token.kind == "quoted" and token.text.endswith('"'):
        return token.text[1:-1].replace('""', '"')
    if token.kind == "word" and token.text.lower() not in _KEYWORDS:
        called = after is not None and (after.text == "(" or after.kind == "assign")
        return None if called else token.text
    if token.kind == "text" and naming:
        return token.text[1:-1].replace("''", "'")
    return None


def _written(token: _Token, name: str) -> str:
    """A name as the one that stood there was written, in quotes where it needs them."""
    if token.kind == "text":
        return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"
    if token.kind == "word" and _BARE.match(name) and name.lower() not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'
