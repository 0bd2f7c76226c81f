"""What the header of a source lets know of its task before a feature is read."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from ..errors import CRSError, LayerError, ShpbatchError, WriteError
from ..foreign import let_go
from ..header import read_header, with_encoding
from ..models import Header, Problem, Recipe, Source, Task
from ..policy import Policy
from ..shapefile import writer
from ..writing.volumes import may_divide
from .crs_policy import NO_CRS, assumed

__all__ = ["forget_headers", "outlook"]


def outlook(task: Task, whole: bool = False) -> tuple[Task, Header | None]:
    """A task with the header of its source, and what the steps will make of that.

    The plan asks for it, of the first thousand sources at least; for all
    others the worker does, which says the same.

    Parameters
    ----------
    task : Task
    whole : bool
        What the first 64 kB let guess of an encoding is not enough where
        layers of one encoding are joined as bytes: look at all of the text.

    Returns
    -------
    tuple of Task and Header or None
        The task has a problem where the source cannot be read, or a step
        refuses it; then the header is the source's own.
    """
    if task.skip or task.problem:
        return task, None
    name = task.source.name
    try:
        header = _header(task.source, task.policy)
        if whole:
            header = with_encoding(task.source, header, header.field_names(), task.policy)
    except ShpbatchError as error:
        if task.policy.repair != "no":  # who repairs it looks what can be saved
            return task, None
        reason = str(error) if name in str(error) else f"{name}: {error}"
        return replace(task, problem=Problem(error.code, reason)), None
    try:
        header, after = _applied(task, header)
        if not may_divide(task):
            _check_size(task.recipe, header, after)
        return replace(task, header=header), after
    except LayerError as error:
        told = Problem(error.code, f"{name}: {error}")
        if error.code in NO_CRS and task.policy.on_crs == "skip":
            return replace(task, skip=told), header
        return replace(task, problem=told), header


def _applied(task: Task, header: Header) -> tuple[Header, Header]:
    """The header of the source, its CRS assumed where that is asked for, and what steps make."""
    from ..engine.apply import apply_header

    try:
        return header, apply_header(task.recipe, header)
    except CRSError as error:
        if error.code not in NO_CRS or task.policy.on_crs != "assign":
            raise
        header = assumed(task.source, header, error)
        return header, apply_header(task.recipe, header)


def forget_headers() -> None:
    """Read headers anew: a .prj may have been written since the last plan."""
    _header.cache_clear()
    let_go()


@lru_cache(maxsize=1)
def _header(source: Source, policy: Policy) -> Header:
    """The header of a source; with ``--each-step`` it is asked for again and again."""
    return read_header(source, policy=policy)


def _check_size(recipe: Recipe, before: Header, after: Header) -> None:
    """Refuse columns that cannot fit a .dbf of 2 GB however narrow the new ones become.

    What is not known here (filtered rows, new geometry) is stopped while it is written.
    """
    from ..engine.traits import traits_of

    if after.fields == before.fields or not traits_of(recipe).keeps_rows:
        return
    row = 1 + sum(1 if f.fresh else f.width for f in after.fields)
    if row * before.count > writer.LARGEST:
        raise WriteError(
            f"the .dbf would have {row * before.count:,} bytes or more, a shapefile holds "
            f"{writer.LARGEST:,}; drop fields with select, or pass --on-too-large split, or format",
            "too-large",
        )
