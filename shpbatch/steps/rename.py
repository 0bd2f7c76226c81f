"""Give fields other names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        that the layer has not, are left alone. What it says of a layer holds
        for that one only.
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
        given = _of_mapping(header, str(from_mapping), direction)
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


def _of_mapping(header: Header, path: str, direction: str) -> dict[int, str]:
    """New names of the fields that a mapping knows, by place."""
    try:
        found = _mapping(path, os.stat(path).st_mtime_ns, direction)
    except OSError as error:
        raise StepError(f"rename: {path}: {error.strerror}", "mapping-missing") from None
    known = found.of_layer(header)
    return {i: known[n] for i, n in enumerate(header.field_names()) if n in known}


@dataclass(frozen=True, slots=True)
class _Mapping:
    """New names by old ones: of each layer, of rows that name no layer, of all rows."""

    folder: str
    layers: dict[str, dict[str, str]]
    of_any: dict[str, str]
    of_all: dict[str, str]

    def of_layer(self, header: Header) -> dict[str, str]:
        """Names of a layer, told by its place below the mapping, else by that in its folder.

        A field of a layer that lies elsewhere is told by its name alone.
        """
        if header.source is None:
            return self.of_all
        path = os.path.abspath(header.source.path)
        if path.startswith(self.folder):
            path = path[len(self.folder) :].replace(os.sep, "/")
            return self.layers.get(path, {}) | self.of_any
        found = self.layers.get(header.source.relative)
        return self.of_all if found is None else found | self.of_any


@lru_cache(maxsize=4)
def _mapping(path: str, mtime_ns: int, direction: str) -> _Mapping:
    """Read once for all layers; of two rows for a name that of more layers counts."""
    made = _Mapping(os.path.join(os.path.dirname(os.path.abspath(path)), ""), {}, {}, {})
    for n in sorted(read_mapping(Path(path)), key=lambda n: -len(n.layers)):
        old, new = (n.written, n.name) if direction == "restore" else (n.name, n.written)
        made.of_all.setdefault(old, new)
        for layer in n.layers:
            made.layers.setdefault(layer, {}).setdefault(old, new)
        if not n.layers:
            made.of_any.setdefault(old, new)
    return made
