"""Add a field, or replace one, by an expression."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from .. import expressions
from ..aspects import Expression, Fields, Header
from ..columns import field_of, with_field
from ..errors import StepError
from ..registry import step

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "integer", "real", "date", "logical"]
_TYPES = {
    "text": "string",
    "integer": "int64",
    "real": "float64",
    "date": "date32",
    "logical": "bool",
}
NAME_BYTES = 10


@step
def calculate(
    fields: Fields,
    *,
    field: Annotated[str, "Field to add or to replace, of at most 10 bytes."],
    expression: Annotated[Expression, 'SQL expression for its value, such as "pop / area".'],
    type: Annotated[Kind | None, "Type of the field; by default that of the expression."] = None,
) -> Fields:
    """Add a field, or replace one, by an expression.

    Only the fields that the expression names are decoded. NaN and infinity
    (a division by 0), which no ``.dbf`` holds, become NULL.

    Parameters
    ----------
    fields : pyarrow.Table
        The columns that the expression names.
    field : str
        Name of at most 10 bytes.
    expression : str
        Scalar SQL of DuckDB; ``FID``, ``OGR_GEOM_AREA``… are fields too.
    type : {"text", "integer", "real", "date", "logical"}, optional
        Type of the field. Nothing is cut to fit: 1.5 is no integer and
        ``'a'`` no number, the layer is refused.

    Returns
    -------
    pyarrow.Table
        One column.

    Raises
    ------
    StepError
        ``field-missing``, ``name-too-long``, ``expression-type``,
        ``expression-failed``.

    Notes
    -----
    A field of that name is replaced where it stands (the exact name first,
    else the one that differs by case) and keeps its own spelling. A time of
    day is refused: dBASE has none; cast it to DATE or VARCHAR.

    Also known as: Field calculator (QGIS), Calculate field (ArcGIS),
    ``-sql "SELECT …"`` (ogr2ogr), ``sql`` (gdal vector).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = expressions.evaluate(str(expression), fields)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_finite(values), values, None)
    if type is not None:
        values = _cast(values, type, str(expression))
    return pa.table({field: values})


@calculate.header
def with_result(
    header: Header, *, field: str, expression: Expression, type: Kind | None = None
) -> Header:
    """The outgoing fields, found on an empty table."""
    size = len(field.encode(header.encoding, "replace"))
    if not field or size > NAME_BYTES:
        raise StepError(
            f"calculate: a field name has 1 to {NAME_BYTES} bytes, '{field}' has {size} "
            f"in {header.encoding}; shorten it",
            "name-too-long",
        )
    kind = expressions.result_type(str(expression), header.fields)
    if type is not None and _TYPES[type] != kind:
        import pyarrow as pa

        from ..shapefile.values import ARROW_TYPES

        _cast(pa.nulls(0, ARROW_TYPES[kind]), type, str(expression))
        kind = _TYPES[type]
    return replace(header, fields=with_field(header.fields, field_of(field, kind)))


def _cast(values: pa.Array, kind: Kind, expression: str) -> pa.Array:
    import pyarrow as pa

    from ..shapefile.values import ARROW_TYPES

    target = ARROW_TYPES[_TYPES[kind]]
    try:
        # A real holds 53 bits of an integer; all else must fit whole.
        return values.cast(target, safe=not pa.types.is_floating(target))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StepError(
            f"calculate: '{expression}' gives values that are no {kind} ({error}); "
            "make them so in the expression (round(), CAST, CASE) or leave --type out",
            "expression-type",
        ) from None
