"""Results of expressions in one of the types that a field can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..account import tell_loss
from ..errors import StepError

__all__ = ["as_field", "no_field"]


def as_field(array: Any, text: str) -> Any:
    """The result in one of the types that a field can have."""
    import pyarrow as pa

    is_ = pa.types
    targets: list[tuple[Callable[[Any], bool], Any]] = [
        (is_.is_boolean, pa.bool_()),
        (is_.is_integer, pa.int64()),
        (is_.is_floating, pa.float64()),
        (is_.is_decimal, pa.float64()),
        (is_.is_string, pa.string()),
        (is_.is_large_string, pa.string()),
        (is_.is_null, pa.string()),
        (is_.is_date32, pa.date32()),
    ]
    for test, target in targets:
        if test(array.type):
            made = array.cast(target)
            if is_.is_decimal(array.type):
                _tell_rounded(array, made, text)
            return made
    raise no_field(text, str(array.type))


def _tell_rounded(exact: Any, reals: Any, text: str) -> None:
    """Count exact numbers of more digits than a real has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..arrays import scalar_of

    try:
        back = reals.cast(exact.type, safe=False)
    except pa.ArrowInvalid:  # rounded up, the largest have one digit too many
        back = pa.nulls(len(exact), exact.type)
    bad = pc.indices_nonzero(
        pc.not_equal(back, exact).fill_null(scalar_of(exact.null_count < len(exact)))
    )
    if len(bad):
        example = str(exact[bad[0].as_py()].as_py())
        tell_loss(f"'{text}': numbers were rounded to reals", len(bad), example)


def no_field(text: str, kind: str) -> StepError:
    """The error of a result whose type no field has."""
    return StepError(
        f"'{text}' gives {kind}, which no field holds; cast it to DATE, VARCHAR or a number",
        "expression-type",
    )
