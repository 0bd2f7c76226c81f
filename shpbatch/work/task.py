"""What a worker does with one task: read, steps, write, prove; the parent publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..account import Account, account_of
from ..durable import translated
from ..engine.apply import apply_header, apply_recipe
from ..engine.fit import fit
from ..engine.reading import layer_of
from ..engine.traits import carries, traits_of
from ..errors import LayerError, WriteError
from ..models import Header, Outcome, Problem, Sink, Task
from ..publishing.destination import stage
from ..publishing.sets import Staged
from ..shapefile.reader import Reader
from ..sinks import in_layer, in_order, is_set, layer_names, sink_paths
from ..writing.made import header_of_sink, made_of
from ..writing.notes import NOTED, OPERATIONS, losses_told, notes_of, told_of
from ..writing.output import STEM, Made, Output
from ..writing.rejects import REJECTS, write_rejects
from ..writing.repairs import REPAIRS, write_repairs
from ..writing.volumes import Room, divided_at, may_divide
from .completing import CompleteSet, Completion, members_in
from .foreign_losses import told_of_foreign
from .parts import do_part, header_of, parts_of

if TYPE_CHECKING:
    from ..engine.layer import Layer

__all__ = ["do_task"]

Progress = Callable[[float], None]
#: Share of a file's work that is reading and steps, for the bar.
STEPS = 0.8


def do_task(task: Task, progress: Progress) -> Outcome:
    """Do a task; raise what prevents it."""
    if task.part:
        return do_part(task, layers, progress)
    account = account_of(task)
    members = task.members or (task,)
    with stage(task.stage) as folder, translated(task.sink), ExitStack() as stack:
        work, carried = _Work(task, folder, account, stack), carries(task)
        for number, member in enumerate(members):

            def ticked(share: float, done: int = number) -> None:
                progress(STEPS * (done + share) / len(members))

            reader = stack.enter_context(Reader(member.source, task.policy.on_bad_record))
            header = header_of(member)
            work.before.append(header)
            work.readers[member.source.name] = reader
            if not member.parts:
                told_of_foreign(reader.bundle, account)
            account.source = member.source.name
            own = carried and not reader.other_types
            if member.parts:
                for after, label, made in parts_of(member, reader, account, ticked):
                    work.add(after, in_layer(member.layer, label), made, reader)
            else:
                for layer in layers(member, reader, header, account, ticked):
                    for label, made in made_of(layer, reader, own, task.union):
                        work.add(layer.header, in_layer(member.layer, label), made, reader)
            reader.release()
        return work.finish()


def layers(
    task: Task, reader: Reader, header: Header, account: Account, progress: Progress
) -> Iterator[Layer]:
    """Windows of a source after the recipe's steps."""
    traits = traits_of(task.recipe)
    start, stop = task.rows or (0, reader.count)
    checked = not traits.decodes  # where vertices are decoded, that looks at the structure
    for window in reader.windows(start, stop, whole=not traits.row_wise, checked=checked):
        layer = layer_of(window, header, reader, account)
        begun, ended = ((at - start) / max(1, stop - start) for at in (window.start, window.stop))

        def ticked(share: float, begun: float = begun, ended: float = ended) -> None:
            progress(begun + share * (ended - begun))

        with reader.told(window.rows):
            found = _apart(layer) if reader.other_types else [layer]
            made = [fit(apply_recipe(task.recipe, one, ticked)) for one in found]
            beside = [fit(other) for done in made for other in done.beside]
        yield from made
        yield from beside


def _apart(layer: Layer) -> list[Layer]:
    """A layer of another format as several of one type each, before the steps."""
    own = fit(layer)
    return [replace(own, beside=()), *(fit(other) for other in own.beside)]


@dataclass
class _Work:
    """The staged sets of one task, by label; ``before`` are the headers of its sources."""

    task: Task
    folder: Path
    account: Account
    stack: ExitStack
    before: list[Header] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    outputs: dict[str, list[Output]] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)

    def add(self, header: Header, label: str, made: Made, reader: Reader) -> None:
        """Append a window to the set of its label, or to several where one has no room for it."""
        header = header_of_sink(header, label, self.task.union)
        if label not in self.outputs:
            self._begin(label, header, made, reader)
        elif header.fields != self.outputs[label][0].header.fields:
            raise WriteError(
                "a step gave other fields for some rows than for others; "
                'declare it with scope="layer"',
                "fields-differ",
            )
        while may_divide(self.task) and (row := self.rooms[label].rows(made)) < len(
            made.piece.rows
        ):
            if not row and not self.outputs[label][-1].count:
                break  # not even one row fits: said when it is written
            first, made = divided_at(made, row)
            self.outputs[label][-1].add(first)
            self._begin(label, header, made, reader)
        self.outputs[label][-1].add(made)

    def _begin(self, label: str, header: Header, made: Made, reader: Reader) -> None:
        """Begin a set for rows of a label."""
        task, sets = self.task, sum(map(len, self.outputs.values()))
        folder = self.folder / str(sets) if label or sets else self.folder
        folder.mkdir(exist_ok=True)
        # What a shapefile would cut is put back in a format that need not.
        wide = task.policy.on_overflow if is_set(Path(task.sink).suffix) else "sidecar"
        output = Output(
            folder, reader, self.before[-1], header, made.records is None, task.names, wide
        )
        self.outputs.setdefault(label, []).append(self.stack.enter_context(output))
        self.rooms[label] = Room(output)

    def finish(self) -> Outcome:
        """Close and prove; the account must balance."""
        written = sum(o.count for volumes in self.outputs.values() for o in volumes)
        features = self.account.features(written)
        if not features.balances():
            raise LayerError(f"the account of features does not balance: {features}", "unbalanced")
        self.outputs = {label: self.outputs[label] for label in in_order(self.outputs)}
        completion = Completion(self.task, self.account)
        sets = self._completed(completion)
        self._check_policy()
        self._write_aside(sets[0].folder if sets else self.folder)
        staged = tuple(made.staged(self.task.policy.proof) for made in sets)
        problems = self._problems()
        return Outcome(
            tuple(m.source.name for m in self.task.members or (self.task,)),
            "done",
            sinks=tuple(Sink(s.sink, s.features) for s in staged),
            # Where no layer came of it, what stands beside, and earlier outputs go all the same.
            staged=staged or (Staged(str(self.folder), self.task.sink, members_in(self.folder)),),
            why=self.task.why,
            features=features,
            notes=(
                *told_of(problems, NOTED),
                *notes_of(self.account, features),
                *dict.fromkeys(completion.told),
            ),
            operations=told_of(problems, OPERATIONS),
            renamed=tuple(dict.fromkeys(completion.renamed)),
        )

    def _completed(self, completion: Completion) -> list[CompleteSet]:
        if self.outputs and any(m.layer for m in self.task.members):
            names = layer_names(list(self.outputs))
            for label, name in zip(self.outputs, names, strict=True):
                if name != label.replace("\0", "_"):
                    self.account.note(f"layer {name}: a GeoPackage takes no {label}, or not again")
            layers = dict(zip(names, self.outputs.values(), strict=True))
            return [completion.pack(layers, Path(self.task.sink))]
        sinks = sink_paths(self.task.sink, list(self.outputs))
        return [
            made
            for volumes, sink in zip(self.outputs.values(), sinks, strict=True)
            for made in completion.complete(volumes, sink)
        ]

    def _problems(self) -> list[Problem]:
        """What is known of the sources, and of what the steps do with them."""
        return [p for h in self.before for p in apply_header(self.task.recipe, h).problems]

    def _write_aside(self, folder: Path) -> None:
        """Write what became of single features beside the first set."""
        if self.account.rejects:
            write_rejects(folder / f"{STEM}.{REJECTS}", self.account.rejects, self.readers)
        if self.account.repairs:
            write_repairs(folder / f"{STEM}.{REPAIRS}", self.account.repairs)

    def _check_policy(self) -> None:
        """Fail where features were rejected, or values lost, and that was not to be.

        Raises
        ------
        LayerError
            ``features-rejected``, ``values-lost``.
        """
        policy, account = self.task.policy, self.account
        if policy.on_bad_feature == "fail" and account.rejects:
            first = account.rejects[0]
            raise LayerError(
                f"{len(account.rejects):,} features would be rejected, the first (FID {first.row}) "
                f"by {first.step}: {first.reason}; --on-bad-feature reject writes them aside",
                "features-rejected",
            )
        if policy.on_loss == "fail" and account.losses:
            raise LayerError(
                f"{'; '.join(losses_told(account))}: --on-loss warn writes it all the same",
                "values-lost",
            )
