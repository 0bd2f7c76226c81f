"""Rejected features, written aside: which, at what step, why, and as they were in the source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..account import Reject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..shapefile.reader import Reader

__all__ = ["REJECTS", "write_rejects"]

#: Extension of the file beside the sink: a GeoJSON feature a line.
REJECTS = "rejects.geojsonl"
#: Geometries in memory at once.
CHUNK = 1_000


def write_rejects(path: Path, rejects: Sequence[Reject], readers: Mapping[str, Reader]) -> None:
    """Write a line for each rejected feature.

    Parameters
    ----------
    path : Path
    rejects : sequence of Reject
    readers : mapping of str to Reader
        Of the sources, by name. Coordinates are in the source's CRS.
    """
    with open(path, "w", encoding="ascii", newline="\n") as file:
        for at in range(0, len(rejects), CHUNK):
            some = rejects[at : at + CHUNK]
            for reject, geometry in zip(some, _geometries(some, readers), strict=True):
                properties = {
                    "fid": reject.row,
                    "step": reject.step,
                    "reason": reject.reason,
                    "source": reject.source,
                }
                text = json.dumps(properties)
                file.write(f'{{"type":"Feature","properties":{text},"geometry":{geometry}}}\n')


def _geometries(rejects: Sequence[Reject], readers: Mapping[str, Reader]) -> list[str]:
    """Geometries as GeoJSON text, ``null`` where a record cannot be shown."""
    texts = ["null"] * len(rejects)
    for name in {r.source for r in rejects} & readers.keys():
        places = [i for i, r in enumerate(rejects) if r.source == name]
        rows = np.array([rejects[i].row for i in places])
        for i, text in zip(places, _texts(readers[name], rows), strict=True):
            texts[i] = text
    return texts


def _texts(reader: Reader, rows: NDArray[np.int64]) -> list[str]:
    import shapely

    from ..errors import ReadError
    from ..shapefile.shapes import to_shapes
    from ..shapefile.shp import Declined, decode

    try:
        shapes = to_shapes(decode(reader.records(rows), reader.code)).shapes
    except (ReadError, Declined, shapely.errors.ShapelyError):
        if len(rows) == 1:
            return ["null"]
        return [text for row in rows for text in _texts(reader, np.array([row]))]
    coords, index = shapely.get_coordinates(shapes, return_index=True)
    shapes = shapes.copy()
    shapes[index[~np.isfinite(coords).all(axis=1)]] = None  # JSON has no NaN
    return [text or "null" for text in shapely.to_geojson(shapely.force_2d(shapes))]
