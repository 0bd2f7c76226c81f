"""Whether an output must be made, and why; like make, but by content, not by age."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..models import Problem
from ..sinks import SUFFIXES
from .ledger import Made, Quarantined
from .provenance import changed_files, changed_recipe, changed_versions
from .sets import hash_of
from .siblings import is_aside, is_derived, occupied, siblings

__all__ = ["TRIGGERS", "UP_TO_DATE", "IfExists", "Rules", "Verdict", "added", "edited", "judge"]

IfExists = Literal["update", "fail", "skip", "overwrite"]
#: What makes an output stale: all of it unless the caller says less.
TRIGGERS = ("source", "recipe", "layer", "code", "libraries")

#: One for all of them: there may be 100,000.
UP_TO_DATE = Problem("up-to-date", "up to date")


@dataclass(frozen=True, slots=True)
class Rules:
    """How outputs that are there are judged.

    Attributes
    ----------
    if_exists : {"update", "fail", "skip", "overwrite"}
        ``update`` makes what is stale and refuses what is not ours or was
        edited; ``overwrite`` replaces that too; ``skip`` leaves whatever is
        there; ``fail`` refuses it.
    triggers : frozenset of str
        Of `TRIGGERS`.
    force : bool
        Make our outputs anew though they are up to date.
    hashed : bool
        Compare contents, not sizes and times.
    retry_failed : bool
        Do only what failed last time, also what is in quarantine.
    """

    if_exists: IfExists = "update"
    triggers: frozenset[str] = field(default_factory=lambda: frozenset(TRIGGERS))
    force: bool = False
    hashed: bool = False
    retry_failed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do: make it (``why``), leave it (``skip``), or refuse it (``problem``)."""

    why: str = ""
    skip: Problem | None = None
    problem: Problem | None = None


def judge(
    sink: str,
    dst: str,
    made: Made | None,
    trouble: Quarantined | None,
    now: dict[str, Any],
    rules: Rules,
) -> Verdict:
    """Judge one output.

    Parameters
    ----------
    sink : str
        The ``.shp`` to become.
    dst : str
        The destination.
    made : Made or None
        What the ledger knows of it.
    trouble : Quarantined or None
        How it failed last time.
    now : dict
        What it would be made of, see `provenance`.
    rules : Rules
    """
    there = occupied(sink) is not None
    if settled := _settled(sink, there, trouble, now, rules):
        return settled
    if there and rules.if_exists == "fail":
        reason = f"{sink}: is there already (--if-exists fail)"
        return Verdict(problem=Problem("exists", reason))
    if made is None:
        return _foreign(sink, rules) if there else Verdict("new")
    why = next(_reasons(made, dst, now, rules), "")
    if not why:
        return Verdict(skip=UP_TO_DATE)
    return _replacing(why, made, dst, now, rules)


def _replacing(why: str, made: Made, dst: str, now: dict[str, Any], rules: Rules) -> Verdict:
    """Whether an output of ours may be replaced: nobody else has a part in it."""
    if rules.if_exists == "overwrite":
        return Verdict(why)
    if changed := edited(made.members, dst, rules.hashed):
        code, told = "output-edited", f"{Path(dst, changed[0])}: {why}"
    elif foreign := added(made.members, dst):
        code = "output-edited"
        told = f"{Path(dst, foreign[0])}: was not made here, and would go with the output ({why})"
    elif made.members and (other := _other_source(made.provenance["sources"], now["sources"])):
        code = "sink-clash"
        told = f"{Path(dst, next(iter(made.members)))}: was made of {other}, which is still there"
    else:
        return Verdict(why)
    remedy = "pass --overwrite to replace it, or move it away"
    return Verdict(problem=Problem(code, f"{told}; {remedy}"))


def _other_source(was: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """A source that an output was made of and that is still there, where it is of none of ours."""
    if was.keys() & now.keys():
        return None
    ours = {os.path.realpath(name) for name in now}
    there = [name for name in was if _is_there(name)]
    return None if any(os.path.realpath(n) in ours for n in there) else next(iter(there), None)


def _is_there(source: str) -> bool:
    """Whether a source exists; a layer in a file is where the file is."""
    return os.path.lexists(source) or any(map(os.path.isfile, map(str, Path(source).parents)))


def _settled(
    sink: str, there: bool, trouble: Quarantined | None, now: dict[str, Any], rules: Rules
) -> Verdict | None:
    """A verdict that no output is looked at for."""
    if there and rules.if_exists == "skip":
        return Verdict(skip=Problem("exists", f"{sink}: is there already (--if-exists skip)"))
    if rules.retry_failed:
        reason = f"{sink}: did not fail (--retry-failed)"
        return None if trouble else Verdict(skip=Problem("not-failed", reason))
    if trouble is None or rules.force:
        return None
    problem = _quarantine(trouble, now)
    return Verdict(problem=problem) if problem else None


def _foreign(sink: str, rules: Rules) -> Verdict:
    if rules.if_exists == "overwrite":
        return Verdict("replaces what was there")
    reason = f"{sink}: is there already and was not made here; pass --overwrite to replace it"
    return Verdict(problem=Problem("exists", reason))


def _quarantine(trouble: Quarantined, now: dict[str, Any]) -> Problem | None:
    same = not changed_files(trouble.provenance["sources"], now["sources"])
    if trouble.status != "crashed" or not same or trouble.provenance["recipe"] != now["recipe"]:
        return None
    return Problem(
        "quarantined",
        f"{next(iter(now['sources']))}: left alone, as it killed its workers before "
        f"({trouble.reason}); --retry-failed tries again",
    )


def _reasons(made: Made, dst: str, now: dict[str, Any], rules: Rules) -> Iterator[str]:
    """Why an output of ours is stale, as far as it is asked."""
    was = made.provenance
    if gone := [n for n in made.members if not os.path.lexists(os.path.join(dst, n))]:
        yield f"output is gone: {gone[0]}"
    if edited(made.members, dst, rules.hashed):
        yield "output was edited by hand"
    if rules.force:
        yield "forced"
    ours = {n: v for n, v in now["versions"].items() if n == "shpbatch"}
    others = {n: v for n, v in now["versions"].items() if n != "shpbatch"}
    checks: dict[str, tuple[str, Callable[..., str | None], Any, Any]] = {
        "source": ("source", changed_files, was["sources"], now["sources"]),
        "recipe": ("recipe", changed_recipe, was["recipe"], now["recipe"]),
        "layer": ("second layer", changed_files, was["layers"], now["layers"]),
        "code": ("code", changed_versions, was["versions"], ours),
        "libraries": ("library", changed_versions, was["versions"], others),
    }
    for trigger, (name, check, before, after) in checks.items():
        if trigger in rules.triggers and (what := check(before, after)):
            yield f"{name} changed: {what}"


def edited(members: Mapping[str, list[Any]], dst: str, hashed: bool = False) -> list[str]:
    """Files of an output that are there and are not what was published.

    Their contents are looked at only where size or time are others, or where
    that is asked for: a copy of a folder keeps its contents, not its times.
    """
    return [n for n, state in members.items() if _differs(os.path.join(dst, n), state, hashed)]


def added(members: Mapping[str, list[Any]], dst: str) -> list[str]:
    """Files that somebody put beside an output and that would go with it; no indexes."""
    sinks = [n for n in members if n.endswith(tuple(SUFFIXES.values()))]
    beside = [f"{_folder(n)}{own}" for n in sinks for own in siblings(os.path.join(dst, n))]
    return [n for n in beside if n not in members and not is_derived(n) and not is_aside(n)]


def _folder(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _differs(path: str, state: list[Any], hashed: bool) -> bool:
    size, mtime, digest = state
    try:
        found = os.stat(path)
    except OSError:
        return False
    if found.st_size != size:
        return True
    return bool((hashed or found.st_mtime_ns != mtime) and hash_of(Path(path)) != digest)
