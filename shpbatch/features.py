"""What became of features: read, made, written, or left out for a reason that is told."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Features"]


@dataclass(frozen=True, slots=True)
class Features:
    """The account of one layer or of a run.

    ``declared = read + deleted + unreadable`` and
    ``read + created = written + filtered + rejected + merged``.
    """

    declared: int = 0
    read: int = 0
    written: int = 0
    filtered: int = 0
    rejected: int = 0
    created: int = 0
    merged: int = 0
    deleted: int = 0
    unreadable: int = 0

    def __add__(self, other: Features) -> Features:
        return Features(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Features)))

    def balances(self) -> bool:
        """Whether both equations of the account hold."""
        return (
            self.declared == self.read + self.deleted + self.unreadable
            and self.read + self.created
            == self.written + self.filtered + self.rejected + self.merged
        )
