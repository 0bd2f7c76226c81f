"""Pieces of the page that several parts of it use; all text of the data passes here."""

from __future__ import annotations

from html import escape

from ..findings import Severity
from .words import clean

__all__ = ["badge", "breakable", "text"]

#: A shape and a word: colour only repeats them.
_SHAPES = {"error": "✕", "warning": "▲", "note": "●", None: "✓"}


def text(value: str) -> str:
    """Text of the data in HTML, with nothing in it that a browser would take for a tag."""
    return escape(clean(value), quote=True)


def breakable(value: str) -> str:
    """Text that may break after a slash and after an underscore."""
    return text(value).replace("/", "/<wbr>").replace("_", "_<wbr>")


def badge(severity: Severity | None) -> str:
    """A severity by shape and word."""
    name = severity or "ok"
    return (
        f'<span class="severity {name}"><b aria-hidden="true">{_SHAPES[severity]}</b>{name}</span>'
    )
