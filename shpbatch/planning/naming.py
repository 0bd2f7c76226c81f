"""The names that fields of a whole run are written under, known before the first of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..durable import Files
from ..errors import PlanError, WriteError
from ..fields.mapping import MAPPING, Renamed, taken_names, write_mapping
from ..fields.names import fits, layer_names, planned_names
from ..models import Header, Outcome, Task
from ..publishing.ledger import key_of

__all__ = ["has_long_names", "names_of_run", "note_plan", "note_run"]


def has_long_names(header: Header | None) -> bool:
    """Whether some field has a name that a ``.dbf`` does not hold."""
    return header is not None and not all(fits(f.name, header.encoding) for f in header.fields)


def names_of_run(headers: Iterable[Header | None], dst: str) -> dict[str, str]:
    """Written names of all fields whose own do not fit, the same in every output of a run.

    Those that outputs in the destination have already stay as they are.

    Parameters
    ----------
    headers : iterable of Header or None
        Of the outputs, as far as they are known.
    dst : str

    Raises
    ------
    PlanError
        ``bad-mapping`` where the mapping to be written would replace a file of another kind.
    """
    encodings: dict[str, set[str]] = {}
    known: dict[str, None] = {}
    for header in filter(None, headers):
        for f in header.fields:
            if fits(f.name, header.encoding):
                known[f.name] = None
            else:
                encodings.setdefault(f.name, set()).add(header.encoding)
    try:
        plan = taken_names(dst)
    except PlanError:
        if encodings:
            raise
        return {}  # a file of the user's, which concerns nobody
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, found in encodings.items():
        alike.setdefault(tuple(sorted(found, key=_rank)), []).append(name)
    for found_in, names in sorted(alike.items()):
        plan |= _planned(sorted(names), found_in, list(known), plan)
    return plan


def _rank(encoding: str) -> tuple[bool, str]:
    """UTF-8 first: its names are the longest, and mostly fit elsewhere."""
    return encoding != "utf-8", encoding


def _planned(
    names: list[str], encodings: Sequence[str], known: list[str], taken: Mapping[str, str]
) -> dict[str, str]:
    """Names that fit all of their encodings, as far as there are such."""
    plan: dict[str, str] = {}
    for encoding in encodings:
        left = [n for n in names if n not in plan]
        found = planned_names([*known, *left], encoding, {**taken, **plan})
        plan |= {n: found[n] for n in left if all(fits(found[n], e) for e in encodings)}
    left = [n for n in names if n not in plan]
    found = planned_names([*known, *left], encodings[0], {**taken, **plan})
    return {**plan, **{n: found[n] for n in left}}


def note_plan(
    dst: str, tasks: Iterable[Task], headers: Iterable[Header | None], files: Files
) -> None:
    """Write the mapping of names down, before anything is written under them."""
    names: dict[str, list[Renamed]] = {}
    for task, header in zip(tasks, headers, strict=True):
        if header is None or task.problem or task.skip or not has_long_names(header):
            continue
        long = header.field_names()
        short = layer_names(long, header.encoding, task.names)
        names[key_of(dst, task.sink)] = [
            (a, b, header.encoding) for a, b in zip(long, short, strict=True) if a != b
        ]
    if names:
        write_mapping(dst, names, files, settled=False)


def note_run(dst: str, outcomes: Sequence[Outcome], files: Files) -> None:
    """Bring the mapping up to date after a run; what is published is told in its metadata, too."""
    if not any(o.renamed for o in outcomes) and not Path(dst, MAPPING).exists():
        return  # of 100,000 outputs the names alone take 16 MB
    names = {
        key_of(dst, sink.path): outcome.renamed
        for outcome in outcomes
        if outcome.status == "done"
        for sink in outcome.sinks
    }
    with suppress(PlanError, WriteError):
        write_mapping(dst, names, files)
