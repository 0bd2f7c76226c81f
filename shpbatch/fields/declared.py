"""Widths of new fields that a step declares, in the metadata of its Arrow columns.

A step that gives ``Fields`` may say how wide a column is to be:
``pa.field("name", pa.string(), metadata={"width": "80"})``. Any other new field
is as narrow as its values allow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import StepError
from ..models import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["declared", "metadata_of", "sizes_of"]

#: Widest field of each type, see the ESRI technical description of 1998 and GDAL's driver.
WIDEST = {"C": 254, "N": 24}
WIDEST_INTEGER = 18


def metadata_of(width: int | None, decimals: int | None) -> dict[str, str] | None:
    """Sizes as the metadata of an Arrow field; None where none is declared."""
    given = {"width": width, "decimals": decimals}
    return {k: str(v) for k, v in given.items() if v is not None} or None


def sizes_of(metadata: Mapping[bytes, bytes] | None) -> tuple[int | None, int | None]:
    """Width and decimals that the metadata of an Arrow field declares."""
    found: list[Any] = [(metadata or {}).get(name) for name in (b"width", b"decimals")]
    try:
        width, decimals = (None if v is None else int(v) for v in found)
    except ValueError:
        raise StepError(f"a width is a whole number, not {found}", "bad-width") from None
    return width, decimals


def declared(new: Field, width: int | None, decimals: int | None) -> Field:
    """A new field as it was declared.

    Parameters
    ----------
    new : Field
        As `field_of` makes it.
    width : int, optional
        Bytes; of a real without decimals that are told, half of them are.
    decimals : int, optional
        Of a real; without a width, that is as small as the values allow.

    Raises
    ------
    StepError
        ``bad-width``.
    """
    if width is None and decimals is None:
        return new
    what = f"field '{new.name}'"
    if new.type not in WIDEST:
        raise StepError(f"{what}: only text and numbers have a width", "bad-width")
    real = new.arrow == "float64"
    if decimals is not None and not real:
        raise StepError(f"{what}: only reals have decimals; leave --decimals out", "bad-width")
    most = WIDEST["C"] if new.type == "C" else WIDEST["N"] if real else WIDEST_INTEGER
    if width is None:
        assert decimals is not None
        if not 1 <= decimals <= most - 2:
            raise StepError(f"{what}: 1 to {most - 2} decimals, not {decimals}", "bad-width")
        return replace(new, width=decimals + 2, decimals=decimals, fresh=False)
    least = 3 if real else 1
    if not least <= width <= most:
        raise StepError(f"{what}: a width of {least} to {most}, not {width}", "bad-width")
    if real and decimals is None:
        decimals = max(1, (width - 1) // 2)
    if real and not 1 <= (decimals or 0) <= width - 2:
        raise StepError(
            f"{what}: {decimals} decimals in a width of {width}; 1 to {width - 2} fit, "
            "and whole numbers are of --type integer",
            "bad-width",
        )
    return replace(new, width=width, decimals=decimals or 0, fresh=False, fixed=True)
