"""``shpbatch env``: versions of everything that a bug report needs."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from .. import __version__

__all__ = ["command", "versions"]

PACKAGES = (
    "click", "cloudpickle", "duckdb", "fiona", "geopandas", "numpy", "pandas", "pyarrow",
    "pydantic", "pyogrio", "pyproj", "PyYAML", "shapely", "tqdm",
)  # fmt: skip
#: Settings of the shell that reach GDAL or PROJ in our workers.
VARIABLES = ("GDAL_DATA", "PROJ_LIB", "PROJ_DATA", "SHAPE_ENCODING", "SHAPE_RESTORE_SHX")


@click.command(name="env")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(as_json: bool) -> None:
    """Show the versions that a bug report needs."""
    found = versions()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name:{width}}  {value}")


def versions() -> dict[str, str]:
    """Versions by name; libraries inside wheels are named by what carries them."""
    import fiona
    import pyogrio
    import pyproj
    import shapely

    found = {
        "shpbatch": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "GDAL (pyogrio)": ".".join(map(str, pyogrio.__gdal_version__)),
        "GDAL (fiona)": fiona.__gdal_version__,
        "PROJ (pyproj)": pyproj.proj_version_str,
        "GEOS (shapely)": ".".join(map(str, shapely.geos_version)),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    for name in VARIABLES:
        if name in os.environ:
            found[f"${name}"] = f"{os.environ[name]} (unset it where results look odd)"
    return found
