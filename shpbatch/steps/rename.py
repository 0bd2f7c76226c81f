"""Give fields other names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from ..engine.aspects import FileName, Header, Names, Renaming, find_field
from ..engine.registry import step
from ..errors import StepError
from ..fields.mapping import read_mapping


@step
def rename(
    header: Header,
    *,
    fields: Annotated[list[Renaming] | None, "New names, such as population=pop,name=n."] = None,
    from_mapping: Annotated[
        FileName | None, "The fields.csv of a run: give its fields their source's names."
    ] = None,
    direction: Annotated[
        Literal["restore", "apply"],
        "restore: written names become source names; apply: the other way.",
    ] = "restore",
) -> Names:
    """Give fields other names.

    Features are not read. Names may be of any length: later steps know the
    fields by them, and those of more than 10 bytes are written shorter, with
    the whole name in ``.shp.xml`` and in the ``fields.csv`` of the output
    folder.

    Parameters
    ----------
    header : Header
    fields : list of str
        ``NEW=OLD``; old names as they are before any is changed, so that
        ``a=b,b=a`` swaps two.
    from_mapping : str, optional
        A mapping that a run wrote. Fields that it does not name, and names
        that the layer has not, are left alone.
    direction : {"restore", "apply"}
        Which way the mapping is read.

    Returns
    -------
    Names
        Of all fields, in their order.

    Raises
    ------
    StepError
        ``field-missing``, ``field-ambiguous``; ``names-collide`` where two
        fields would have one name; ``bad-rename`` for a field renamed twice
        or where nothing says how; ``mapping-missing``.
    PlanError
        ``bad-mapping``.

    Notes
    -----
    ``mapshaper -rename-fields`` has the same ``NEW=OLD``.

    Also known as: Rename field, Refactor fields (QGIS), Alter Field (ArcGIS),
    ``-sql "SELECT old AS new"`` (ogr2ogr).
    """
    if not fields and from_mapping is None:
        raise StepError("rename: --fields NEW=OLD or --from-mapping says what", "bad-rename")
    names = header.field_names()
    given: dict[int, str] = {}
    if from_mapping is not None:
        given = _of_mapping(names, str(from_mapping), direction)
    named: set[int] = set()
    for text in map(str, fields or ()):
        new, _, old = text.partition("=")
        at = find_field(old, names)
        if at in named:
            raise StepError(f"rename: '{text}': the field is renamed already", "bad-rename")
        named.add(at)
        given[at] = new
    result = tuple(given.get(i, name) for i, name in enumerate(names))
    _check(result, given)
    return result


@rename.header
def renamed(
    header: Header,
    *,
    fields: list[Renaming] | None = None,
    from_mapping: FileName | None = None,
    direction: Literal["restore", "apply"] = "restore",
) -> Header:
    """The same fields under their new names."""
    names = rename(header, fields=fields, from_mapping=from_mapping, direction=direction)
    pairs = zip(header.fields, names, strict=True)
    return replace(header, fields=tuple(replace(f, name=name) for f, name in pairs))


def _check(names: Sequence[str], given: dict[int, str]) -> None:
    """Refuse a new name that another field has; what came in alike may stay so."""
    for at, new in given.items():
        for other, name in enumerate(names):
            if other != at and name.casefold() == new.casefold():
                raise StepError(
                    f"rename: two fields would be named '{new}' (to a reader that does not mind "
                    "case); rename the other one as well",
                    "names-collide",
                )


def _of_mapping(names: Sequence[str], path: str, direction: str) -> dict[int, str]:
    """New names of the fields that a mapping knows, by place."""
    try:
        known = _mapping(path, os.stat(path).st_mtime_ns, direction)
    except OSError as error:
        raise StepError(f"rename: {path}: {error.strerror}", "mapping-missing") from None
    return {i: known[n] for i, n in enumerate(names) if n in known}


@lru_cache(maxsize=4)
def _mapping(path: str, mtime_ns: int, direction: str) -> dict[str, str]:
    """Read once for all layers; of two rows for a name that of more layers counts."""
    known: dict[str, str] = {}
    for n in sorted(read_mapping(Path(path)), key=lambda n: -len(n.layers)):
        old, new = (n.written, n.name) if direction == "restore" else (n.name, n.written)
        known.setdefault(old, new)
    return known
