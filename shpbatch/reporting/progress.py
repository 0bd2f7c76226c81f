"""Show how far a run is: a bar on a terminal, a line now and then elsewhere.

Only the parent draws. The bar is weighted by bytes and moves while workers
are inside a file; the example's ``map_async(callback=…)`` fires once, at the end.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Protocol, TextIO

from .talk import Talk, one_line
from .tally import Tally

__all__ = ["Mode", "Progress", "open_progress"]

Mode = Literal["auto", "bar", "lines", "none"]
HEARTBEAT_SECONDS = 30.0


class Progress(Protocol):
    """What a run tells; ``failed`` lines go above the bar."""

    def moved(self, index: int, fraction: float) -> None:
        """A task is this far, 0 to 1."""

    def finished(self, index: int) -> None:
        """A task has its outcome."""

    def say(self, text: str) -> None:
        """Show a line without breaking the bar."""

    def close(self) -> None:
        """End."""


def open_progress(
    mode: Mode,
    weights: Sequence[int],
    desc: str,
    tally: Tally,
    files: int | None = None,
    talk: Talk | None = None,
) -> Closing:
    """The display for this place: a bar on a terminal, else lines.

    Parameters
    ----------
    mode : {"auto", "bar", "lines", "none"}
    weights : sequence of int
        Bytes of each task.
    desc : str
        Stands before the bar.
    tally : Tally
        Tasks that have their outcome; the heartbeat reads it from its own thread.
    files : int, optional
        How many of the tasks are files of their own; all by default.
    talk : Talk, optional
        What says the lines.
    """
    talk = talk or Talk()
    files = len(weights) if files is None else files
    if mode == "auto":
        mode = "bar" if _redraws(sys.stderr) else "lines"
    if mode == "bar":
        return Closing(Bar(weights, desc, files=files, talk=talk))
    return Closing(Lines(files, desc, tally, mode == "lines", talk))


def _redraws(stream: TextIO | None) -> bool:
    """Whether a bar can be drawn over itself there: a terminal, or a cell of a notebook."""
    if stream is None:  # of a service
        return False
    return stream.isatty() or type(stream).__module__.partition(".")[0] == "ipykernel"


class Closing:
    """Context manager around a display."""

    def __init__(self, display: Progress) -> None:
        self.display = display

    def __enter__(self) -> Progress:
        return self.display

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.display.close()


class Bar:
    """A tqdm bar in bytes, with the count of files beside it."""

    def __init__(
        self,
        weights: Sequence[int],
        desc: str,
        file: TextIO | None = None,
        files: int | None = None,
        talk: Talk | None = None,
    ) -> None:
        from tqdm import tqdm

        # tqdm's default lock is shared between processes; a killed holder hangs everyone.
        tqdm.set_lock(threading.RLock())
        self._weights = [max(1, w) for w in weights]
        self._moved = [0] * len(weights)  # whole bytes: fractions would not add up to the total
        self._files, self._total = 0, len(weights) if files is None else files
        self._talk = talk or Talk()
        self._bar = tqdm(
            total=sum(self._weights),
            desc=desc,
            unit="B",
            unit_scale=True,
            file=file or sys.stderr,
            mininterval=0.1,
            dynamic_ncols=True,
        )
        self._count()

    def moved(self, index: int, fraction: float) -> None:
        step = int(min(1.0, fraction) * self._weights[index]) - self._moved[index]
        if step > 0:
            self._moved[index] += step
            self._bar.update(step)

    def finished(self, index: int) -> None:
        self.moved(index, 1.0)
        self._files += 1
        self._count()

    def say(self, text: str) -> None:
        self._bar.write(one_line(text), file=self._bar.fp)
        self._talk.note(text, "failure")

    def close(self) -> None:
        self._bar.close()

    def _count(self) -> None:
        self._bar.set_postfix_str(f"{self._files}/{self._total} files", refresh=False)


class Lines:
    """A line each 30 s for logs and cron: how many files are done."""

    def __init__(
        self, total: int, desc: str, tally: Tally, heartbeat: bool, talk: Talk | None = None
    ) -> None:
        self._total, self._desc, self._tally = total, desc, tally
        self._talk = talk or Talk()
        self._start = time.monotonic()
        self._ended = threading.Event()
        if heartbeat:
            threading.Thread(target=self._beat, daemon=True).start()

    def moved(self, index: int, fraction: float) -> None:
        """Nothing to draw."""

    def finished(self, index: int) -> None:
        """The tally counts; nothing to draw."""

    def say(self, text: str) -> None:
        self._talk.say(text, "failure")

    def close(self) -> None:
        self._ended.set()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            seconds = time.monotonic() - self._start
            done = self._tally.get_count()
            text = f"{self._desc}: {done}/{self._total} files, {seconds:.0f} s"
            self._talk.say(text, "heartbeat", done=done, total=self._total)
