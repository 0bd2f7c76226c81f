"""Text that is dates and times of ISO 8601, as the days that a field of dates holds."""

from __future__ import annotations

from typing import Any

from ..shapefile.columns import LEFT_OUT, Whole

__all__ = ["dated"]

#: A day, a time of day, a zone.
_ISO = r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
#: Of these the day says all: midnight, of no zone or of that of the formats themselves.
_DAYS = r"^.{10}(T00:00(:00(\.0+)?)?(Z|[+-]00(:?00)?)?)?$"
#: Digits of seconds that say nothing.
_ZEROS = r"\.0+($|[Z+-])"


def dated(column: Any) -> Any:
    """Days of a column of text, by the clocks of its own zones.

    Parameters
    ----------
    column : pyarrow.ChunkedArray

    Returns
    -------
    pyarrow.Array, Whole or None
        With the whole text where days do not say all; None of a column that is other text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return None
    text = column.combine_chunks()
    if not pc.all(pc.match_substring_regex(text, _ISO)).as_py():
        return None
    try:
        days = pc.utf8_slice_codeunits(text, 0, 10).cast(pa.date32())
    except pa.ArrowInvalid:  # such as 2023-02-30
        return None
    left_over = pc.invert(pc.match_substring_regex(text, _DAYS)).fill_null(False)
    if not pc.any(left_over).as_py():
        return days
    text = pc.replace_substring_regex(text, _ZEROS, r"\1")
    return Whole(days, pc.if_else(left_over, text, None), LEFT_OUT["D"])
