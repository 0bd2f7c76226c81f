"""Many layers as one: their fields, type and encoding united, as ``gdal vector concat`` does."""

from __future__ import annotations

from collections import defaultdict, deque
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
    names : tuple of str
        Of all fields of the layers, also those that are left out.
    kept : tuple of int
        Which of these are the fields of the header.
    """

    header: Header
    source_field: str | None = None
    names: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()

    def columns_of(self, layer: Layer, source: str) -> tuple[Any, ...]:
        """The columns of one layer as those of the union.

        Raises
        ------
        WriteError
            ``fields-differ`` for a field that the plan did not foresee.
        """
        own = layer.header.fields
        matched = _matched([f.name for f in own], self.names)
        if strange := [f.name for f, at in zip(own, matched, strict=True) if at is None]:
            raise WriteError(
                f"a step made a field '{strange[0]}' that was not planned; "
                "give its step a header rule",
                "fields-differ",
            )
        places = {at: i for i, at in enumerate(matched)}
        found = [
            self._column(layer, places[at], f) if at in places else MISSING
            for f, at in zip(self.header.fields, self.kept, strict=False)
        ]
        if self.source_field is not None:
            found.append(_repeated(source, len(layer)))
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
    all_names, kept = _names(headers, strategy)
    fields = _fields(headers, names, all_names, kept)
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
    return Union(united, source_field, all_names, kept)


def _same_crs(left: str | None, right: str | None) -> bool:
    if left is None or right is None:
        return False
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return bool(CRS.from_user_input(left) == CRS.from_user_input(right))
    except CRSError:
        return False


def _matched(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Which of the known names each name is: the very same, else one but for case; each once."""
    found: dict[int, int] = {}
    taken: set[int] = set()
    for same in (str, str.casefold):
        free: defaultdict[str, deque[int]] = defaultdict(deque)
        for at, name in enumerate(known):
            if at not in taken:
                free[same(name)].append(at)
        for i, name in enumerate(names):
            if i not in found and (left := free.get(same(name))):
                found[i] = left.popleft()
                taken.add(found[i])
    return [found.get(i) for i in range(len(names))]


def _names(headers: Sequence[Header], strategy: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of all fields, and which of them the union has."""
    known: list[str] = []
    for header in headers:
        names = [f.name for f in header.fields]
        matched = _matched(names, known)
        known += [n for n, at in zip(names, matched, strict=True) if at is None]
    kept = set(range(len(known)))
    if strategy == "intersection":
        kept.intersection_update(*(_matched([f.name for f in h.fields], known) for h in headers))
    return tuple(known), tuple(sorted(kept))


def _fields(
    headers: Sequence[Header], sources: Sequence[str], names: tuple[str, ...], kept: tuple[int, ...]
) -> tuple[Field, ...]:
    united: dict[int, Field] = {}
    for header, source in zip(headers, sources, strict=True):
        matched = _matched([f.name for f in header.fields], names)
        for at, f in zip(matched, header.fields, strict=True):
            if at is None or at not in kept:
                continue
            own = replace(f, name=names[at])
            united[at] = _wider(united[at], own, source) if at in united else own
            if f.type in WITH_MEMO and (f.type, f.width) != ("B", 8):  # a double of FoxPro
                raise PlanError(
                    f"{source}: the texts of the memo field {f.name} are in a file of their own, "
                    f"and cannot be merged; drop it with the step select",
                    "merge-fields",
                )
    return tuple(united[at] for at in kept)


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
