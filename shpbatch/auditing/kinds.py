"""Findings of all layers by kind: what is wrong most, told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..findings import Finding, Severity
from ..models import Source
from .grid import SEVERITIES, Audit

__all__ = ["Kind", "Told", "kinds_of"]


class Told(NamedTuple):
    """A finding, and where: the name of the layer or the file, empty for the audit as a whole."""

    where: str
    source: Source | None
    finding: Finding


@dataclass(slots=True)
class Kind:
    """All findings of one code and severity, in the order of the layers."""

    severity: Severity
    code: str
    told: list[Told] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Features or cells concerned in all."""
        return sum(told.finding.count for told in self.told)

    @property
    def first(self) -> Told:
        """The first of them, which the remedy is shown for."""
        return self.told[0]

    @property
    def reason(self) -> str:
        """What all of them say; empty where they differ."""
        reasons = {told.finding.reason for told in self.told}
        return reasons.pop() if len(reasons) == 1 else ""


def kinds_of(audit: Audit) -> list[Kind]:
    """Kinds, the worst and commonest first."""
    kinds: dict[tuple[str, str], Kind] = {}
    for where, layer, finding in audit.told():
        key = (finding.severity, finding.code)
        kind = kinds.setdefault(key, Kind(*key))
        kind.told.append(Told(where, layer.source if layer else None, finding))
    return sorted(
        kinds.values(), key=lambda k: (SEVERITIES.index(k.severity), -len(k.told), k.code)
    )
