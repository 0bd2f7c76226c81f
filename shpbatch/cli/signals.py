"""SIGINT and SIGTERM end a command in order, whatever it is doing."""

from __future__ import annotations

import signal
from types import FrameType

from ..errors import Stopped
from ..pool.stop import Stop

__all__ = ["EXIT_CODES", "stop_on_signals"]

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}


def stop_on_signals() -> Stop:
    """What signals set from now on; they end at once what does not look at it yet."""
    stop = Stop()

    def stopped(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        stop.set(name)
        if not stop.heeded:
            raise Stopped(name)

    for name in EXIT_CODES:
        signal.signal(getattr(signal, name), stopped)
    return stop
