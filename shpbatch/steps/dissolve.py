"""Unite features that share the values of fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from ..aspects import Aggregate, FieldName, Fields, Geometry, Header, Rows, find_field
from ..errors import StepError
from ..layer import ARROW_TYPES, field_of, with_field
from ..registry import step


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
    value like any other. Fields that are neither in ``by`` nor aggregated
    keep the value of the group's first feature.

    Parameters
    ----------
    geometry : ndarray of object (n,)
    fields : pyarrow.Table
        The columns that ``by`` and ``aggregates`` name.
    by : list of str
        Fields whose values make a group.
    aggregates : list of str
        ``FIELD:FUNCTION`` with sum, min, max, mean, count, first or last;
        NULL values do not count.

    Returns
    -------
    tuple
        United geometries (None for a group without any), the aggregated
        columns, and the first row of each group.

    Raises
    ------
    StepError
        ``field-missing``; ``invalid-geometry`` where GEOS cannot unite a group.

    Notes
    -----
    ``shapely.union_all`` (GEOS OverlayNG) of each group.

    Also known as: Dissolve, Aggregate (QGIS), Dissolve (ArcGIS),
    ``combine`` then ``dissolve`` (gdal vector), ``ST_Union … GROUP BY``.
    """
    groups, first = _groups(fields, [str(name) for name in by or ()], len(geometry))
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    members = np.split(order, ends) if len(order) else []
    united = np.array([_union(geometry, rows) for rows in members] + [None], dtype=object)[:-1]
    columns = {
        text.rpartition(":")[0]: _aggregated(fields, text, groups)
        for text in map(str, aggregates or ())
    }
    return united, pa.table(columns), first


@dissolve.header
def dissolved(
    header: Header,
    *,
    by: list[FieldName] | None = None,
    aggregates: list[Aggregate] | None = None,
) -> Header:
    """Points become MultiPoints; aggregated fields take the type of their function."""
    fields = header.fields
    for text in map(str, aggregates or ()):
        name = text.rpartition(":")[0]
        source = header.fields[find_field(name, header.field_names())]
        kind = _aggregated(
            pa.table({name: pa.array([], ARROW_TYPES[source.arrow])}),
            text,
            np.empty(0, np.int64),
        ).type
        fields = with_field(fields, field_of(name, kind))
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


def _union(geometry: Geometry, rows: NDArray[np.int64]) -> shapely.Geometry | None:
    present = [g for g in geometry[rows] if g is not None]
    if len(present) < 2:
        return present[0] if present else None
    try:
        return shapely.union_all(present)
    except shapely.errors.GEOSException as error:
        bad = next((r for r in rows if not shapely.is_valid(geometry[r])), rows[0])
        raise StepError(
            f"dissolve: feature {bad} is not valid ({error}); put make-valid before",
            "invalid-geometry",
        ) from None


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
