"""Words, numbers, texts and signs of a plain expression."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .nodes import NotPlain

__all__ = ["KEYWORDS", "Token", "tokens"]

#: What is longer, or has more parts, is not simple; DuckDB itself takes 80 sums of sums.
MAX_LENGTH, MAX_TOKENS = 1_000, 150

#: Words of DuckDB's grammar that are no field as they stand, those of other versions too.
_KEYWORDS = """
    all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint
    binary bit boolean both by case cast char character check coalesce collate collation column
    columns concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user dec decimal default deferrable desc
    describe distinct do else end except exists extract false fetch float for foreign freeze from
    full generated glob grant group grouping grouping_id having ilike in initially inner inout int
    integer intersect interval into is isnull join lambda lateral leading left like limit
    localtime localtimestamp map national natural nchar none not notnull null nullif numeric
    offset on only or order out outer overlaps overlay pivot pivot_longer pivot_wider placing
    position positional precision primary qualify real references returning right row select semi
    session_user setof show similar smallint some struct substring summarize symmetric table
    tablesample then time timestamp to trailing treat trim true try_cast tuple union unique unpack
    unpivot user using values varchar variadic verbose when where window with xmlattributes
    xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize
    xmltable
    """
KEYWORDS = frozenset(_KEYWORDS.split())

_SIGNS = frozenset(("+", "-", "*", "/", "%", "||", "=", "==", "<>", "!=", "<", "<=", ">", ">="))
_TOKEN = re.compile(
    r"""[ \t\n\r]*(?:
      (?P<number> (?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.$])
    | (?P<word>   [^\W\d][\w$]*)
    | (?P<quoted> "(?:[^"]|"")+")
    | (?P<text>   '(?:[^']|'')*')
    | (?P<sign>   [-+*/%|=<>!~@\#^&`?:]+)
    | (?P<mark>   [(),])
    | (?P<end>    \Z)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is number, word, quoted, text, sign, mark or end; keywords are in lower case."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """The tokens of an expression, the last one being its end.

    Raises
    ------
    NotPlain
        Where DuckDB might read the text in another way.
    """
    # Control characters, odd blanks, halves of surrogates: not what a person types.
    if len(text) > MAX_LENGTH or not all(c.isprintable() or c in "\t\n\r" for c in text):
        raise NotPlain("length or characters")
    found: list[Token] = []
    at = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if match is None or len(found) > MAX_TOKENS:
            raise NotPlain("a character, or too many")
        kind = str(match.lastgroup)
        found += _made(kind, match[kind])
        at = match.end()
    return found


def _made(kind: str, text: str) -> list[Token]:
    if kind == "word":
        return [Token("keyword", text.lower())] if text.lower() in KEYWORDS else [Token(kind, text)]
    if kind in ("quoted", "text"):
        mark = text[0]
        return [Token(kind, text[1:-1].replace(mark * 2, mark))]
    if kind != "sign" or text in _SIGNS:
        return [Token(kind, text)]
    # ``<-1`` is ``< -1``, but ``--`` begins a comment, and ``%-`` is a sign of its own.
    if text[:-1] in _SIGNS - {"-", "%", "||", "!="} and text[-1] == "-":
        return [Token("sign", text[:-1]), Token("sign", "-")]
    raise NotPlain("a sign")
