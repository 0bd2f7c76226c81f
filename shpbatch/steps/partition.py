"""Write the features of each value of a field into an output of their own."""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc

from ..engine.aspects import FieldName, Fields, Sinks
from ..engine.registry import step

#: GDAL's (and Hive's) name for the partition of NULL.
NULL = "__HIVE_DEFAULT_PARTITION__"


@step
def partition(
    fields: Fields,
    *,
    field: Annotated[FieldName, "Field whose values make an output each."],
) -> Sinks:
    """Write the features of each value of a field into an output of their own.

    ``roads.shp`` becomes ``roads/residential.shp``, ``roads/primary.shp`` …
    in the folder of outputs. Steps before and after are applied to all of them.

    Parameters
    ----------
    fields : pyarrow.Table
        The one column.
    field : str
        Name of the field; it stays in the outputs.

    Returns
    -------
    Sinks
        The value as text, NULL as ``__HIVE_DEFAULT_PARTITION__``. What a
        file name cannot hold is written as ``%2F``; of values that differ by
        case only the later ones have ``~2``, ``~3`` … behind them.

    Raises
    ------
    StepError
        ``field-missing``, ``field-ambiguous``.

    Notes
    -----
    ``gdal vector partition --scheme flat`` does the same to any format.

    Also known as: Split vector layer (QGIS), Split By Attributes (ArcGIS).
    """
    column = fields.column(0).combine_chunks()
    if pa.types.is_floating(column.type):
        text = pc.add(column, 0.0).cast(pa.string())  # -0.0 + 0.0 is 0.0
        text = pc.if_else(pc.ends_with(text, ".0"), pc.utf8_slice_codeunits(text, 0, -2), text)
    elif pa.types.is_boolean(column.type):
        text = pc.if_else(column, "true", "false")
    else:
        text = column.cast(pa.string())
    labels: pa.StringArray = text.fill_null(NULL)
    return labels
