"""Keep some fields, or all but some."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from ..engine.aspects import FieldName, Header, find_field
from ..engine.registry import step
from ..errors import StepError


@step
def select(
    header: Header,
    *,
    fields: Annotated[list[FieldName], "Fields to keep, in the order wanted."],
    exclude: Annotated[bool, "Drop the named fields instead."] = False,
) -> Header:
    """Keep some fields, or all but some.

    Features are not read. Geometry always stays (GDAL's ``select`` drops it
    unless ``_ogr_geometry_`` is named; a shapefile without geometry would be
    no shapefile).

    Parameters
    ----------
    header : Header
    fields : list of str
        Names of fields; the exact name first, else the one that differs by case.
    exclude : bool
        Drop these fields and keep the others.

    Returns
    -------
    Header
        With the fields that stay, in the order named (in file order for ``exclude``).

    Raises
    ------
    StepError
        ``field-missing``, ``field-ambiguous``, ``no-fields``.

    Notes
    -----
    Also known as: Retain fields, Drop fields (QGIS), ``-select`` (ogr2ogr).
    """
    names = header.field_names()
    named = list(dict.fromkeys(find_field(str(name), names) for name in fields))
    kept = [i for i in range(len(names)) if i not in named] if exclude else named
    if not kept:
        raise StepError("select: no field would be left; a .dbf needs one", "no-fields")
    return replace(header, fields=tuple(header.fields[i] for i in kept))


@select.header
def selected(header: Header, *, fields: list[FieldName], exclude: bool = False) -> Header:
    """The same function: it reads headers only."""
    result: Header = select(header, fields=fields, exclude=exclude)
    return result
