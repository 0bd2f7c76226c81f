"""What goes over a worker's pipe, and the outcome that it becomes.

Values travel as pickles, exceptions as text: an exception object does not
always survive the way.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import reprlib
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from ..errors import ShpbatchError
from ..models import Outcome, Status, Task

__all__ = [
    "NOT_PICKLABLE",
    "Failure",
    "Message",
    "dumps",
    "failed",
    "failure",
    "how_it_ended",
    "limited",
    "outcome_of",
    "perform",
    "report_progress",
    "reporting",
]


class Message(NamedTuple):
    """What a worker says: ``ready``, ``unloadable``, ``progress``, ``value`` or ``failure``.

    ``seconds`` are those of the task, of which its worker was ``busy`` for some.
    """

    kind: str
    payload: Any
    seconds: float = 0.0
    busy: float = 0.0


Reporter = Callable[[float], None]

NOT_PICKLABLE = "value-not-picklable"
REASON_LIMIT, DETAIL_LIMIT = 2_000, 8_000  # characters

_reporters: list[Reporter | None] = [None]  # the last one is in force


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as text: exception objects do not always survive a pipe."""

    code: str
    reason: str
    detail: str | None = None


def report_progress(fraction: float) -> None:
    """Tell the parent how much of the current task is done.

    May be called from anywhere inside a task, and as often as convenient: at
    most 10 messages a second are sent. Outside a pool it does nothing.

    Parameters
    ----------
    fraction : float
        Between 0 and 1.
    """
    reporter = _reporters[-1]
    if reporter is not None:
        reporter(float(fraction))


@contextlib.contextmanager
def reporting(reporter: Reporter | None) -> Iterator[None]:
    """Send what `report_progress` is told to ``reporter``."""
    _reporters.append(reporter)
    try:
        yield
    finally:
        _reporters.pop()


def dumps(value: object) -> bytes:
    """Pickle plainly, or by value what plain pickle cannot send.

    A class of ``__main__`` pickles well by reference but is not there on the
    other side, so whatever names that module travels by value too.
    """
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        if b"__main__" not in data:
            return data
    except Exception:  # pickle raises nearly anything
        pass
    import cloudpickle

    return cast(bytes, cloudpickle.dumps(value))


def failure(error: BaseException, code: str | None = None, what: str = "") -> Failure:
    """Describe an exception, whatever its class does in ``__str__``."""
    try:
        text = str(error)
        detail = "".join(traceback.format_exception(error))[-DETAIL_LIMIT:]
    except Exception:
        text, detail = "(its message cannot be shown)", None
    name = type(error).__name__
    plain = isinstance(error, ShpbatchError) and text
    reason = text if plain else f"{name}: {text}" if text else name
    return Failure(code or _code(error), (what + reason)[:REASON_LIMIT], detail)


def _code(error: BaseException) -> str:
    """Return the stable code of an error that has one; ``sys.exit(3).code`` is none."""
    with contextlib.suppress(Exception):  # a property may raise what it likes
        code = getattr(error, "code", None)
        if isinstance(code, str) and not isinstance(error, SystemExit):
            return code
    return "error"


def perform(function: Callable[[Any], Any], item: object, *, inline: bool = False) -> Message:
    """Run one task; whatever it raises comes back as a `Failure`.

    Inline, KeyboardInterrupt is the user's own Ctrl-C and propagates.
    """
    begun, busy = time.monotonic(), time.process_time()
    try:
        kind, payload = "value", function(item)
    except BaseException as error:
        if inline and isinstance(error, KeyboardInterrupt):
            raise
        kind, payload = "failure", failure(error)
    return Message(kind, payload, time.monotonic() - begun, time.process_time() - busy)


def outcome_of(message: Message, item: object, attempts: int) -> Outcome:
    """Return the outcome of a task that came back with a value or a failure."""
    payload, seconds = message.payload, message.seconds
    if message.kind == "failure":
        return failed(item, "failed", payload, seconds, attempts)
    if isinstance(payload, Outcome):
        return replace(payload, attempts=attempts) if attempts > 1 else payload
    sources = (_label(item),)
    return Outcome(sources, "done", seconds=seconds, attempts=attempts, value=payload)


def failed(
    item: object, status: Status, why: Failure, seconds: float, attempts: int = 1
) -> Outcome:
    """Return the outcome of a task that did not succeed."""
    return Outcome(
        (_label(item),),
        status,
        code=why.code,
        reason=why.reason,
        detail=why.detail,
        seconds=seconds,
        attempts=attempts,
    )


def _label(item: object) -> str:
    """Name an item for people: a path, a name, or a short repr."""
    if isinstance(item, str):
        return item
    if isinstance(item, os.PathLike):
        return os.fsdecode(item)
    with contextlib.suppress(Exception):  # a property may raise what it likes
        name = getattr(item.source if isinstance(item, Task) else item, "name", None)
        if isinstance(name, str) and name:
            return name
    return reprlib.repr(item)


def how_it_ended(code: int | None) -> str:
    """Say what an exit code of a worker means."""
    if code is None or code == 255:  # 255: the forkserver was lost, and the exit code with it
        return "died"
    if code >= 0:
        return f"exited with code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        return f"died with {name}" + (" (perhaps out of memory)" if name == "SIGKILL" else "")
    return f"died with signal {-code}"


def limited(memory: int | None) -> str:
    """A limit of the user's that may be the reason why no worker comes up."""
    return f"; --mem-limit {memory:,} may be too few bytes" if memory else ""
