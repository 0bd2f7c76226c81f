"""What a function's signature says: the aspects it reads and writes, and its parameters."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from .aspects import ASPECTS, Frame, Text

__all__ = ["Parameter", "Variant"]

REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """One parameter of a step, as the command line and the schema show it.

    What is asked of it for each file is worked out once: typing is slow.
    """

    name: str
    type: Any
    default: Any
    help: str
    constraints: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def option(self) -> str:
        """Name on the command line: ``dst_crs`` is ``--dst-crs``."""
        return "--" + self.name.replace("_", "-")

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed values, where the type lists them."""
        return typing.get_args(self.plain) if typing.get_origin(self.plain) is Literal else ()

    @cached_property
    def plain(self) -> Any:
        """The type without ``| None``."""
        if isinstance(self.type, types.UnionType) or typing.get_origin(self.type) is typing.Union:
            kept = [a for a in typing.get_args(self.type) if a is not type(None)]
            return kept[0] if len(kept) == 1 else self.type
        return self.type

    @cached_property
    def is_list(self) -> bool:
        return typing.get_origin(self.plain) in (list, tuple)

    @property
    def item(self) -> Any:
        """The type of one value: that of the elements of a list."""
        return typing.get_args(self.plain)[0] if self.is_list else self.plain

    @cached_property
    def text(self) -> type[Text] | None:
        """The text type, where the parameter is text with a meaning."""
        item = self.item
        return item if isinstance(item, type) and issubclass(item, Text) else None

    def texts(self, value: Any) -> list[str]:
        """The value as a list of texts, empty for None."""
        if value is None:
            return []
        return [str(v) for v in value] if self.is_list else [str(value)]


@dataclass(frozen=True, slots=True)
class Variant:
    """One function behind a step's name, with what its signature says."""

    function: Callable[..., Any]
    reads: tuple[type, ...]
    writes: tuple[type, ...]
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Variant:
        """Read the signature of a function.

        A function whose first parameter has no annotation, or says
        GeoDataFrame, takes and gives a ``Frame``.
        """
        hints = _hints(function)
        reads: list[type] = []
        parameters: list[Parameter] = []
        for i, (name, p) in enumerate(inspect.signature(function).parameters.items()):
            hint = _aspect(hints.get(name, Frame if i == 0 else Any))
            if hint in ASPECTS:
                reads.append(hint)
            else:
                parameters.append(_parameter(name, hint, p.default))
        returned = hints.get("return", Frame if reads == [Frame] else None)
        return cls(function, tuple(reads), _returned(returned), tuple(parameters))

    def columns(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Fields that this function reads, as the recipe spells them, without repeats."""
        found = (
            column
            for p in self.parameters
            if p.text
            for text in p.texts(params.get(p.name, p.default))
            for column in p.text.columns(text)
        )
        return tuple(dict.fromkeys(found))


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of a function, a partial or a callable object."""
    target = getattr(function, "func", function)
    if not hasattr(target, "__annotations__"):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError:  # imported for type checkers only
        return {
            name: Frame if str(hint).endswith("GeoDataFrame") else hint
            for name, hint in target.__annotations__.items()
        }


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    extras: list[Any] = []
    if hint is Any and type(default) in (bool, int, float, str):
        hint = type(default)  # a user's ``n=2`` wants a whole number
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
    help_text = next((e for e in extras if isinstance(e, str)), "")
    return Parameter(name, hint, default, help_text, tuple(e for e in extras if e is not help_text))


def _aspect(hint: Any) -> Any:
    return Frame if getattr(hint, "__name__", "") == "GeoDataFrame" else hint


def _returned(hint: Any) -> tuple[type, ...]:
    if hint is None or hint is type(None):
        return ()
    found = typing.get_args(hint) if typing.get_origin(hint) is tuple else (hint,)
    found = tuple(_aspect(h) for h in found)
    if unknown := [h for h in found if h not in ASPECTS]:
        raise TypeError(f"a step returns aspects of a layer, not {unknown[0]!r}")
    return tuple(found)
