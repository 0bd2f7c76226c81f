"""The parent's loop: feeds workers, waits, and accounts for every item once.

Nothing is shared between workers but what one parent knows of them, so a
killed worker can block nobody. The loop waits on pipes, process sentinels,
the nearest deadline and the `Stop`, on the monotonic clock.
"""

from __future__ import annotations

import math
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, Literal

from ..errors import WorkerError
from ..models import Outcome
from ..reporting.tally import Budget
from .feed import Feed
from .messages import (
    NOT_PICKLABLE,
    Failure,
    Message,
    dumps,
    failed,
    failure,
    how_it_ended,
    limited,
    outcome_of,
)
from .options import PoolOptions
from .ramp import Ramp
from .stop import Stop
from .worker import Loaded, Worker, end_workers, start_worker, wait

BAD_STARTS = 20  # workers in a row dying before they are ready
FEWER = 1.0  # seconds to go on with fewer workers where no more can be started
HEARTBEAT = 5.0  # seconds; a grandchild may hold pipe and sentinel of a dead worker open

__all__ = ["Result", "Supervisor"]

Result = tuple[int, Outcome]


class Supervisor:
    """The parent's loop and all of its state."""

    on_progress: Callable[[int, float], None] | None = None
    on_ready: Callable[[Loaded], None] | None = None

    def __init__(
        self,
        function: bytes,
        items: Sequence[Any],
        feed: Feed,
        options: PoolOptions,
        memory: Sequence[int] | None,
        stop: Stop | None,
    ) -> None:
        self._function, self._items, self._options = function, items, options
        self._feeder = feed
        self._again: deque[tuple[int, int]] = deque()
        self._results: deque[Result] = deque()
        self._left = len(items)  # without an outcome so far
        self._workers: list[Worker] = []
        self._bad_starts, self._start_after = 0, 0.0
        self._ramp = Ramp(options.workers)
        self._stop, self._stop_at = stop, math.inf
        self._memory = memory
        self._until = time.monotonic() + (options.seconds or math.inf)
        self._budget = Budget(sys.maxsize if options.memory is None else options.memory)

    def run(self) -> Generator[Result, None, None]:
        """Yield results until none is left or the run is stopped."""
        try:
            while True:
                if not self._stopping():
                    if time.monotonic() < self._until:
                        self._start_missing()
                    self._feed()  # before yielding: workers do not wait for the consumer
                while self._results:
                    yield self._results.popleft()
                if not self._left or self._over() or self._late():
                    return
                self._handle(self._wait())
        finally:
            end_workers(self._workers, self._options.grace)

    def _stopping(self) -> bool:
        return self._stop is not None and self._stop.count > 0

    def _over(self) -> bool:
        """Whether a stop leaves nothing to wait for."""
        if self._stop is None or not self._stop.count:
            return False
        now = time.monotonic()
        self._stop_at = min(self._stop_at, now + self._options.grace)
        running = any(worker.job for worker in self._workers)
        return self._stop.count > 1 or now >= self._stop_at or not running

    def _late(self) -> bool:
        """Whether the time is up, and nothing runs any more."""
        return time.monotonic() >= self._until and not any(w.job for w in self._workers)

    def _start_missing(self) -> None:
        now = time.monotonic()
        self._ramp.look(sum(w.ready for w in self._workers), self._ages(now))
        while len(self._workers) < min(self._ramp.wanted, self._left) and now >= self._start_after:
            try:
                options = self._options
                worker = start_worker(
                    options.method, self._function, options.preload, options.limits
                )
            except (OSError, EOFError) as error:  # no memory, no handles, no forkserver
                if any(worker.ready for worker in self._workers):
                    self._start_after = now + FEWER  # those that are there go on without it
                    return
                self._bad_start(f"could not be started: {type(error).__name__}: {error}")
                self._start_after = now + 0.02 * self._bad_starts
                return
            self._workers.append(worker)

    def _ages(self, now: float) -> list[float]:
        """Seconds since each working worker began its task."""
        return [now - w.since for w in self._workers if w.job]

    def _bad_start(self, how: str) -> None:
        self._bad_starts += 1
        if self._bad_starts > BAD_STARTS:
            raise WorkerError(
                f"{self._bad_starts} workers in a row ended before they were ready (the last "
                f"{how}): the environment is at fault, not the files; method 'inline' shows more"
                f"{limited(self._options.limits.memory)}"
            )

    def _feed(self) -> None:
        for worker in [w for w in self._workers if w.ready and w.job is None]:
            if time.monotonic() >= self._until:
                return
            job, data = self._next_job()
            if job is None:
                return
            worker.job, worker.since = job, time.monotonic()
            worker.deadline = worker.since + (self._options.timeout or math.inf)
            try:
                worker.line.send_bytes(data)
            except OSError:  # it died while idle, which is not the task's doing
                worker.job = None
                self._give_back(job[0])
                self._again.appendleft(job)
                self._lose(worker, "crashed")

    def _next_job(self) -> tuple[tuple[int, int] | None, bytes]:
        """Take the next item that can be sent, if memory admits it now."""
        while True:
            if not self._again:
                index = self._feeder.next()
                if index is None:
                    return None, b""
                self._again.append((index, 1))
            job = self._again[0]
            amount = self._memory[job[0]] if self._memory else 0
            if not self._budget.try_acquire(amount):
                return None, b""  # a smaller one may not overtake: the largest would never run
            self._again.popleft()
            try:
                return job, dumps(self._items[job[0]])
            except Exception as error:
                self._give_back(job[0])
                why = failure(error, NOT_PICKLABLE, "the item cannot be sent: ")
                self._emit(job[0], failed(self._items[job[0]], "failed", why, 0.0))

    def _give_back(self, index: int) -> None:
        self._budget.release(self._memory[index] if self._memory else 0)

    def _emit(self, index: int, outcome: Outcome) -> None:
        self._left -= 1
        self._results.append((index, outcome))
        for lost in self._feeder.ended(index, outcome.status == "done"):
            self._emit(lost, outcome)  # for the same reason

    def _wait(self) -> list[Any]:
        now = time.monotonic()
        deadlines = [w.deadline for w in self._workers if w.job or not w.ready]
        patience = min([now + HEARTBEAT, self._stop_at, *deadlines])
        if self._until > now:
            patience = min(patience, self._until)
        if self._start_after > now:
            patience = min(patience, self._start_after)
        if not self._stopping() and now < self._until:
            patience = min(patience, now + self._ramp.patience(self._ages(now)))
        sources: list[Any] = [w.line for w in self._workers]
        sources += [w.process.sentinel for w in self._workers]
        if self._stopping():
            patience = min(patience, now + 0.1)  # for a second set
        elif self._stop is not None:
            sources.append(self._stop)
        return wait(sources, max(0.0, patience - now))

    def _handle(self, ready: list[Any]) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            # What it sent counts, even if it died or ran late afterwards.
            if worker.line in ready:
                self._read(worker)
            elif worker.process.sentinel in ready or (not ready and not worker.process.is_alive()):
                if worker.line.poll():
                    self._read(worker)
                else:
                    self._lose(worker, "crashed")
            elif (worker.job or not worker.ready) and now >= worker.deadline:
                self._lose(worker, "timeout")

    def _read(self, worker: Worker) -> None:
        try:
            data = worker.line.recv_bytes()
        except (EOFError, OSError):
            self._lose(worker, "crashed")
            return
        try:
            message: Message = pickle.loads(data)
        except Exception as error:
            why = failure(error, NOT_PICKLABLE, "the value cannot be read back: ")
            message = Message("failure", why, time.monotonic() - worker.since)
        self._receive(worker, message)

    def _receive(self, worker: Worker, message: Message) -> None:
        kind, payload = message.kind, message.payload
        if kind == "ready":
            worker.ready, self._bad_starts = True, 0
            if self.on_ready is not None:
                self.on_ready(payload)
        elif kind == "unloadable":
            reason = f"the function cannot be loaded in a worker: {payload.reason}"
            raise WorkerError(
                reason + limited(self._options.limits.memory), "function-not-loadable"
            )
        elif worker.job is not None:
            index, attempt = worker.job
            if kind == "progress":
                if self.on_progress is not None:
                    self.on_progress(index, payload)
                return
            worker.job = None
            self._ramp.ended(message.seconds, message.busy)
            self._give_back(index)
            self._emit(index, outcome_of(message, self._items[index], attempt))

    def _lose(self, worker: Worker, status: Literal["crashed", "timeout"]) -> None:
        """Account for a worker that died or has to."""
        self._workers.remove(worker)
        how = how_it_ended(end_workers([worker]))
        if not worker.ready:
            self._bad_start(how if status == "crashed" else "took too long")
        if worker.job is None:
            return
        index, attempt = worker.job
        self._give_back(index)
        if status == "crashed" and attempt <= self._options.retries:
            self._again.append((index, attempt + 1))
            return
        if status == "timeout":
            limit = self._options.timeout
            why = Failure("timeout", f"no result after {limit:g} s (--timeout)")
        else:
            tries = f" in each of {attempt} attempts" if attempt > 1 else ""
            why = Failure("worker-killed", f"the worker {how}{tries}")
        seconds = time.monotonic() - worker.since
        self._emit(index, failed(self._items[index], status, why, seconds, attempt))
