"""Steps: plain functions whose signature is the declaration.

``@step`` reads a function's signature once. Parameters typed with an aspect
are given by the engine, the others are the step's own; the return type names
what comes out. Name, help, types, choices and defaults serve the command
line, the recipe's schema and the documentation.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Any, Literal, TypeVar, overload

from ..errors import RecipeError
from ..models import Header, StepCall
from .signature import Parameter, Variant

__all__ = ["STEPS", "Parameter", "Step", "Variant", "as_step", "step"]

HeaderRule = Callable[..., Header]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(eq=False)
class Step:
    """A step: one name, one or more functions behind it, and an optional header rule.

    ``scope`` is ``"rows"`` for a step that gives the same on windows of a
    layer as on the whole, else ``"layer"``. ``absent`` says what became of
    rows that are not in the returned ``Rows``.
    """

    name: str
    variants: tuple[Variant, ...]
    scope: Literal["rows", "layer"] = "rows"
    absent: Literal["filtered", "merged"] = "filtered"
    rule: HeaderRule | None = field(default=None, repr=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the (first) function itself, as a test or a notebook does."""
        return self.variants[0].function(*args, **kwargs)

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.variants[0].function) or ""

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return self.doc.partition("\n")[0]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters of all variants, without repeats; optional where there are variants."""
        merged = {p.name: p for v in self.variants for p in v.parameters}
        if len(self.variants) == 1:
            return tuple(merged.values())
        return tuple(replace(p, default=None) if p.required else p for p in merged.values())

    def active(self, params: Mapping[str, Any]) -> tuple[Variant, ...]:
        """The variants whose required parameters are given."""
        if len(self.variants) == 1:
            return self.variants
        return tuple(
            v
            for v in self.variants
            if all(params.get(p.name) is not None for p in v.parameters if p.required)
        )

    def columns(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Fields that a call with these parameters reads."""
        active = self.active(params)
        return tuple(dict.fromkeys(c for v in active for c in v.columns(params)))

    def header(self, rule: HeaderRule) -> HeaderRule:
        """Decorate the rule: given the incoming Header and parameters, the outgoing one."""
        self.rule = rule
        return rule

    def variant(self, function: F) -> F:
        """Decorate a further function behind the same name."""
        self.variants = (*self.variants, Variant.of(function))
        return function


@overload
def step(function: Callable[..., Any], /) -> Step: ...
@overload
def step(
    *,
    name: str | None = None,
    scope: Literal["rows", "layer"] = "rows",
    absent: Literal["filtered", "merged"] = "filtered",
) -> Callable[[Callable[..., Any]], Step]: ...
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    scope: Literal["rows", "layer"] = "rows",
    absent: Literal["filtered", "merged"] = "filtered",
) -> Step | Callable[[Callable[..., Any]], Step]:
    """Declare a function as a step.

    Parameters
    ----------
    function : callable
        Pure and vectorised; its annotations are read as `aspects` describes.
    name : str, optional
        The function's own name with ``-`` for ``_``.
    scope : {"rows", "layer"}
        ``"layer"`` where the result depends on the whole layer.
    absent : {"filtered", "merged"}
        How rows missing from the returned ``Rows`` are accounted for.

    Returns
    -------
    Step
        Callable like the function.
    """

    def declare(f: Callable[..., Any]) -> Step:
        return Step(name or f.__name__.replace("_", "-"), (Variant.of(f),), scope, absent)

    return declare if function is None else declare(function)


class Registry:
    """Every step by name: a module of ``shpbatch.steps``, or an entry point of that group.

    A step's module is imported when it is first asked for: a worker imports
    only what its recipe needs.
    """

    group = "shpbatch.steps"

    def __init__(self) -> None:
        self._loaded: dict[str, Step] = {}

    def names(self) -> list[str]:
        """Names of all steps, sorted; nothing is imported."""
        return sorted({*self._built_in(), *self._plugins()})

    def __iter__(self) -> Iterator[Step]:
        for name in self.names():
            try:
                yield self[name]
            except RecipeError:
                # A plug-in that does not load speaks when it is called, and spoils no list.
                continue

    def __contains__(self, name: str) -> bool:
        return name in self._built_in() or name in self._plugins()

    def __getitem__(self, name: str) -> Step:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def resolve(self, call: StepCall) -> Step:
        """The step of a call: the user's own function, or the one of that name.

        Raises
        ------
        RecipeError
            ``unknown-step``, ``step-broken``.
        """
        if call.function is not None:
            import cloudpickle

            own = cloudpickle.loads(call.function)
            assert isinstance(own, Step)
            return own
        return self[call.name]

    def _built_in(self) -> dict[str, str]:
        package = importlib.import_module(self.group)
        return {m.name.replace("_", "-"): m.name for m in pkgutil.iter_modules(package.__path__)}

    def _plugins(self) -> dict[str, Any]:
        return {e.name: e for e in entry_points(group=self.group)}

    def _load(self, name: str) -> Step:
        if module := self._built_in().get(name):
            return _step_in(importlib.import_module(f"{self.group}.{module}"), name)
        plugin = self._plugins().get(name)
        if plugin is None:
            return load_function(name) if ":" in name else _unknown(name, self.names())
        try:
            return as_step(plugin.load(), name)
        except Exception as error:
            # A plug-in that does not load breaks only the recipes that name it.
            raise RecipeError(
                f"step '{name}' of {plugin.value} does not load: {error}; reinstall its package",
                "step-broken",
            ) from error


def load_function(name: str) -> Step:
    """Import ``module:function`` as a step, from the path or the current folder.

    Raises
    ------
    RecipeError
        ``unknown-step`` where it cannot be imported.
    """
    module, _, function = name.partition(":")
    if os.getcwd() not in sys.path:  # the console script, unlike python -m, leaves it out
        sys.path.append(os.getcwd())
    try:
        return as_step(getattr(importlib.import_module(module), function), function)
    except RecipeError:
        raise
    except Exception as error:  # whatever a user's module does while it is imported
        raise RecipeError(
            f"step '{name}' cannot be imported: {error}; it is looked for as MODULE:FUNCTION",
            "unknown-step",
        ) from error


def as_step(found: Any, name: str) -> Step:
    """A step of what somebody calls one.

    Raises
    ------
    RecipeError
        ``step-broken`` where its signature is not a step's.
    """
    if isinstance(found, Step):
        return found
    if not callable(found):
        raise RecipeError(f"'{name}' is no function", "step-broken")
    try:
        return step(name=name)(found)
    except (TypeError, ValueError, NameError) as error:
        raise RecipeError(f"step '{name}': {error}", "step-broken") from error


def _step_in(module: types.ModuleType, name: str) -> Step:
    found = [s for s in vars(module).values() if isinstance(s, Step) and s.name == name]
    if not found:
        raise RecipeError(f"{module.__name__} declares no step '{name}'", "step-broken")
    return found[0]


def _unknown(name: str, names: list[str]) -> Step:
    from .aspects import nearest

    raise RecipeError(f"unknown step '{name}'{nearest(name, names)}", "unknown-step")


STEPS = Registry()
