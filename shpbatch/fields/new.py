"""What a step gives as a new column, as one that a ``.dbf`` can hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import StepError
from ..shapefile.columns import LEFT_OUT, Whole

if TYPE_CHECKING:
    from ..account import Account

__all__ = ["check_name", "check_names", "holdable"]

#: 0001-01-01 and 9999-12-31, in days since 1970.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896


def check_name(name: str) -> None:
    """Refuse a name that no ``.dbf`` holds, nor any part of it.

    Raises
    ------
    StepError
        ``bad-name``.
    """
    if not name:
        raise StepError("a field has no name; give it one", "bad-name")
    if "\0" in name:
        raise StepError(f"a field cannot be named {name!r}: it would end there", "bad-name")


def check_names(given: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names of new fields that no ``.dbf`` holds, or not beside the others.

    Raises
    ------
    StepError
        ``bad-name``, ``names-collide``.
    """
    times = Counter(name.casefold() for name in given)
    for name in set(given) - set(known):
        check_name(name)
        if times[name.casefold()] > 1:
            alike = [other for other in given if other.casefold() == name.casefold()]
            raise StepError(
                f"fields {' and '.join(map(repr, alike))} are one to a reader that does not mind "
                "case; rename one",
                "names-collide",
            )


def holdable(name: str, column: Any, account: Account) -> Any:
    """The column without what no ``.dbf`` holds.

    NaN, infinity and dates beyond the year 9999 become NULL, counted. Where
    values may be cut, those of other types than dBASE has become the nearest
    of these.

    Parameters
    ----------
    name : str
    column : pyarrow.Array
    account : Account

    Returns
    -------
    pyarrow.Array or Whole
        Of its own type where dBASE has no like of it.
    """
    if account.on_overflow != "fail":
        column = _nearest(name, column, account)
    if isinstance(column, Whole):
        return Whole(_finite(name, column.array, account), column.text, column.what)
    return _finite(name, column, account)


def _finite(name: str, column: Any, account: Account) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..arrays import TRUE, scalar_of

    if pa.types.is_floating(column.type):
        good, what = pc.is_finite(column), "numbers that are not finite"
    elif pa.types.is_date32(column.type):
        days = column.cast(pa.int32())
        first, last = scalar_of(FIRST_DAY), scalar_of(LAST_DAY)
        good = pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last))
        what = "dates outside the years 1 to 9999"
    else:
        return column
    good = good.fill_null(TRUE)
    if pc.all(good, min_count=0).as_py():
        return column
    bad = pc.indices_nonzero(pc.invert(good))
    example = str(column[bad[0].as_py()].cast(pa.string()))
    account.lose(f"field {name}: {what} are written as NULL", len(bad), example)
    return pc.if_else(good, column, pa.NULL)


def _nearest(name: str, column: Any, account: Account) -> Any:
    """Dates of timestamps, reals of exact numbers, and the text of whatever else dBASE has not."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        return _dates(column)
    if pa.types.is_decimal(kind) or pa.types.is_uint64(kind):
        return _reals(column)
    other = (
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_time(kind)
        or pa.types.is_duration(kind)
    )
    if not other:
        return column
    made = pa.array([_shown(v) for v in column.to_pylist()], pa.string())
    given = len(made) - made.null_count
    example = next((v for v in made.to_pylist() if v is not None), None)
    account.lose(f"field {name}: values of the type {kind} are written as text", given, example)
    return made


def _dates(column: Any) -> Any:
    """Days, as the clocks of their zone have them; a time of day or a zone is left over."""
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pc.local_timestamp(column) if column.type.tz else column
    days = pc.floor_temporal(local, unit="day")
    left_over = pc.not_equal(local, days).fill_null(False)
    if column.type.tz:
        left_over = column.is_valid()
    array = days.cast(pa.timestamp("s"), safe=False).cast(pa.date32())
    if not pc.any(left_over, min_count=0).as_py():
        return array
    text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%S" + ("%z" if column.type.tz else ""))
    text = pc.replace_substring_regex(text, r"\.0+([+-].*)?$", r"\1")
    text = pc.replace_substring_regex(text, r"(\.[0-9]*[1-9])0+([+-].*)?$", r"\1\2")
    return Whole(array, pc.if_else(left_over, text, None), LEFT_OUT["D"])


def _reals(column: Any) -> Any:
    """Reals; of numbers that no real is equal to the digits are left over."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array, text = column.cast(pa.float64(), safe=False), column.cast(pa.string())
    from decimal import Decimal

    pairs = zip(column.to_pylist(), array.to_pylist(), strict=True)
    # 1.1 is the text of its real, 2**63 is equal to one though that has a shorter text.
    other = [a is not None and a not in (Decimal(repr(b)), Decimal(b)) for a, b in pairs]
    left_over = pa.array(other, pa.bool_())
    if not pc.any(left_over, min_count=0).as_py():
        return array
    return Whole(array, pc.if_else(left_over, text, None), LEFT_OUT["N"])


def _shown(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=_shown)
    return str(value)
