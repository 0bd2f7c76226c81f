"""What the shapefile that stands for a layer of another format does not hold of it."""

from __future__ import annotations

import json

from ..account import Account
from ..errors import ReadError
from ..policy import Policy
from ..shapefile.bundle import Bundle

__all__ = ["told_of_foreign"]

LOSSES = "losses.json"


def told_of_foreign(bundle: Bundle, account: Account, policy: Policy) -> None:
    """Count what was lost on the way in.

    Raises
    ------
    ReadError
        ``text-too-long`` where texts were cut, and that was not to be.
    """
    for text, count, example in json.loads(bundle.read(LOSSES) or "[]"):
        if "texts are cut" in text and policy.on_overflow == "fail":
            raise ReadError(
                f"{text} ({count:,}, the first {example[:40]}); pass --on-overflow cut",
                "text-too-long",
            )
        account.lose(text, count, example)
