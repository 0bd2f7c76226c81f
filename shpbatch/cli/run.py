"""``shpbatch run``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from ..errors import ShpbatchError, Stopped, WorkerError
from ..models import Report
from .options import (
    ChainCommand,
    layout_options,
    recipe_of,
    recipe_options,
    source_options,
    workers_option,
)
from .policies import policy_options
from .streams import prints_on_stderr

if TYPE_CHECKING:
    from ..planning.plan import Plan

__all__ = ["command"]

#: Options of the run that the plan has not.
_RUN_ONLY = [
    *("workers", "timeout", "retries", "log", "durability", "prune", "wait", "max_seconds"),
    *("mem_limit", "nice", "log_format", "log_file", "metrics_file", "exit_nothing"),
]
#: Of these the command line has more than one.
_TOLD_TWICE = ("max_failures", "progress", "if_exists", "proof")
EPILOG = """
\b
Exit codes: 0 all done or up to date; 1 some files failed; 2 the request is wrong;
3 stopped at --max-failures or --max-seconds; 75 another run holds the destination;
130/143 interrupted.
"""


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A size such as ``512M`` or ``2G``."""
    if value is None:
        return None
    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    number, unit = (value[:-1], value[-1].upper()) if value[-1:].isalpha() else (value, "")
    if not number.isdecimal() or (unit and unit not in units):
        raise click.BadParameter("bytes, or a number with K, M, G or T")
    return int(number) << units.get(unit, 0)


@click.command(cls=ChainCommand, name="run", epilog=EPILOG)
@source_options
@layout_options
@policy_options
@recipe_options
@workers_option
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a file may take.")
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Further tries of a file whose worker died.",
)
@click.option("--no-proof", is_flag=True, help="Do not read back what was written.")
@click.option(
    "--durability",
    type=click.Choice(["full", "fast"]),
    default="full",
    show_default=True,
    help="full: outputs survive a power cut; fast: a kill.",
)
@click.option(
    "--gate",
    is_flag=False,
    flag_value="error",
    type=click.Choice(["error", "warning"]),
    help="Audit first: refuse the run where something as bad (default: error) is found; "
    "bare only after SRC.",
)
@click.option("--expect", type=click.Path(), metavar="FILE", help="A contract; see audit. A gate.")
@click.option("--prune", is_flag=True, help="Remove outputs whose sources are gone.")
@click.option(
    "--wait",
    is_flag=False,
    flag_value="inf",
    default="0",
    type=float,
    metavar="[SECONDS]",
    help="Wait for another run on the same output folder to end; bare only after SRC.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(0, min_open=True),
    help="Begin no file after so long; the next run goes on.",
)
@click.option(
    "--exit-nothing",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    metavar="CODE",
    help="Exit code where everything was up to date.",
)
@click.option("--mem-limit", callback=_bytes, metavar="SIZE", help="Of a worker, such as 2G.")
@click.option("--nice", type=click.IntRange(0, 19), default=0, help="Workers yield to others.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of the lines on stderr.",
)
@click.option("--log-file", type=click.Path(), help="These lines also go there, rotated at 10 MB.")
@click.option("--metrics-file", type=click.Path(), help="Metrics for Prometheus (x.prom).")
@click.option("--max-failures", metavar="N|N%", help="Stop after so many failed files.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failed file.")
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan, write nothing.")
@click.option("--log", type=click.Path(), help="Run log; else in OUTPUT/.shpbatch/log.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "none"]),
    default="auto",
    show_default=True,
    help="auto: a bar on a terminal, else a line each 30 s.",
)
@click.option("-q", "--quiet", is_flag=True, help="Failures only.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Run a recipe over shapefiles.

    SRC is files, folders, globs, zips, @list.txt or - (a list on stdin, a name a
    line, or as find -print0 writes them).
    The tree of folders under SRC is mirrored under the output folder.

    \b
    shpbatch run data/ -o out/ ! make-valid ! reproject --dst-crs EPSG:32650
    shpbatch run data/ -o out/ -r recipe.yaml
    """
    if options["dry_run"]:
        from .plan import show_plan

        show_plan(ctx, options, options["as_json"])
        return
    with told_as_json(options["as_json"]), prints_on_stderr():
        report = execute(ctx, options)
    _print(report, options["as_json"], options["quiet"])
    from ..reporting.report import exit_code

    sys.exit(exit_code(report))


def planner(
    ctx: click.Context, options: dict[str, Any], headers: int | None = None
) -> Callable[[], Plan]:
    """What makes the plan that the options ask for."""
    from .. import api

    recipe = recipe_of(ctx, options["recipe"], options["pipeline"], options["step"])
    settings = _settings(options, layout=True)
    return api.planner(options["src"], options["output"], recipe, headers=headers, **settings)


def execute(ctx: click.Context, options: dict[str, Any]) -> Report:
    """Plan and run, with signals turned into an orderly stop."""
    from .. import api
    from ..planning.plan import HEADERS
    from .signals import stop_on_signals

    stop = stop_on_signals()
    settings = api.RunOptions(**_settings(options, layout=True), **_settings(options, layout=False))
    return api.execute(planner(ctx, options, HEADERS), settings, stop)


def _settings(options: dict[str, Any], layout: bool) -> dict[str, Any]:
    """Options of the command line as fields of RunOptions: those of the plan, or the others."""
    if layout:
        from ..running.settings import RunOptions

        names = {f.name for f in fields(RunOptions)} - {*_RUN_ONLY, *_TOLD_TWICE}
        if_exists = "overwrite" if options["overwrite"] else options["if_exists"]
        kept = {n: options[n] for n in names if n in options}  # `plan` has fewer
        return {**kept, "if_exists": if_exists, "proof": not options.get("no_proof")}
    return {
        **{n: options[n] for n in _RUN_ONLY},
        "max_failures": 1 if options["fail_fast"] else options["max_failures"],
        "progress": "none" if options["quiet"] else options["progress"],
    }


def _print(report: Report, as_json: bool, quiet: bool) -> None:
    """The object on stdout and the talk on stderr, or the summary on stdout."""
    from ..reporting.report import json_text, summary
    from ..reporting.talk import print_line, visible

    if as_json and sys.stdout is not None:
        sys.stdout.writelines(json_text(report))
    if quiet:
        return
    if as_json:
        print_line(summary(report))
    else:
        click.echo(visible(summary(report)))


@contextmanager
def told_as_json(wanted: bool) -> Iterator[None]:
    """Where ``--json`` is given, what prevents a run is an object, too."""
    from .main import exit_code_of

    try:
        yield
    except ShpbatchError as error:
        if wanted:
            _print_error(error, error.code, exit_code_of(error))
        raise
    except Stopped as error:
        if wanted:
            _print_error(error, "interrupted", exit_code_of(error))
        raise


def _print_error(error: BaseException, code: str, exit_code: int) -> None:
    """The object for a request that was refused before any file, or a run that could not go on."""
    import json

    from ..reporting.report import as_json

    report = error.report if isinstance(error, WorkerError) else None
    told = {"exit_code": exit_code, "code": code, "reason": str(error)}
    if report is None:
        told |= {"status": "refused" if isinstance(error, Exception) else code, "run_id": None}
    click.echo(json.dumps({**as_json(report or Report("")), **told}))
