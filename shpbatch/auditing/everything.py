"""A deep audit on the pool: each layer is one task, its counts come back as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import ShpbatchError
from ..findings import Finding
from ..foreign import lending
from ..models import Outcome, Problem, Source
from ..pool.stop import Stop
from ..reporting.progress import Mode
from ..reporting.runlog import RunLog
from ..running.mapping import Mapping, new_run_id
from ..running.settings import RunOptions, pool_options
from .deep import Deep, read_deep
from .grid import LayerAudit
from .look import refusal, sorted_findings

__all__ = ["read_all"]

#: What every worker of a deep audit imports, once.
_PRELOAD = (
    *("shpbatch.auditing.deep", "shapely", "shpbatch.shapefile.shapes", "shpbatch.shapefile.cells"),
    *("shpbatch.shapefile.values", "pandas"),
)


def read_all(
    layers: Iterable[LayerAudit], workers: int, progress: Mode, stop: Stop | None = None
) -> tuple[LayerAudit, ...]:
    """Layers with all that is in them counted; one that could not be read tells why."""
    layers = list(layers)
    places = [at for at, layer in enumerate(layers) if layer.header is not None]
    if not places:
        return tuple(layers)
    sources = [layers[at].source for at in places]
    mapping = Mapping(
        log=RunLog(None, new_run_id()),
        options=pool_options(RunOptions(workers=workers), _PRELOAD),
        progress=progress,
        desc="audit",
        costs=[max(1, source.size) for source in sources],
    )
    names = [source.name for source in sources]
    report = mapping.run(_safely, list(sources), names, stop or Stop())
    for at, outcome in zip(places, report.outcomes, strict=True):
        layers[at] = _joined(layers[at], outcome)
    return tuple(layers)


@lending()
def _safely(source: Source) -> Deep | Problem:
    """What is in a layer, or why that cannot be known: a row of the grid, and no line of talk."""
    try:
        return read_deep(source)
    except ShpbatchError as error:
        return Problem(error.code, str(error))


def _joined(layer: LayerAudit, outcome: Outcome) -> LayerAudit:
    """A layer with what its worker found."""
    if not isinstance(outcome.value, Deep):
        known = outcome.value if isinstance(outcome.value, Problem) else None
        problem = known or Problem(outcome.code or "failed", outcome.reason or "")
        found = refusal(layer.source, problem)
        return replace(layer, findings=_united(layer.findings, (found,)))
    deep = outcome.value
    kept = [f for f in layer.findings if f.code not in _codes(layer)]
    findings = _united(tuple(kept), deep.findings)
    return replace(layer, reading=deep.reading, encoding=deep.encoding, findings=findings)


def _codes(layer: LayerAudit) -> set[str]:
    """Findings that were judged by a part of the layer, and are by all now."""
    return (
        {"bounds-missing", *(f.code for f in layer.encoding.findings)} if layer.encoding else set()
    )


def _united(left: tuple[Finding, ...], right: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Both; of a code that the headers told already, what reading it all tells."""
    fresh = {f.code for f in right}
    return sorted_findings([*(f for f in left if f.code not in fresh), *right])
