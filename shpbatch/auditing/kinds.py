"""Findings of all layers by kind: what is wrong most, told once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(frozen=True)
class Kind:
    """All findings of one code and severity, in the order of the layers."""

    severity: Severity
    code: str
    told: tuple[Told, ...]

    @property
    def count(self) -> int:
        """Features or cells concerned in all."""
        return sum(told.finding.count for told in self.told)

    @property
    def first(self) -> Told:
        """The first of them, which the remedy is shown for."""
        return self.told[0]

    @cached_property
    def reason(self) -> str:
        """What all of them say; empty where they differ."""
        reasons = {told.finding.reason for told in self.told}
        return reasons.pop() if len(reasons) == 1 else ""


def kinds_of(audit: Audit) -> list[Kind]:
    """Kinds, the worst and commonest first."""
    found: dict[tuple[Severity, str], list[Told]] = defaultdict(list)
    for where, layer, finding in audit.told():
        told = Told(where, layer.source if layer else None, finding)
        found[finding.severity, finding.code].append(told)
    kinds = [Kind(*key, tuple(all_told)) for key, all_told in found.items()]
    return sorted(kinds, key=lambda k: (SEVERITIES.index(k.severity), -len(k.told), k.code))
