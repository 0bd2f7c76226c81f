"""Add a field, or replace one, by an expression."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from .. import expressions
from ..account import tell_loss
from ..engine.aspects import Expression, Fields, Header
from ..engine.columns import field_of, with_field
from ..engine.registry import step
from ..errors import StepError
from ..fields.declared import declared, metadata_of
from ..fields.new import check_name

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


@step
def calculate(
    fields: Fields,
    *,
    field: Annotated[str, "Field to add or to replace."],
    expression: Annotated[Expression, 'SQL expression for its value, such as "pop / area".'],
    type: Annotated[Kind | None, "Type of the field; by default that of the expression."] = None,
    width: Annotated[int | None, "Its width in bytes; by default what its values take."] = None,
    decimals: Annotated[int | None, "Decimals of a real; by default as many as they have."] = None,
) -> Fields:
    """Add a field, or replace one, by an expression.

    Only the fields that the expression names are decoded. NaN and infinity
    (a division by 0), which no ``.dbf`` holds, become NULL.

    Parameters
    ----------
    fields : pyarrow.Table
        The columns that the expression names.
    field : str
        Name of any length. Later steps know it by this name; where it has more
        than 10 bytes it is written shorter, and the whole name told beside.
    expression : str
        Scalar SQL of DuckDB; ``FID``, ``OGR_GEOM_AREA``… are fields too.
    type : {"text", "integer", "real", "date", "logical"}, optional
        Type of the field. Nothing is cut to fit: 1.5 is no integer and
        ``'a'`` no number, the layer is refused.
    width, decimals : int, optional
        Of text and numbers. What is wider is refused, or cut (``--on-overflow``).

    Returns
    -------
    pyarrow.Table
        One column.

    Raises
    ------
    StepError
        ``field-missing``, ``bad-name``, ``bad-width``,
        ``expression-type``, ``expression-failed``.

    Notes
    -----
    A field of that name is replaced where it stands (the exact name first,
    else the one that differs by case) and keeps its own spelling. A time of
    day is refused: dBASE has none; cast it to DATE or VARCHAR.

    Also known as: Field calculator (QGIS), Calculate field (ArcGIS),
    ``-sql "SELECT …"`` (ogr2ogr), ``sql`` (gdal vector).
    """
    import pyarrow as pa

    values = expressions.evaluate(str(expression), fields)
    if pa.types.is_floating(values.type):
        values = _finite(values, field)
    if type is not None:
        if type == "real":
            _tell_rounded(values, field)
        values = _cast(values, type, str(expression))
    made = pa.field(field, values.type, metadata=metadata_of(width, decimals))
    return pa.table([values], schema=pa.schema([made]))


@calculate.header
def with_result(
    header: Header,
    *,
    field: str,
    expression: Expression,
    type: Kind | None = None,
    width: int | None = None,
    decimals: int | None = None,
) -> Header:
    """The outgoing fields, found on an empty table."""
    check_name(field)
    kind = expressions.result_type(str(expression), header.fields)
    if type is not None and _TYPES[type] != kind:
        import pyarrow as pa

        from ..shapefile.values import ARROW_TYPES

        _cast(pa.nulls(0, ARROW_TYPES[kind]), type, str(expression))
        kind = _TYPES[type]
    new = declared(field_of(field, kind), width, decimals)
    return replace(header, fields=with_field(header.fields, new))


def _finite(values: pa.Array, field: str) -> pa.Array:
    """Numbers, NULL for those that are not finite."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..arrays import TRUE

    good = pc.is_finite(values).fill_null(TRUE)
    if pc.all(good, min_count=0).as_py():
        return values
    bad = pc.indices_nonzero(pc.invert(good))
    text = f"field {field}: numbers that are not finite are written as NULL"
    tell_loss(text, len(bad), str(values[bad[0].as_py()]))
    return pc.if_else(good, values, pa.NULL)


def _tell_rounded(values: pa.Array, field: str) -> None:
    """Count whole numbers to which no real is equal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(values.type):
        return
    near = values.cast(pa.float64(), safe=False).cast(pa.int64(), safe=False)
    bad = pc.indices_nonzero(pc.not_equal(near, values))
    if len(bad):
        text = f"field {field}: whole numbers were rounded to reals"
        tell_loss(text, len(bad), values[bad[0].as_py()].as_py())


def _cast(values: pa.Array, kind: Kind, expression: str) -> pa.Array:
    import pyarrow as pa

    from ..shapefile.values import ARROW_TYPES

    target = ARROW_TYPES[_TYPES[kind]]
    try:
        if pa.types.is_boolean(target) and not pa.types.is_boolean(values.type):
            values = _yes_or_no(values)
        # A real holds 53 bits of an integer; all else must fit whole.
        return values.cast(target, safe=not pa.types.is_floating(target))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StepError(
            f"calculate: '{expression}' gives values that are no {kind} ({error}); "
            "make them so in the expression (round(), CAST, CASE) or leave --type out",
            "expression-type",
        ) from None


def _yes_or_no(values: pa.Array) -> pa.Array:
    """Numbers as they are, if all of them are 0 or 1; Arrow would take 2 for true as well."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        odd = pc.invert(pc.is_in(values, pa.array([0, 1, None], values.type)))
        if pc.any(odd, min_count=0).as_py():
            raise pa.ArrowInvalid("a number that is neither 0 nor 1")
    return values
