"""What a run says while it goes: lines for people or for a log collector."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import Any, Literal

from ..durable import translated

__all__ = ["Talk", "one_line", "print_line", "visible"]

Format = Literal["text", "json"]
#: A file of lines is set aside at this size; so many are kept.
ROTATED_AT, KEPT = 10 << 20, 5


class _Rotating(RotatingFileHandler):
    """A file that is set aside; what cannot be written is the caller's to tell."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise  # noqa: PLE0704 (logging calls this while it handles the error)


class Talk:
    """Says lines on stderr, and in a file if there is one.

    Parameters
    ----------
    format : {"text", "json"}
        ``json`` is one object a line: time, event, message, and what is
        known besides.
    path : str, optional
        File to append to; it is set aside at 10 MB, five are kept.

    Raises
    ------
    WriteError
        ``disk-full``, ``write-failed`` where it cannot be opened.
    """

    def __init__(self, format: Format = "text", path: str | None = None) -> None:
        self._format, self._path = format, path
        self._silent = False
        self._file: _Rotating | None = None
        if path is not None:
            with translated(path):
                self._file = _Rotating(
                    path,
                    maxBytes=ROTATED_AT,
                    backupCount=KEPT,
                    encoding="utf-8",
                    errors="backslashreplace",
                )

    def say(self, text: str, event: str = "message", **known: Any) -> None:
        """Say one line."""
        line = self._line(text, event, known)
        print_line(line)
        self._append(line)

    def note(self, text: str, event: str, **known: Any) -> None:
        """Say a line in the file only."""
        self._append(self._line(text, event, known))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):  # what is still to be written, which was told
                self._file.close()

    def _append(self, line: str) -> None:
        if self._file is not None:
            text = visible(line)
            if self._format == "text":
                text = f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}"
            try:
                self._file.handle(logging.makeLogRecord({"msg": text}))
            except OSError as error:
                if not self._silent:
                    self._silent = True
                    print_line(f"{self._path}: cannot be written: {error.strerror}")

    def _line(self, text: str, event: str, known: dict[str, Any]) -> str:
        if self._format == "text":
            return one_line(text)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"time": now, "event": event, "message": text, **known}
        return json.dumps(record, default=str)


def print_line(text: str) -> None:
    """One line on stderr, control characters made visible.

    Nobody may listen any more: that must not end a run, so nothing more is said.
    """
    if sys.stderr is None:  # of a service on Windows
        return
    try:
        sys.stderr.write(visible(text) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for the rest of the process)


def one_line(text: str) -> str:
    """Text that is one line whatever file names are in it."""
    return visible(text).replace("\n", "\\n")


def visible(text: str) -> str:
    """Text whose control characters cannot move a terminal's cursor."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
