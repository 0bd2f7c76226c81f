"""The table: medians, ratios, and the targets beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from .measure import Run
from .works import TARGETS, VARIANTS, Work, variant

HEAD = (
    "Work", "Peer", "CPU s, us", "CPU s, peer", "CPU ratio", "Wall s, us", "Wall s, peer",
    "Wall ratio", "Target", *(f"{what} s, {name}" for name in VARIANTS for what in ("CPU", "Wall")),
)  # fmt: skip


@dataclass(slots=True)
class Results:
    """The runs of one work by command, and why some are not there."""

    work: Work
    runs: dict[str, list[Run]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, command: str, what: str) -> float | None:
        """Median of ``cpu`` or ``wall``; None where the command was not run."""
        runs = self.runs.get(command)
        return median(getattr(r, what) for r in runs) if runs else None


def table(results: Iterable[Results]) -> str:
    """One markdown table, and below it what is not in it."""
    lines = ["| " + " | ".join(HEAD) + " |"]
    lines.append("|---|---|" + "---:|" * (len(HEAD) - 2))
    notes = []
    for result in results:
        lines += ["| " + " | ".join(_row(result, p.name)) + " |" for p in result.work.peers]
        notes += list(_notes(result))
    return "\n".join([*lines, "", *notes] if notes else lines)


def _row(result: Results, peer: str) -> list[str]:
    ours = result.work.ours.name
    row = [result.work.title, peer]
    ratios = {}
    for what in ("cpu", "wall"):
        us, them = result.median(ours, what), result.median(peer, what)
        ratios[what] = them / us if us and them else None
        row += [_number(us), _number(them), _number(ratios[what])]
    row.append(_target(result.work, peer, ratios[result.work.judged_by]))
    variants = [variant(result.work.ours, name).name for name in VARIANTS]
    return row + [_number(result.median(v, what)) for v in variants for what in ("cpu", "wall")]


def _target(work: Work, peer: str, ratio: float | None) -> str:
    wanted = TARGETS.get(work.name, {}).get(peer)
    if wanted is None:
        return "-"
    text = f"{'CPU' if work.judged_by == 'cpu' else 'wall'} ≥ {wanted:g}"
    if ratio is None:
        return text
    return f"{text}: {'met' if ratio >= wanted else 'missed'}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _notes(result: Results) -> Iterable[str]:
    name = result.work.name
    for command, reason in result.failed.items():
        yield f"- {name}, {command}: {reason}"
    counts = {c: {r.features for r in runs} for c, runs in result.runs.items()}
    if len(set().union(*counts.values())) > 1:
        told = "; ".join(f"{c}: {sorted(n)}" for c, n in counts.items())
        yield f"- {name}: the outputs do not have the same number of features: {told}"
