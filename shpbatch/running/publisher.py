"""Publish what workers staged: many sets at one commit, in a thread of the parent.

Only the parent moves files to their places, so a killed worker can leave
nothing half done; and as many sets as came in while the last ones were being
synced share one commit, as in a database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue

from ..durable import Files
from ..errors import WriteError
from ..models import Outcome, Task
from ..publishing.ledger import Ledger
from ..publishing.publish import publish, record
from ..publishing.settling import refused
from ..work.parts import clear_parts

__all__ = ["Publisher"]

#: Sets in one commit: a journal of some 100 kB.
MOST = 256
#: Seconds after which somebody who waits for room looks whether there is still a thread.
GLANCE = 0.2
#: Seconds that a set waits for others to share its commit, which costs a dozen syncs.
PATIENCE = 0.05

Settled = Callable[[int, Outcome], None]


class Publisher:
    """Publishes outcomes in the order they come in; a context manager that waits for all.

    Parameters
    ----------
    dst : str
    run_id : str
    ledger : Ledger
    files : Files
    settled : callable
        Called with (index, outcome) of each, from the thread.
    """

    def __init__(
        self, dst: str, run_id: str, ledger: Ledger, files: Files, settled: Settled
    ) -> None:
        self._dst, self._run_id, self._ledger, self._files = dst, run_id, ledger, files
        self._settled = settled
        # A disk that is slower than the workers holds them up: outcomes would fill the memory.
        self._queue: Queue[tuple[int, Task, Outcome] | None] = Queue(MOST)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="shpbatch-publisher")

    def put(self, index: int, task: Task, outcome: Outcome) -> None:
        """Publish what a task staged, soon; wait where many others are to be published first.

        Raises
        ------
        BaseException
            What ended the thread: nothing will be published any more.
        """
        while True:
            if self._error is not None:
                raise self._error
            with suppress(Full):
                self._queue.put((index, task, outcome), timeout=GLANCE)
                return

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        while self._thread.is_alive():
            with suppress(Full):
                self._queue.put(None, timeout=GLANCE)
                self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while batch := self._next():
                self._publish(batch)
        except BaseException as error:
            self._error = error

    def _next(self) -> list[tuple[int, Task, Outcome]]:
        """All that comes in within a moment, up to a limit; empty at the end."""
        batch = []
        found = self._queue.get()
        until = time.monotonic() + PATIENCE
        while found is not None:
            batch.append(found)
            if len(batch) == MOST:
                return batch
            try:
                found = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                return batch
        if batch:
            self._queue.put(None)  # the end, for the next call
        return batch

    def _publish(self, batch: Sequence[tuple[int, Task, Outcome]]) -> None:
        try:
            outcomes = publish(self._dst, self._run_id, self._ledger, self._files, batch)
        except (WriteError, OSError) as error:
            if len(batch) > 1:  # one of them may be what cannot be written
                for one in batch:
                    self._publish([one])
                return
            outcomes = [refused(batch[0][2], error)]
            with suppress(WriteError), self._ledger.together():  # it is told all the same
                record(self._dst, self._run_id, self._ledger, batch[0][1], outcomes[0])
        for (index, task, _), outcome in zip(batch, outcomes, strict=True):
            clear_parts(task)
            self._settled(index, outcome)
