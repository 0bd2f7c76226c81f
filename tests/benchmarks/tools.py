"""What there is on this machine: programs, versions, and the machine itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs to measure with."""

    python: str
    #: How shpbatch is started, and what ``shpbatch run --help`` says.
    shpbatch: tuple[str, ...]
    options: str
    #: A Python with the bindings that come with GDAL, or nothing.
    bindings: str

    def lack(self, program: str) -> str:
        """Say that a program is not there, or nothing."""
        return "" if shutil.which(program) else f"{program} is not installed"


def find_tools() -> Tools:
    """Look for the programs."""
    shpbatch = (sys.executable, "-m", "shpbatch")
    candidates = (sys.executable, "/usr/bin/python3")
    bound = (p for p in candidates if _output(p, "-c", "from osgeo import gdal; print('yes')"))
    return Tools(sys.executable, shpbatch, _output(*shpbatch, "run", "--help"), next(bound, ""))


def machine() -> list[str]:
    """Lines that describe the machine and the versions."""
    import fiona
    import pyogrio

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _text("/proc/cpuinfo").splitlines()
            if line.startswith("model name")
        ),
        "unknown CPU",
    )
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    shpbatch = _output(sys.executable, "-m", "shpbatch", "--version") or "shpbatch does not start"
    python = f"Python {sys.version.split()[0]}"
    gdal = _output("ogr2ogr", "--version").partition(",")[0] or "no ogr2ogr"
    carried = ".".join(map(str, pyogrio.__gdal_version__))
    packages = ", ".join(f"{p} {version(p)}" for p in ("geopandas", "shapely", "pyarrow"))
    return [
        f"{cpu}, {cores} cores, {ram:.0f} GiB RAM, Linux {os.uname().release}",
        f"{shpbatch}; {python}; {packages}",
        (
            f"ogr2ogr: {gdal}; pyogrio {version('pyogrio')} with GDAL {carried}; "
            f"fiona {version('fiona')} with GDAL {fiona.__gdal_version__}"
        ),
    ]


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""


def _output(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
