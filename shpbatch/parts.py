"""One large layer as several tasks: each leaves a part, a last one joins them in order.

A part holds what its steps made, never what they left alone: that is read
from the source when the parts are joined. The join goes through the same
`Output` as a layer done in one go, so the result does not depend on how many
parts there were.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from .account import Account
from .errors import WriteError
from .header import read_header
from .models import Header, Outcome, Task
from .output import Made, Output, made_of
from .publish import STATE, stage, translated
from .shapefile.reader import Reader
from .shapefile.records import Records
from .shapefile.rows import Piece
from .traits import traits_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["do_part", "join_parts"]

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Part:
    """What a window task leaves, besides the bytes of its records.

    ``sizes`` are those of the records of each piece, None where they are the source's.
    """

    before: Header
    after: Header
    account: Account
    pieces: tuple[Piece, ...]
    sizes: tuple[NDArray[np.int64] | None, ...]


def part_folder(task: Task, name: str) -> Path:
    """Where a part lies: in the stage, so that it goes away with it."""
    return Path(task.stage, STATE, "stage", name)


def do_part(task: Task, progress: Progress) -> Outcome:
    """Do some rows of a source, and leave the result as a part."""
    from .work import carries, layers

    traits = traits_of(task.recipe)
    before = task.header or read_header(task.source, whole=traits.reads_fields)
    account = Account(on_bad_value=task.policy.on_bad_value)
    carried = carries(task, traits)
    folder = part_folder(task, task.part)
    shutil.rmtree(folder, ignore_errors=True)  # of a worker that was killed
    pieces, sizes, after = [], [], before
    with Reader(task.source, task.policy.on_bad_record) as reader, translated(str(folder)):
        folder.mkdir(parents=True)
        with open(folder / "records", "wb") as file:
            for layer in layers(task, reader, before, account, progress):
                after = layer.header
                made = made_of(layer, carried)
                pieces.append(made.piece)
                sizes.append(_left(made, file))
        part = Part(before, after, account, tuple(pieces), tuple(sizes))
        (folder / "part").write_bytes(pickle.dumps(part, pickle.HIGHEST_PROTOCOL))
    return Outcome((task.source.name,), "done")


def _left(made: Made, file: IO[bytes]) -> NDArray[np.int64] | None:
    if made.records is None:
        return None
    records = made.records.packed()
    file.write(records.data.data)
    return records.sizes


def join_parts(task: Task, progress: Progress) -> Outcome:
    """Join the parts of a source into its sink, in their order."""
    from .work import carries, finish

    account = Account(on_bad_value=task.policy.on_bad_value)
    carried = carries(task, traits_of(task.recipe))
    with (
        Reader(task.source, task.policy.on_bad_record) as reader,
        stage(task.stage) as folder,
        translated(task.sink),
    ):
        output: Output | None = None
        for number, name in enumerate(task.parts, 1):
            place = part_folder(task, name)
            part: Part = pickle.loads((place / "part").read_bytes())
            account.add(part.account)
            output = output or Output(folder, reader, part.after, carried)
            if part.after.fields != output.header.fields:
                raise WriteError(
                    "a step gave other fields for some rows than for others; "
                    'declare it with scope="layer"',
                    "fields-differ",
                )
            for made in _made(part, place):
                output.add(made)
            shutil.rmtree(place, ignore_errors=True)
            progress(0.6 * number / len(task.parts))
        assert output is not None
        return finish(task, output, part.before, account)


def _made(part: Part, place: Path) -> Iterator[Made]:
    with open(place / "records", "rb") as file:
        for piece, sizes in zip(part.pieces, part.sizes, strict=True):
            if sizes is None:
                yield Made(piece, None)
                continue
            data = np.fromfile(file, np.uint8, int((sizes + 8).sum()))
            yield Made(piece, Records.packed_from(data, sizes))
