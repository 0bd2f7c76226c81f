"""What a person should know of an output that is complete, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from ..account import Account
from ..models import Features, Problem
from .repairs import repairs_told

__all__ = ["NOTED", "OPERATIONS", "losses_told", "notes_of", "told_of"]

#: Codes of problems of a source, or of what the steps do with it, that are told.
NOTED = (
    *("encoding-doubtful", "shx-missing", "length-lies", "dbf-missing"),
    *("crs-assumed", "crs-grid-missing", "crs-ballpark"),
)
OPERATIONS = ("crs-operation",)


def told_of(problems: Iterable[Problem], codes: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences of the problems of these codes, each once."""
    return tuple(dict.fromkeys(p.reason for p in problems if p.code in codes))


def notes_of(account: Account, features: Features) -> tuple[str, ...]:
    """Sentences of an account: flaws, notes, repairs, losses, what was left out."""
    found = [f"normalised: {flaw}" for flaw in account.flaws]
    found += [f"{text} ({count:,})" for text, count in account.notes.items()]
    found += repairs_told(account.repairs)
    found += losses_told(account)
    if account.rejects:
        first = account.rejects[0]
        found.append(f"features were rejected, the first by {first.step}: {first.reason}")
    if features.deleted:
        found.append(f"{features.deleted:,} features were flagged as deleted and left out")
    if features.unreadable:
        found.append(f"{features.unreadable:,} records could not be read and were left out")
    return tuple(found)


def losses_told(account: Account) -> list[str]:
    """Losses with their counts and first examples."""
    told = []
    for text, count in account.losses.items():
        example = account.examples.get(text)
        told.append(f"{text} ({count:,}" + (f", the first {example})" if example else ")"))
    return told
