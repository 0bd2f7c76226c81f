"""``shpbatch steps``: what the registry knows."""

from __future__ import annotations

import inspect
import json
import types

import click

from ..engine.registry import STEPS, Parameter, Step

__all__ = ["command"]


@click.command(name="steps")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Parameters as JSON Schema.")
def command(name: str | None, as_json: bool) -> None:
    """List the steps, or explain one (its parameters, method and other names)."""
    steps = [STEPS[name]] if name else list(STEPS)
    if as_json:
        from ..recipes.check import step_schema

        click.echo(json.dumps({step.name: step_schema(step) for step in steps}, indent=2))
    elif name:
        click.echo(explain(steps[0]))
    else:
        width = max(len(step.name) for step in steps)
        for step in steps:
            click.echo(f"{step.name:{width}}  {step.summary}")


def explain(step: Step) -> str:
    """Usage, parameters and documentation of one step."""
    lines = [usage(step), "", step.summary, ""]
    width = max((len(_option(p)) for p in step.parameters), default=0)
    lines += [f"  {_option(p):{width}}  {_help(p)}" for p in step.parameters]
    body = inspect.cleandoc(step.doc.partition("\n")[2].partition("Parameters\n---")[0])
    notes = step.doc.partition("Notes\n-----\n")[2].strip()
    return "\n".join([*lines, *(["", *body.splitlines()] if body else []), "", notes]).rstrip()


def usage(step: Step) -> str:
    """``! buffer --distance FLOAT [--side both|left|right]``."""
    shown = (_option(p) if p.required else f"[{_option(p)}]" for p in step.parameters)
    return " ".join(["!", step.name, *shown])


def _option(p: Parameter) -> str:
    return p.option if p.plain is bool else f"{p.option} {_value(p)}"


def _value(p: Parameter) -> str:
    if p.choices:
        return "|".join(p.choices)
    name = p.text.kind if p.text else str(getattr(p.item, "__name__", p.item))
    if isinstance(p.plain, types.GenericAlias) and p.plain.__origin__ is tuple:
        return "MINX,MINY,MAXX,MAXY"
    return name.upper() + (",…" if p.is_list else "")


def _help(p: Parameter) -> str:
    default = "" if p.required or p.default in (None, False, ()) else f" [default: {p.default}]"
    return p.help + default
