"""The pool under faults: every task exactly one outcome, no innocent one lost, no orphan."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from shpbatch.errors import ReadError, WorkerError
from shpbatch.models import Outcome, Source, Task
from shpbatch.pool import messages, supervisor
from shpbatch.pool import tasks as pool
from shpbatch.pool.tasks import Loaded, PoolOptions, Stop, report_progress, run_tasks

METHODS = [m for m in ("forkserver", "spawn") if m in multiprocessing.get_all_start_methods()]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TASKS, POISONED = 8, 3


def options(**changes: Any) -> PoolOptions:
    return PoolOptions(**{"workers": 3, **changes})


def run(function: Callable[[Any], Any], items: Any, **named: Any) -> list[Outcome]:
    """Run to the end; assert that each item has exactly one outcome."""
    named.setdefault("options", options())
    results = list(run_tasks(function, items, **named))
    assert sorted(index for index, _ in results) == list(range(len(items)))
    return [outcome for _, outcome in sorted(results, key=lambda r: r[0])]


def poisoned(poison: Callable[[], Any], **named: Any) -> Outcome:
    """Run one bad task among good ones; the good ones must not notice."""

    def task(number: int) -> Any:
        time.sleep(0.02)
        return poison() if number == POISONED else number * 10

    outcomes = run(task, range(TASKS), options=options(**named))
    for number, outcome in enumerate(outcomes):
        if number != POISONED:
            assert (outcome.status, outcome.value) == ("done", number * 10), outcome
    return outcomes[POISONED]


def wait_until(check: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.02)
    return check()


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie waiting for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def no_children() -> bool:
    return not multiprocessing.active_children()


# --- what an outcome holds ---------------------------------------------------


@pytest.mark.parametrize("method", [*METHODS, "inline"])
def test_values_in_order(method: str) -> None:
    offset = 5
    outcomes = run(lambda n: n + offset, range(20), options=options(method=method))
    assert [outcome.value for outcome in outcomes] == list(range(5, 25))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert no_children()


def test_nothing_to_do() -> None:
    assert run(str, []) == []


def test_never_more_workers_than_tasks() -> None:
    ready: list[Loaded] = []
    run(lambda n: time.sleep(0.3), range(2), options=options(workers=16), on_ready=ready.append)
    assert 1 <= len(ready) <= 2


@pytest.mark.parametrize("method", [METHODS[0], "inline"])
def test_an_outcome_is_handed_on(method: str) -> None:
    outcome = Outcome(("a.shp",), "skipped", code="up-to-date")
    assert run(lambda _: outcome, [1], options=options(method=method)) == [outcome]


def test_items_have_names(tmp_path: Path) -> None:
    source = Source("folder/a.shp", "a.shp")
    task = Task(source, recipe=None, sink="out/a.shp")  # type: ignore[arg-type]
    items = ["b.shp", tmp_path / "c.shp", task, list(range(1_000))]
    names = [outcome.sources[0] for outcome in run(lambda _: None, items)]
    assert names[:3] == ["b.shp", str(tmp_path / "c.shp"), "folder/a.shp"]
    assert len(names[3]) < 100


@pytest.mark.parametrize("method", [METHODS[0], "inline"])
def test_errors_are_text(method: str) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class TwoArguments(Exception):  # cannot be unpickled
        def __init__(self, one: str, two: str) -> None:
            super().__init__(one)

    def task(number: int) -> None:
        raise [
            ValueError("bad\tvalue"),
            ReadError("a.shp is cut: copy it again.", "chain-broken"),
            TwoArguments("one", "two"),
            SystemExit(3),
            MemoryError(),
            Odd(),
            threading.BrokenBarrierError(threading.Lock()),
        ][number]

    outcomes = run(task, range(7), options=options(method=method))
    assert {outcome.status for outcome in outcomes} == {"failed"}
    reasons = [outcome.reason or "" for outcome in outcomes]
    assert reasons[:5] == [
        "ValueError: bad\tvalue",
        "a.shp is cut: copy it again.",
        "TwoArguments: one",
        "SystemExit: 3",
        "MemoryError",
    ]
    assert [o.code for o in outcomes] == ["error", "chain-broken", *["error"] * 5]
    assert "in task" in (outcomes[0].detail or "")


def test_keyboard_interrupt_in_a_task() -> None:
    def task(_: int) -> None:
        raise KeyboardInterrupt

    assert run(task, [1])[0].status == "failed"
    with pytest.raises(KeyboardInterrupt):
        run(task, [1], options=options(method="inline"))


class Unreadable:
    """Pickles well, and raises when it is read."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return int, ("not a number",)


@pytest.mark.parametrize("value", [threading.Lock, Unreadable])
def test_value_that_cannot_travel(value: Callable[[], Any]) -> None:
    outcome = poisoned(value)
    assert (outcome.status, outcome.code) == ("failed", "value-not-picklable")


def test_value_that_needs_cloudpickle() -> None:
    assert poisoned(lambda: lambda: 42).value() == 42


@pytest.mark.parametrize("item", [threading.Lock(), Unreadable()])
def test_item_that_cannot_travel(item: object) -> None:
    outcomes = run(lambda x: x, [1, item, 2])
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert outcomes[1].code == "value-not-picklable"


def test_function_that_cannot_travel() -> None:
    lock = threading.Lock()
    with pytest.raises(WorkerError, match="cannot be sent") as caught:
        run_tasks(lambda _: lock, [1], options=options())
    assert caught.value.code == "function-not-picklable"
    with pytest.raises(WorkerError, match="cannot be loaded"):
        run(Unreadable(), [1])  # type: ignore[arg-type]
    assert no_children()


# --- workers that die or hang ------------------------------------------------


@POSIX
def test_killed_worker_is_retried_once() -> None:
    outcome = poisoned(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert (outcome.status, outcome.code, outcome.attempts) == ("crashed", "worker-killed", 2)
    assert "SIGKILL" in (outcome.reason or "") and "memory" in (outcome.reason or "")


@POSIX
def test_second_attempt_may_succeed(tmp_path: Path) -> None:
    mark = tmp_path / "been-here"

    def die_once() -> str:
        if mark.exists():
            return "alive"
        mark.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
        return "unreachable"

    outcome = poisoned(die_once)
    assert (outcome.status, outcome.value, outcome.attempts) == ("done", "alive", 2)


@pytest.mark.parametrize("retries", [0, 2])
def test_silent_exit(retries: int) -> None:
    outcome = poisoned(lambda: os._exit(0), retries=retries)
    assert (outcome.status, outcome.attempts) == ("crashed", retries + 1)
    assert "exited with code 0" in (outcome.reason or "")


def sleep_holding_the_gil() -> None:
    ctypes.PyDLL(None).sleep(1_000)


def ignore_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    time.sleep(1_000)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "hang",
    [
        lambda: time.sleep(1_000),
        pytest.param(ignore_signals, marks=POSIX),
        pytest.param(sleep_holding_the_gil, marks=POSIX),
    ],
    ids=["sleep", "signals-ignored", "gil-held"],
)
def test_hang(hang: Callable[[], None], method: str) -> None:
    outcome = poisoned(hang, timeout=3, method=method)
    assert (outcome.status, outcome.code, outcome.attempts) == ("timeout", "timeout", 1)
    assert outcome.reason == "no result after 3 s (--timeout)"
    assert outcome.seconds >= 3
    assert no_children()


@POSIX
def test_kill_storm() -> None:
    pids: list[int] = []
    over = threading.Event()
    kills = 0

    def killer() -> None:
        nonlocal kills
        rng = random.Random(1)
        while not over.wait(0.03):
            living = [pid for pid in pids[-8:] if alive(pid)]
            if living:
                with contextlib.suppress(OSError):
                    os.kill(rng.choice(living), signal.SIGKILL)
                    kills += 1

    def task(number: int) -> tuple[int, bytes]:
        time.sleep(0.04)
        return number, bytes(100_000)

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    storm = options(workers=8, retries=100)
    outcomes = run(task, range(300), options=storm, on_ready=lambda loaded: pids.append(loaded.pid))
    over.set()
    thread.join()
    assert [outcome.value[0] for outcome in outcomes] == list(range(300))
    assert kills >= 40
    assert no_children()


@LINUX
def test_lost_forkserver(tmp_path: Path) -> None:
    """Its death hides all exit codes, yet no task is lost and no worker stays."""
    pids: list[int] = []

    def task(number: int) -> int:
        if number == 4:
            with contextlib.suppress(FileNotFoundError):
                marker.unlink()
                os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.2)
        return number

    marker = tmp_path / "not-yet"
    marker.touch()
    forked = options(method="forkserver", retries=3)
    outcomes = run(task, range(12), options=forked, on_ready=lambda x: pids.append(x.pid))
    assert [outcome.value for outcome in outcomes] == list(range(12))
    assert len(pids) > 3
    assert wait_until(lambda: not any(alive(pid) for pid in pids))


@LINUX
def test_idle_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """Memory admits one task at a time, so the other worker is idle when it is killed."""
    pids: list[int] = []

    def task(number: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(0.0 if number else 3)

    def killer() -> None:
        wait_until(lambda: len(pids) == 2 and any(tmp_path.iterdir()))
        busy = {int(path.name) for path in tmp_path.iterdir()}
        os.kill((set(pids) - busy).pop(), signal.SIGKILL)

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    tight = options(workers=2, memory=10)
    outcomes = run(
        task, range(3), options=tight, memory=[10] * 3, on_ready=lambda x: pids.append(x.pid)
    )
    thread.join()
    assert [(o.status, o.attempts) for o in outcomes] == [("done", 1)] * 3
    assert len(pids) == 3


def test_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shpbatch.pool.worker.work", die_at_start)
    with pytest.raises(WorkerError, match=r"21 workers in a row .*exited with code 9") as caught:
        run(str, range(50), options=options(method=METHODS[0]))
    assert caught.value.code == "workers-dead"
    assert no_children()


def die_at_start(*_: object) -> None:
    os._exit(9)


def test_workers_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(supervisor, "start_worker", refuse)
    with pytest.raises(WorkerError, match="could not be started: BlockingIOError"):
        run(str, [1])


def test_fewer_workers_than_wanted_do_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory or no process for a third one: the two that run are not given up."""
    begun = supervisor.start_worker
    started: list[object] = []

    def refuse(*given: Any) -> Any:
        if len(started) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(given)
        return begun(*given)

    monkeypatch.setattr(supervisor, "start_worker", refuse)
    monkeypatch.setattr(supervisor, "FEWER", 0.01)

    def task(number: int) -> int:
        time.sleep(0.2)
        return number

    assert [o.value for o in run(task, range(12), options=options(workers=4))] == [*range(12)]


@POSIX
def test_no_more_workers_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    for limit, workers in ((64, 16), (48, 8), (8, 1), (resource.RLIM_INFINITY, 40)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
        assert pool._settled(options(workers=40)).workers == workers


# --- order, memory, progress, environment ------------------------------------


def test_largest_first_ties_in_order() -> None:
    costs = [1, 5, 3, 5, 9, 1]
    for method in (METHODS[0], "inline"):
        one = options(workers=1, method=method)
        results = run_tasks(str, list("abcdef"), options=one, costs=costs)
        assert [index for index, _ in results] == [4, 1, 3, 2, 0, 5]


def test_memory_admits_tasks(tmp_path: Path) -> None:
    def task(number: int) -> int:
        mine = tmp_path / str(number)
        mine.touch()
        time.sleep(0.05)
        together = len(list(tmp_path.iterdir()))
        mine.unlink()
        return together

    tight = options(workers=4, memory=100)
    assert {o.value for o in run(task, range(6), options=tight, memory=[60] * 6)} == {1}
    assert {o.value for o in run(task, range(3), options=tight, memory=[999] * 3)} == {1}
    assert {o.value for o in run(task, range(6), options=tight, memory=[50] * 6)} <= {1, 2}


@pytest.mark.parametrize("method", [METHODS[0], "inline"])
def test_progress_arrives(method: str) -> None:
    def task(number: int) -> None:
        for part in range(30):
            report_progress(part / 30)
            time.sleep(0.01)

    seen: list[tuple[int, float]] = []
    progress = options(method=method)
    run(task, range(2), options=progress, on_progress=lambda *what: seen.append(what))
    assert {index for index, _ in seen} == {0, 1}
    assert all(0 <= fraction < 1 for _, fraction in seen)
    if method != "inline":
        assert len(seen) < 30  # of 60: at most 10 a second
    report_progress(0.5)  # outside a task: nothing


def test_progress_from_threads_of_a_task() -> None:
    def task(number: int) -> int:
        threads = [threading.Thread(target=report_progress, args=(0.5,)) for _ in range(16)]
        for thread in threads:
            thread.start()
        return number

    assert [o.value for o in run(task, range(50))] == list(range(50))


@pytest.mark.parametrize("method", METHODS)
def test_one_thread_a_library(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("GDAL_NUM_THREADS", raising=False)
    names = ["OMP_NUM_THREADS", "GDAL_NUM_THREADS"]
    outcomes = run(lambda name: os.environ[name], names, options=options(method=method))
    assert [outcome.value for outcome in outcomes] == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "GDAL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("method", METHODS)
def test_workers_say_what_they_loaded(method: str) -> None:
    ready: list[Loaded] = []
    loading = options(method=method, preload=("wave", "no_such_module"))
    run(lambda _: None, [1], options=loading, on_ready=ready.append)
    assert ready[0].missing == ("no_such_module",)
    assert ready[0].preloaded + ready[0].imported == ("wave",)
    assert ready[0].pid != os.getpid()


def test_no_pool_inside_a_worker() -> None:
    outcome = run(lambda _: run_tasks(str, [1], options=options()), [1])[0]
    assert outcome.code == "workers-dead"
    assert "inline" in (outcome.reason or "")


def test_label_of_hostile_objects() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise ValueError

        @property
        def name(self) -> str:
            raise ValueError

    assert "Hostile" in messages.outcome_of(messages.Message("value", 1), Hostile(), 1).sources[0]
    assert pool.report_progress is messages.report_progress


# --- ends --------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_stop_gives_running_tasks_their_grace(method: str, tmp_path: Path) -> None:
    def task(number: int) -> int:
        (tmp_path / str(number)).touch()
        time.sleep(1.0 if number else 1_000)
        return number

    stop = Stop()

    def stopper() -> None:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 3)
        stop.set("SIGINT")

    thread = threading.Thread(target=stopper, daemon=True)
    thread.start()
    patient = options(method=method, grace=4)
    begun = time.monotonic()
    results = list(run_tasks(task, range(50), options=patient, stop=stop))
    assert sorted(index for index, _ in results) == [1, 2]  # 0 hangs, 3 was never fed
    assert {outcome.status for _, outcome in results} == {"done"}
    assert time.monotonic() - begun < 60
    assert stop.reason == "SIGINT"
    assert no_children()
    assert 0 not in dict(results)
    assert list(run_tasks(str, [1], options=patient, stop=stop)) == []


def test_second_stop_kills_at_once() -> None:
    stop = Stop()
    results = run_tasks(time.sleep, [0, 1_000], options=options(grace=1_000), stop=stop)
    next(results)
    stop.set("SIGINT")
    threading.Timer(0.3, stop.set, ("again",)).start()
    assert list(results) == []
    assert stop.reason == "SIGINT"
    assert no_children()


def test_stop_inline() -> None:
    stop = Stop()
    results = run_tasks(str, range(5), options=options(method="inline"), stop=stop)
    assert next(results)[0] == 0
    stop.set("enough")
    assert list(results) == []


def test_closing_leaves_no_process() -> None:
    results = run_tasks(lambda n: time.sleep(n * 1_000), range(9), options=options())
    next(results)
    assert not no_children()
    results.close()
    assert no_children()


def test_failing_consumer_leaves_no_process() -> None:
    def consumer(results: Generator[Any, None, None]) -> None:
        for _ in results:
            raise RuntimeError("the consumer fails")

    with pytest.raises(RuntimeError):
        consumer(run_tasks(lambda n: time.sleep(n * 1_000), range(9), options=options()))
    assert wait_until(no_children)

    def fail(index: int, fraction: float) -> None:
        raise RuntimeError("the display fails")

    def task(_: int) -> None:
        report_progress(0.5)
        time.sleep(1_000)

    with pytest.raises(RuntimeError, match="display"):
        list(run_tasks(task, range(9), options=options(), on_progress=fail))
    assert no_children()


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    return path


def environment() -> dict[str, str]:
    root = str(Path(pool.__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root}


@pytest.mark.parametrize("method", METHODS)
def test_script_without_a_guard(method: str, tmp_path: Path) -> None:
    path = script(
        tmp_path,
        f"""
        from dataclasses import dataclass
        from shpbatch.pool.tasks import PoolOptions, run_tasks

        print("started", flush=True)

        @dataclass
        class Item:
            name: str

        FACTOR = 3

        def helper(item):
            return Item(item.name * FACTOR)

        def task(item):
            print("task", item.name)
            return helper(item)

        options = PoolOptions(workers=2, method={method!r})
        results = run_tasks(task, [Item("a"), Item("b")], options=options)
        outcomes = [outcome for _, outcome in sorted(results, key=lambda r: r[0])]
        print([outcome.value for outcome in outcomes])
        print([isinstance(outcome.value, Item) for outcome in outcomes])
        """,
    )
    done = subprocess.run(
        [sys.executable, path],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert lines.count("started") == 1
    assert {"task a", "task b"} <= set(lines)
    assert lines[-2:] == ["[Item(name='aaa'), Item(name='bbb')]", "[True, True]"]


@LINUX
@pytest.mark.parametrize("method", METHODS)
def test_killed_parent_leaves_no_worker(method: str, tmp_path: Path) -> None:
    """Not even one in native code that holds the GIL, where no thread could notice."""
    path = script(
        tmp_path,
        f"""
        import ctypes, time
        from shpbatch.pool.tasks import PoolOptions, run_tasks

        def task(n):
            ctypes.PyDLL(None).sleep(1000) if n else time.sleep(1000)

        options = PoolOptions(workers=2, method={method!r})
        ready = lambda loaded: print(loaded.pid, flush=True)
        list(run_tasks(task, range(4), options=options, on_ready=ready))
        """,
    )
    parent = subprocess.Popen([sys.executable, path], env=environment(), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    time.sleep(0.5)  # they are inside their tasks now
    assert all(alive(pid) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not any(alive(pid) for pid in pids), 3.0)


@POSIX
def test_interrupted_parent_is_quiet(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group; only the parent reacts."""
    path = script(
        tmp_path,
        """
        import signal, time
        from shpbatch.pool.tasks import PoolOptions, Stop, run_tasks

        stop = Stop()
        signal.signal(signal.SIGINT, lambda *_: stop.set("SIGINT"))
        options = PoolOptions(workers=2, grace=0.2)
        ready = lambda loaded: print("ready", flush=True)
        tasks = run_tasks(time.sleep, [1000] * 4, options=options, stop=stop, on_ready=ready)
        print(list(tasks), stop.reason)
        """,
    )
    parent = subprocess.Popen(
        [sys.executable, path],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=30)
    assert out.splitlines()[-1] == "[] SIGINT"
    assert err == ""
