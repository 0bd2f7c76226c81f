"""The public call `repair`: a run over damaged layers, and a table of all that was lost."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .api import map_parser, plan, planner
from .durable import translated
from .findings import Lost
from .foreign import lending
from .models import Outcome, Report, Task
from .parser import failure
from .planning.plan import HEADERS
from .pool.stop import Stop
from .repairing.repair import examine
from .reporting.report import as_json, exit_code
from .running.run import execute
from .running.settings import RunOptions

__all__ = ["TABLE", "doubtful_of", "repair", "repair_code", "repair_json", "saved_of", "state_of"]

#: Name of the table in the destination, and its columns.
TABLE = "repair.csv"
COLUMNS = ("layer", "row", "what", "code", "reason")
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def repair(
    src: Paths,
    dst: str | os.PathLike[str],
    *,
    make_valid: bool = False,
    dry_run: bool = False,
    stop: Stop | None = None,
    **options: Any,
) -> Report:
    """Repair shapefiles: all that is whole is saved, what is lost is told; sources stay.

    What of a layer is whole is written byte for byte. What is written anew:
    a ``.shx`` that is missing or wrong, headers that lie, record numbers and
    lengths, rings that are open or run the wrong way, labels of the encoding
    that the text contradicts. Whole records of a ``.shp`` that is cut or
    broken in between are found by their numbers, lengths and own counts. A
    row whose shape is lost keeps its attributes, with a null geometry; a
    shape whose row is lost has NULL attributes. Rows that are saved and that
    something in the files speaks against are told as doubtful.

    Parameters
    ----------
    src, dst
        As for `run`.
    make_valid : bool
        Make invalid geometries valid, too; that changes what they mean.
    dry_run : bool
        Tell what would be done; ``dst`` is not touched.
    stop : Stop, optional
        Set by a signal handler to end the run early.
    **options
        Fields of `RunOptions`.

    Returns
    -------
    Report
        Outcomes with ``repairs`` and ``lost``. What is lost stands in
        ``repair.csv`` in the destination, too.

    Raises
    ------
    PlanError, SourceError
        The request is wrong; nothing was written.
    BusyError
        Another run holds the destination.
    """
    options["repair"] = "valid" if make_valid else "structure"
    settings = RunOptions(**options)
    if dry_run:
        return _examined(src, dst, settings, options)
    report = execute(planner(src, dst, [], headers=HEADERS, **options), settings, stop)
    report = replace(report, outcomes=(*report.outcomes, *_without_shapes(src)))
    _write_table(Path(dst, TABLE), report)
    return report


def _examined(
    src: Paths, dst: str | os.PathLike[str], settings: RunOptions, options: dict[str, Any]
) -> Report:
    tasks = plan(src, dst, [], headers=0, **options).tasks
    outcomes = map_parser(_examine, list(tasks), workers=settings.workers, bar=False)
    return Report("", (*outcomes, *_without_shapes(src)), dst=os.fspath(dst))


def _without_shapes(src: Paths) -> Iterator[Outcome]:
    """Layers whose ``.shp`` is gone: a ``.dbf`` beside a ``.shx``, or an index of shapes."""
    from .auditing.strays import find_strays

    named = [src] if isinstance(src, str | os.PathLike) else src
    for stray in find_strays([os.fspath(s) for s in named]):
        if stray.finding.code == "lone-dbf" and stray.finding.severity == "warning":
            reason = f"{stray.path}: {stray.finding.reason}; without it there is no shape to save"
            yield Outcome((stray.path,), "failed", code="shp-missing", reason=reason)


@lending()
def _examine(task: Task) -> Outcome:
    """What a repair of a task's source would do; never raise."""
    names = (task.source.name,)
    if told := task.skip or task.problem or task.source.problem:
        status = "skipped" if task.skip else "failed"
        return Outcome(names, status, code=told.code, reason=told.reason)  # type: ignore[arg-type]
    try:
        return examine(task)
    except Exception as error:
        return failure(names, error, 0.0)


# -- what became of a layer -----------------------------------------------------


def state_of(outcome: Outcome) -> str:
    """``whole``, ``repaired``, ``salvaged``, ``lost``; ``up-to-date`` or ``skipped``."""
    if outcome.status == "skipped":
        return outcome.code or "skipped"
    if outcome.status != "done":
        return "lost"
    return "salvaged" if outcome.lost else "repaired" if outcome.repairs else "whole"


def saved_of(outcome: Outcome) -> tuple[int, int]:
    """Features that were saved wholly, doubtful ones too, and all that there were."""
    total = outcome.features.declared - outcome.features.deleted
    return total - _rows([x for x in outcome.lost if x.what != "doubtful"]), total


def doubtful_of(outcome: Outcome) -> int:
    """Features that were saved and that something speaks against."""
    return _rows([x for x in outcome.lost if x.what == "doubtful"])


def _rows(told: list[Lost]) -> int:
    """Rows that something is told of; sorted by row, a row may be there several times."""
    count, reached = 0, 0
    for one in told:
        end = one.row + one.count
        count += max(0, end - max(one.row, reached))
        reached = max(reached, end)
    return count


def repair_code(report: Report, table: Path | None = None) -> int:
    """0 where all is saved wholly; 1 where something is lost, now or by the table before."""
    code = exit_code(report)
    if code == 0 and any(o.lost for o in report.outcomes):
        return 1
    return 1 if code == 0 and table is not None and table.exists() else code


def repair_json(report: Report, dry_run: bool = False) -> dict[str, Any]:
    """The object of ``repair --json``: that of ``run --json``, and what was repaired and lost."""
    told = as_json(report)
    code = repair_code(report, None if dry_run or not report.dst else Path(report.dst, TABLE))
    for record, outcome in zip(told["outcomes"], report.outcomes, strict=True):
        saved, total = saved_of(outcome)
        record |= {
            "state": state_of(outcome),
            "saved": saved,
            "records": total,
            "doubtful": doubtful_of(outcome),
            "repairs": [{"what": what, "count": count} for what, count in outcome.repairs],
            "lost": [asdict(lost) for lost in outcome.lost],
        }
    states = Counter(map(state_of, report.outcomes))
    return told | {"exit_code": code, "dry_run": dry_run, "states": dict(sorted(states.items()))}


# -- the table --------------------------------------------------------------------


def _write_table(path: Path, report: Report) -> None:
    """Write what was lost, a line a row; what is said of layers that are up to date stays."""
    fresh = {o.sources[0] for o in report.outcomes if o.status == "skipped"}
    part = path.with_suffix(".csv.part")
    with translated(str(path)):
        try:
            with open(part, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                before = file.tell()
                writer.writerows(_kept(path, fresh))
                for outcome in report.outcomes:
                    writer.writerows(_lines(outcome))
                is_empty = file.tell() == before
            if is_empty:
                path.unlink(missing_ok=True)
            else:
                os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _kept(path: Path, layers: set[str]) -> Iterator[list[str]]:
    """Lines of the table as it is, of some layers."""
    if not path.exists():
        return
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield from (line for line in csv.reader(file) if line and line[0] in layers)


def _lines(outcome: Outcome) -> Iterator[tuple[str, int | str, str, str, str]]:
    name = outcome.sources[0]
    if outcome.status not in ("done", "skipped"):
        yield name, "", "layer", outcome.code or "", outcome.reason or ""
    for lost in outcome.lost:
        for row in range(lost.row, lost.row + lost.count):
            yield name, row, lost.what, "", lost.reason
