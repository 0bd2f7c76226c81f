"""Check a step's parameters with pydantic, and say what is wrong in our own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from ..engine.aspects import Text, nearest
from ..engine.registry import Parameter, Step
from ..errors import RecipeError

__all__ = ["checked_params", "step_schema"]


def checked_params(
    step: Step, params: Mapping[str, Any], place: Callable[[str | None], str], words: bool
) -> dict[str, Any]:
    """The parameters of a call with their types; defaults are left to the function.

    Raises
    ------
    RecipeError
        All mistakes in these parameters, one a line.
    """
    values = {
        k: tuple(v) if isinstance(v, list) and _is_box(step, k) else v for k, v in params.items()
    }
    try:
        model = _model(step).model_validate(values, strict=not words)
    except ValidationError as error:
        lines, codes = [], []
        for item in error.errors():
            key = str(item["loc"][0]) if item["loc"] else None
            text, code = _sentence(step, key, dict(item), words)
            lines.append(f"{place(key)}{step.name}: {text}")
            codes.append(code)
        raise RecipeError("\n".join(lines), codes[0]) from None
    checked = {k: v for k, v in model.model_dump(exclude_unset=True).items() if v is not None}
    if not step.active(checked):
        options = " or ".join(p.option if words else p.name for p in step.parameters)
        raise RecipeError(f"{place(None)}{step.name}: give {options}", "missing-parameter")
    return checked


def step_schema(step: Step) -> dict[str, Any]:
    """JSON Schema of a step's parameters."""
    schema = _model(step).model_json_schema()
    schema["description"] = step.summary
    schema.pop("title", None)
    for prop in schema.get("properties", {}).values():
        prop.pop("title", None)
    return schema


def _is_box(step: Step, key: str) -> bool:
    return any(
        p.name == key and getattr(p.plain, "__origin__", None) is tuple for p in step.parameters
    )


@lru_cache(maxsize=256)
def _model(step: Step) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for p in step.parameters:
        default = ... if p.required else p.default
        fields[p.name] = (_checked_type(p), Field(default, description=p.help or None))
    return create_model(
        step.name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields
    )


def _checked_type(p: Parameter) -> Any:
    """The type as pydantic checks it: texts with a meaning run their own check."""
    if p.text is None:
        plain = p.plain
    else:
        item: Any = Annotated[str, AfterValidator(_checker(p.text))]
        plain = list[item] if p.is_list else item
    for constraint in p.constraints:
        plain = Annotated[plain, constraint]
    return plain if p.plain is p.type else plain | None


def _checker(text: type[Text]) -> Callable[[str], str]:
    def run(value: str) -> str:
        text.check(value)
        return value

    return run


_WANTED = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list of numbers",
}


def _sentence(step: Step, key: str | None, item: dict[str, Any], words: bool) -> tuple[str, str]:
    """What is wrong with one key, and the code."""
    kind, value, context = str(item["type"]), item["input"], item.get("ctx", {})
    shown = "--" + str(key).replace("_", "-") if words else str(key)
    own = context.get("error")
    group, _, detail = kind.partition("_")
    text, code = (
        str(item["msg"]).replace("Input should be", "must be") + f", not '{value}'",
        "bad-value",
    )
    if kind == "extra_forbidden":
        names = [p.name for p in step.parameters]
        return f"unknown key '{key}'{nearest(str(key), names)}", "unknown-key"
    if isinstance(own, RecipeError):
        text, code = f": {own}", own.code
    elif kind == "missing" and len(item["loc"]) == 1:
        text, code = "is required", "missing-parameter"
    elif kind == "literal_error":
        text, code = f"is one of {context['expected']}, not '{value}'", "bad-choice"
    elif kind in ("missing", "too_long"):
        text, code = "wants 4 numbers: minx,miny,maxx,maxy", "bad-type"
    elif group in _WANTED and detail in ("type", "parsing", "from_float"):
        text, code = f"must be {_WANTED[group]}, not '{value}'", "bad-type"
    return f"'{shown}'{'' if text[0] == ':' else ' '}{text}", code
