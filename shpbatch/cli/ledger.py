"""The ledger of a destination, for the commands that look at it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..durable import is_there
from ..errors import PlanError
from ..publishing.destination import STATE
from ..publishing.ledger import LEDGER, Ledger

__all__ = ["opened"]


def opened(dst: str) -> Ledger:
    """The ledger, to look at.

    Raises
    ------
    PlanError
        ``no-ledger`` where no run has been.
    """
    path = Path(dst, STATE, LEDGER)
    with suppress(OSError):  # which the ledger tells
        if not is_there(path):
            raise PlanError(f"{dst}: no run has written here; name the folder of -o", "no-ledger")
    return Ledger(path, read_only=True)
