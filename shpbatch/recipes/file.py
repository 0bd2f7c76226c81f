"""Read a recipe file, remembering where everything stands in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..engine.aspects import nearest
from ..errors import RecipeError

__all__ = ["Key", "Marks", "read_drafts", "read_marked", "recipe_schema"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_STEPS = 1_000
#: Words and brackets in YAML: 90,000 of them take half a minute.
MAX_EVENTS = 20_000
#: Characters of a number; to read one of 500,000 takes seconds, to show it is an error of its own.
MAX_DIGITS = 1_000
#: Keys of TOML as deep as no recipe is: tomllib takes half a minute for 20,000.
_DOTTED = re.compile(r"""(?:["']?[\w-]{1,60}["']?[ \t]*\.[ \t]*){51}""")

_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")

Key = str | int
Marks = dict[tuple[Key, ...], str]


def read_drafts(
    path: Path,
) -> Iterator[tuple[str, dict[str, Any], Callable[[str | None], str]] | RecipeError]:
    """Steps of a file as (name, parameters, place of a key), or what is wrong with one.

    Raises
    ------
    RecipeError
        ``recipe-missing``, ``bad-syntax``, ``bad-recipe``.
    """
    data, marks = read_marked(path)
    steps, base = _steps(path, data, marks)
    if len(steps) > MAX_STEPS:
        raise RecipeError(f"{path.name}: a recipe of over {MAX_STEPS:,} steps", "bad-recipe")
    for i, item in enumerate(steps):
        try:
            name, params = _step(path, item, marks, (*base, i))
        except RecipeError as error:
            yield error
            continue

        def place(key: str | None, at: tuple[Key, ...] = (*base, i), name: str = name) -> str:
            for mark in ((*at, name, str(key)), (*at, name, str(key).replace("_", "-")), at):
                if mark in marks:
                    return marks[mark]
            return f"{path.name}: "

        if ":" in name:  # to import it would run code; who may write a recipe may not write that
            yield RecipeError(
                f"{place(None)}a file cannot name a function ('{name}'); pass it with --step",
                "unknown-step",
            )
            continue
        yield name, params, place


def read_marked(path: Path, option: str = "-r") -> tuple[Any, Marks]:
    """The data of a file (YAML, TOML, JSON), and the place of each of its keys where known.

    Raises
    ------
    RecipeError
        ``recipe-missing``, ``bad-syntax``, ``bad-recipe``.
    """
    text = _text(path, option)
    if path.suffix.lower() == ".toml":
        return _toml(path, text)
    return _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)


def recipe_schema() -> dict[str, Any]:
    """JSON Schema of recipe files, for editors."""
    from ..engine.registry import STEPS
    from .check import step_schema

    steps: list[dict[str, Any]] = []
    for step in STEPS:
        schema = step_schema(step)
        schema["additionalProperties"] = False
        one = {"type": "object", "properties": {step.name: schema}, "required": [step.name]}
        steps.append({**one, "additionalProperties": False, "description": step.summary})
    bare = [s.name for s in STEPS if not any(p.required for p in s.parameters)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "shpbatch recipe",
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"anyOf": [{"enum": bare}, *steps]}},
            "$schema": {"type": "string"},
        },
        "required": ["steps"],
        "additionalProperties": False,
    }


def _text(path: Path, option: str) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path}: a recipe of over {MAX_BYTES:,} bytes", "bad-recipe")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; check {option}", "recipe-missing") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: not UTF-8 text", "bad-syntax") from None


def _toml(path: Path, text: str) -> tuple[Any, Marks]:
    import tomllib

    if _DOTTED.search(text):
        raise RecipeError(f"{path.name}: nested more than {MAX_DEPTH} deep", "bad-syntax")
    try:
        return _plain(path, tomllib.loads(text)), {}
    except (ValueError, RecursionError) as error:  # among them a number of too many digits
        raise _told(path, error) from None


def _json(path: Path, text: str) -> tuple[Any, Marks]:
    """JSON, with places where YAML reads it too (it refuses tabs)."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise RecipeError(f"{path.name}: a key is there twice", "bad-syntax")
        return found

    try:
        marks = _yaml(path, text)[1]
    except RecipeError:
        marks = {}
    try:
        return _plain(path, json.loads(text, object_pairs_hook=unique)), marks
    except json.JSONDecodeError as error:
        place = f"{path.name}:{error.lineno}:{error.colno}"
        raise RecipeError(f"{place}: {error.msg}", "bad-syntax") from None
    except (ValueError, RecursionError) as error:
        raise _told(path, error) from None


def _told(path: Path, error: Exception) -> RecipeError:
    if isinstance(error, RecipeError):
        return error
    return RecipeError(f"{path.name}: {str(error).partition(';')[0]}", "bad-syntax")


def _plain(path: Path, data: Any) -> Any:
    """The same data, which is not too deep and has no number that cannot be shown."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        for item in level:
            if isinstance(item, int) and item.bit_length() > MAX_DIGITS:
                raise RecipeError(f"{path.name}: a number of too many digits", "bad-syntax")
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    if level:
        raise RecipeError(f"{path.name}: nested more than {MAX_DEPTH} deep", "bad-syntax")
    return data


def _yaml(path: Path, text: str) -> tuple[Any, Marks]:
    """YAML and JSON, without aliases and repeated keys, with the mark of every key."""
    import yaml

    try:
        _refuse_bombs(path, text)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        marks: Marks = {}
        return (_walk(node, (), marks, path.name, loader) if node else None), marks
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else path.name
        raise RecipeError(f"{where}: {error.problem or error}", "bad-syntax") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{path.name}: not readable as YAML: {error}", "bad-syntax") from None


def _refuse_bombs(path: Path, text: str) -> None:
    """Refuse aliases, deep nesting and many values as events: to compose them takes a minute."""
    import yaml

    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        if number > MAX_EVENTS:
            raise RecipeError(f"{path.name}: over {MAX_EVENTS:,} values", "bad-recipe")
        if isinstance(event, yaml.AliasEvent):
            raise RecipeError(f"{path.name}: aliases (*name) are not allowed", "bad-syntax")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise RecipeError(f"{path.name}: nested more than {MAX_DEPTH} deep", "bad-syntax")


def _walk(node: Any, at: tuple[Key, ...], marks: Marks, name: str, loader: Any) -> Any:
    """Plain data of a node, noting where every key and element stands."""
    import yaml

    def place(mark: Any) -> str:
        return f"{name}:{mark.line + 1}:{mark.column + 1}: "

    marks.setdefault(at, place(node.start_mark))
    if len(at) > MAX_DEPTH:
        raise RecipeError(f"{marks[at]}nested more than {MAX_DEPTH} deep", "bad-syntax")
    if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
        raise RecipeError(f"{marks[at]}tags (!name) are not allowed", "bad-syntax")
    if isinstance(node, yaml.SequenceNode):
        return [_walk(c, (*at, i), marks, name, loader) for i, c in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, marks[at], loader)
    found: dict[str, Any] = {}
    for key_node, child in node.value:
        key = str(key_node.value)
        marks[(*at, key)] = place(key_node.start_mark)
        if key in found:
            raise RecipeError(f"{marks[(*at, key)]}key '{key}' is there twice", "bad-syntax")
        found[key] = _walk(child, (*at, key), marks, name, loader)
    return found


#: What YAML itself says of a list and of a mapping.
_PLAIN_TAGS = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


def _scalar(node: Any, place: str, loader: Any) -> Any:
    if len(node.value) > MAX_DIGITS and node.tag != "tag:yaml.org,2002:str":
        raise RecipeError(f"{place}a number of too many digits", "bad-syntax")
    if _EXPONENT.fullmatch(node.value) and node.style is None:
        return float(node.value)  # YAML 1.1 takes 1e-5 for text, JSON writes it so
    try:
        return loader.construct_object(node)
    except ValueError as error:  # a date such as 2020-13-45
        raise RecipeError(f"{place}'{node.value}': {error}; quote it", "bad-syntax") from None


def _steps(path: Path, data: Any, marks: Marks) -> tuple[list[Any], tuple[Key, ...]]:
    """The list of steps in a file, and where it stands."""
    if isinstance(data, list):
        return data, ()
    if not isinstance(data, dict) or not isinstance(data.get("steps"), list):
        raise RecipeError(f"{path.name}: a recipe has a list 'steps:'", "bad-recipe")
    if unknown := [k for k in data if k not in ("steps", "$schema")]:
        where = marks.get((unknown[0],), f"{path.name}: ")
        raise RecipeError(
            f"{where}unknown key '{unknown[0]}'{nearest(unknown[0], ['steps'])}", "unknown-key"
        )
    return data["steps"], ("steps",)


def _step(path: Path, item: Any, marks: Marks, at: tuple[Key, ...]) -> tuple[str, dict[str, Any]]:
    if isinstance(item, str):
        return item, {}
    if isinstance(item, dict) and len(item) == 1:
        name, params = next(iter(item.items()))
        if params is None or isinstance(params, dict):
            return name, params or {}
    where = marks.get(at, f"{path.name}: ")
    raise RecipeError(
        f"{where}a step is a name or 'name: {{key: value}}', "
        f"not {json.dumps(item, default=str)[:60]}",
        "bad-recipe",
    )
