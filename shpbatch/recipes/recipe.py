"""A file, a ``!`` chain or Python calls become one checked Recipe.

All three are first drafts (a step's name, raw parameters, where they stand);
one check against the registry turns drafts into a `Recipe` or reports every
mistake at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.aspects import nearest
from ..engine.registry import STEPS, Parameter, Step, as_step
from ..errors import RecipeError
from ..models import Recipe, StepCall

__all__ = ["as_recipe", "parse_chain", "parse_words", "read_recipe"]

#: How much is told of what is wrong with a file.
MAX_LINE, MAX_LINES = 1_000, 100

Place = Callable[[str | None], str]


def nowhere(key: str | None) -> str:
    """Place of a draft that stands in no file."""
    return ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A step as somebody wrote it, not checked yet.

    ``place`` gives what stands before a message about a key (or, for None,
    about the step): ``recipe.yaml:6:5: ``. ``words`` says that the values are
    texts from a command line.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    place: Place = nowhere
    words: bool = False
    step: Step | None = None


def as_recipe(recipe: Any) -> Recipe:
    """Make a Recipe of whatever describes one.

    Parameters
    ----------
    recipe : Recipe, str or iterable
        A `Recipe`; a pipeline (``"make-valid ! buffer --distance 5"``); or an
        iterable of step names, ``(name, params)`` pairs, ``{name: params}``
        mappings, steps and functions.

    Raises
    ------
    RecipeError
        With one line for each mistake.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str):
        return parse_chain(recipe)
    if not isinstance(recipe, Iterable) or isinstance(recipe, Mapping):
        raise RecipeError(
            f"a recipe is a list of steps or a pipeline, not {type(recipe).__name__}", "bad-recipe"
        )
    return check([_attempted(item) for item in recipe])


def parse_chain(text: str) -> Recipe:
    """Parse ``"! make-valid ! buffer --distance 5"``, as ``gdal vector pipeline`` writes it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise RecipeError(f"pipeline: {error}: {text}", "bad-pipeline") from None
    return parse_words(words)


def parse_words(words: Sequence[str]) -> Recipe:
    """Parse the words of a command line from the first ``!`` on."""
    calls: list[list[str]] = [[]]
    for word in words:
        if word == "!":
            calls.append([])
        else:
            calls[-1].append(word)
    if any(not call for call in calls[1:]):
        raise RecipeError("a '!' is followed by no step", "bad-pipeline")
    return check([_attempt(call) for call in calls if call])


def _attempt(call: list[str]) -> Draft | RecipeError:
    """A draft, or what is wrong with it, so that all mistakes are told at once."""
    try:
        return _draft_of_words(call)
    except RecipeError as error:
        return error


def _attempted(item: Any) -> Draft | RecipeError:
    """The same for an element of a Python list."""
    try:
        return _draft(item)
    except RecipeError as error:
        return error


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe file: YAML, TOML or JSON.

    Raises
    ------
    RecipeError
        ``recipe.yaml:6:5: buffer: unknown key 'distanse' (did you mean 'distance'?)``,
        one such line for each mistake.
    """
    from .file import read_drafts

    try:
        drafts = read_drafts(Path(path))
        return check([d if isinstance(d, RecipeError) else Draft(*d) for d in drafts])
    except RecipeError as error:
        raise RecipeError(_bounded(str(error)), error.code) from None


def _bounded(text: str) -> str:
    """What is wrong with a file, without all that somebody may have put in it."""
    lines = text.split("\n")
    shown = [line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…" for line in lines[:MAX_LINES]]
    more = [f"… and {len(lines) - MAX_LINES:,} more mistakes"] if len(lines) > MAX_LINES else []
    return "\n".join([*shown, *more])


def check(drafts: Sequence[Draft | RecipeError]) -> Recipe:
    """Check drafts against the registry.

    Raises
    ------
    RecipeError
        For all mistakes together; the code is that of the first.
    """
    calls: list[StepCall] = []
    errors: list[RecipeError] = []
    for draft in drafts:
        if isinstance(draft, RecipeError):
            errors.append(draft)
            continue
        try:
            calls.append(_checked(draft))
        except RecipeError as error:
            errors.append(error)
    if errors:
        raise RecipeError("\n".join(str(e) for e in errors), errors[0].code)
    return Recipe(tuple(calls))


def _checked(draft: Draft) -> StepCall:
    from .check import checked_params

    try:
        found = draft.step or STEPS[draft.name]
    except RecipeError as error:
        raise RecipeError(draft.place(None) + str(error), error.code) from None
    params = checked_params(found, _normalised(draft, found), draft.place, draft.words)
    function = None
    if draft.step is not None:
        import cloudpickle

        function = cloudpickle.dumps(draft.step)
    return StepCall(draft.name, params, function)


def _normalised(draft: Draft, found: Step) -> dict[str, Any]:
    """Parameter names with ``_``, a single value where a list is wanted as a list."""
    parameters = {p.name: p for p in found.parameters}
    params = {}
    for key, value in draft.params.items():
        name = key.replace("-", "_")
        p = parameters.get(name)
        if name in params and p is not None:
            raise RecipeError(
                f"{draft.place(key)}{draft.name}: '{name}' is given twice", "bad-recipe"
            )
        params[name if p is not None else key] = _listed(p, value)
    return params


def _listed(p: Parameter | None, value: Any) -> Any:
    """A single value, or a tuple, as a list where a list is wanted."""
    if p is None or not p.is_list or value is None:
        return value
    return list(value) if isinstance(value, list | tuple) else [value]


def _draft(item: Any) -> Draft:
    """A draft of one element of a Python list."""
    if isinstance(item, StepCall):
        own = STEPS.resolve(item) if item.function else None
        return Draft(item.name, item.params, step=own)
    if isinstance(item, str) and item.split():
        return Draft(item) if " " not in item else _draft_of_words(shlex.split(item))
    if isinstance(item, Mapping) and len(item) == 1:
        name, params = next(iter(item.items()))
        if params is None or _is_params(params):
            return Draft(str(name), params or {})
    if isinstance(item, tuple | list) and len(item) == 2 and _is_params(item[1]):
        target, params = item
        return Draft(target, params) if isinstance(target, str) else _own(target, params)
    if callable(item):
        return _own(item, {})
    raise RecipeError(
        f"{item!r} is not a step; write a name, (name, {{parameters}}) or a function", "bad-recipe"
    )


def _is_params(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _own(function: Any, params: Mapping[str, Any]) -> Draft:
    inner = getattr(function, "func", function)  # of a partial
    own = as_step(function, getattr(inner, "__name__", type(inner).__name__).replace("_", "-"))
    return Draft(own.name, params, step=own)


def _draft_of_words(words: list[str]) -> Draft:
    """``["buffer", "--distance", "5"]``: options as ``--name value`` or ``--name=value``.

    Words that are no option fill the required parameters in order.
    """
    name, *rest = words
    if name.startswith("-"):
        raise RecipeError(f"'{name}' stands where a step's name should", "bad-pipeline")
    parameters = {p.option: p for p in STEPS[name].parameters}
    free = [p for p in STEPS[name].parameters if p.required]
    params: dict[str, Any] = {}
    at = iter(rest)
    for word in at:
        if not word.startswith("--"):
            p = next((p for p in free if p.name not in params), None)
            if p is None:
                raise RecipeError(f"{name}: '{word}' belongs to no option", "bad-pipeline")
            _add(params, p, word)
            continue
        option, given, value = word.partition("=")
        p = parameters.get(option)
        if p is None:
            raise RecipeError(
                f"{name}: unknown option '{option}'{nearest(option, list(parameters))}",
                "unknown-option",
            )
        if not given and p.plain is bool:
            value = "true"
        elif not given and (following := next(at, None)) is not None:
            value = following
        elif not given:
            raise RecipeError(f"{name}: '{option}' wants a value", "bad-pipeline")
        _add(params, p, value)
    return Draft(name, params, words=True)


def _add(params: dict[str, Any], p: Parameter, word: str) -> None:
    if p.is_list:
        params[p.name] = [*params.get(p.name, []), *(w.strip() for w in word.split(","))]
    else:
        params[p.name] = word
