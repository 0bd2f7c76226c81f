"""A merge: the tasks of many sources become one task with one sink."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .errors import PlanError
from .models import Header, Source, Task
from .shapefile import writer
from .shapefile.index import HEADER_BYTES
from .union import unite

__all__ = ["Merge", "merged"]


@dataclass(frozen=True, slots=True)
class Merge:
    """How sources are merged; names are those of ``gdal vector concat``.

    Attributes
    ----------
    name : str
        Of the one output, without ``.shp``.
    field_strategy : {"union", "intersection"}
        Keep the fields of any source, or those of all.
    source_field : str or None
        Text field that takes the name of each feature's source.
    """

    name: str
    field_strategy: Literal["union", "intersection"] = "union"
    source_field: str | None = None

    def sink(self, dst: str) -> str:
        """Path of the one output.

        Raises
        ------
        PlanError
            ``bad-merge-name``.
        """
        name = self.name.removesuffix(".shp")
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise PlanError(
                f"--merge '{self.name}': a name below the output folder, such as all",
                "bad-merge-name",
            )
        return str(Path(dst, name).with_name(Path(name).name + ".shp"))


def merged(tasks: Sequence[Task], headers: Sequence[Header | None], merge: Merge) -> Task:
    """One task of those of many sources.

    Raises
    ------
    PlanError
        Where one of the sources cannot be done, or they do not go together:
        ``merge-types``, ``merge-crs``, ``merge-fields``, ``field-exists``,
        ``too-large``.
    """
    for task in tasks:
        if task.problem:
            raise PlanError(
                f"{task.problem.reason}; without it: --exclude '{Path(task.source.path).name}'",
                task.problem.code,
            )
    known = [h for h in headers if h is not None]
    names = [t.source.name for t in tasks]
    union = unite(known, names, merge.field_strategy, merge.source_field)
    _check_sizes(tasks, union.header)
    members = tuple(replace(t, union=union) for t in tasks)
    return replace(
        tasks[0], members=members, union=union, cost=sum(t.cost for t in tasks), header=None
    )


def _check_sizes(tasks: Sequence[Task], header: Header) -> None:
    """Refuse files that will pass 2 GB; after steps their sizes are known when they are written."""
    if any(t.recipe.steps for t in tasks) or tasks[0].policy.on_too_large != "fail":
        return
    sizes = {
        ".dbf": header.count * (1 + sum(f.width for f in header.fields)),
        ".shp": sum(_shapes(t.source) for t in tasks),
    }
    for extension, size in sizes.items():
        if size > writer.LARGEST:
            raise PlanError(
                f"the {extension} of the merge would have {size:,} bytes, a shapefile holds "
                f"{writer.LARGEST:,}; merge fewer layers, or pass --on-too-large split",
                "too-large",
            )


def _shapes(source: Source) -> int:
    """Bytes of the records of a source's ``.shp``; 0 where only reading tells."""
    if source.member or not source.path.lower().endswith(".shp"):
        return 0
    return max(0, os.stat(source.path).st_size - HEADER_BYTES)
