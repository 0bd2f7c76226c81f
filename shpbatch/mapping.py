"""One mapping of a function over a list: pool, log, bar and count together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from . import __version__
from .feed import Needs
from .models import Outcome, Report
from .pool import PoolOptions, Stop, run_tasks
from .progress import Mode, Progress, open_progress
from .report import as_json
from .runlog import RunLog
from .tally import Tally

__all__ = ["Mapping", "new_run_id"]


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping of a function over items: pool, log, bar and count together."""

    run_id: str
    log: str | None
    options: PoolOptions
    progress: Mode
    desc: str = "shpbatch"
    max_failures: int | None = None
    costs: Sequence[int] | None = None
    memory: Sequence[int] | None = None
    needs: Needs = field(default_factory=dict)

    def run(
        self, function: Callable[[Any], Any], items: Sequence[Any], names: list[str], stop: Stop
    ) -> Report:
        """Map, log and collect; an item without an outcome was not run.

        Items that others need are parts of those: they have no outcome of their own.
        """
        start = time.monotonic()
        inner = {index for needed in self.needs.values() for index in needed}
        tally, failures = Tally(), Tally()
        outcomes: list[Outcome | None] = [None] * len(items)
        weights = self.costs or [1] * len(items)
        files = len(items) - len(inner)
        with (
            RunLog(self.log, self.run_id) as log,
            open_progress(self.progress, weights, self.desc, tally, files) as display,
            closing(self._results(function, items, display, stop)) as results,
        ):
            log.write(
                "start",
                version=__version__,
                total=files,
                pool=asdict(self.options),
            )
            for index, found in results:
                if index in inner:
                    display.moved(index, 1.0)
                    continue
                outcome = outcomes[index] = _named(found)
                tally.incr(lambda n: n + 1)
                display.finished(index)
                log.outcome(outcome)
                if outcome.status not in ("done", "skipped"):
                    failures.incr(lambda n: n + 1)
                    display.say(f"{outcome.status}: {outcome.reason}")
                if self._too_many(failures) and not stop.reason:
                    stop.set("max-failures")
            told = [i for i in range(len(items)) if i not in inner]
            report = Report(
                self.run_id,
                tuple(outcomes[i] or _not_run(names[i], stop) for i in told),
                time.monotonic() - start,
                self.log,
                stop.reason if any(outcomes[i] is None for i in told) else None,
            )
            log.write("end", **{k: v for k, v in as_json(report).items() if k != "outcomes"})
        return report

    def _results(
        self, function: Callable[[Any], Any], items: Sequence[Any], display: Progress, stop: Stop
    ) -> Generator[tuple[int, Outcome], None, None]:
        return run_tasks(
            function,
            items,
            options=self.options,
            costs=self.costs,
            memory=self.memory,
            on_progress=display.moved,
            stop=stop,
            needs=self.needs,
        )

    def _too_many(self, failures: Tally) -> bool:
        return self.max_failures is not None and failures.get_count() >= self.max_failures


def new_run_id() -> str:
    """A name for a run that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def _named(outcome: Outcome) -> Outcome:
    """A reason that names its item: the pool knows only how a worker ended."""
    name, reason = outcome.sources[0], outcome.reason
    if reason is None or name in reason:
        return outcome
    return replace(outcome, reason=f"{name}: {reason}")


def _not_run(name: str, stop: Stop) -> Outcome:
    reason = f"{name}: the run was stopped before this was done ({stop.reason or 'stopped'})"
    return Outcome((name,), "skipped", code="not-run", reason=reason)
