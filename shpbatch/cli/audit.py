"""``shpbatch audit``: one grid of what is in a folder, and what is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import PlanError
from .options import source_options, workers_option

__all__ = ["command"]

EPILOG = """
\b
Exit codes: 0 audited (whatever was found, but for --fail-on and --expect);
1 a finding of --fail-on, or a contract that is not kept; 2 the request is wrong;
130/143 interrupted.
"""


@click.command(name="audit", epilog=EPILOG)
@source_options
@click.option("--deep", is_flag=True, help="Read all features, on a pool; else headers only.")
@click.option(
    "--expect",
    type=click.Path(),
    metavar="FILE",
    help="A contract: what layers have to be (YAML, TOML or JSON). Exit 1 where it is not kept.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    help="Exit 1 where something as bad, or worse, was found.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on stdout, a line a layer.")
@click.option("--html", type=click.Path(), metavar="FILE", help="A page with a map; one file.")
@click.option(
    "--geojson", type=click.Path(), metavar="FILE", help="Extents of the layers, in WGS 84."
)
@workers_option
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "none"]),
    default="auto",
    show_default=True,
    help="With --deep. auto: a bar on a terminal, else a line each 30 s.",
)
def command(src: tuple[str, ...], **options: Any) -> None:
    """Show what is in folders of shapefiles, and what is wrong with it.

    A line for each layer, also for those that cannot be read; then each kind
    of problem with its remedy. Nothing is changed.

    \b
    shpbatch audit data/
    shpbatch audit data/ --deep --html report.html
    shpbatch audit incoming/ --expect expect.yaml --fail-on warning
    """
    from ..auditing import audit
    from .signals import EXIT_CODES, stop_on_signals

    if options["as_json"] and options["as_csv"]:
        raise click.UsageError("--json and --csv both go to stdout: choose one")
    pages = {name: options[name] for name in ("html", "geojson") if options[name]}
    for path in pages.values():
        _check_target(path)
    stop = stop_on_signals()
    named = ("deep", "expect", "include", "exclude", "limit", "workers", "progress")
    found = audit(src, stop=stop, **{name: options[name] for name in named})
    if stop.reason:
        sys.exit(EXIT_CODES[stop.reason])
    _write(found, pages)
    _print(found, options["as_json"], options["as_csv"])
    kept = not any(f.code.startswith("expected-") for _, _, f in found.told())
    if not kept or (options["fail_on"] and found.fails(options["fail_on"])):
        sys.exit(1)


def _print(found: Any, as_json: bool, as_csv: bool) -> None:
    """The one form that goes to stdout."""
    if as_json:
        from ..auditing.records import as_json as json_object

        click.echo(json.dumps(json_object(found)))
    elif as_csv:
        from ..auditing.records import as_csv as csv_text

        sys.stdout.write(csv_text(found).encode("utf-8", "backslashreplace").decode())
    else:
        from ..auditing.table import table

        click.echo(table(found, shutil.get_terminal_size((120, 24)).columns))


def _check_target(path: str) -> None:
    """Refuse to write over what is likely a layer.

    Raises
    ------
    PlanError
        ``bad-target``.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg", ".zip", ".shz") or os.path.isdir(path):
        raise PlanError(f"{path}: would be written over; name a file of its own", "bad-target")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise PlanError(f"{path}: there is no such folder; make it first", "bad-target")


def _write(found: Any, pages: dict[str, str]) -> None:
    """Write the files: complete or absent."""
    from ..durable import translated

    for name, path in pages.items():
        if name == "html":
            from ..auditing.page import as_html

            text = as_html(found)
        else:
            from ..auditing.footprint import as_geojson

            text = as_geojson(found)
        part = Path(f"{path}.part")
        with translated(path):
            try:
                part.write_text(text, "utf-8", "backslashreplace")
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)
