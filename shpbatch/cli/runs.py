"""``shpbatch runs``: past runs on a destination."""

from __future__ import annotations

import json
from typing import Any

import click

from ..reporting.talk import one_line
from .ledger import opened

__all__ = ["command"]


@click.command(name="runs")
@click.argument("dst", type=click.Path(exists=True, file_okay=False))
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(dst: str, limit: int, as_json: bool) -> None:
    """List past runs on the output folder DST, the last one first."""
    with opened(dst) as ledger:
        runs = ledger.runs()[:limit]
    if as_json:
        click.echo(json.dumps({"schema": 1, "runs": runs}))
        return
    for run in runs:
        click.echo(one_line(_line(run)))


def _line(run: dict[str, Any]) -> str:
    if run["ended"] is None:
        told = "was killed, or goes on"
    else:
        counts = run["files"]
        told = ", ".join(f"{counts[name]:,} {name}" for name in ("done", "failed", "skipped"))
        told += f" in {run['seconds']:.1f} s"
    return f"{run['run_id']}  {run['status'] or '-':11}  {told}  {run['recipe']}"
