"""Repair one layer: salvage what is whole, put the rest in order, tell what was lost.

A damaged layer is first written as a well-formed one, in the stage; from there on
it is a layer like any other, that the steps which it needs are run over, and
that is proved and published as any other.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..doctors.crs import examine_crs
from ..doctors.diagnosis import Diagnosis
from ..durable import translated
from ..errors import PlanError, ShpbatchError
from ..findings import Lost, runs_of
from ..header import read_header
from ..models import Header, Outcome, Recipe, Source, Task
from ..publishing.destination import stage
from ..scratch import scratch
from ..shapefile.bundle import MAIN, Bundle
from ..shapefile.index import HEADER_BYTES
from ..shapefile.torn_zip import torn_members, unpack_torn
from ..work.task import do_task
from ..writing.output import STEM
from ..writing.rejects import REJECTS
from .cures import Cures, prescribe
from .doubts import Doubts
from .mended import BESIDE, relabelled, write_mended
from .mending import diagnose

__all__ = ["do_repair", "examine"]

Progress = Callable[[float], None]
#: What a run says of a source that is said here as a repair, or is no longer so.
SAID = ("normalised: ", "no usable .shx", "header says", "records could not be read")


@dataclass(frozen=True)
class Prepared:
    """A layer that is ready to be run over, and what that took."""

    source: Source
    header: Header
    found: Diagnosis
    cures: Cures
    labels: Counter[str]


def do_repair(task: Task, progress: Progress) -> Outcome:
    """Repair the source of a task; raise what prevents it.

    Raises
    ------
    ReadError
        Where nothing of it can be saved.
    PlanError
        ``bad-value`` for a merge: its sources are repaired before.
    """
    if task.members:
        raise PlanError("repair the sources first, then merge what was saved", "bad-value")
    with _work_folder(task.stage) as folder:
        ready = _prepared(task, folder)
        recipe = Recipe((*ready.cures.recipe.steps, *task.recipe.steps))
        mended = replace(task, source=ready.source, recipe=recipe, header=None)
        with _called(task.source.name, ready.source.name):
            outcome = do_task(mended, progress)
        return _told(task.source, ready, outcome)


def examine(task: Task) -> Outcome:
    """Tell what a repair would do; only a layer that is damaged is written, and not kept."""
    with scratch() as folder:
        ready = _prepared(task, folder)
        features = ready.cures.account.features(ready.cures.account.read)
        return _told(task.source, ready, Outcome((task.source.name,), "done", features=features))


@contextmanager
def _work_folder(dst: str) -> Iterator[Path]:
    """A private folder of the destination that goes away in any case."""
    with stage(dst) as folder, translated(dst):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _prepared(task: Task, folder: Path) -> Prepared:
    source, torn = _unpacked(task.source, folder / "unpacked")
    with _called(task.source.name, source.name):
        found = diagnose(source)
    _doubt(found, torn)
    if found.is_mended:
        (folder / "mended").mkdir()
        source = write_mended(found, folder / "mended")
    with _called(task.source.name, source.name):
        header = read_header(source, whole=True, policy=task.policy)
        source, labels = relabelled(source, header, folder / "labelled")
        if labels:
            header = read_header(source, whole=True, policy=task.policy)
        cures = prescribe(source, header, task.policy.repair == "valid", _doubts(found))
    return Prepared(source, header, found, cures, labels)


def _unpacked(source: Source, folder: Path) -> tuple[Source, list[str]]:
    """The layer out of a zip with wrong checksums, as files; the extensions of those."""
    bundle = Bundle.of(source)
    torn = torn_members(bundle, (*MAIN, *BESIDE))
    if not torn:
        return source, torn
    folder.mkdir()
    for extension in (*MAIN, *BESIDE):
        if extension in bundle:
            target = folder / f"{STEM}.{extension}"
            (unpack_torn if extension in torn else Bundle.copy)(bundle, extension, target)
    return Source(str(folder / f"{STEM}.shp"), source.relative, size=source.size), torn


def _doubt(found: Diagnosis, torn: list[str]) -> None:
    """Count as doubtful what came out of a zip with a wrong checksum: nobody knows where."""
    rows = np.arange(found.count)
    for extension in torn:
        found.repairs[f"the .{extension} in the zip has not the checksum that it tells"] += 1
        if extension in ("shp", "dbf", "prj", "cpg"):
            found.lost += runs_of(rows, f"the .{extension} in the zip has a wrong checksum")


def _doubts(found: Diagnosis) -> Doubts:
    """What is to be looked at of the layer that was put in order."""
    numbers = found.numbers()
    beside = found.beside if numbers is None else np.searchsorted(numbers, found.beside)
    head = Bundle.of(found.source).read("shp", HEADER_BYTES)
    return Doubts(found.code, np.frombuffer(head, "<f8", 4, 36), beside)


@contextmanager
def _called(name: str, staged: str) -> Iterator[None]:
    """Errors name the layer, not the place where it was put in order."""
    try:
        yield
    except ShpbatchError as error:
        if staged == name:
            raise
        text = str(error).replace(staged, name).replace(str(Path(staged).parent), name)
        raise type(error)(text, error.code) from error


def _told(source: Source, ready: Prepared, outcome: Outcome) -> Outcome:
    """The outcome under the name of the source, with all that was saved and lost."""
    lost = [*ready.found.lost, *_by_source(ready, [*ready.cures.lost, *_rejected(outcome)])]
    lost = _without_doubt_of_lost(lost)
    repairs = ready.found.repairs + ready.labels + ready.cures.told()
    if outcome.features.deleted:
        repairs["rows flagged as deleted were left out"] += outcome.features.deleted
    gone = sum(x.count for x in ready.found.lost if x.what == "feature")
    features = replace(
        outcome.features,
        declared=outcome.features.declared + gone,
        unreadable=outcome.features.unreadable + gone,
    )
    return replace(
        outcome,
        sources=(source.name,),
        features=features,
        notes=(*(n for n in outcome.notes if not n.startswith(SAID)), *_notes(ready)),
        repairs=tuple(sorted(repairs.items())),
        lost=tuple(sorted(lost, key=lambda x: (x.row, x.what))),
    )


def _without_doubt_of_lost(told: list[Lost]) -> list[Lost]:
    """Shapes that are lost are not doubtful as well."""
    gone = [x for x in told if x.what in ("shape", "feature")]
    rows = {row for x in gone for row in range(x.row, x.row + x.count)}
    kept: list[Lost] = []
    for one in told:
        if one.what == "doubtful" and rows:
            among = np.array([r for r in range(one.row, one.row + one.count) if r not in rows], int)
            kept += runs_of(among, one.reason)
        else:
            kept.append(one)
    return kept


def _by_source(ready: Prepared, lost: list[Lost]) -> Iterator[Lost]:
    """Rows of the layer that was put in order as those of its source."""
    numbers = ready.found.numbers()
    for one in lost:
        if numbers is None:
            yield one
            continue
        for row in numbers[one.row : one.row + one.count].tolist():
            yield replace(one, row=row, count=1)


def _rejected(outcome: Outcome) -> Iterator[Lost]:
    """Features that no step could do."""
    for staged in outcome.staged:
        path = Path(staged.folder, f"{STEM}.{REJECTS}")
        if path.exists():
            with open(path, encoding="ascii") as file:
                for line in file:
                    told = json.loads(line)["properties"]
                    yield Lost(told["fid"], 1, "feature", f"{told['step']}: {told['reason']}")


def _notes(ready: Prepared) -> Iterator[str]:
    """What a repair cannot do, and what a person may."""
    if ready.cures.doubt:
        yield f"the geometries were not examined: {ready.cures.doubt}"
    if ready.header.crs is None:
        likely = examine_crs(ready.header).candidates
        named = ", ".join(f"{crs} ({share:.0%})" for crs, share in likely)
        if named:
            yield f"the CRS is unknown; perhaps {named}: --src-crs-default tells a run"
