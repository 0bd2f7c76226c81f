"""``ogr2ogr`` with another ``-sql`` for every layer, in one process.

The command takes one statement, and a statement names one layer, so a folder would
cost as many starts as it has layers. ``gdal.VectorTranslate`` is the same code behind
the same options, without those starts.

    python translate.py calculate|buffer SOURCE OUT      (with GDAL's own bindings)
"""

from __future__ import annotations

import sys
from pathlib import Path

from osgeo import gdal
from steps import DISTANCE, EXPRESSION, SEGMENTS


def statement(step: str, layer: str) -> list[str]:
    """Options that make the step of one layer."""
    if step == "calculate":
        return ["-sql", f'SELECT *, {EXPRESSION} AS calc FROM "{layer}"']
    shape = f"ST_Buffer(geometry, {DISTANCE}, {SEGMENTS}) AS geometry"
    fields = "id, name, kind, value, pop, day"
    return ["-dialect", "sqlite", "-sql", f'SELECT {shape}, {fields} FROM "{layer}"']


def main(step: str, source: str, out: str) -> None:
    """Translate every layer below a folder."""
    gdal.UseExceptions()
    for path in sorted(Path(source).rglob("*.shp")):
        options = ["-f", "ESRI Shapefile", "-lco", "ENCODING=UTF-8", *statement(step, path.stem)]
        done = gdal.VectorTranslate(f"{out}/{path.name}", str(path), options=options)
        del done  # closes the file


if __name__ == "__main__":
    main(*sys.argv[1:])
