"""What a worker does with one task: read, steps, write, prove; the parent publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .account import Account, account_of
from .container import contain, without_limits
from .destination import stage
from .durable import translated
from .engine import apply_header, apply_recipe
from .errors import LayerError, WriteError
from .fit import fit
from .foreign_losses import told_of_foreign
from .header import bounds_of
from .journal import Member, Staged, hash_of
from .made import header_of_sink, made_of
from .models import Features, Header, Outcome, Problem, Sink, Task
from .output import STEM, Made, Output
from .parts import do_part, header_of, parts_of
from .proof import prove
from .reading import layer_of
from .rejects import REJECTS, write_rejects
from .repairs import REPAIRS, repairs_told, write_repairs
from .shapefile.crs import has_shift
from .shapefile.kept_true import keep_places, keep_styles, names_now
from .shapefile.metadata_xml import write_aliases
from .shapefile.place import Place
from .shapefile.qix import write_qix
from .shapefile.reader import Reader
from .shapefile.sidecars import write_sidecars
from .sinks import SUFFIXES, in_order, is_set, sink_paths
from .traits import carries, traits_of

if TYPE_CHECKING:
    from .layer import Layer

__all__ = ["do_task"]

Progress = Callable[[float], None]
#: Codes of problems that a person should know of a complete output.
NOTED = (
    *("encoding-doubtful", "shx-missing", "length-lies", "dbf-missing"),
    *("crs-assumed", "crs-grid-missing", "crs-ballpark"),
)
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
                told_of_foreign(reader.bundle, account, task.policy)
            account.source = member.source.name
            if member.parts:
                for after, label, made in parts_of(member, reader, account, ticked):
                    work.add(after, label, made, reader)
            else:
                for layer in layers(member, reader, header, account, ticked):
                    for label, made in made_of(layer, reader, carried, task.union):
                        work.add(layer.header, label, made, reader)
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
            done = fit(apply_recipe(task.recipe, layer, ticked))
            beside = [fit(other) for other in done.beside]
        yield done
        yield from beside


@dataclass
class _Work:
    """The staged sets of one task, by label; ``before`` are the headers of its sources."""

    task: Task
    folder: Path
    account: Account
    stack: ExitStack
    before: list[Header] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def add(self, header: Header, label: str, made: Made, reader: Reader) -> None:
        """Append a window to the set of its label."""
        header = header_of_sink(header, label, self.task.union)
        output = self.outputs.get(label)
        if output is None:
            folder = self.folder / str(len(self.outputs)) if label else self.folder
            folder.mkdir(exist_ok=True)
            carried = made.records is None
            task = self.task
            # What a shapefile would cut is put back in a format that need not.
            wide = task.policy.on_overflow if self._stays_set() else "sidecar"
            made_so = Output(folder, reader, header, carried, task.names, wide)
            self.outputs[label] = output = self.stack.enter_context(made_so)
        elif header.fields != output.header.fields:
            raise WriteError(
                "a step gave other fields for some rows than for others; "
                'declare it with scope="layer"',
                "fields-differ",
            )
        output.add(made)

    def finish(self) -> Outcome:
        """Close and prove; the account must balance."""
        features = self.account.features(sum(o.count for o in self.outputs.values()))
        if not features.balances():
            raise LayerError(f"the account of features does not balance: {features}", "unbalanced")
        self.outputs = {label: self.outputs[label] for label in in_order(self.outputs)}
        sinks = sink_paths(self.task.sink, list(self.outputs))
        staged = []
        for output, sink in zip(self.outputs.values(), sinks, strict=True):
            self._complete(output)
            if not self._stays_set():
                self._become(output, sink)
        self._check_policy()
        if self.outputs:
            self._write_aside(next(iter(self.outputs.values())).folder)
        for output, sink in zip(self.outputs.values(), sinks, strict=True):
            self._keep_true(output)
            self._alias(output, sink.stem)
            if sink.suffix == SUFFIXES["shz"]:
                contain(output.folder, sink.stem, self.task.policy.proof)
            members = members_of(output.folder)
            staged.append(Staged(str(output.folder), str(sink), members, output.count))
        return Outcome(
            tuple(m.source.name for m in self.task.members or (self.task,)),
            "done",
            sinks=tuple(Sink(s.sink, s.features) for s in staged),
            staged=tuple(staged),
            why=self.task.why,
            features=features,
            notes=_told(self._problems(), NOTED)
            + _notes(self.account, features)
            + tuple(dict.fromkeys(self.told)),
            operations=_told(self._problems(), ("crs-operation",)),
            renamed=tuple(dict.fromkeys(n for o in self.outputs.values() for n in o.renamed)),
        )

    def _problems(self) -> list[Problem]:
        """What is known of the sources, and of what the steps do with them."""
        return [p for h in self.before for p in apply_header(self.task.recipe, h).problems]

    def _stays_set(self) -> bool:
        return is_set(Path(self.task.sink).suffix)

    def _become(self, output: Output, sink: Path) -> None:
        from .formats.become import become

        become(output, sink, self.account, self.task.policy)
        output.renamed.clear()

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
                f"{'; '.join(_lost(account))}: --on-loss warn writes it all the same", "values-lost"
            )

    def _keep_true(self, output: Output) -> None:
        """Let styles and metadata say what is so now; those of a merge do not travel."""
        if self.task.union is not None:
            return
        before, layer = self.before[0], Path(self.task.source.relative).stem
        names = names_now(before.fields, output.fields)
        self.told += keep_styles(output.folder, STEM, layer, names)
        bounds = bounds_of(output.head) if output.head else before.bounds
        old = Place(before.crs if before.crs_from == "prj" else None, before.bounds)
        self.told += keep_places(output.folder, STEM, layer, old, Place(output.header.crs, bounds))

    def _alias(self, output: Output, layer: str) -> None:
        """Tell the whole names of fields in the metadata."""
        if not output.renamed:
            return
        aliases = {written: name for name, written, _ in output.renamed}
        names = [f.name for f in output.fields]
        path = output.folder / f"{STEM}.shp.xml"
        if not write_aliases(path, names, aliases, layer):
            self.account.note("the .shp.xml cannot be added to: it lacks the whole field names")

    def _complete(self, output: Output) -> None:
        output.flaws |= self.account.flaws
        output.close()
        if self.task.policy.proof:
            prove(output)
        if self.task.policy.spatial_index:
            write_qix(output.folder / f"{STEM}.shp", self.task.policy.proof)
        (output.folder / "aside").unlink(missing_ok=True)
        bundle = output.reader.bundle
        if self.task.union is not None:  # styles and notes of one source are not those of all
            kept = {e: n for e, n in bundle.members.items() if e in ("prj", "cpg")}
            bundle = replace(bundle, members=kept)
        write_sidecars(bundle, self.before[0], output.header, output.folder)
        losses, notes = output.losses, output.notes
        if not self._stays_set():  # what only the shapefile on the way cannot hold
            losses, notes = without_limits(output)
        crs, first = output.header.crs, self.before[0]
        moved = (crs, "prj") != (first.crs, first.crs_from)
        if crs and moved and self._stays_set() and has_shift(crs):
            self.account.lose("the datum shift of the CRS is not in its .prj", 1, crs)
        for text, count in notes.items():
            self.account.note(text, count)
        for text, count in losses.items():
            self.account.lose(text, count, output.examples.get(text))


def members_of(folder: Path) -> dict[str, Member]:
    """The files of a staged set, each with its hash."""
    found = sorted(p for p in folder.iterdir() if p.is_file())
    return {p.name[len(STEM) + 1 :]: Member(p.stat().st_size, hash_of(p)) for p in found}


def _told(problems: list[Problem], codes: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences of the problems of these codes, each once."""
    return tuple(dict.fromkeys(p.reason for p in problems if p.code in codes))


def _notes(account: Account, features: Features) -> tuple[str, ...]:
    found = [f"normalised: {flaw}" for flaw in account.flaws]
    found += [f"{text} ({count:,})" for text, count in account.notes.items()]
    found += repairs_told(account.repairs)
    found += _lost(account)
    if account.rejects:
        first = account.rejects[0]
        found.append(f"features were rejected, the first by {first.step}: {first.reason}")
    if features.deleted:
        found.append(f"{features.deleted:,} features were flagged as deleted and left out")
    if features.unreadable:
        found.append(f"{features.unreadable:,} records could not be read and were left out")
    return tuple(found)


def _lost(account: Account) -> list[str]:
    """Losses with their counts and first examples."""
    told = []
    for text, count in account.losses.items():
        example = account.examples.get(text)
        told.append(f"{text} ({count:,}" + (f", the first {example})" if example else ")"))
    return told
