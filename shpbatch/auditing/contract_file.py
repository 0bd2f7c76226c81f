"""Read a contract: what layers have to be, by globs; all mistakes are told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..engine.aspects import nearest
from ..errors import RecipeError
from ..recipes.file import Key, Marks, read_marked
from .contract import Contract, FieldRule, Rule

__all__ = ["read_contract"]

#: Geometry types as `LayerAudit.type` has them, by how people write them.
_BASES = ("Point", "MultiPoint", "PolyLine", "Polygon")
TYPES = {f"{b}{d}".casefold(): f"{b}{d}" for b in _BASES for d in ("", "Z", "M")}
TYPES |= {"multipatch": "MultiPatch", "null": "Null"}
TYPES |= {f"{alias}{d.lower()}": f"{base}{d}" for d in ("", "Z", "M")
          for alias, base in [("linestring", "PolyLine"), ("multilinestring", "PolyLine"),
                              ("multipolygon", "Polygon")]}  # fmt: skip
_FIELD = re.compile(r"([A-Za-z])(?:\((\d+)(?:\s*,\s*(\d+))?\)|(\d+)(?:\.(\d+))?)?")
_RANGE = re.compile(r"(\d*)\s*\.\.\s*(\d*)")
_OF_LAYER = [
    "type",
    "crs",
    "encoding",
    "count",
    "fields",
    "other_fields",
    "valid",
    "null_geometries",
    "required",
]
_OF_FIELD = ["type", "width", "decimals", "nulls", "required"]


class _Mistake(Exception):
    """What is wrong with a value; the place is known to who asked for it."""


def read_contract(path: str) -> Contract:
    """Read a contract file.

    Raises
    ------
    RecipeError
        ``bad-contract``, with a line for each mistake and its place.
    """
    data, marks = read_marked(Path(path), "--expect")
    reading = _Reading(Path(path).name, marks)
    rules = reading.rules(data)
    if reading.mistakes:
        raise RecipeError("\n".join(sorted(reading.mistakes, key=_place)), "bad-contract")
    return Contract(tuple(rules))


def _place(mistake: str) -> list[int]:
    """Line and column that a mistake begins with, to tell them in the order of the file."""
    found = re.match(r"[^:]*:(\d+):(\d+)", mistake)
    return [int(number) for number in found.groups()] if found else []


@dataclass
class _Reading:
    """One file, and the mistakes found in it so far."""

    name: str
    marks: Marks
    mistakes: list[str] = field(default_factory=list)

    def rules(self, data: Any) -> list[Rule]:
        if not isinstance(data, dict) or not isinstance(data.get("layers"), dict):
            self._tell((), "a contract has a mapping 'layers:', such as '*_roads.shp': {…}")
            return []
        self._unknown((), data, ["layers"])
        if not data["layers"]:
            self._tell(("layers",), "no glob: it asks for nothing; '*': {…} is every layer")
        return [self._rule(str(glob), wanted) for glob, wanted in data["layers"].items()]

    def _rule(self, glob: str, wanted: Any) -> Rule:
        at: tuple[Key, ...] = ("layers", glob)
        if not isinstance(wanted, dict):
            self._tell(at, f"what '{glob}' has to be is a mapping, such as {{type: Point}}")
            return Rule(glob)
        self._unknown(at, wanted, _OF_LAYER)
        read: Mapping[str, Callable[[Any], Any]] = {
            "type": _types,
            "crs": _crs,
            "encoding": _encoding,
            "count": _count,
            "other_fields": _flag,
            "valid": _flag,
            "null_geometries": _flag,
            "required": _flag,
        }
        values: dict[str, Any] = {}
        for key, reader in read.items():
            if key in wanted:
                self._try(values, key, (*at, key), partial(reader, wanted[key]))
        return Rule(glob, fields=self._fields((*at, "fields"), wanted.get("fields")), **values)

    def _fields(self, at: tuple[Key, ...], wanted: Any) -> tuple[FieldRule, ...]:
        if wanted is None:
            return ()
        if not isinstance(wanted, dict):
            self._tell(at, "fields are a mapping of names, such as {NAME: C40, POP: N10}")
            return ()
        found: dict[str, FieldRule] = {}
        for name, described in wanted.items():
            if isinstance(described, dict):
                self._unknown((*at, name), described, _OF_FIELD)
            self._try(found, name, (*at, name), partial(_field, str(name), described))
        return tuple(found.values())

    def _try(
        self, into: dict[str, Any], key: str, at: tuple[Key, ...], read: Callable[[], Any]
    ) -> None:
        try:
            into[key] = read()
        except _Mistake as mistake:
            self._tell(at, f"{key}: {mistake}")

    def _unknown(self, at: tuple[Key, ...], given: dict[str, Any], known: list[str]) -> None:
        for key in given:
            if key not in known:
                self._tell((*at, key), f"unknown key '{key}'{nearest(str(key), known)}")

    def _tell(self, at: tuple[Key, ...], text: str) -> None:
        while at and at not in self.marks:
            at = at[:-1]
        self.mistakes.append(f"{self.marks.get(at, f'{self.name}: ')}{text}")


def _types(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    unknown = [v for v in given if str(v).casefold() not in TYPES]
    if unknown or not given:
        names = sorted(set(TYPES.values()))
        raise _Mistake(f"no geometry type '{(unknown or [''])[0]}'{nearest(str(value), names)}")
    return tuple(dict.fromkeys(TYPES[str(v).casefold()] for v in given))


def _crs(value: Any) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        CRS.from_user_input(value)
    except CRSError:
        raise _Mistake(f"PROJ knows no '{str(value)[:60]}'; such as EPSG:4326") from None
    return f"EPSG:{value}" if isinstance(value, int) else str(value)


def _encoding(value: Any) -> str:
    from ..shapefile.codec_names import codec_of_cpg

    codec = codec_of_cpg(str(value))
    if codec is None:
        raise _Mistake(f"no encoding is called '{str(value)[:40]}'; such as UTF-8")
    return codec


def _count(value: Any) -> tuple[int, int | None]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, value
    if isinstance(value, str) and (found := _RANGE.fullmatch(value.strip())) and value.strip(". "):
        low, high = int(found[1] or 0), int(found[2]) if found[2] else None
        if high is None or low <= high:
            return low, high
    raise _Mistake(f"a number or a range such as 1.. or 1..500, not {value!r}")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _Mistake(f"true or false, not {value!r}")


def _field(name: str, value: Any) -> FieldRule:
    """A field as ``C40``, ``N(10,2)`` or ``{type: N, width: 10}``."""
    if not isinstance(value, dict):
        found = _FIELD.fullmatch(str(value).strip())
        if not found:
            raise _Mistake(f"a type such as C40, N10.2 or D, not {value!r}")
        width, decimals = found[2] or found[4], found[3] or found[5]
        value = {"type": found[1]}
        value |= {"width": int(width)} if width else {}
        value |= {"decimals": int(decimals)} if decimals else {}
    kind = value.get("type")
    if kind is not None and (not isinstance(kind, str) or not re.fullmatch("[A-Za-z]", kind)):
        raise _Mistake(f"type: a letter such as C, N, F, D or L, not {kind!r}")
    for key in ("width", "decimals"):
        number = value.get(key)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise _Mistake(f"{key}: a number, not {number!r}")
    flags = {key: _flag(value[key]) for key in ("nulls", "required") if key in value}
    return FieldRule(
        name, kind.upper() if kind else None, value.get("width"), value.get("decimals"), **flags
    )
