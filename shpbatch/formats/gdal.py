"""Geometry that the native codec declines, as GDAL reads it: pyogrio, else fiona."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from ..errors import ReadError
from ..scratch import scratch
from ..shapefile.writer import ShpWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..shapefile.records import Records

__all__ = ["read_shapes"]


def read_shapes(records: Records, code: int) -> NDArray[np.object_]:
    """Geometries of records; None for null, and for what GEOS cannot hold. They have no M.

    GDAL gets them in a file of their own: it never sees a user's path, which
    it may take for a place in an archive, nor records that no step will see.

    Parameters
    ----------
    records : Records
        Of one shape type, found good.
    code : int
        That type.

    Raises
    ------
    ReadError
        ``gdal-failed`` where neither pyogrio nor fiona can.
    """
    if not len(records):
        return np.empty(0, dtype=object)
    with (
        scratch() as folder,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # M is told by who asks; there is no CRS
        path = Path(folder, "layer.shp")
        with ShpWriter(path, code) as shp:
            shp.add(records)
            shp.finish()
        try:
            return _with_pyogrio(path)
        except Exception as first:
            try:
                return _with_fiona(path, len(records))
            except Exception as second:
                raise ReadError(
                    f"neither pyogrio ({first}) nor fiona ({second}) can read the geometry",
                    "gdal-failed",
                ) from second


def _with_pyogrio(path: Path) -> NDArray[np.object_]:
    import pyogrio.raw

    wkb = pyogrio.raw.read(path, columns=[])[2]
    shapes: NDArray[np.object_] = shapely.from_wkb(wkb, on_invalid="ignore")
    return shapes


def _with_fiona(path: Path, count: int) -> NDArray[np.object_]:
    import fiona
    import shapely.geometry

    found = np.full(count, None, dtype=object)
    with fiona.open(path) as layer:
        for i, feature in enumerate(layer):
            geometry = feature["geometry"]
            found[i] = None if geometry is None else shapely.geometry.shape(geometry)
    return found
