"""The gate of a run: sources whose audit fails are refused before a byte is written."""

from __future__ import annotations

from typing import Literal

from ..errors import PlanError
from ..planning.discover import Found
from . import audit_found
from .contract_file import read_contract
from .grid import SEVERITIES
from .words import clean, counted

__all__ = ["check_gate"]

#: Findings that are told; the others are counted.
TOLD = 50


def check_gate(
    found: Found, on: Literal["error", "warning"], expect: str | None, workers: int
) -> None:
    """Refuse sources in which something as bad as ``on``, or worse, is found.

    The whole run is refused, not a file of it: what a run does without a gate
    is to leave out the files that fail, one by one. Headers only are read,
    all features where the contract asks for them.

    Raises
    ------
    PlanError
        ``gate-closed``, with a line for each finding.
    RecipeError
        The contract is wrong.
    """
    contract = read_contract(expect) if expect is not None else None
    audit = audit_found(found, contract, workers=workers)
    refused = SEVERITIES[: SEVERITIES.index(on) + 1]
    lines = [
        f"{clean(where)}{': ' if where else ''}{clean(finding.reason)} [{finding.code}]"
        for where, _, finding in audit.told()
        if finding.severity in refused
    ]
    if not lines:
        return
    more = [f"and {len(lines) - TOLD:,} more"] if len(lines) > TOLD else []
    head = (
        f"the gate is closed: {counted(len(lines), 'finding')} as bad as --gate {on}; nothing was "
        "written; cure or --exclude what is named, or run without --gate"
    )
    raise PlanError("\n".join([head, *lines[:TOLD], *more]), "gate-closed")
