"""``shpbatch verify``: whether the outputs are still what was published."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from ..publishing.staleness import added, edited
from ..reporting.talk import one_line
from .ledger import opened

__all__ = ["command"]


@click.command(name="verify")
@click.argument("dst", type=click.Path(exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(dst: str, as_json: bool) -> None:
    """Read every output in DST and compare it with what was published; exit 1 where one differs."""
    wrong: list[dict[str, str]] = []
    count = 0
    with opened(dst) as ledger:
        for key, output in ledger.made():
            count += 1
            gone = [n for n in output.members if not os.path.lexists(Path(dst, n))]
            changed = edited(output.members, dst, hashed=True)
            wrong += [{"output": key, "file": n, "what": "missing"} for n in gone]
            wrong += [{"output": key, "file": n, "what": "changed"} for n in changed]
            beside = added(output.members, dst)
            wrong += [{"output": key, "file": n, "what": "added"} for n in beside]
    if as_json:
        click.echo(json.dumps({"schema": 1, "outputs": count, "wrong": wrong}))
    else:
        for found in wrong:
            click.echo(one_line(f"{found['what']:8} {found['file']} (of {found['output']})"))
        bad = len({found["output"] for found in wrong})
        click.echo(f"{count - bad:,} of {count:,} outputs are as they were published")
    sys.exit(1 if wrong else 0)
