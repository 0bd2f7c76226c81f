"""The account of one layer: every feature is read, made, written or explained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .models import Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Account", "Reject"]


@dataclass(frozen=True, slots=True)
class Reject:
    """A feature that a step could not do: source row, step, reason."""

    row: int
    step: str
    reason: str


@dataclass
class Account:
    """Counters of one task, filled by the engine as steps pass."""

    read: int = 0
    created: int = 0
    filtered: int = 0
    merged: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    def reject(self, step: str, rows: NDArray[np.int64], reasons: tuple[str, ...]) -> None:
        """Record rows (numbers in the source) that a step could not do."""
        self.rejects += [
            Reject(int(row), step, reason) for row, reason in zip(rows, reasons, strict=True)
        ]

    def note(self, text: str, count: int = 1) -> None:
        """Record something a person should know; equal texts add up."""
        if count:
            self.notes[text] += count

    def features(self, declared: int, written: int) -> Features:
        """The account as plain numbers. Rows a reader left out were flagged as deleted."""
        return Features(
            declared=declared,
            read=self.read,
            written=written,
            filtered=self.filtered,
            rejected=len(self.rejects),
            created=self.created,
            merged=self.merged,
            deleted=max(0, declared - self.read),
        )
