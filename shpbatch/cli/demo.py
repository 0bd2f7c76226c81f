"""``shpbatch demo``: the main job on the sample data."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import click

__all__ = ["command", "sample_data"]

CHAIN = "! make-valid ! reproject --dst-crs EPSG:3857 --src-crs-default EPSG:4326"
#: The one layer of the sample that was cut in the middle on purpose.
CORRUPT = "virginia.shp"


@click.command(name="demo")
@click.option("-o", "--output", type=click.Path(), help="Folder to work in; else a temporary one.")
def command(output: str | None) -> None:
    """Run a recipe on the sample data and say where everything is.

    One of the layers is corrupt on purpose: it fails, all others are done.
    """
    from .. import api
    from ..reporting.report import as_json, summary

    folder = Path(output or tempfile.mkdtemp(prefix="shpbatch-demo-"))
    source, out = folder / "sample_data", folder / "out"
    shutil.copytree(sample_data(), source, dirs_exist_ok=True)
    click.echo(f"shpbatch run {source} -o {out} {CHAIN}", err=True)
    report = api.run(source, out, CHAIN, if_exists="overwrite", progress="auto")
    (folder / "summary.json").write_text(json.dumps(as_json(report), indent=2))
    click.echo(summary(report))
    click.echo(f"results: {out}\nsummary: {folder / 'summary.json'}")
    unexpected = [
        o for o in report.outcomes if (o.status != "done") != o.sources[0].endswith(CORRUPT)
    ]
    sys.exit(1 if unexpected else 0)


def sample_data() -> Path:
    """The sample data: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_sample_data"
    return installed if installed.is_dir() else package.parent / "sample_data"
