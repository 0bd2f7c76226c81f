"""The account of one layer: every feature is read, made, written or explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .models import Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Account", "Reject", "counting", "tell_loss"]

#: Characters of an example.
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Reject:
    """A feature that a step could not do: source row, step, reason, name of the source."""

    row: int
    step: str
    reason: str
    source: str = ""


@dataclass
class Account:
    """Counters of one task, filled by the reader and by the engine as steps pass.

    ``on_bad_value`` is the policy for cells without a value of their type:
    NULL and counted, or their rows rejected; ``on_overflow`` the one for
    values that no field can hold. ``flaws`` says, in order, why
    files of the source cannot be copied as they are. ``losses`` are what the
    format forced or a value forbade, each with its first example; ``source``
    is what is being read.
    """

    declared: int = 0
    read: int = 0
    deleted: int = 0
    unreadable: int = 0
    created: int = 0
    filtered: int = 0
    merged: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    flaws: dict[str, None] = field(default_factory=dict)
    source: str = ""
    on_bad_value: Literal["null", "reject"] = "null"
    on_overflow: Literal["fail", "cut", "sidecar"] = "fail"

    def add(self, other: Account) -> None:
        """Count in what another window counted."""
        for name in ("declared", "read", "deleted", "unreadable", "created", "filtered", "merged"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rejects += other.rejects
        self.notes += other.notes
        self.losses += other.losses
        self.examples = other.examples | self.examples
        self.flaws |= other.flaws

    def reject(self, step: str, rows: NDArray[np.int64], reasons: tuple[str, ...]) -> None:
        """Record rows (numbers in the source) that a step could not do."""
        self.rejects += [
            Reject(int(row), step, reason, self.source)
            for row, reason in zip(rows, reasons, strict=True)
        ]

    def note(self, text: str, count: int = 1) -> None:
        """Record something a person should know; equal texts add up."""
        if count:
            self.notes[text] += count

    def lose(self, text: str, count: int, example: object = None) -> None:
        """Record a loss; the first example is kept."""
        if count:
            self.losses[text] += count
            if example is not None:
                self.examples.setdefault(text, _shown(example))

    def features(self, written: int) -> Features:
        """The account as plain numbers."""
        return Features(
            declared=self.declared,
            read=self.read,
            written=written,
            filtered=self.filtered,
            rejected=len(self.rejects),
            created=self.created,
            merged=self.merged,
            deleted=self.deleted,
            unreadable=self.unreadable,
        )


#: Where the step that runs now counts.
_counted: ContextVar[Account | None] = ContextVar("counted", default=None)


@contextmanager
def counting(account: Account) -> Iterator[None]:
    """Count in this account what `tell_loss` is told."""
    token = _counted.set(account)
    try:
        yield
    finally:
        _counted.reset(token)


def tell_loss(text: str, count: int, example: object = None) -> None:
    """Record a loss from within a step; a step that is called by itself tells nobody."""
    account = _counted.get()
    if account is not None:
        account.lose(text, count, example)


def _shown(example: object) -> str:
    """An example short enough for a line."""
    text = repr(example)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
