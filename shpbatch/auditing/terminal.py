"""Text in the cells of a terminal: how wide it is, and how it is cut and wrapped."""

from __future__ import annotations

import re
import textwrap
import unicodedata

__all__ = ["cut", "cut_list", "cut_marked", "cut_path", "width_of", "wrapped"]

#: Marks at the end of a cell: doubtful, and odd.
_MARKS = re.compile(r"(?: [?*])*$")


def width_of(text: str) -> int:
    """Cells of a terminal: two for a wide letter, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def cut(text: str, width: int) -> str:
    """Text whose end is left out."""
    while width_of(text) > width:
        text = text[: max(1, min(len(text) - 2, width - 1))].rstrip() + "…"
        if len(text) < 3:
            break
    return text


def cut_marked(text: str, width: int) -> str:
    """Text whose end is left out, but for the marks there."""
    marks = _MARKS.search(text)
    tail = marks[0] if marks else ""
    return cut(text[: len(text) - len(tail)], max(1, width - len(tail))) + tail


def cut_path(text: str, width: int) -> str:
    """Text whose middle is left out: a path is known by its end."""
    if width_of(text) <= width:
        return text
    keep = max(1, width - 1)
    head, tail = keep // 3, keep - keep // 3
    while head + tail > 2 and width_of(f"{text[:head]}…{text[-tail:]}") > width:
        head, tail = max(1, head - 1), max(1, tail - 1)
    return f"{text[:head]}…{text[-tail:]}"


def cut_list(text: str, width: int) -> str:
    """As many words as there is room for, and how many more there are: ``a, b +3``."""
    words = text.split(", ")
    for count in range(len(words), 0, -1):
        more = f" +{len(words) - count}" if count < len(words) else ""
        shown = ", ".join(words[:count])
        if width_of(shown + more) <= width:
            return shown + more
    more = f" +{len(words) - 1}" if len(words) > 1 else ""
    return cut(words[0], max(1, width - len(more))) + more


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most a width; a path that is longer is a line of its own."""
    if width_of(text) <= width:
        return [text]
    stripped = text.lstrip()
    return textwrap.wrap(
        stripped,
        max(width, 30),
        initial_indent=text[: len(text) - len(stripped)],
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
