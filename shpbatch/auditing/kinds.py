"""Findings of all layers by kind: what is wrong most, told once."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..findings import Finding, Severity
from ..models import Source
from .grid import SEVERITIES, Audit

__all__ = ["Kind", "kinds_of"]


@dataclass(slots=True)
class Kind:
    """All findings of one code and severity.

    ``finding`` and ``source`` are the first's; ``places`` are names of
    layers or files, ``count`` the features or cells concerned in all.
    """

    finding: Finding
    source: Source | None
    places: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def code(self) -> str:
        return self.finding.code

    @property
    def severity(self) -> Severity:
        return self.finding.severity


def kinds_of(audit: Audit) -> list[Kind]:
    """Kinds, the worst and commonest first."""
    kinds: dict[tuple[str, str], Kind] = {}
    for where, layer, finding in audit.told():
        source = layer.source if layer else None
        kind = kinds.setdefault((finding.severity, finding.code), Kind(finding, source))
        kind.places.append(where)
        kind.count += finding.count
    return sorted(
        kinds.values(), key=lambda k: (SEVERITIES.index(k.severity), -len(k.places), k.code)
    )
