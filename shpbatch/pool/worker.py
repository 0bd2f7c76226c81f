"""A worker process: how it is started, what it does, how it ends.

It owns one end of a private pipe and shares nothing else with anybody: no
lock, no queue. Whenever it is killed, only the task it held is concerned.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, cast

from .messages import NOT_PICKLABLE, Message, dumps, failure, perform, reporting
from .options import Limits

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext
    from multiprocessing.process import BaseProcess

    Line = Connection[Any, Any]

__all__ = ["Loaded", "Worker", "end_workers", "start_worker", "wait"]

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GDAL_NUM_THREADS")
#: glibc gives arrays of some MB back at once and takes them anew for the next window, zeroed page
#: by page: 200,000 page faults for 15 million vertices, 20,000 with these.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "67108864", "MALLOC_MMAP_THRESHOLD_": "67108864"}
PROGRESS_EVERY = 0.1  # seconds between two progress messages of one worker
START_LIMIT = 120.0  # seconds; importing geopandas takes 1 s, on a busy network disk far more
KILL_LIMIT = 10.0  # seconds; a process in state D (dead NFS) is left alone after that

_start_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a worker says when it is ready.

    Attributes
    ----------
    pid : int
        Its process.
    preloaded, imported, missing : tuple of str
        Modules that it inherited from the forkserver, that it had to import
        itself, and that it could not import.
    """

    pid: int
    preloaded: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class _Sender:
    """The worker's side of the pipe; locked, since a task may report from its own threads."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._next = 0.0

    def send(self, data: bytes) -> None:
        with self._lock:
            self._line.send_bytes(data)

    def progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_EVERY
            with contextlib.suppress(OSError):  # the parent is gone; the lifeline ends us
                self.send(pickle.dumps(Message("progress", fraction)))


def work(line: Line, function: bytes, preload: tuple[str, ...], limits: Limits) -> None:
    """Be a worker until the parent closes the pipe."""
    _settle()
    limits.take_hold()
    sender = _Sender(line)
    loaded = _load(preload)
    try:
        call = pickle.loads(function)
    except BaseException as error:
        sender.send(pickle.dumps(Message("unloadable", failure(error))))
        return
    sender.send(pickle.dumps(Message("ready", loaded)))
    with reporting(sender.progress), contextlib.suppress(EOFError, OSError):
        while True:
            sender.send(_answer(call, line.recv_bytes()))


def _answer(call: Callable[[Any], Any], data: bytes) -> bytes:
    try:
        item = pickle.loads(data)
    except BaseException as error:
        lost = failure(error, NOT_PICKLABLE, "the item cannot be read: ")
        return dumps(Message("failure", lost))
    message = perform(call, item)
    _flush()
    try:
        return dumps(message)
    except BaseException as error:
        lost = failure(error, NOT_PICKLABLE, "the value cannot be sent back: ")
        return dumps(Message("failure", lost, message.seconds))


def _flush() -> None:
    """Write out what the task printed: the next one may be killed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _settle() -> None:
    """Take the signals, the environment and the end of life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
        _killed_with(parent.sentinel)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(113)


def _killed_with(sentinel: int) -> None:
    """Let the kernel kill us when the parent is gone (Linux).

    The thread above cannot run while native code holds the GIL, as a GDAL
    write does for seconds; PR_SET_PDEATHSIG would watch the forkserver, not
    the parent. The sentinel is a pipe, so its hang-up can raise a signal.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(sentinel, fcntl.F_GETFL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)


def _load(modules: tuple[str, ...]) -> Loaded:
    """Import what the forkserver did not (cpython issue 117378: it may ignore sys.path)."""
    imported, missing = [], []
    preloaded = tuple(name for name in modules if name in sys.modules)
    for name in modules:
        if name not in preloaded:
            try:
                importlib.import_module(name)
                imported.append(name)
            except Exception:  # the task will say what it misses
                missing.append(name)
    return Loaded(os.getpid(), preloaded, tuple(imported), tuple(missing))


@dataclass(eq=False, slots=True)
class Worker:
    """A worker as the parent sees it; ``job`` is (index, attempt)."""

    process: BaseProcess
    line: Line
    deadline: float
    ready: bool = False
    job: tuple[int, int] | None = None
    since: float = 0.0


def start_worker(method: str, function: bytes, preload: tuple[str, ...], limits: Limits) -> Worker:
    """Start a worker process with a pipe of its own."""
    context = cast("SpawnContext", multiprocessing.get_context(method))
    ours, theirs = context.Pipe()
    process = context.Process(
        target=work, args=(theirs, function, preload, limits), name="shpbatch-worker", daemon=True
    )
    try:
        with _start_lock, _blank_main(), _one_thread(), _no_interrupt():
            if method == "forkserver":  # without this it would preload __main__
                context.set_forkserver_preload([*preload, __name__])
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Worker(process, ours, time.monotonic() + START_LIMIT)


def end_workers(workers: Iterable[Worker], grace: float = 0.0) -> int | None:
    """End all of them; return the exit code of the last.

    Idle ones leave by themselves when their pipe closes, within ``grace``;
    the others are killed at once.
    """
    workers = list(workers)
    for worker in workers:
        worker.line.close()
        if (worker.job or not worker.ready or not grace) and worker.process.exitcode is None:
            worker.process.kill()
    code = None
    limit = time.monotonic() + grace
    for worker in workers:
        worker.process.join(max(0.0, limit - time.monotonic()))
    limit = time.monotonic() + KILL_LIMIT
    for worker in workers:
        if worker.process.exitcode is None:
            worker.process.kill()
        worker.process.join(max(0.0, limit - time.monotonic()))
        code = worker.process.exitcode
        if code is not None:  # closes the sentinel that the worker's life hangs on, too
            worker.process.close()
    return code


@contextlib.contextmanager
def _blank_main() -> Iterator[None]:
    """Hide ``__main__``: functions travel by value, so no worker runs a script again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread a library a worker; the parent's own settings come back."""
    wanted = dict.fromkeys(ONE_THREAD, "1") | KEEP_MEMORY
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Block SIGINT while a process starts, so that a young worker shows no traceback."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # which unblocks it, when it is first started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
