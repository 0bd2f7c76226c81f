"""Outcomes become a summary, one JSON object and an exit code that tell the truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from ..models import Features, Outcome, Report
from .runlog import outcome_record
from .talk import one_line

__all__ = ["as_json", "exit_code", "files", "headline", "json_text", "summary", "totals"]

_SIGNALS = {"SIGINT": 130, "SIGTERM": 143}
#: Codes of a pool that cannot go on.
_BROKEN = {"workers-dead": 1, "function-not-loadable": 1, "function-not-picklable": 1}
FIELDS = fields(Features)
_SHOWN = 20
_ALIKE = 3


def files(report: Report) -> dict[str, int]:
    """Counts of files: total, done, failed (crashed and timed out too), skipped."""
    counts = {"total": len(report.outcomes), "done": 0, "failed": 0, "skipped": 0}
    for outcome in report.outcomes:
        counts[outcome.status if outcome.status in ("done", "skipped") else "failed"] += 1
    return counts


def features(report: Report) -> Features:
    """The account of the whole run."""
    counts = ((f.name, (getattr(o.features, f.name) for o in report.outcomes)) for f in FIELDS)
    return Features(**{name: sum(values) for name, values in counts})


def exit_code(report: Report) -> int:
    """0 all done or up to date; 1 some failed; 3 stopped at a limit; 130/143 interrupted.

    Where all was up to date, and nothing was removed, it is what the run was asked for.
    """
    if report.stopped:
        return (_SIGNALS | _BROKEN).get(report.stopped, 3)
    if has_failed(report):
        return 1
    fresh = all(o.code == "up-to-date" for o in report.outcomes)
    return report.exit_nothing if fresh and not report.pruned else 0


def has_failed(report: Report) -> bool:
    """Whether a file failed, or an output that was to be removed is still there."""
    stuck = any(problem.code == "write-failed" for problem in report.kept.values())
    return stuck or files(report)["failed"] > 0


def status(report: Report) -> str:
    """One word for the run."""
    if report.stopped and report.stopped not in _BROKEN:
        return "interrupted" if report.stopped in _SIGNALS else "stopped"
    return "failed" if report.stopped or has_failed(report) else "done"


def as_json(report: Report) -> dict[str, Any]:
    """The object that ``--json`` prints: schema 1."""
    return totals(report) | {"outcomes": [outcome_record(o) for o in report.outcomes]}


def json_text(report: Report) -> Iterator[str]:
    """The same as the text of one line, in parts: of 100,000 outcomes it is 100 MB."""
    yield json.dumps(totals(report))[:-1] + ', "outcomes": ['
    for number, outcome in enumerate(report.outcomes):
        yield f"{', ' if number else ''}{json.dumps(outcome_record(outcome))}"
    yield "]}\n"


def totals(report: Report) -> dict[str, Any]:
    """The same without the outcomes, of which there may be 100,000."""
    return {
        "schema": 1,
        "run_id": report.run_id,
        "status": status(report),
        "exit_code": exit_code(report),
        "seconds": round(report.seconds, 3),
        "files": files(report),
        "features": asdict(features(report)),
        "vanished": list(report.vanished),
        "pruned": list(report.pruned),
        "kept": {key: asdict(problem) for key, problem in report.kept.items()},
        "ignored": [{"path": path, "reason": reason} for path, reason in report.ignored],
        "recovered": report.recovered,
        "log": report.log,
    }


def summary(report: Report) -> str:
    """The run in a few lines, failures first."""
    where = f" -> {one_line(report.dst)}" if report.dst else ""
    lines = [headline(report) + where, _account(features(report))]
    if report.recovered:
        lines.append(f"moved to their places for an earlier run: {report.recovered:,} outputs")
    if report.stopped:
        lines.append(f"stopped early: {report.stopped}")
    lines += _list("failed", _by_code([o for o in report.outcomes if _failed(o)]))
    lines += _list("skipped", _by_code([o for o in report.outcomes if _left(o)]))
    lines += _list("notes", _alike((n, o) for o in report.outcomes for n in o.notes))
    lines += _list("made, and why", _reasons(report))
    vanished = [one_line(key) for key in report.vanished if key not in report.kept]
    lines += _list("outputs without a source (--prune removes them)", vanished)
    kept = [one_line(f"{key}: {problem.reason}") for key, problem in report.kept.items()]
    lines += _list("outputs without a source that stay", kept)
    lines += _list("removed, as their sources are gone", [one_line(k) for k in report.pruned])
    passed = [one_line(f"{path}: {reason}") for path, reason in report.ignored]
    lines += _list("passed over", passed)
    if report.log:
        lines.append(f"log: {one_line(report.log)}")
    return "\n".join(lines)


def headline(report: Report) -> str:
    """The run in one line."""
    counts = files(report)
    fresh = sum(o.code == "up-to-date" for o in report.outcomes)
    skipped = f"{counts['skipped'] - fresh:,} skipped"
    return (
        f"{counts['done']:,} done, {counts['failed']:,} failed, {skipped}"
        f"{f', {fresh:,} up to date' if fresh else ''} "
        f"of {counts['total']:,} files in {report.seconds:.1f} s"
    )


def _reasons(report: Report) -> list[str]:
    """Why files were made, where some of them were not simply new."""
    made = [o for o in report.outcomes if o.status == "done"]
    if all(o.why in ("", "new") for o in made):
        return []
    return _alike((o.why, o) for o in made)


def _alike(told: Iterable[tuple[str, Outcome]]) -> list[str]:
    """A line for each sentence, with the first file it is said of and the number of others."""
    alike: dict[str, list[Outcome]] = {}
    for text, outcome in told:
        alike.setdefault(text, []).append(outcome)
    return [
        one_line(f"{o[0].sources[0]}{f' and {len(o) - 1:,} more' if len(o) > 1 else ''}: {text}")
        for text, o in alike.items()
    ]


def _failed(outcome: Outcome) -> bool:
    return outcome.status not in ("done", "skipped")


def _left(outcome: Outcome) -> bool:
    """Whether something was to be done and was not, and no other line of the summary says why."""
    return outcome.status == "skipped" and outcome.code not in ("up-to-date", "not-run")


def _by_code(told: list[Outcome]) -> list[str]:
    """A line an outcome with its reason; of many with one cause the first few."""
    by_code: dict[str | None, list[Outcome]] = {}
    for outcome in told:
        by_code.setdefault(outcome.code, []).append(outcome)
    lines = []
    for code, outcomes in by_code.items():
        lines += [one_line(f"{o.reason or o.sources[0]} [{code}]") for o in outcomes[:_ALIKE]]
        if len(outcomes) > _ALIKE:
            lines.append(f"… and {len(outcomes) - _ALIKE:,} more [{code}]")
    return lines


def _account(total: Features) -> str:
    """The equation of the account, without its zeros."""
    left = [f"{total.read:,} read"] + ([f"{total.created:,} created"] if total.created else [])
    right = [f"{total.written:,} written"] + [
        f"{count:,} {name}"
        for name in ("filtered", "rejected", "merged")
        if (count := getattr(total, name))
    ]
    line = f"features: {' + '.join(left)} = {' + '.join(right)}"
    return line + (f" ({total.deleted:,} flagged as deleted)" if total.deleted else "")


def _list(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    shown = [f"  {line}" for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"  … and {len(lines) - _SHOWN:,} more in the log")
    return [f"{title}:", *shown]
