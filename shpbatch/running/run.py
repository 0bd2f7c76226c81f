"""Carry a plan out: hold the destination, go on where the last run stopped, do what is stale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..durable import files_of
from ..errors import PlanError, WorkerError, WriteError
from ..models import Outcome, Problem, Recipe, Report, Task
from ..parser import run_task
from ..planning.divide import divided
from ..planning.naming import note_plan, note_run
from ..planning.plan import Plan
from ..planning.preload import preload_for
from ..planning.vanished import prune
from ..planning.waiting import without_waiting
from ..pool.stop import Stop
from ..publishing.destination import claim
from ..publishing.ledger import LEDGER, Ledger
from ..publishing.recovery import recover
from ..publishing.staleness import UP_TO_DATE
from ..reporting.metrics import check_metrics, write_metrics
from ..reporting.report import headline, totals
from ..reporting.runlog import RunLog
from ..reporting.talk import Talk, print_line
from ..scratch import sweep
from .mapping import Mapping, Publishing, Put, Settled, new_run_id
from .publisher import Publisher
from .settings import RunOptions, failure_limit, pool_options

__all__ = ["execute"]


def execute(
    plan: Plan | Callable[[], Plan], settings: RunOptions, stop: Stop | None = None
) -> Report:
    """Carry a plan out.

    Parameters
    ----------
    plan : Plan or callable
        A callable makes the plan, and makes it again where the destination is
        not as it was any more when it is held at last.
    settings : RunOptions
    stop : Stop, optional
        Set by a signal handler to end the run early.

    Raises
    ------
    PlanError, RecipeError, SourceError
        The request is wrong; nothing was written. ``plan-stale`` where another
        run has been there since a plan was made.
    BusyError
        Another run holds the destination.
    """
    start = time.monotonic()
    stop = stop or Stop()
    planned = plan if isinstance(plan, Plan) else plan()
    files = files_of(settings.durability)
    with (
        claim(planned.dst, settings.wait) as state,
        Ledger(state / LEDGER, settings.durability) as ledger,
    ):
        sweep()
        found = recover(planned.dst, ledger, files)
        if found.moved or found.dropped or ledger.stamp() != planned.stamp:
            if isinstance(plan, Plan):
                raise PlanError(f"{plan.dst}: another run was here; plan again", "plan-stale")
            del planned  # no two of 100,000 tasks at once
            planned = plan()
        run = _Run(without_waiting(planned, found.waiting), settings, ledger, new_run_id())
        del planned
        report = run.do(state, stop)
    report = replace(report, recovered=found.moved, seconds=time.monotonic() - start)
    if settings.metrics_file:
        try:
            write_metrics(settings.metrics_file, report)
        except WriteError as error:  # the files are done all the same
            print_line(f"Error: {error}")
    return report


@dataclass
class _Run:
    """One run on a destination that is held."""

    planned: Plan
    settings: RunOptions
    ledger: Ledger
    run_id: str

    def do(self, state: Path, stop: Stop) -> Report:
        stop.heed()  # here already: what follows is written down as a run
        tasks = list(self.planned.tasks)
        settings = self.settings
        files = files_of(settings.durability)
        limit = failure_limit(settings.max_failures, len(tasks))
        if settings.metrics_file:
            check_metrics(settings.metrics_file)
        log = settings.log or str(_log_of(state, self.run_id))
        note_plan(self.planned.dst, tasks, self.planned.headers, files)
        self.planned = replace(self.planned, tasks=(), headers=())  # what is done is let go
        with (
            RunLog(log, self.run_id) as lines,
            closing(Talk(settings.log_format, settings.log_file)) as talk,
        ):
            for past in self.ledger.begin(self.run_id, _now(), _recipe_text(tasks)):
                with suppress(OSError):
                    _log_of(state, past).unlink()
            recipe = tasks[0].recipe
            before = [(t, run_task(t)) for t in tasks if t.skip and t.skip is not UP_TO_DATE]
            known, live = _settled(tasks)
            mapping, items = self._mapping(lines, talk, live, recipe)
            mapping = replace(
                mapping,
                max_failures=limit,
                conclude=self._concluding(known),
                fresh=len(known) - len(live) - len(before),
            )
            names = [t.source.name for t in items]
            del live
            try:
                report = mapping.run(run_task, items, names, stop, before)
            except WorkerError as error:
                self._ended(error.report or Report(self.run_id), talk)
                raise
            self._ended(report, talk)
        note_run(self.planned.dst, report.outcomes, files)
        return report

    def _mapping(
        self, log: RunLog, talk: Talk, live: list[Task], recipe: Recipe
    ) -> tuple[Mapping, list[Task]]:
        """The mapping over the tasks that are to be done, large layers as several of them."""
        work = divided(live)
        mapping = Mapping(
            log=log,
            options=pool_options(self.settings, preload_for(recipe)),
            progress=self.settings.progress,
            costs=work.costs,
            memory=work.memory,
            needs=work.needs,
            publishing=self._publishing(),
            talk=talk,
        )
        return mapping, list(work.tasks)

    def _concluding(self, known: list[Outcome | None]) -> Callable[[Report], Report]:
        """What makes the report of the run of that of its mapping; None is for the next of that."""

        def conclude(report: Report) -> Report:
            done = iter(report.outcomes)
            return replace(
                self._vanished(report),
                outcomes=tuple(outcome or next(done) for outcome in known),
                dst=self.planned.dst,
                ignored=self.planned.ignored,
                exit_nothing=self.settings.exit_nothing,
            )

        return conclude

    def _ended(self, report: Report, talk: Talk) -> None:
        """Tell the file of lines and the ledger that the run has ended."""
        told = totals(report)
        talk.note(headline(report), "end", **told)
        with suppress(WriteError):  # a full disk: then this run looks like a killed one
            self.ledger.end(self.run_id, _now(), told)

    def _publishing(self) -> Publishing:
        @contextmanager
        def publishing(settled: Settled) -> Iterator[Put]:
            files = files_of(self.settings.durability)
            with Publisher(self.planned.dst, self.run_id, self.ledger, files, settled) as publisher:
                yield publisher.put

        return publishing

    def _vanished(self, report: Report) -> Report:
        """The report with what is known of outputs without a source; these go where asked for."""
        keys = self.planned.vanished
        if not self.settings.prune:
            return replace(report, vanished=keys)
        if report.stopped:  # what is to take their place may not be there yet
            told = Problem("not-run", f"the run was stopped ({report.stopped}) before it was due")
            return replace(report, vanished=keys, kept=dict.fromkeys(keys, told))
        kept, gone = prune(self.planned.dst, self.ledger, keys, self.planned.empty)
        return replace(report, vanished=tuple(kept), kept=kept, pruned=tuple(gone))


def _log_of(state: Path, run_id: str) -> Path:
    return state / "log" / f"{run_id}.jsonl"


def _settled(tasks: list[Task]) -> tuple[list[Outcome | None], list[Task]]:
    """Outcomes of tasks that need not be done, with None for the others; and these.

    The list is emptied: there may be 100,000, and an outcome is smaller than its task.
    """
    known: list[Outcome | None] = []
    live = []
    tasks.reverse()
    while tasks:
        task = tasks.pop()
        known.append(run_task(task) if task.skip else None)  # returns at once
        if not task.skip:
            live.append(task)
    return known, live


def _recipe_text(tasks: Sequence[Task]) -> str:
    return " ! ".join(call.name for call in tasks[0].recipe.steps) or "copy"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
