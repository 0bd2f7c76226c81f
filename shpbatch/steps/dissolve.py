"""Unite features that share the values of fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from ..engine.aspects import Aggregate, FieldName, Fields, Geometry, Header, Rows, find_field
from ..engine.columns import field_of, kind_of, with_field
from ..engine.registry import step
from ..errors import StepError
from ..shapefile.values import ARROW_TYPES


@step(scope="layer", absent="merged")
def dissolve(
    geometry: Geometry,
    fields: Fields,
    *,
    by: Annotated[list[FieldName] | None, "Fields whose values make a group; none = all."] = None,
    aggregates: Annotated[
        list[Aggregate] | None, "What becomes of other fields, such as pop:sum,name:first."
    ] = None,
) -> tuple[Geometry, Fields, Rows]:
    """Unite features that share the values of fields.

    One feature a group, in the order in which groups first appear. NULL is a
    value like any other and text minds case. Fields that are neither in
    ``by`` nor aggregated keep the value of the group's first feature.

    Parameters
    ----------
    geometry : ndarray of object (n,)
    fields : pyarrow.Table
        The columns that ``by`` and ``aggregates`` name.
    by : list of str
        Fields whose values make a group.
    aggregates : list of str
        ``FIELD:FUNCTION`` with sum, min, max, mean, count, first or last, in
        place of the field. NULL values do not count: the first is the first
        that is not NULL, and a sum of none is NULL.

    Returns
    -------
    Geometry
        One a group, None for a group without any. That of a group of one
        feature is left as it is. Z is kept (interpolated at new vertices),
        M is lost.
    Fields
        The aggregated columns.
    Rows
        The first row of each group.

    Raises
    ------
    StepError
        ``field-missing``; ``field-type`` for the sum of what is no number;
        ``bad-aggregate`` for a field aggregated twice, or one of ``by``;
        ``invalid-geometry``, with the row: GEOS would drop or double parts of
        it without a word.

    Notes
    -----
    ``shapely.union_all`` (GEOS OverlayNG) of each group: lines are noded
    where they cross and not merged; lines of length 0 vanish.

    Also known as: Dissolve, Aggregate (QGIS), Dissolve (ArcGIS),
    ``combine`` then ``dissolve`` (gdal vector), ``ST_Union … GROUP BY``.
    """
    groups, first = _groups(fields, [str(name) for name in by or ()], len(geometry))
    columns = {
        text.rpartition(":")[0]: _aggregated(fields, text, groups)
        for text in map(str, aggregates or ())
    }
    return _united(geometry, groups, len(first)), pa.table(columns), first


@dissolve.header
def dissolved(
    header: Header,
    *,
    by: list[FieldName] | None = None,
    aggregates: list[Aggregate] | None = None,
) -> Header:
    """Points become MultiPoints; aggregated fields take the type of their function."""
    fields, names = header.fields, header.field_names()
    known = {name.casefold() for name in names}  # others are virtual, such as FID
    taken = {find_field(str(name), names) for name in by or () if name.casefold() in known}
    for text in map(str, aggregates or ()):
        name = text.rpartition(":")[0]
        at = find_field(name, names)
        if at in taken:
            raise StepError(
                f"dissolve: '{text}': the field is in --by or aggregated already; "
                "make a second one with calculate before",
                "bad-aggregate",
            )
        taken.add(at)
        source = header.fields[at]
        kind = _aggregated(
            pa.table({name: pa.array([], ARROW_TYPES[source.arrow])}),
            text,
            np.empty(0, np.int64),
        ).type
        fields = with_field(fields, field_of(name, kind_of(name, kind)))
    points = header.geometry_type == "Point"
    return replace(
        header,
        fields=fields,
        geometry_type="MultiPoint" if points else header.geometry_type,
        has_m=False,
        bounds=None,
    )


def _groups(fields: Fields, by: list[str], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of each row's group, in order of first appearance, and each group's first row."""
    if not by:
        return np.zeros(n, np.int64), np.arange(min(n, 1), dtype=np.int64)
    codes = np.zeros(n, np.int64)
    for name in by:
        column = fields.column(name).combine_chunks().dictionary_encode("encode")
        codes = codes * (len(column.dictionary) + 1) + column.indices.to_numpy()
        codes = np.unique(codes, return_inverse=True)[1]
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[inverse], np.sort(first)


def _united(geometry: Geometry, groups: NDArray[np.int64], count: int) -> Geometry:
    """The union of each group's geometries, None where there is none."""
    result = np.full(count, None, dtype=object)
    present = np.flatnonzero(~shapely.is_missing(geometry))
    rows = present[np.argsort(groups[present], kind="stable")]
    found, start, size = np.unique(groups[rows], return_index=True, return_counts=True)
    result[found[size == 1]] = geometry[rows[start[size == 1]]]
    _check(geometry, np.sort(rows[np.repeat(size > 1, size)]))
    for group, at, n in zip(*(a[size > 1].tolist() for a in (found, start, size)), strict=True):
        result[group] = shapely.union_all(geometry[rows[at : at + n]])
    return _without_m(result)


def _check(geometry: Geometry, rows: NDArray[np.int64]) -> None:
    """Refuse what GEOS would unite to something wrong; a line of length 0 only vanishes."""
    shapes = geometry[rows]
    bad = ~shapely.is_valid(shapes)
    bad &= (shapely.get_dimensions(shapes) != 1) | ~np.isfinite(shapely.length(shapes))
    if bad.any():
        why = shapely.is_valid_reason(shapes[bad][0])
        raise StepError(
            f"dissolve: feature {rows[bad][0]} is not valid ({why}), the first of {bad.sum()}; "
            "put make-valid before",
            "invalid-geometry",
        )


def _without_m(shapes: Geometry) -> Geometry:
    """GEOS fills some M and leaves others NaN: rather none than some."""
    for z in (False, True):
        rows = np.flatnonzero(shapely.has_m(shapes) & (shapely.has_z(shapes) == z))
        shapes[rows] = shapely.from_wkb(shapely.to_wkb(shapes[rows], output_dimension=2 + z))
    return shapes


def _aggregated(
    fields: Fields,
    text: str,
    groups: NDArray[np.int64],
) -> pa.Array:
    """One aggregated column, a value a group."""
    name, _, function = text.rpartition(":")
    column = fields.column(name)
    if function in ("sum", "mean") and not (
        pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    ):
        raise StepError(f"dissolve: '{text}' wants a number, not {column.type}", "field-type")
    if function == "sum" and pa.types.is_integer(column.type):
        column = column.cast(pa.int64())
    table = pa.table({"group": pa.array(groups), "value": column})
    result = table.group_by("group", use_threads=False).aggregate([("value", function)])
    return result.sort_by("group").column(f"value_{function}").combine_chunks()
