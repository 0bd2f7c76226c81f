"""A merge, or a package: the tasks of many sources become one task with one sink."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from ..errors import PlanError
from ..models import Header, Source, Task
from ..publishing.destination import STATE
from ..shapefile import writer
from ..shapefile.index import HEADER_BYTES
from ..sinks import unique
from ..writing.union import unite
from ..writing.volumes import may_divide

__all__ = ["Merge", "merged", "packaged"]


@dataclass(frozen=True, slots=True)
class Merge:
    """How sources become one output; names are those of ``gdal vector concat``.

    Attributes
    ----------
    name : str
        Of the one output, without ``.shp``.
    field_strategy : {"union", "intersection"}
        Keep the fields of any source, or those of all.
    source_field : str or None
        Text field that takes the name of each feature's source.
    package : bool
        Each source is a layer of its own, and none is united with others.
    """

    name: str
    field_strategy: Literal["union", "intersection"] = "union"
    source_field: str | None = None
    package: bool = False

    def sink(self, dst: str) -> str:
        """Path of the one output.

        Raises
        ------
        PlanError
            ``bad-merge-name``.
        """
        name = self.name.removesuffix(".shp").removesuffix(".gpkg")
        if not name or Path(name).is_absolute() or {"..", STATE} & {*Path(name).parts}:
            raise PlanError(
                f"--{'package' if self.package else 'merge'} '{self.name}': "
                "a name below the output folder, such as all",
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
    _check(tasks)
    known = [h for h in headers if h is not None]
    names = [t.source.name for t in tasks]
    union = unite(known, names, merge.field_strategy, merge.source_field)
    _check_sizes(tasks, union.header)
    members = tuple(replace(t, union=union) for t in tasks)
    return replace(
        tasks[0], members=members, union=union, cost=sum(t.cost for t in tasks), header=None
    )


def packaged(tasks: Sequence[Task]) -> Task:
    """One task of those of many sources, each of which becomes a layer of a GeoPackage.

    A layer has the name of its source, with that of the folders where two have one name.

    Raises
    ------
    PlanError
        Where one of the sources cannot be done.
    """
    _check(tasks)
    paths = [PurePath(t.source.relative).with_suffix("") for t in tasks]
    count = Counter(p.name.casefold() for p in paths)
    names = [p.name if count[p.name.casefold()] == 1 else "_".join(p.parts) for p in paths]
    members = tuple(replace(t, layer=n) for t, n in zip(tasks, unique(names), strict=True))
    return replace(tasks[0], members=members, cost=sum(t.cost for t in tasks), header=None)


def _check(tasks: Sequence[Task]) -> None:
    """Refuse an output that would lack one of its sources."""
    for task in tasks:
        if told := task.problem or task.skip:
            raise PlanError(
                f"{told.reason}; without it: --exclude '{Path(task.source.path).name}'", told.code
            )


def _check_sizes(tasks: Sequence[Task], header: Header) -> None:
    """Refuse files that will pass 2 GB; after steps their sizes are known when they are written."""
    if any(t.recipe.steps for t in tasks) or may_divide(tasks[0]):
        return
    sizes = {
        ".dbf": header.count * (1 + sum(f.width for f in header.fields)),
        ".shp": sum(_shapes(t.source) for t in tasks),
    }
    for extension, size in sizes.items():
        if size > writer.LARGEST:
            raise PlanError(
                f"the {extension} of the merge would have {size:,} bytes, a shapefile holds "
                f"{writer.LARGEST:,}; merge fewer layers, or pass --on-too-large split, or format",
                "too-large",
            )


def _shapes(source: Source) -> int:
    """Bytes of the records of a source's ``.shp``; 0 where only reading tells."""
    if source.member or not source.path.lower().endswith(".shp"):
        return 0
    return max(0, os.stat(source.path).st_size - HEADER_BYTES)
