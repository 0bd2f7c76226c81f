"""Parts of a large layer, or of a merge: made by several tasks, joined in order by one.

A part holds what its steps made, never what they left alone: that is read
from the source when the parts are joined. They go through the same `Output`
as a layer done in one go, so the result does not depend on how many there
were.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..account import Account, account_of
from ..durable import translated
from ..engine.apply import apply_header
from ..engine.traits import carries, traits_of
from ..header import read_header, shape_code, with_encoding
from ..models import Header, Outcome, Recipe, Task
from ..publishing.destination import STATE
from ..shapefile.columns import stowed
from ..shapefile.opened import mapped
from ..shapefile.reader import Reader
from ..shapefile.records import HEAD, Records
from ..shapefile.row_numbers import RowNumbers
from ..shapefile.rows import Piece
from ..shapefile.writer import Stored, ranges_of
from ..writing.made import header_of_sink, made_of
from ..writing.output import Made
from ..writing.proof import prove_encoded
from .foreign_losses import told_of_foreign

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..engine.layer import Layer

__all__ = ["clear_parts", "do_part", "header_of", "parts_of"]

Progress = Callable[[float], None]
Layers = Callable[[Task, Reader, Header, Account, Progress], "Iterator[Layer]"]


@dataclass(frozen=True, slots=True)
class Left:
    """One window of a part.

    ``sizes`` of its records, None where they are the source's; ``ranges`` of
    all of them, and ``first``, the number from which on they are numbered.
    """

    label: str
    after: Header
    rows: RowNumbers
    columns: tuple[Any, ...]
    sizes: NDArray[np.int64] | None
    first: int
    ranges: NDArray[np.float64] | None
    body: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class Part:
    """What a task leaves, besides the bytes of its records."""

    account: Account
    windows: tuple[Left, ...]


def header_of(task: Task) -> Header:
    """Header of the source, with the encoding that all of its text tells, if that matters."""
    header = task.header or read_header(task.source, policy=task.policy)
    if task.rows is not None:
        return header
    traits = traits_of(task.recipe)
    wanted: Sequence[str] = traits.fields
    if "*" in wanted or (traits.writes_fields and _writes_text(task.recipe, header)):
        wanted = header.field_names()
    return with_encoding(task.source, header, wanted, task.policy)


def _writes_text(recipe: Recipe, header: Header) -> bool:
    """Whether the steps make text, which must be in the encoding of what is there."""
    made = apply_header(recipe, header).fields
    return any(f.fresh and f.type == "C" for f in made)


def folder_of(task: Task, name: str) -> Path:
    """Where a part lies: in the stage, so that it goes away with it."""
    return Path(task.stage, STATE, "stage", name)


def do_part(task: Task, layers: Layers, progress: Progress) -> Outcome:
    """Do a source, or some rows of it, and leave the result as a part."""
    before = header_of(task)
    account = account_of(task)
    account.source = task.source.name
    carried = carries(task)
    folder = folder_of(task, task.part)
    shutil.rmtree(folder, ignore_errors=True)  # of a worker that was killed
    windows: list[Left] = []
    with Reader(task.source, task.policy.on_bad_record) as reader, translated(str(folder)):
        folder.mkdir(parents=True)
        told_of_foreign(reader.bundle, account)
        own = carried and not reader.other_types
        with open(folder / "records", "wb") as file, open(folder / "columns", "wb") as aside:
            first = (task.rows or (0, 0))[0] + 1  # right where nothing was left out before
            for layer in layers(task, reader, before, account, progress):
                for label, made in made_of(layer, reader, own, task.union):
                    header = header_of_sink(layer.header, label, task.union)
                    if task.policy.proof and not windows:
                        prove_encoded(made, shape_code(header))
                    columns = _stowed(made, header, aside)
                    sizes, ranges = _put(made, first, shape_code(header), file)
                    rows = made.piece.rows
                    windows.append(
                        Left(label, layer.header, rows, columns, sizes, first, ranges, made.body)
                    )
                    first += len(rows)
        part = Part(account, tuple(windows))
        (folder / "part").write_bytes(pickle.dumps(part, pickle.HIGHEST_PROTOCOL))
    return Outcome((task.source.name,), "done")


def _stowed(made: Made, header: Header, file: IO[bytes]) -> tuple[Any, ...]:
    """Columns that steps wrote go into a file, each with the width that it needs."""
    fields = zip(made.piece.columns, header.fields, strict=True)
    return tuple(stowed(c, f, header.encoding, file) for c, f in fields)


def _put(
    made: Made, first: int, code: int, file: IO[bytes]
) -> tuple[NDArray[np.int64] | None, NDArray[np.float64] | None]:
    """Write the records that were made, as they are to be written in the end."""
    if made.records is None:
        return None, None
    records = made.records.packed()
    file.write(records.numbered(first).data)
    return records.sizes, ranges_of(records, code) if len(records) else None


def parts_of(
    task: Task, reader: Reader, account: Account, progress: Progress
) -> Iterator[tuple[Header, str, Made]]:
    """The parts of a source, in their order."""
    for number, name in enumerate(task.parts, 1):
        folder = folder_of(task, name)
        part: Part = pickle.loads((folder / "part").read_bytes())
        account.add(part.account)
        with open(folder / "records", "rb") as file:
            at = 0
            for left in part.windows:
                made = _made(left, reader, file, at)
                yield left.after, left.label, made
                at += 0 if made.records is None else len(made.records.data)
        progress(number / len(task.parts))


def _made(left: Left, reader: Reader, file: IO[bytes], at: int) -> Made:
    piece = Piece(left.rows, left.columns, reader)
    if left.sizes is None:
        return Made(piece, None)
    size = int((left.sizes + HEAD).sum())
    data = mapped(file, at, size) if size else np.empty(0, np.uint8)
    stored = None if left.ranges is None else Stored(file, at, left.first, left.ranges)
    return Made(piece, Records.packed_from(data, left.sizes), body=left.body, stored=stored)


def clear_parts(task: Task) -> None:
    """Remove what the parts of a task left, when its outcome is settled.

    Not before: a worker may be killed while it joins them, and the next one
    needs them all.
    """
    for member in task.members or (task,):
        for name in member.parts:
            shutil.rmtree(folder_of(member, name), ignore_errors=True)
