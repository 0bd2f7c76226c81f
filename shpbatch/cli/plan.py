"""``shpbatch plan``: what run would do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from ..models import Header, Task
from ..planning.plan import Plan
from ..reporting.talk import one_line
from .options import ChainCommand, layout_options, recipe_options, source_options
from .policies import policy_options
from .run import planner
from .streams import prints_on_stderr

__all__ = ["command", "show_plan"]


@click.command(cls=ChainCommand, name="plan")
@source_options
@layout_options
@policy_options
@recipe_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def command(ctx: click.Context, /, as_json: bool, **options: Any) -> None:
    """Show what run would do, file by file; write nothing."""
    show_plan(ctx, options, as_json)


def show_plan(ctx: click.Context, options: dict[str, Any], as_json: bool) -> None:
    """Print the plan that options ask for; exit 1 where some files are known to fail."""
    with prints_on_stderr():
        plan = planner(ctx, options)()
    rows = list(zip(plan.tasks, plan.headers, strict=True))
    if as_json:
        tasks = [_record(*row) for row in rows]
        kept = {key: asdict(problem) for key, problem in plan.staying.items()}
        told = {"names": _names(plan), "vanished": list(plan.vanished), "kept": kept}
        click.echo(json.dumps({"schema": 1, "tasks": tasks, **told}))
    else:
        for row in rows:
            click.echo(one_line(_line(*row)))
        for name, written in _names(plan).items():
            click.echo(one_line(f"name    {name} -> {written}"))
        for path, reason in plan.ignored:
            click.echo(one_line(f"ignore  {path}: {reason}"))
        for key in plan.vanished:
            problem = plan.staying.get(key)
            more = f"but {problem.reason}" if problem else "(--prune removes it)"
            click.echo(one_line(f"gone    {key}: its source is gone {more}"))
    sys.exit(1 if any(task.problem for task in plan.tasks) else 0)


def _names(plan: Plan) -> dict[str, str]:
    """Names that fields of the plan are written under, where they are others."""
    known = {name for header in plan.headers if header for name in header.field_names()}
    return {name: written for name, written in plan.names.items() if name in known}


def _record(task: Task, header: Header | None) -> dict[str, Any]:
    problem = task.problem
    told = problem or task.skip
    return {
        "source": task.source.name,
        "merged": [m.source.name for m in task.members],
        "sink": task.sink,
        "action": _action(task),
        "code": told.code if told else None,
        "reason": told.reason if told else None,
        "why": task.why,
        "header": header.plain() if header and not problem else None,
    }


def _action(task: Task) -> str:
    return "fail" if task.problem else "skip" if task.skip else "run"


def _line(task: Task, header: Header | None) -> str:
    action = _action(task)
    if task.problem:
        return f"{action:6}  {task.problem.reason} [{task.problem.code}]"
    if task.skip:
        named = "" if task.sink in task.skip.reason else f"{task.sink}: "
        return f"{action:6}  {named}{task.skip.reason}"
    what = f"{header.count:,} {header.geometry_type}" if header else ""
    more = f" and {len(task.members) - 1:,} more" if len(task.members) > 1 else ""
    return f"{action:6}  {task.source.name}{more} -> {task.sink}  ({what}; {task.why})"
