"""``shpbatch repair``: what is damaged, as whole as it can be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..models import Outcome, Report
from .options import source_options, workers_option

__all__ = ["command"]

EPILOG = """
\b
Exit codes: 0 all is saved wholly; 1 something is lost or doubtful, or a file
failed; 2 the request is wrong; 3 stopped at --max-failures; 75 another run
holds the destination; 130/143 interrupted.
"""
#: Ranges of lost rows that are shown of a layer; all are in the table.
SHOWN = 5


@click.command(name="repair", epilog=EPILOG)
@source_options
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder of the outputs.")
@click.option("--make-valid", is_flag=True, help="Make invalid geometries valid, too.")
@click.option("--flat", is_flag=True, help="Do not mirror the tree of folders.")
@click.option(
    "--container",
    type=click.Choice(["files", "shz"]),
    default="files",
    show_default=True,
    help="shz: a layer is one file.",
)
@click.option(
    "--if-exists",
    type=click.Choice(["update", "fail", "skip", "overwrite"]),
    default="update",
    show_default=True,
    help="Where an output is there: update makes what is stale, of ours.",
)
@click.option("--force", is_flag=True, help="Make up-to-date outputs anew, too.")
@click.option("--encoding", metavar="NAME", help="Of the sources' text, whatever they say.")
@click.option("--spatial-index", is_flag=True, help="Write a .qix beside each output.")
@workers_option
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a file may take.")
@click.option("--max-failures", metavar="N|N%", help="Stop after so many failed files.")
@click.option(
    "--durability",
    type=click.Choice(["full", "fast"]),
    default="full",
    show_default=True,
    help="full: outputs survive a power cut; fast: a kill.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout at the end.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "none"]),
    default="auto",
    show_default=True,
    help="auto: a bar on a terminal, else a line each 30 s.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only layers that are not whole.")
def command(src: tuple[str, ...], output: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Repair shapefiles: save what is whole, tell what is lost.

    Layers that are whole are copied byte for byte; the sources are not touched.
    What is lost stands row by row in OUTPUT/repair.csv.

    \b
    shpbatch repair data/ -o repaired/
    shpbatch repair broken.shp -o repaired/ --dry-run
    """
    from ..salvaging import TABLE, repair, repair_code, repair_json
    from .run import told_as_json
    from .signals import stop_on_signals

    dry_run = options["dry_run"]
    stop = stop_on_signals()
    with told_as_json(as_json):
        report = repair(src, output, stop=stop, **options)
    table = None if dry_run else Path(output, TABLE)
    if as_json:
        click.echo(json.dumps(repair_json(report, dry_run)))
    else:
        _print(report, quiet, table)
    sys.exit(repair_code(report, table))


def _print(report: Report, quiet: bool, table: Path | None) -> None:
    """A line a layer, what was done to it below."""
    from collections import Counter

    from ..reporting.talk import one_line, visible
    from ..salvaging import state_of

    for outcome in report.outcomes:
        if not (quiet and state_of(outcome) in ("whole", "up-to-date")):
            click.echo(visible("\n".join(map(one_line, _lines(outcome)))))
    states = Counter(map(state_of, report.outcomes))
    click.echo(f"{', '.join(f'{n:,} {state}' for state, n in sorted(states.items()))}"
               f" of {len(report.outcomes):,} layers")  # fmt: skip
    if table is not None and table.exists():
        click.echo(f"lost: {one_line(str(table))}")


def _lines(outcome: Outcome) -> list[str]:
    from ..salvaging import doubtful_of, saved_of, state_of

    name, state = outcome.sources[0], state_of(outcome)
    if state == "lost":
        return [f"lost        {outcome.reason} [{outcome.code}]"]
    if state != "salvaged":
        return [f"{state:10}  {name}", *_done(outcome)]
    saved, total = saved_of(outcome)
    doubtful = f", {n:,} doubtful" if (n := doubtful_of(outcome)) else ""
    lines = [f"salvaged {saved:,} of {total:,} records{doubtful}  {name}", *_done(outcome)]
    for lost in outcome.lost[:SHOWN]:
        rows = f"row {lost.row}" if lost.count == 1 else f"rows {lost.row} to {_last(lost)}"
        what = "doubtful:" if lost.what == "doubtful" else f"lost: {lost.what} of"
        lines.append(f"    {what} {rows}: {lost.reason}")
    if len(outcome.lost) > SHOWN:
        lines.append(f"    … and {len(outcome.lost) - SHOWN:,} more")
    return lines


def _last(lost: Any) -> int:
    return int(lost.row + lost.count - 1)


def _done(outcome: Outcome) -> list[str]:
    if not outcome.repairs and not outcome.lost:  # notes are in the log and in --json
        return []
    repairs = [f"    {what}{f' ({n:,})' if n > 1 else ''}" for what, n in outcome.repairs]
    return [*repairs, *(f"    note: {note}" for note in outcome.notes)]
