"""Many layers as one: their fields, type and encoding united, as ``gdal vector concat`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import PlanError, WriteError
from .models import Field, Header
from .shapefile.columns import MISSING, Cast, Patched, Slice, as_type

if TYPE_CHECKING:
    from .layer import Layer

__all__ = ["Union", "unite"]

#: Bytes of a value of each type as text.
_SHOWN = {"D": 10, "L": 1}
WIDEST_TEXT = 254


@dataclass(frozen=True, slots=True)
class Union:
    """What many layers become.

    Attributes
    ----------
    header : Header
        Of the one layer.
    source_field : str or None
        Field that holds the name of each feature's source.
    planned : frozenset of str
        All fields of the layers, also those that are left out.
    """

    header: Header
    source_field: str | None = None
    planned: frozenset[str] = frozenset()

    def columns_of(self, layer: Layer, source: str) -> tuple[Any, ...]:
        """The columns of one layer as those of the union.

        Raises
        ------
        WriteError
            ``fields-differ`` for a field that the plan did not foresee.
        """
        names = [f.name.casefold() for f in layer.header.fields]
        wanted = [f.name.casefold() for f in self.header.fields]
        if strange := [n for n in names if n not in self.planned]:
            raise WriteError(
                f"a step made a field '{strange[0]}' that was not planned; "
                "give its step a header rule",
                "fields-differ",
            )
        found = []
        for f, name in zip(self.header.fields, wanted, strict=True):
            if f.name == self.source_field and name not in names:
                found.append(_repeated(source, len(layer)))
            elif name not in names:
                found.append(MISSING)
            else:
                found.append(self._column(layer, names.index(name), f))
        return tuple(found)

    def _column(self, layer: Layer, at: int, f: Field) -> Any:
        own, column = layer.header.fields[at], layer.columns[at]
        encoding = layer.header.encoding
        if isinstance(column, Slice):
            same = (own.type, own.width, own.decimals) == (f.type, f.width, f.decimals)
            return (
                column if same and encoding == self.header.encoding else Cast(column, own, encoding)
            )
        from .shapefile.values import ARROW_TYPES

        array = column.array if isinstance(column, Patched) else column
        return as_type(array, ARROW_TYPES[f.arrow])


def _repeated(text: str, count: int) -> Any:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text, pa.string()), count)


def unite(
    headers: Sequence[Header],
    names: Sequence[str],
    strategy: str = "union",
    source_field: str | None = None,
) -> Union:
    """Unite the headers of layers.

    Fields of one name become one, wide enough for all, numbers with the most
    decimals; of unlike types, text. Z and M are there if one layer has them.

    Parameters
    ----------
    headers : sequence of Header
    names : sequence of str
        Of the layers, for messages.
    strategy : {"union", "intersection"}
        Fields of any layer, or of all.
    source_field : str, optional
        Add a text field with the name of the source.

    Raises
    ------
    PlanError
        ``merge-types``, ``merge-crs``.
    """
    first = headers[0]
    types = {h.geometry_type: n for h, n in zip(headers, names, strict=True)}
    types.pop("Null", None)
    if len(types) > 1:
        (a, one), (b, other) = list(types.items())[:2]
        raise PlanError(
            f"{one} has {a} features and {other} {b}: a shapefile holds one type; "
            "merge them apart, with --include",
            "merge-types",
        )
    for header, name in zip(headers, names, strict=True):
        if header.crs != first.crs and not _same_crs(header.crs, first.crs):
            raise PlanError(
                f"{name} and {names[0]} have different CRS; bring them to one with the step "
                "reproject, or tell a missing one with assign-crs",
                "merge-crs",
            )
    encodings = {h.encoding for h in headers if any(f.type == "C" for f in h.fields)}
    fields = _fields(headers, strategy, len(encodings) > 1)
    if source_field is not None and source_field not in [f.name for f in fields]:
        fields = (*fields, Field(source_field, "C", 0, fresh=True))
    told = next((h for h in headers if h.encoding in encodings), first)
    united = replace(
        first,
        geometry_type=next(iter(types), first.geometry_type),
        has_z=any(h.has_z for h in headers),
        has_m=any(h.has_m for h in headers) and not any(h.has_z for h in headers),
        count=sum(h.count for h in headers),
        fields=fields,
        encoding="utf-8" if len(encodings) > 1 else told.encoding,
        encoding_from="default" if len(encodings) > 1 else told.encoding_from,
        bounds=None,
    )
    planned = frozenset(f.name.casefold() for h in headers for f in h.fields)
    return Union(united, source_field, planned)


def _same_crs(left: str | None, right: str | None) -> bool:
    if left is None or right is None:
        return False
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return bool(CRS.from_user_input(left) == CRS.from_user_input(right))
    except CRSError:
        return False


def _fields(headers: Sequence[Header], strategy: str, recoded: bool) -> tuple[Field, ...]:
    united: dict[str, Field] = {}
    for header in headers:
        for f in header.fields:
            name = f.name.casefold()
            united[name] = _wider(united[name], f) if name in united else f
    if strategy == "intersection":
        common = set.intersection(*({f.name.casefold() for f in h.fields} for h in headers))
        united = {n: f for n, f in united.items() if n in common}
    # Text may take more bytes in another encoding: up to three of UTF-8 for one.
    return tuple(
        replace(f, width=min(WIDEST_TEXT, 3 * f.width)) if recoded and f.type == "C" else f
        for f in united.values()
    )


def _wider(left: Field, right: Field) -> Field:
    """A field that holds the values of both."""
    fresh = left.fresh and right.fresh
    if left.type == right.type and left.type not in "NF":
        return replace(left, width=max(left.width, right.width), fresh=fresh)
    if left.type in "NF" and right.type in "NF":
        decimals = max(left.decimals, right.decimals)
        whole = max(f.width - (f.decimals + 1 if f.decimals else 0) for f in (left, right))
        width = whole + (decimals + 1 if decimals else 0)
        kind = left.type if left.type == right.type else "N"
        return Field(left.name, kind, width, decimals, fresh=fresh)
    widths = (_SHOWN.get(f.type, f.width) for f in (left, right))
    return Field(left.name, "C", min(WIDEST_TEXT, max(widths)))
