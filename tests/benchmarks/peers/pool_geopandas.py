"""The plain way: ``multiprocessing.Pool(16)`` over files, each read, changed and written.

python pool_geopandas.py STEP SOURCE OUT
"""

from __future__ import annotations

import os
import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import geopandas
import pandas
from steps import DISTANCE, HALF_POP, SEGMENTS, TOLERANCE, UTM, WORLD


def change(frame: geopandas.GeoDataFrame, step: str) -> geopandas.GeoDataFrame:
    """Apply the step that the command line names."""
    if step == "reproject":
        frame = frame.to_crs(UTM)
    elif step == "reproject-world":
        frame = frame.to_crs(WORLD)
    elif step == "filter":
        frame = frame[frame["pop"] < HALF_POP]
    elif step == "calculate":
        frame["calc"] = frame["value"] * 2 + frame["pop"]
    elif step == "simplify":
        frame["geometry"] = frame.simplify(TOLERANCE)
    elif step == "buffer":
        frame["geometry"] = frame.buffer(DISTANCE, quad_segs=SEGMENTS)
    elif step != "copy":
        raise ValueError(step)
    return frame


def shp_parser(path: str, step: str, out: str) -> None:
    """Read, change and write one layer."""
    frame = change(geopandas.read_file(path), step)
    frame.to_file(os.path.join(out, os.path.basename(path)), encoding="UTF-8")


def main(step: str, source: str, out: str) -> None:
    """Hand all files to the pool."""
    paths = sorted(str(p) for p in Path(source).rglob("*.shp"))
    with Pool(16) as pool:
        if step == "merge":
            frames = pool.map_async(geopandas.read_file, paths).get()
            whole = pandas.concat(frames, ignore_index=True)
            whole.to_file(os.path.join(out, "merged.shp"), encoding="UTF-8")
        else:
            pool.map_async(partial(shp_parser, step=step, out=out), paths).get()


if __name__ == "__main__":
    main(*sys.argv[1:])
