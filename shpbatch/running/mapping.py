"""One mapping of a function over a list: pool, log, bar and count together."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .. import __version__
from ..errors import WorkerError
from ..models import Outcome, Report
from ..pool.feed import Needs
from ..pool.tasks import PoolOptions, Stop, run_tasks
from ..reporting.progress import Mode, Progress, open_progress
from ..reporting.report import totals
from ..reporting.runlog import RunLog
from ..reporting.talk import Talk
from ..reporting.tally import Tally

__all__ = ["Mapping", "new_run_id"]

Settled = Callable[[int, Outcome], None]
Put = Callable[[int, Any, Outcome], None]
#: Given what to call when an outcome is settled, gives what to call when it comes in.
Publishing = Callable[[Settled], AbstractContextManager[Put]]


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping of a function over items: pool, log, bar and count together."""

    log: RunLog
    options: PoolOptions
    progress: Mode
    desc: str = "shpbatch"
    max_failures: int | None = None
    costs: Sequence[int] | None = None
    memory: Sequence[int] | None = None
    needs: Needs = field(default_factory=dict)
    publishing: Publishing | None = None
    talk: Talk = field(default_factory=Talk)
    conclude: Callable[[Report], Report] | None = None
    fresh: int = 0

    def run(
        self,
        function: Callable[[Any], Any],
        items: list[Any],
        names: list[str],
        stop: Stop,
        known: Sequence[tuple[Any, Outcome]] = (),
    ) -> Report:
        """Map, log and collect; an item without an outcome was not run.

        ``items`` are let go as they are settled: there may be 100,000.

        ``known`` are further items whose outcomes are there already: they are
        logged, and left out of the report; ``conclude`` puts them in. ``fresh``
        is the number of those that are not even logged.

        Items that others need are parts of those: they have no outcome of their own.

        Raises
        ------
        WorkerError
            Workers do not come up; its ``report`` tells what was done before.
        """
        start = time.monotonic()
        stop.heed()
        inner = {index for needed in self.needs.values() for index in needed}
        weights = self.costs or [1] * len(items)
        files = len(items) - len(inner)
        total = files + len(known) + self.fresh
        tally, log = Tally(), self.log
        broken: WorkerError | None = None
        with open_progress(self.progress, weights, self.desc, tally, files, self.talk) as display:
            with suppress(OSError):  # a full disk; the first outcome tells it
                log.write("start", version=__version__, total=total, pool=asdict(self.options))
            found = _Collected(self, display, tally, stop, items)
            try:
                with (
                    (self.publishing or at_once)(found.settled) as put,
                    closing(self._results(function, items, display, stop)) as results,
                ):
                    for number, (item, outcome) in enumerate(known, 1):
                        put(-number, item, outcome)
                    for index, outcome in results:
                        if index in inner:
                            display.moved(index, 1.0)
                        else:
                            found.failed(index, outcome)  # now: it may be settled some time later
                            put(index, items[index], _named(outcome))
            except WorkerError as error:
                broken = error
        reason = broken.code if broken else stop.reason
        reason = reason or ("max-seconds" if self.options.seconds else None)
        told = [i for i in range(len(items)) if i not in inner] if inner else range(len(items))
        outcomes = found.outcomes
        report = Report(
            log.run_id,
            tuple(outcomes[i] or _not_run(names[i], reason) for i in told),
            time.monotonic() - start,
            log.path,
            reason if any(outcomes[i] is None for i in told) else None,
        )
        report = self.conclude(report) if self.conclude else report
        with suppress(OSError):  # a full disk; the report tells it
            log.write("end", **totals(report))
        if broken:
            broken.report = report
            raise broken
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


class _Collected:
    """Outcomes as they come in, from the pool's loop or from the thread that publishes."""

    def __init__(
        self,
        mapping: Mapping,
        display: Progress,
        tally: Tally,
        stop: Stop,
        items: list[Any],
    ) -> None:
        self.outcomes: list[Outcome | None] = [None] * len(items)
        self._items = items
        self._log, self._display, self._tally, self._stop = mapping.log, display, tally, stop
        self._failures: set[int] = set()
        self._silent = False
        self._most = mapping.max_failures or sys.maxsize
        self._guard = threading.Lock()

    def settled(self, index: int, outcome: Outcome) -> None:
        """Collect, count, log and show one outcome."""
        with self._guard:
            if index >= 0:
                self._tally.incr(lambda n: n + 1)
                self.outcomes[index], self._items[index] = outcome, None
                self._display.finished(index)
            if outcome.code != "up-to-date":  # 100,000 lines that say nothing
                self._write(outcome)
            if outcome.status not in ("done", "skipped"):
                self._display.say(f"{outcome.status}: {outcome.reason}")
        self.failed(index, outcome)

    def _write(self, outcome: Outcome) -> None:
        """Log an outcome; a log that cannot be written must not end the run."""
        try:
            self._log.outcome(outcome)
        except OSError as error:
            if not self._silent:
                self._silent = True
                self._display.say(f"{self._log.path}: the log cannot be written: {error.strerror}")

    def failed(self, index: int, outcome: Outcome) -> None:
        """Count a failure once, and stop the run where there are too many."""
        if outcome.status in ("done", "skipped"):
            return
        with self._guard:
            self._failures.add(index)
            if len(self._failures) >= self._most and not self._stop.reason:
                self._stop.set("max-failures")


@contextmanager
def at_once(settled: Settled) -> Iterator[Put]:
    """Nothing is to be published: an outcome is settled when it is there."""
    yield lambda index, item, outcome: settled(index, outcome)


def new_run_id() -> str:
    """A name for a run that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def _named(outcome: Outcome) -> Outcome:
    """A reason that names its item: the pool knows only how a worker ended."""
    name, reason = outcome.sources[0], outcome.reason
    if reason is None or name in reason:
        return outcome
    return replace(outcome, reason=f"{name}: {reason}")


def _not_run(name: str, why: str | None) -> Outcome:
    reason = f"{name}: the run was stopped before this was done ({why or 'stopped'})"
    return Outcome((name,), "skipped", code="not-run", reason=reason)
