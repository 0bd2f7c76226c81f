"""``shpbatch log``: one run, file by file."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import click

from ..errors import PlanError
from ..reporting.talk import one_line
from .ledger import opened

__all__ = ["command"]


@click.command(name="log")
@click.argument("dst", type=click.Path(exists=True, file_okay=False))
@click.argument("run", required=False)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(["done", "failed", "skipped", "crashed", "timeout"]),
    help="Only these.",
)
@click.option("--file", "glob", metavar="GLOB", help="Only sources that match.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    dst: str, run: str | None, status: tuple[str, ...], glob: str | None, as_json: bool
) -> None:
    """Show what became of each file of RUN (the last one by default) on the folder DST.

    What was up to date is counted in the run, and not listed.
    """
    with opened(dst) as ledger:
        known = [r["run_id"] for r in ledger.runs()]
        run = run or (known[0] if known else "")
        if run not in known:
            raise PlanError(f"{run}: no such run; 'shpbatch runs {dst}' lists them", "no-run")
        found = [o for o in ledger.outcomes(run) if _wanted(o, status, glob)]
    if as_json:
        click.echo(json.dumps({"schema": 1, "run_id": run, "outcomes": found}))
        return
    for outcome in found:
        click.echo(one_line(_line(outcome)))


def _wanted(outcome: dict[str, Any], status: tuple[str, ...], glob: str | None) -> bool:
    if status and outcome["status"] not in status:
        return False
    return glob is None or any(
        fnmatch.fnmatch(s, glob) or fnmatch.fnmatch(s, f"*/{glob}") for s in outcome["sources"]
    )


def _line(outcome: dict[str, Any]) -> str:
    told = outcome["reason"] or outcome["why"] or ""
    code = f" [{outcome['code']}]" if outcome["code"] else ""
    return f"{outcome['status']:8} {outcome['sources'][0]} -> {outcome['key']}  {told}{code}"
