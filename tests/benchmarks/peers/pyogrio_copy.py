"""The shortest way through GDAL from Python: columns in, columns out, one process.

python pyogrio_copy.py SOURCE OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyogrio.raw import read_arrow, write_arrow


def main(source: str, out: str) -> None:
    """Copy every layer below a folder."""
    for path in sorted(Path(source).rglob("*.shp")):
        meta, table = read_arrow(path)
        write_arrow(
            table,
            Path(out) / path.name,
            geometry_name=meta["geometry_name"] or "wkb_geometry",
            geometry_type=meta["geometry_type"],
            crs=meta["crs"],
            encoding="UTF-8",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
