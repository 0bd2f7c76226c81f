"""Run tasks on processes: every item gets exactly one outcome, whatever a task does."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import WorkerError
from .feed import Feed, Needs
from .messages import dumps, outcome_of, perform, report_progress, reporting
from .options import PoolOptions
from .stop import Stop
from .supervisor import Result, Supervisor
from .worker import Loaded

__all__ = ["Loaded", "PoolOptions", "Stop", "report_progress", "run_tasks"]

WINDOWS_WORKERS = 30  # WaitForMultipleObjects takes 63 handles, two a worker
#: What a parent has open for each worker, and besides. A forkserver that may open no more ends,
#: and all of its workers seem to have died.
FILES_A_WORKER, OWN_FILES = 2, 32

OnProgress = Callable[[int, float], None]


def run_tasks(  # noqa: PLR0913 (one keyword a concern)
    function: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    options: PoolOptions | None = None,
    costs: Sequence[int] | None = None,
    memory: Sequence[int] | None = None,
    on_progress: OnProgress | None = None,
    on_ready: Callable[[Loaded], None] | None = None,
    stop: Stop | None = None,
    needs: Needs | None = None,
) -> Generator[Result, None, None]:
    """Call ``function(item)`` for every item; yield (index, outcome) as they finish.

    Parameters
    ----------
    function : callable
        Any, also a lambda or one of a notebook. An `Outcome` that it returns
        is handed on; any other value becomes ``outcome.value``.
    items : sequence
        Fed one at a time, the largest cost first, ties in order.
    costs, memory : sequence of int, optional
        Weight and estimated bytes of each item.
    on_progress : callable, optional
        Called with (index, fraction) for what tasks tell `report_progress`.
    on_ready : callable, optional
        Called with what each worker loaded.
    stop : Stop, optional
        When set, the iteration ends without outcomes for what did not finish.
    needs : mapping of int to sequence of int, optional
        Items that must be done before an item. One whose need fails is not
        called and has the outcome of that.

    Raises
    ------
    WorkerError
        The function cannot be sent, or workers do not come up.
    """
    options = options or PoolOptions()
    order: Iterable[int] = range(len(items))
    if costs is not None:  # reverse keeps ties in index order
        order = sorted(order, key=costs.__getitem__, reverse=True)
    feed = Feed(order, needs or {})
    if options.method == "inline":
        return _run_inline(function, items, feed, on_progress, stop, options.seconds)
    if multiprocessing.current_process().daemon:
        raise WorkerError("a pool cannot start inside a pool's worker: use method 'inline' there")
    try:
        sent = dumps(function)
    except Exception as error:
        why = f"the function cannot be sent to workers ({type(error).__name__}: {error})"
        raise WorkerError(f"{why}: use method 'inline'", "function-not-picklable") from error
    supervisor = Supervisor(sent, items, feed, _settled(options), memory, stop)
    supervisor.on_progress, supervisor.on_ready = on_progress, on_ready
    return supervisor.run()


def _settled(options: PoolOptions) -> PoolOptions:
    """Replace what depends on the platform."""
    method, workers = options.method, max(1, options.workers)
    if method == "auto":
        known = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in known else "spawn"
    if sys.platform == "win32":
        workers = min(workers, WINDOWS_WORKERS)
    else:
        workers = max(1, min(workers, (_open_files() - OWN_FILES) // FILES_A_WORKER))
    memory = options.memory if options.memory is not None else int(0.8 * _available_memory())
    return replace(options, method=method, workers=workers, memory=memory)


def _open_files() -> int:
    """Return how many files this process may have open (``ulimit -n``)."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _available_memory() -> int:
    """Return the bytes that a run may count on; a container's limit counts too."""
    found = [sys.maxsize]
    with contextlib.suppress(OSError, ValueError):  # not Linux, or no limit ("max")
        text = Path("/proc/meminfo").read_text()
        found.append(int(text.split("MemAvailable:")[1].split()[0]) * 1024)
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    if len(found) == 1 and sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found)


def _run_inline(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    feed: Feed,
    on_progress: OnProgress | None,
    stop: Stop | None,
    seconds: float | None,
) -> Generator[Result, None, None]:
    until = time.monotonic() + (seconds or math.inf)
    while (index := feed.next()) is not None:
        if (stop is not None and stop.count) or time.monotonic() >= until:
            return
        with reporting(on_progress and partial(on_progress, index)):
            message = perform(function, items[index], inline=True)
        outcome = outcome_of(message, items[index], 1)
        ended = [index]
        while ended:
            yield ended[-1], outcome
            ended += feed.ended(ended.pop(), outcome.status == "done")
