"""What earlier runs left in a destination, and what that means for the tasks of this one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .destination import STATE
from .journal import pending
from .ledger import LEDGER, Ledger, Made, Quarantined
from .merging import Merge
from .models import Task
from .provenance import look_anew, provenance
from .publishing import key_of
from .staleness import Rules, edited, judge

__all__ = ["Past", "prune"]


@dataclass(frozen=True)
class Past:
    """The ledger of a destination, read once for a plan.

    Attributes
    ----------
    stamp : str
        Another one when another run has done something since.
    """

    dst: str
    rules: Rules = field(default_factory=Rules)
    made: dict[str, Made] = field(default_factory=dict)
    troubles: dict[str, Quarantined] = field(default_factory=dict)
    stamp: str = ""

    @classmethod
    def of(cls, dst: str, rules: Rules) -> Past:
        """Read the ledger; a destination without one has no past."""
        look_anew()
        with Ledger(Path(dst, STATE, LEDGER), read_only=True) as ledger:
            stamp = ledger.stamp()  # first: what another run does meanwhile makes it another
            made = {**ledger.made(), **_committed(dst)}
            return cls(dst, rules, made, ledger.troubles(), stamp)

    def judged(self, task: Task, merge: Merge | None = None) -> Task:
        """A task that knows whether it must be done, and why."""
        if task.source.problem and not task.members:
            return replace(task, problem=task.source.problem)
        key = key_of(self.dst, task.sink)
        now = provenance(task, merge, self.rules.hashed)
        made = self.made.get(key)
        verdict = judge(task.sink, self.dst, made, self.troubles.get(key), now, self.rules)
        owned = self._owned(made)
        replaces = self.rules.if_exists == "overwrite" or task.sink in owned
        return replace(
            task,
            provenance=now,
            why=verdict.why,
            skip=verdict.skip,
            problem=verdict.problem,
            owned=owned,
            overwrite=replaces,
        )

    def _owned(self, made: Made | None) -> frozenset[str]:
        """Sinks of an earlier run that are as it left them."""
        if made is None:
            return frozenset()
        changed = {_stem(n) for n in edited(made.members, self.dst)}
        found = (
            n for n in made.members if n.endswith((".shp", ".shz")) and _stem(n) not in changed
        )
        return frozenset(os.path.join(self.dst, n) for n in found)

    def vanished(self, tasks: Iterable[Task]) -> tuple[str, ...]:
        """Outputs whose sources are all gone, by key."""
        planned = {key_of(self.dst, t.sink) for t in tasks if t.sink}
        return tuple(
            sorted(
                key
                for key, made in self.made.items()
                if key not in planned and not any(map(_exists, made.provenance["sources"]))
            )
        )


def _committed(dst: str) -> dict[str, Made]:
    """Outputs of a killed run that only the journal knows; their times are not known."""
    found: dict[str, Made] = {}
    for _, entries in pending(Path(dst, STATE)):
        for entry in entries:
            members = {
                os.path.relpath(entry.staged.place(e), dst): [m.size, None, m.sha256]
                for e, m in entry.staged.members.items()
            }
            key = entry.note["key"]
            before = found[key].members if key in found else {}
            found[key] = Made(entry.note["provenance"], {**before, **members})
    return found


def _stem(name: str) -> str:
    return name.rpartition("/")[0] + "/" + os.path.basename(name).partition(".")[0]


def _exists(source: str) -> bool:
    """Whether a source is there; one in a zip is where the zip is."""
    path = Path(source)
    return path.exists() or any(p.is_file() for p in path.parents)


def prune(dst: str, ledger: Ledger, keys: Iterable[str]) -> list[str]:
    """Remove outputs whose sources are gone; return those that stay, as they were edited."""
    made, kept, gone = ledger.made(), [], []
    for key in keys:
        if edited(made[key].members, dst):
            kept.append(key)
            continue
        for name in sorted(made[key].members, key=lambda n: not n.endswith(".shp")):
            Path(dst, name).unlink(missing_ok=True)
        gone.append(key)
    with ledger.together():
        ledger.forget_made(gone)
    return kept
