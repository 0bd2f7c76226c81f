"""How long and how deep an expression may be, before any parser sees it."""

from __future__ import annotations

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "deepest"]

MAX_LENGTH = 10_000
MAX_DEPTH = 100


def deepest(text: str) -> int:
    """How deep brackets and repeated unary operators nest."""
    depth = deepest = run = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        run = run + 1 if char in "+-~!" else 0 if not char.isspace() else run
        deepest = max(deepest, depth, run)
    return max(deepest, text.lower().count("not "), text.lower().count("case "))
