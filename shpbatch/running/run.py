"""Carry a plan out: hold the destination, go on where the last run stopped, do what is stale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..durable import files_of
from ..errors import PlanError, WriteError
from ..models import Recipe, Report, Task
from ..parser import run_task
from ..planning.divide import divided
from ..planning.naming import note_plan, note_run
from ..planning.past import prune
from ..planning.plan import Plan
from ..planning.preload import preload_for
from ..pool.stop import Stop
from ..publishing.destination import claim
from ..publishing.ledger import LEDGER, Ledger
from ..publishing.publish import recover
from ..reporting.metrics import write_metrics
from ..reporting.report import headline, totals
from ..reporting.talk import Talk
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
        if recover(planned.dst, ledger, files) or ledger.stamp() != planned.stamp:
            if isinstance(plan, Plan):
                raise PlanError(f"{planned.dst}: another run was here; plan again", "plan-stale")
            planned = plan()
        run, dst = _Run(planned, settings, ledger, new_run_id()), planned.dst
        del planned
        report = run.do(state, stop)
    report = replace(report, dst=dst, seconds=time.monotonic() - start)
    if settings.metrics_file:
        write_metrics(settings.metrics_file, report)
    return report


@dataclass
class _Run:
    """One run on a destination that is held."""

    planned: Plan
    settings: RunOptions
    ledger: Ledger
    run_id: str

    def do(self, state: Path, stop: Stop) -> Report:
        tasks, total = self.planned.tasks, len(self.planned.tasks)
        files = files_of(self.settings.durability)
        note_plan(self.planned.dst, tasks, self.planned.headers, files)
        self.planned = replace(self.planned, tasks=(), headers=())  # what is done is let go
        self.ledger.begin(self.run_id, _now(), _recipe_text(tasks))
        known = {i: run_task(t) for i, t in enumerate(tasks) if t.skip}  # returns at once
        live = [t for i, t in enumerate(tasks) if i not in known]
        mapping, items = self._mapping(state, live, tasks[0].recipe, total)
        before = [(tasks[i], outcome) for i, outcome in known.items()]
        names = [t.source.name for t in items]
        del tasks, live
        with closing(mapping.talk):
            report = mapping.run(run_task, items, names, stop, before)
            done = iter(report.outcomes)
            outcomes = tuple(known[i] if i in known else next(done) for i in range(total))
            kept, pruned = self._vanished()
            report = replace(report, outcomes=outcomes, vanished=kept, pruned=pruned)
            told = totals(report)
            mapping.talk.note(headline(report), "end", **told)
        note_run(self.planned.dst, outcomes, files)
        with suppress(WriteError):  # a full disk: then this run looks like a killed one
            self.ledger.end(self.run_id, _now(), told)
        return report

    def _mapping(
        self, state: Path, live: list[Task], recipe: Recipe, total: int
    ) -> tuple[Mapping, list[Task]]:
        """The mapping over the tasks that are to be done, large layers as several of them."""
        work = divided(live)
        settings = self.settings
        mapping = Mapping(
            run_id=self.run_id,
            log=settings.log or str(state / "log" / f"{self.run_id}.jsonl"),
            options=pool_options(settings, preload_for(recipe)),
            progress=settings.progress,
            max_failures=failure_limit(settings.max_failures, total),
            costs=work.costs,
            memory=work.memory,
            needs=work.needs,
            publishing=self._publishing(),
            talk=Talk(settings.log_format, settings.log_file),
        )
        return mapping, list(work.tasks)

    def _publishing(self) -> Publishing:
        @contextmanager
        def publishing(settled: Settled) -> Iterator[Put]:
            files = files_of(self.settings.durability)
            with Publisher(self.planned.dst, self.run_id, self.ledger, files, settled) as publisher:
                yield publisher.put

        return publishing

    def _vanished(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Outputs without a source: those that stay, and those that were removed."""
        keys = self.planned.vanished
        if not self.settings.prune:
            return keys, ()
        kept, gone = prune(self.planned.dst, self.ledger, keys, self.planned.empty)
        return tuple(kept), tuple(gone)


def _recipe_text(tasks: Sequence[Task]) -> str:
    return " ! ".join(call.name for call in tasks[0].recipe.steps) or "copy"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
