"""What an audit holds: a row for each layer, and what lies beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..doctors.crs import CrsReport
from ..doctors.encoding import EncodingReport
from ..findings import Finding, Severity
from ..models import Bounds4, Header, Source
from ..shapefile.bundle import MAIN

__all__ = ["PARTS", "SEVERITIES", "Audit", "LayerAudit", "Reading", "Sketch", "Stray", "worst_of"]

#: From the worst on.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
#: The files of a layer that a reader looks for; all others are sidecars.
PARTS = (*MAIN, "prj", "cpg")


@dataclass(frozen=True, slots=True)
class Sketch:
    """Where a layer has something: cells of its extent, row by row from the north, as bits."""

    width: int
    height: int
    bits: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What was counted while all of a layer was read.

    Attributes
    ----------
    read, deleted, unreadable : int
        Features read, rows flagged as deleted, and records whose structure is broken.
    nulls, empties, invalid : int
        Null shapes; shapes without a vertex, or a point that is NaN; and
        geometries that GEOS calls invalid or cannot hold.
    vertices : int
    bounds : tuple of float or None
        Of the records, which the header of the ``.shp`` may tell otherwise.
    blanks : tuple of int
        NULL cells of each field.
    sketch : Sketch or None
    """

    read: int = 0
    deleted: int = 0
    unreadable: int = 0
    nulls: int = 0
    empties: int = 0
    invalid: int = 0
    vertices: int = 0
    bounds: Bounds4 | None = None
    blanks: tuple[int, ...] = ()
    sketch: Sketch | None = None


@dataclass(frozen=True, slots=True)
class LayerAudit:
    """One layer, or one file that was to be a layer.

    Attributes
    ----------
    source : Source
    header : Header or None
        None where it cannot be read at all.
    members : mapping of str to int
        Bytes of each of its files, by extension.
    rows : int or None
        Rows that the ``.dbf`` declares.
    crs, encoding
        What the doctors say; None where there is no header.
    reading : Reading or None
        None where headers only were read.
    findings : tuple of Finding
        The worst first.
    odd : tuple of str
        In what it differs from nearly all others in its folder: ``crs``,
        ``type``, ``fields``, ``encoding``.
    """

    source: Source
    header: Header | None = None
    members: Mapping[str, int] = field(default_factory=dict)
    rows: int | None = None
    crs: CrsReport | None = None
    encoding: EncodingReport | None = None
    reading: Reading | None = None
    findings: tuple[Finding, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Folder below the one that was named, empty for that one."""
        return self.source.relative.rpartition("/")[0]

    @property
    def severity(self) -> Severity | None:
        """The worst of its findings."""
        return worst_of(self.findings)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.members.values())

    @property
    def parts(self) -> list[str]:
        """Extensions of the files that a reader looks for; of another format all it has."""
        return [e for e in PARTS if e in self.members] or sorted(self.members)

    @property
    def type(self) -> str:
        """Geometry type with its dimensions: ``PolygonZ``, ``PointM``."""
        if self.header is None:
            return ""
        named = self.header.geometry_type
        z = "Z" if self.header.has_z and named != "MultiPatch" else ""
        return f"{named}{z or ('M' if self.header.has_m else '')}"

    @property
    def crs_label(self) -> str:
        """Code where one is sure, else a name, else nothing."""
        return (self.crs.code or self.crs.name or "") if self.crs else ""

    @property
    def count(self) -> int | None:
        """Features declared."""
        return self.header.count if self.header else None


@dataclass(frozen=True, slots=True)
class Stray:
    """Something in a folder that is no layer: a lone ``.dbf``, a zip without a ``.shp``."""

    path: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Audit:
    """Layers of what was named, sorted by path, and what lies beside them.

    Attributes
    ----------
    layers : tuple of LayerAudit
    strays : tuple of Stray
    findings : tuple of Finding
        Of no single layer: a glob of the contract that no layer matches.
    src : tuple of str
        What was audited.
    deep : bool
        Whether all features were read.
    seconds : float
    """

    layers: tuple[LayerAudit, ...] = ()
    strays: tuple[Stray, ...] = ()
    findings: tuple[Finding, ...] = ()
    src: tuple[str, ...] = ()
    deep: bool = False
    seconds: float = 0.0

    def told(self) -> Iterator[tuple[str, LayerAudit | None, Finding]]:
        """All findings: where, of which layer if of one, and what."""
        for finding in self.findings:
            yield "", None, finding
        for layer in self.layers:
            for finding in layer.findings:
                yield layer.source.name, layer, finding
        for stray in self.strays:
            yield stray.path, None, stray.finding

    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity."""
        counted = Counter(finding.severity for _, _, finding in self.told())
        return {severity: counted[severity] for severity in SEVERITIES}

    def fails(self, on: Literal["error", "warning"] = "error") -> bool:
        """Whether there is a finding of that severity, or a worse one."""
        return any(self.counts()[s] for s in SEVERITIES[: SEVERITIES.index(on) + 1])


def worst_of(findings: tuple[Finding, ...]) -> Severity | None:
    """The worst severity, None where nothing was found."""
    found = {finding.severity for finding in findings}
    return next((s for s in SEVERITIES if s in found), None)
