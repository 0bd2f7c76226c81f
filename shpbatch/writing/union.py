"""Many layers as one: their fields, type and encoding united, as ``gdal vector concat`` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import PlanError, WriteError
from ..models import Field, Header
from ..shapefile.cast import Cast, as_field
from ..shapefile.columns import MISSING, Patched, Slice, Whole
from ..shapefile.dbf import WITH_MEMO

if TYPE_CHECKING:
    from ..engine.layer import Layer

__all__ = ["Union", "unite"]

#: A field of a layer: its name without case, and which of the fields of that name it is.
Key = tuple[str, int]
#: Bytes of a value of each type as text; of a number, those of its cell.
_SHOWN = {"D": 10}
#: Widest number that is widened for its digits' sake; cells that are carried have theirs.
WIDEST_NUMBER = 24
#: Types of which something is known: all others are carried as bytes.
_READ = "CNFDL"


@dataclass(frozen=True, slots=True)
class Union:
    """What many layers become.

    Attributes
    ----------
    header : Header
        Of the one layer.
    source_field : str or None
        Field that holds the name of each feature's source.
    planned : frozenset of (str, int)
        Keys of all fields of the layers, also those that are left out.
    """

    header: Header
    source_field: str | None = None
    planned: frozenset[Key] = frozenset()

    def columns_of(self, layer: Layer, source: str) -> tuple[Any, ...]:
        """The columns of one layer as those of the union.

        Raises
        ------
        WriteError
            ``fields-differ`` for a field that the plan did not foresee.
        """
        places = {key: at for at, key in enumerate(_keys(layer.header.fields))}
        if strange := [name for name, nth in places if (name, nth) not in self.planned]:
            raise WriteError(
                f"a step made a field '{strange[0]}' that was not planned; "
                "give its step a header rule",
                "fields-differ",
            )
        found = []
        for f, key in zip(self.header.fields, _keys(self.header.fields), strict=True):
            if f.name == self.source_field:
                found.append(_repeated(source, len(layer)))
            elif key not in places:
                found.append(MISSING)
            else:
                found.append(self._column(layer, places[key], f))
        return tuple(found)

    def _column(self, layer: Layer, at: int, f: Field) -> Any:
        own, column = layer.header.fields[at], layer.columns[at]
        if not isinstance(column, Slice):
            return self._made(column, own, f, layer.header.encoding)
        encoding = layer.header.encoding
        same = (own.type, own.width, own.decimals) == (f.type, f.width, f.decimals)
        if same and (f.type != "C" or encoding == self.header.encoding):
            return column
        return Cast(column, own, encoding)

    def _made(self, column: Any, own: Field, f: Field, encoding: str) -> Any:
        """A column that a step made; cells that it did not change keep their bytes."""
        if isinstance(column, Whole):
            return replace(column, array=as_field(column.array, f))
        if not isinstance(column, Patched):
            return as_field(column, f)
        array = as_field(column.array, f)
        same = own.type == f.type or (own.type in "NF" and f.type in "NF")
        if same and (f.type != "C" or encoding == self.header.encoding):
            return replace(column, array=array)
        return array


def _repeated(text: str, count: int) -> Any:
    import pyarrow as pa

    text = text.encode("utf-8", "backslashreplace").decode()  # a name may be no UTF-8
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
        ``merge-types``, ``merge-crs``, ``merge-fields``, ``field-exists`` for
        the field of the source's name.
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
    fields = _fields(headers, names, strategy)
    if source_field is not None:
        if any(source_field.casefold() == f.name.casefold() for f in fields):
            raise PlanError(
                f"--source-layer-field-name {source_field}: the layers have such a field; "
                "choose another name",
                "field-exists",
            )
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
    planned = frozenset(key for h in headers for key in _keys(h.fields))
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


def _keys(fields: Sequence[Field]) -> list[Key]:
    seen: Counter[str] = Counter()
    keys = []
    for f in fields:
        name = f.name.casefold()
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _fields(headers: Sequence[Header], names: Sequence[str], strategy: str) -> tuple[Field, ...]:
    united: dict[Key, Field] = {}
    for header, source in zip(headers, names, strict=True):
        for key, f in zip(_keys(header.fields), header.fields, strict=True):
            united[key] = _wider(united[key], f, source) if key in united else f
            if f.type in WITH_MEMO and (f.type, f.width) != ("B", 8):  # a double of FoxPro
                raise PlanError(
                    f"{source}: the texts of the memo field {f.name} are in a file of their own, "
                    f"and cannot be merged; drop it with the step select",
                    "merge-fields",
                )
    if strategy == "intersection":
        common = set.intersection(*(set(_keys(h.fields)) for h in headers))
        united = {k: f for k, f in united.items() if k in common}
    return tuple(united.values())


def _wider(left: Field, right: Field, source: str) -> Field:
    """A field that holds the values of both."""
    fresh, fixed = left.fresh and right.fresh, left.fixed and right.fixed
    if left.type in "NF" and right.type in "NF":
        decimals = max(left.decimals, right.decimals)
        whole = max(f.width - (f.decimals + 1 if f.decimals else 0) for f in (left, right))
        room = min(WIDEST_NUMBER, whole + (decimals + 1 if decimals else 0))
        kind = left.type if left.type == right.type else "N"
        width = max(left.width, right.width, room)
        return Field(left.name, kind, width, decimals, fresh=fresh, fixed=fixed)
    if left.type == right.type and left.type in _READ:
        width = max(left.width, right.width)
        return replace(left, width=width, fresh=fresh, fixed=fixed)
    if left.type in _READ and right.type in _READ:
        return Field(
            left.name, "C", max(max(f.width, _SHOWN.get(f.type, 0)) for f in (left, right))
        )
    if (left.type, left.width) != (right.type, right.width):
        raise PlanError(
            f"{source}: the field {right.name} is of the dBASE type {right.type}({right.width}), "
            f"and {left.type}({left.width}) elsewhere; drop it with the step select",
            "merge-fields",
        )
    return left
