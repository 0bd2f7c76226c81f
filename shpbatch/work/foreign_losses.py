"""What the shapefile that stands for a layer of another format does not hold of it."""

from __future__ import annotations

import json

from ..account import Account
from ..shapefile.bundle import Bundle

__all__ = ["told_of_foreign"]

LOSSES = "losses.json"


def told_of_foreign(bundle: Bundle, account: Account) -> None:
    """Count what was lost on the way in."""
    for text, count, example in json.loads(bundle.read(LOSSES) or "[]"):
        account.lose(text, count)
        if example is not None:  # as it is shown
            account.examples.setdefault(text, example)
