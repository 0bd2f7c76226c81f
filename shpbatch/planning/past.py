"""What earlier runs left in a destination, and what that means for the tasks of this one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..models import Problem, Task
from ..publishing.destination import STATE
from ..publishing.journal import pending
from ..publishing.ledger import LEDGER, Ledger, Made, key_of
from ..publishing.provenance import look_anew, provenance, sources_of
from ..publishing.staleness import Rules, edited, judge
from ..sinks import SUFFIXES
from .merging import Merge
from .vanished import Whereabouts, stays
from .walk import UNLISTED

__all__ = ["Past"]

#: One for all: each call of frozenset() makes another, of 216 bytes.
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Past:
    """The ledger of a destination while a plan is made: it is asked output by output.

    Attributes
    ----------
    ledger : Ledger or None
        None where there is no past.
    committed : dict
        Outputs of a killed run that only the journal knows.
    stamp : str
        Another one when another run has done something since.
    """

    dst: str
    rules: Rules = field(default_factory=Rules)
    ledger: Ledger | None = None
    committed: dict[str, Made] = field(default_factory=dict)
    stamp: str = ""

    @classmethod
    @contextmanager
    def of(cls, dst: str, rules: Rules) -> Iterator[Past]:
        """Open the ledger; a destination without one has no past."""
        look_anew()
        path = Path(dst, STATE, LEDGER)
        with Ledger(path, read_only=True) as ledger:
            stamp = ledger.stamp()  # first: what another run does meanwhile makes it another
            known = ledger if stamp else None
            yield cls(dst, rules, known, _committed(dst), stamp)

    def made(self, key: str) -> Made | None:
        """What is known of an output."""
        found = self.committed.get(key)
        return found if found or self.ledger is None else self.ledger.made_of(key)

    def judged(self, task: Task, merge: Merge | None = None) -> Task:
        """A task that knows whether it must be done, and why."""
        if task.source.problem and not task.members:
            return replace(task, problem=task.source.problem)
        key = key_of(self.dst, task.sink)
        depends = now = provenance(task, merge, self.rules.hashed)
        made = self.made(key)
        trouble = None if self.ledger is None else self.ledger.trouble_of(key)
        if made or trouble or self.rules.hashed:  # else there is nothing to compare with
            now = {**depends, "sources": sources_of(task, self.rules.hashed)}
        verdict = judge(task.sink, self.dst, made, trouble, now, self.rules)
        owned = NOTHING if verdict.skip else self._owned(made)
        return replace(
            task,
            provenance=now if self.rules.hashed else depends,
            why=verdict.why,
            skip=verdict.skip,
            problem=verdict.problem,
            owned=owned,
            overwrite=self.rules.if_exists == "overwrite",
        )

    def _owned(self, made: Made | None) -> frozenset[str]:
        """Sinks of an earlier run that are as it left them."""
        if made is None:
            return NOTHING
        changed = {_stem(n) for n in edited(made.members, self.dst)}
        found = (
            n
            for n in made.members
            if n.endswith(tuple(SUFFIXES.values())) and _stem(n) not in changed
        )
        return frozenset(os.path.join(self.dst, n) for n in found)

    def vanished(self, tasks: Sequence[Task]) -> tuple[str, ...]:
        """Outputs whose sources are all gone, by key."""
        known = {*self.committed, *(self.ledger.keys() if self.ledger else ())}
        if known:
            known.difference_update(key_of(self.dst, t.sink) for t in tasks)
        problems = ((t.source.path, t.source.problem) for t in tasks)
        where = Whereabouts(path for path, told in problems if told and told.code == UNLISTED)
        return tuple(key for key in sorted(known) if self._has_vanished(key, where))

    def _has_vanished(self, key: str, where: Whereabouts) -> bool:
        made = self.made(key)
        return made is not None and all(map(where.is_gone, made.provenance["sources"]))

    def staying(self, keys: Iterable[str], empty: Iterable[str]) -> dict[str, Problem]:
        """Of outputs that have vanished, those that are not to be removed, and why."""
        made = ((key, self.made(key)) for key in keys)
        told = {key: stays(self.dst, known, empty) for key, known in made if known}
        return {key: problem for key, problem in told.items() if problem}


def _committed(dst: str) -> dict[str, Made]:
    """Outputs of a killed run that only the journal knows; their times are not known."""
    found: dict[str, Made] = {}
    for _, entries in pending(Path(dst, STATE)):
        for entry in entries:
            members = {
                key_of(dst, entry.staged.place(e)): [m.size, None, m.sha256]
                for e, m in entry.staged.members.items()
            }
            key = entry.note["key"]
            before = found[key].members if key in found else {}
            found[key] = Made(entry.note["provenance"], {**before, **members})
    return found


def _stem(name: str) -> str:
    return name.rpartition("/")[0] + "/" + os.path.basename(name).partition(".")[0]
