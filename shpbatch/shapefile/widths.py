"""How wide a field must be for its values; only of columns that a step wrote.

A declared width and precision is kept where the values fit; a new field is
as narrow as they allow. The width is chosen once for all windows of a layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from ..errors import WriteError
from ..models import Field
from .cells import WIDEST_NUMBER, bytes_of, plain_numbers, points_of, with_exponents
from .overflow import limit_of

__all__ = ["Need", "fitted", "need_of"]


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that values take: in all, before the point, after it."""

    width: int = 1
    left: int = 1
    decimals: int = 0

    def __or__(self, other: Need) -> Need:
        return Need(
            max(self.width, other.width),
            max(self.left, other.left),
            max(self.decimals, other.decimals),
        )


def need_of(array: Any, field: Field, encoding: str) -> Need:
    """What the values of one window take.

    Raises
    ------
    WriteError
        ``text-unencodable``, ``text-nul``.
    """
    if field.type == "C":
        _without_nul(array, field)
        raw = bytes_of(array, field, encoding)
        return Need(max(1, pc.max(pc.binary_length(raw)).as_py() or 0))
    if field.type not in "NF":
        return Need(field.width)
    text = plain_numbers(array)
    (_, sizes), point = points_of(text)
    after = np.maximum(0, sizes - point - 1)
    odd = with_exponents(text)  # these stand as they are
    return Need(
        int(sizes[odd].max(initial=1)),
        int(np.where(odd, 1, point).max(initial=0)),
        int(np.where(odd, 0, after).max(initial=0)),
    )


def _without_nul(array: Any, field: Field) -> None:
    """Refuse text with a NUL byte: to every reader it ends there."""
    if pc.any(pc.match_substring(array, "\0"), min_count=0).as_py():
        raise WriteError(
            f"field {field.name}: a text has a NUL byte, where a .dbf would end it; "
            "take it out before",
            "text-nul",
        )


def fitted(field: Field, need: Need, cut: bool = False) -> Field:
    """The field wide enough for its values; a fresh one is as narrow as they allow.

    Parameters
    ----------
    field : Field
    need : Need
    cut : bool
        Values that no such field can hold are cut (`overflow`).

    Raises
    ------
    WriteError
        ``text-too-long``, ``number-too-wide`` where they are not to be.
    """
    if field.type == "C":
        return _fitted_text(field, need, cut)
    if field.fixed:
        room = field.width - (field.decimals + 1 if field.decimals else 0)
        if (need.left > room or need.width > field.width) and not cut:
            raise WriteError(
                f"field {field.name}: some number does not fit {field.width} characters, "
                f"{field.decimals} decimals, which are asked for; give it a larger --width, "
                "or pass --on-overflow cut or sidecar",
                "number-too-wide",
            )
        return field
    if field.type not in "NF":
        return field
    whole = field.arrow in ("int32", "int64")
    decimals = 0 if whole else need.decimals if field.fresh else field.decimals
    left = max(1, need.left)
    decimals = max(0, min(decimals, WIDEST_NUMBER - left - 1))
    width = max(left + (decimals + 1 if decimals else 0), need.width)
    if field.fresh:
        width = min(WIDEST_NUMBER, max(1, width))
        # A number without decimals would be read back as an integer, unless it is wide.
        if not whole and not decimals:
            decimals, width = 1, min(WIDEST_NUMBER, width + 2)
        return replace(field, width=width, decimals=decimals)
    return replace(field, width=min(max(field.width, width), max(field.width, WIDEST_NUMBER)))


def _fitted_text(field: Field, need: Need, cut: bool) -> Field:
    limit = limit_of(field)
    if need.width > limit and not cut:
        most = f"its --width is {limit}" if field.fixed else f"a .dbf holds {limit}"
        raise WriteError(
            f"field {field.name}: a text of {need.width} bytes, {most}; shorten it with "
            "calculate, or pass --on-overflow cut or sidecar",
            "text-too-long",
        )
    if field.fixed:
        return field
    width = need.width if field.fresh else max(field.width, need.width)
    return replace(field, width=max(1, min(width, limit)))
