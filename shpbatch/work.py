"""What a worker does with one task: a whole file, some rows of one, or the join of those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .account import Account
from .engine import apply_recipe
from .errors import LayerError
from .fit import fit
from .header import read_header
from .models import Features, Header, Outcome, Sink, Task
from .output import Output, made_of
from .proof import prove
from .publish import publish, refuse_existing, stage, translated
from .reading import layer_of
from .shapefile.reader import Reader
from .shapefile.sidecars import write_sidecars
from .traits import Traits, traits_of

if TYPE_CHECKING:
    from .layer import Layer

__all__ = ["do_task"]

Progress = Callable[[float], None]
#: Share of a file's work that is reading and steps, for the bar.
STEPS = 0.8


def do_task(task: Task, progress: Progress) -> Outcome:
    """Do a task; raise what prevents it."""
    if task.rows is not None:
        from .parts import do_part

        return do_part(task, progress)
    if not task.overwrite:
        refuse_existing(task.stage, Path(task.sink))
    if task.parts:
        from .parts import join_parts

        return join_parts(task, progress)
    traits = traits_of(task.recipe)
    header = task.header or read_header(task.source, whole=traits.reads_fields)
    account = Account(on_bad_value=task.policy.on_bad_value)
    with (
        Reader(task.source, task.policy.on_bad_record) as reader,
        stage(task.stage) as folder,
        translated(task.sink),
    ):
        output = None
        carried = carries(task, traits)
        for layer in layers(task, reader, header, account, lambda p: progress(p * STEPS)):
            output = output or Output(folder, reader, layer.header, carried)
            output.add(made_of(layer, carried))
        assert output is not None  # a layer without rows is one window of none
        return finish(task, output, header, account)


def carries(task: Task, traits: Traits) -> bool:
    """Whether no row is dropped and no geometry touched, whatever the rows hold."""
    return traits.carries_shapes or (not task.recipe.steps and task.policy.on_bad_record == "fail")


def layers(
    task: Task, reader: Reader, header: Header, account: Account, progress: Progress
) -> Iterator[Layer]:
    """Windows of a source after the recipe's steps."""
    row_wise = traits_of(task.recipe).row_wise
    start, stop = task.rows or (0, reader.count)
    for window in reader.windows(start, stop, whole=not row_wise):
        layer = layer_of(window, header, reader, account)
        begun, ended = ((at - start) / max(1, stop - start) for at in (window.start, window.stop))

        def ticked(share: float, begun: float = begun, ended: float = ended) -> None:
            progress(begun + share * (ended - begun))

        yield fit(apply_recipe(task.recipe, layer, ticked))


def finish(task: Task, output: Output, before: Header, account: Account) -> Outcome:
    """Close, prove and publish a staged set; the account must balance."""
    output.flaws |= set(account.flaws)
    features = account.features(output.count)
    if not features.balances():
        raise LayerError(f"the account of features does not balance: {features}", "unbalanced")
    output.close()
    if task.policy.proof:
        prove(output)
    write_sidecars(output.reader.bundle, before, output.header, output.folder)
    publish(task.stage, output.folder, Path(task.sink))
    for text, count in output.notes.items():
        account.note(text, count)
    return Outcome(
        (task.source.name,),
        "done",
        sinks=(Sink(task.sink, output.count),),
        features=features,
        notes=notes(before, account, features),
    )


def notes(source: Header, account: Account, features: Features) -> tuple[str, ...]:
    """What a person should know of a complete output."""
    known = ("encoding-doubtful", "shx-missing", "length-lies")
    found = [p.reason for p in source.problems if p.code in known]
    found += [f"normalised: {flaw}" for flaw in account.flaws]
    found += [f"{text} ({count:,})" for text, count in account.notes.items()]
    if features.deleted:
        found.append(f"{features.deleted:,} features were flagged as deleted and left out")
    if features.unreadable:
        found.append(f"{features.unreadable:,} records could not be read and were left out")
    return tuple(found)
