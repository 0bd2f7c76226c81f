"""The three standard streams: there, and stdout for results alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["hold_standard_streams", "prints_on_stderr"]


def hold_standard_streams() -> None:
    """Open what the caller closed (``2>&-``).

    Else the next file that is opened takes its place, here or in a worker, and
    what a C library says there would be written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """What users' functions, libraries and the workers print meanwhile is talk, no result."""
    _flush()
    results = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        _flush()
        os.dup2(results, 1)
        os.close(results)


def _flush() -> None:
    if sys.stdout is not None:
        with suppress(OSError, ValueError):  # nobody listens any more
            sys.stdout.flush()
