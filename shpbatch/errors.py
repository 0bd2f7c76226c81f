"""One tree of errors, by what was touched; every error has a stable code.

A message is one sentence: what happened, where (file, feature, field, byte),
then the remedy. The code is what scripts and tests hold on to.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BusyError",
    "CRSError",
    "EncodingError",
    "LayerError",
    "PlanError",
    "ReadError",
    "RecipeError",
    "ShpbatchError",
    "SourceError",
    "StepError",
    "Stopped",
    "WorkerError",
    "WriteError",
]


class ShpbatchError(Exception):
    """Root of everything that shpbatch raises on purpose.

    Parameters
    ----------
    message : str
        One sentence with the remedy.
    code : str, optional
        Stable cause, such as ``"crs-missing"``; the class has a default.
    """

    code = "error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[type[ShpbatchError], tuple[str, str]]:
        return type(self), (str(self), self.code)


class RecipeError(ShpbatchError, ValueError):
    """The recipe is wrong; no file was opened."""

    code = "bad-recipe"


class PlanError(ShpbatchError):
    """The request cannot be carried out; nothing was written."""

    code = "bad-plan"


class SourceError(ShpbatchError, OSError):
    """A source cannot be found or opened."""

    code = "source-unreadable"


class LayerError(ShpbatchError):
    """One layer failed; the run goes on."""

    code = "layer-failed"


class ReadError(LayerError):
    """The structure of a source is broken."""

    code = "read-failed"


class CRSError(LayerError):
    """The CRS of a layer is missing, unreadable or unfit."""

    code = "crs-failed"


class EncodingError(LayerError):
    """Text does not fit its encoding."""

    code = "encoding-failed"


class StepError(LayerError):
    """A step refused a layer or failed on it."""

    code = "step-failed"


class WriteError(LayerError):
    """An output could not be written whole."""

    code = "write-failed"


class WorkerError(ShpbatchError):
    """The pool cannot go on: its workers do not come up.

    ``report``, a `Report`, tells what a run had done before, if it is known.
    """

    code = "workers-dead"
    report: Any = None


class BusyError(ShpbatchError):
    """Another run holds the destination."""

    code = "busy"


class Stopped(BaseException):
    """A signal came before a run had begun; ``except Exception`` must not hold it."""
