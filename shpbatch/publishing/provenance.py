"""What an output depends on: its sources' files, the recipe, second layers, versions.

All of it is plain JSON data, so that it can lie in the ledger and be compared
years later; a comparison gives the reason in words.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__
from ..errors import ShpbatchError
from ..foreign import files_of, is_foreign
from ..models import Recipe, Source, Task
from ..policy import Policy
from ..shapefile.bundle import Bundle

__all__ = [
    "changed_files",
    "changed_recipe",
    "changed_versions",
    "look_anew",
    "provenance",
    "seen",
    "signature",
    "sources_of",
]

#: Bytes, modification time in ns, SHA-256 where it was asked for.
FileState = list[Any]
Signature = dict[str, FileState]


def signature(source: Source, hashed: bool = False) -> Signature:
    """State of every file of a source, by extension; of a zip, of itself.

    Times and sizes are compared for equality, never for order: a clock may be
    set back, and a file restored from a backup is old and new at once.

    Raises
    ------
    SourceError
        ``source-missing``.
    """
    if is_foreign(source.path) and os.path.exists(source.path):
        return {e: _state(p, hashed) for e, p in files_of(source.path).items()}
    if source.member or source.problem:
        return {"zip": _state(source.path, hashed)}
    bundle = Bundle.of(source)
    return {e: _state(os.path.join(bundle.path, n), hashed) for e, n in bundle.members.items()}


def _state(path: str, hashed: bool) -> FileState:
    try:
        found = os.stat(path)
    except OSError:
        return [-1, 0]
    state: FileState = [found.st_size, found.st_mtime_ns]
    if hashed:
        with open(path, "rb") as file:
            state.append(hashlib.file_digest(file, "sha256").hexdigest())
    return state


class _ById:
    """A recipe as a key of a cache: its parameters may be lists, which have no hash."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __hash__(self) -> int:
        return id(self.recipe)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.recipe is self.recipe


def provenance(task: Task, merge: Any = None, hashed: bool = False) -> dict[str, Any]:
    """What the output of a task depends on besides its sources: one object for all tasks alike.

    There may be 100,000 of them.
    """
    return _shared(_ById(task.recipe), task.policy, merge, hashed)


@lru_cache(maxsize=256)
def _shared(known: _ById, policy: Policy, merge: Any, hashed: bool) -> dict[str, Any]:
    return {
        "recipe": _plain_recipe(known, policy, merge),
        "layers": _second_layers(known, hashed),
        "versions": _versions(known),
    }


def sources_of(task: Task, hashed: bool = False) -> dict[str, Signature]:
    """State of the files of all sources of a task.

    A file that cannot be looked at is as if it were not there: the task says
    what is wrong with it.
    """
    sources = {}
    for member in task.members or (task,):
        try:
            sources[_name(member.source)] = signature(member.source, hashed)
        except (ShpbatchError, OSError):
            sources[_name(member.source)] = {}
    return sources


def seen(task: Task) -> dict[str, Signature]:
    """State of the files of all sources of a task, as they are now."""
    return {_name(m.source): signature(m.source) for m in task.members or (task,)}


def _name(source: Source) -> str:
    """The same from whatever folder a run is started."""
    return os.path.abspath(source.name)


def _plain_recipe(known: _ById, policy: Policy, merge: Any) -> list[Any]:
    """Steps with their parameters, and the policies that change what is written."""
    from ..engine.registry import STEPS

    steps = []
    for call in known.recipe.steps:
        params = {k: v for k, v in sorted(call.params.items()) if v is not None}
        for p in STEPS.resolve(call).parameters:
            if _names_a_file(p) and p.name in params:  # from whatever folder a run is started
                params[p.name] = os.path.abspath(str(params[p.name]))
        steps.append([call.name, params, _code_of(call.function)])
    settings = {k: v for k, v in asdict(policy).items() if k != "proof"}
    found: list[Any] = json.loads(
        json.dumps([steps, settings, merge and asdict(merge)], default=str)
    )
    return found


def _code_of(function: bytes | None) -> str | None:
    """A hash of the source text of a user's own function, else of its code."""
    if function is None:
        return None
    import inspect
    import pickle

    found = pickle.loads(function)
    try:
        text = inspect.getsource(found).encode()
    except (OSError, TypeError):
        code = getattr(found, "__code__", None)
        text = code.co_code + repr(code.co_consts).encode() if code else function
    return hashlib.sha256(text).hexdigest()[:16]


def _second_layers(known: _ById, hashed: bool) -> dict[str, Signature]:
    """State of the layers that steps name besides the source, looked at once for a plan."""
    from ..engine.registry import STEPS

    found: dict[str, Signature] = {}
    for call in known.recipe.steps:
        for p in STEPS.resolve(call).parameters:
            if not _names_a_file(p) or not call.params.get(p.name):
                continue
            path = os.path.abspath(str(call.params[p.name]))
            if path.lower().endswith(".shp"):
                try:
                    found[path] = signature(Source(path, os.path.basename(path)), hashed)
                    continue
                except (ShpbatchError, OSError):
                    pass  # told below as a file that is not there
            found[path] = {"file": _state(path, hashed)}
    return found


def _names_a_file(parameter: Any) -> bool:
    return parameter.text is not None and parameter.text.kind in ("layer", "file")


def _versions(known: _ById) -> dict[str, str]:
    """Versions of ours, and of the libraries that the steps ask."""
    from ..engine.aspects import Frame, Geometry
    from ..engine.registry import STEPS

    names = set()
    for call in known.recipe.steps:
        step = STEPS.resolve(call)
        reads = {a for v in step.active(call.params) for a in v.reads}
        kinds = {p.text.kind for p in step.parameters if p.text and call.params.get(p.name)}
        names |= {"shapely"} if {Geometry, Frame} & reads else set()
        names |= {"geopandas"} if Frame in reads else set()
        names |= {"pyproj"} if "crs" in kinds else set()
        names |= {"duckdb"} if "expression" in kinds else set()
    return {"shpbatch": __version__} | {n: _version(n) for n in sorted(names)}


@lru_cache(maxsize=16)
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def look_anew() -> None:
    """Forget how second layers were: a plan is made."""
    _shared.cache_clear()


# -- what changed, in words --------------------------------------------------


def changed_files(was: Mapping[str, Signature], now: Mapping[str, Signature]) -> str | None:
    """Name the files of the sources that are others than they were: ``.dbf``, ``b.shp (.prj)``."""
    if extra := sorted(now.keys() - was.keys()):
        return f"{extra[0]} came in"
    if gone := sorted(was.keys() - now.keys()):
        return f"{gone[0]} left"
    for name, state in now.items():
        before = was[name]
        other = [
            e
            for e in sorted(state.keys() | before.keys())
            if not _same(before.get(e), state.get(e))
        ]
        if other:
            extensions = ", ".join(f".{e}" for e in other)
            return extensions if len(now) == 1 else f"{name} ({extensions})"
    return None


def _same(was: FileState | None, now: FileState | None) -> bool:
    if was is None or now is None:
        return was is now
    if len(was) > 2 and len(now) > 2:  # both have a hash: the time says nothing
        return bool(was[0] == now[0] and was[2] == now[2])
    return list(was[:2]) == list(now[:2])


def changed_recipe(was: list[Any], now: list[Any]) -> str | None:
    """What differs between two recipes: ``simplify.tolerance 5 → 10``."""
    if was == now:
        return None
    steps, before = now[0], was[0]
    names, old = [s[0] for s in steps], [s[0] for s in before]
    if names != old:
        return f"{' ! '.join(old) or 'no step'} → {' ! '.join(names) or 'no step'}"
    told = []
    for (name, params, code), (_, others, other_code) in zip(steps, before, strict=True):
        for key in sorted(params.keys() | others.keys()):
            if params.get(key) != others.get(key):
                told.append(f"{name}.{key} {_shown(others.get(key))} → {_shown(params.get(key))}")
        if code != other_code:
            told.append(f"the code of {name}")
    for what, a, b in (("policy", was[1], now[1]), ("merge", was[2], now[2])):
        for key in sorted((a or {}).keys() | (b or {}).keys()):
            x, y = (a or {}).get(key), (b or {}).get(key)
            if x != y:
                told.append(f"{what}.{key} {_shown(x)} → {_shown(y)}")
    return ", ".join(told) or "its form"


def changed_versions(was: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Name the libraries that are others: ``shapely 2.1 → 2.2``."""
    told = [f"{n} {was.get(n, '-')} → {v}" for n, v in sorted(now.items()) if was.get(n) != v]
    return ", ".join(told) or None


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
