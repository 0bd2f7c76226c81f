"""The plain way, older: ``multiprocessing.Pool(16)`` over files, each record by record.

python pool_fiona.py copy|reproject|filter|calculate SOURCE OUT
"""

from __future__ import annotations

import os
import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import fiona
from fiona.transform import transform_geom
from steps import HALF_POP, UTM


def shp_parser(path: str, step: str, out: str) -> None:
    """Read, change and write one layer."""
    with fiona.open(path) as source:
        profile = source.profile
        if step == "reproject":
            profile["crs"] = UTM
            del profile["crs_wkt"]  # it would win
        elif step == "calculate":
            profile["schema"]["properties"]["calc"] = "float:24.15"
        profile["encoding"] = "UTF-8"
        with fiona.open(os.path.join(out, os.path.basename(path)), "w", **profile) as sink:
            for record in source:
                if step == "reproject":
                    moved = transform_geom(source.crs, UTM, record.geometry)
                    sink.write(fiona.Feature(geometry=moved, properties=record.properties))
                elif step == "calculate":
                    row = dict(record.properties)
                    row["calc"] = row["value"] * 2 + row["pop"]
                    sink.write(
                        fiona.Feature(geometry=record.geometry, properties=fiona.Properties(**row))
                    )
                elif step == "copy" or record.properties["pop"] < HALF_POP:
                    sink.write(record)


def main(step: str, source: str, out: str) -> None:
    """Hand all files to the pool."""
    paths = sorted(str(p) for p in Path(source).rglob("*.shp"))
    with Pool(16) as pool:
        pool.map_async(partial(shp_parser, step=step, out=out), paths).get()


if __name__ == "__main__":
    main(*sys.argv[1:])
