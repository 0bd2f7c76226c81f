"""A staged set is brought to its end: closed, proved, with what is to stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..account import Account
from ..header import bounds_of
from ..models import Task
from ..publishing.sets import Member, Staged, hash_of
from ..shapefile.crs import has_shift
from ..shapefile.kept_true import keep_places, keep_styles, names_now
from ..shapefile.metadata_xml import write_aliases
from ..shapefile.place import Place
from ..shapefile.qix import write_qix
from ..shapefile.sidecars import write_sidecars
from ..sinks import SUFFIXES, is_set, numbered
from ..writing.output import STEM, Output
from ..writing.proof import prove
from .container import contain, without_limits

__all__ = ["CompleteSet", "Completion", "members_in"]


@dataclass(frozen=True, slots=True)
class CompleteSet:
    """The files of a layer, complete in a folder, and what they become."""

    folder: Path
    sink: Path
    features: int

    def staged(self, proof: bool) -> Staged:
        """The set, ready to be published."""
        if self.sink.suffix == SUFFIXES["shz"]:
            contain(self.folder, self.sink.stem, proof)
        return Staged(str(self.folder), str(self.sink), members_in(self.folder), self.features)


def members_in(folder: Path) -> dict[str, Member]:
    """The files of a set, by extension."""
    found = sorted(p for p in folder.iterdir() if p.is_file())
    return {p.name[len(STEM) + 1 :]: Member(p.stat().st_size, hash_of(p)) for p in found}


@dataclass
class Completion:
    """Completes the sets of a task.

    Attributes
    ----------
    task : Task
    account : Account
        Where is counted what a format cannot hold.
    told : list of str
        Sentences that a person should know of what stands beside the sets.
    renamed : list of tuple of str
        Name, written name and encoding of fields whose names are too long.
    """

    task: Task
    account: Account
    told: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str, str]] = field(default_factory=list)

    def complete(self, volumes: list[Output], sink: Path) -> list[CompleteSet]:
        """Complete a layer, which is several sets where one of 2 GB does not hold it.

        Raises
        ------
        WriteError
            Where the proof fails, or the sink's format cannot hold the layer.
        """
        policy = self.task.policy
        if len(volumes) > 1 and policy.on_too_large == "format":
            sink = sink.with_suffix(SUFFIXES["gpkg"])
        for output in volumes:
            self._close(output, sink)
        if not is_set(sink.suffix):
            from ..formats.become import become

            become(volumes, sink, self.account, policy)
            return [CompleteSet(volumes[0].folder, sink, sum(o.count for o in volumes))]
        if len(volumes) > 1:
            self.account.note("a layer of more than 2 GB is written as several", len(volumes))
        sinks = numbered(sink, len(volumes))
        for output, own in zip(volumes, sinks, strict=True):
            self._alias(output, own.stem)
            self.renamed += output.renamed
        pairs = zip(volumes, sinks, strict=True)
        return [CompleteSet(output.folder, own, output.count) for output, own in pairs]

    def pack(self, layers: Mapping[str, list[Output]], sink: Path) -> CompleteSet:
        """Complete layers that become one GeoPackage; ``layers`` by their names.

        Raises
        ------
        WriteError
            Where the proof fails, or the format cannot hold a layer.
        """
        from ..formats.package import pack

        for volumes in layers.values():
            for output in volumes:
                self._close(output, sink)
        pack(layers, self.account, self.task.policy)
        sets = [o for volumes in layers.values() for o in volumes]
        return CompleteSet(sets[0].folder, sink, sum(o.count for o in sets))

    def _close(self, output: Output, sink: Path) -> None:
        output.flaws |= self.account.flaws
        output.close()
        if self.task.policy.proof:
            prove(output)
        if self.task.policy.spatial_index and is_set(sink.suffix):
            write_qix(output.folder / f"{STEM}.shp", self.task.policy.proof)
        (output.folder / "aside").unlink(missing_ok=True)
        self.told += self._stand_beside(output, sink)
        self._count(output, sink)

    def _stand_beside(self, output: Output, sink: Path) -> list[str]:
        """Sidecars travel, styles and metadata say what is so now; of a merge they stay."""
        bundle, before = output.reader.bundle, output.before
        if self.task.union is not None:  # styles and notes of one source are not those of all
            kept = {e: n for e, n in bundle.members.items() if e in ("prj", "cpg")}
            write_sidecars(replace(bundle, members=kept), before, output.header, output.folder)
            return []
        write_sidecars(bundle, before, output.header, output.folder)
        fields = output.fields if is_set(sink.suffix) else output.header.fields
        layer = Path(output.reader.source.relative).stem  # one sentence for all sinks of a source
        told = keep_styles(output.folder, STEM, layer, names_now(before.fields, fields))
        old = Place(before.crs if before.crs_from == "prj" else None, before.bounds)
        bounds = bounds_of(output.head) if output.head else before.bounds
        new = Place(output.header.crs, bounds)
        return told + keep_places(output.folder, STEM, layer, old, new)

    def _count(self, output: Output, sink: Path) -> None:
        """Count what the format cannot hold, of the output's own."""
        losses, notes = output.losses, output.notes
        crs, before = output.header.crs, output.before
        if not is_set(sink.suffix):  # what only the shapefile on the way cannot hold
            losses, notes = without_limits(output)
        elif crs and (crs, "prj") != (before.crs, before.crs_from) and has_shift(crs):
            self.account.lose("the datum shift of the CRS is not in its .prj", 1, crs)
        for text, count in notes.items():
            self.account.note(text, count)
        for text, count in losses.items():
            self.account.lose(text, count, output.examples.get(text))

    def _alias(self, output: Output, layer: str) -> None:
        """Tell the whole names of fields in the metadata."""
        if not output.renamed:
            return
        aliases = {written: name for name, written, _ in output.renamed}
        names = [f.name for f in output.fields]
        path = output.folder / f"{STEM}.shp.xml"
        if not write_aliases(path, names, aliases, layer):
            self.account.note("the .shp.xml cannot be added to: it lacks the whole field names")
