"""Geometry that the native codec declines, as GDAL reads it: pyogrio, else fiona."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from ..errors import ReadError
from ..models import Source
from ..shapefile.bundle import MAIN, Bundle
from ..shapefile.index import build_shx, load_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["lent", "read_shapes"]

STEM = "layer"


@contextmanager
def lent(source: Source) -> Iterator[Path]:
    """The members of a source under names of ours, in a folder that goes away.

    GDAL never sees a user's path: it takes ``a!b.shp`` for a place in an
    archive. A missing ``.shx`` is rebuilt there, never in the user's folder.
    """
    bundle = Bundle.of(source)
    with tempfile.TemporaryDirectory(prefix="shpbatch-") as folder:
        for extension in MAIN:
            if extension in bundle:
                bundle.lend(extension, Path(folder, f"{STEM}.{extension}"))
        if load_index(bundle).rebuilt:
            shx = Path(folder, f"{STEM}.shx")
            shx.unlink(missing_ok=True)
            shx.write_bytes(build_shx(bundle))
        yield Path(folder, f"{STEM}.shp")


def read_shapes(source: Source, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    """Geometries of some rows; None for null, and for what GEOS cannot hold.

    Parameters
    ----------
    source : Source
    rows : ndarray of int64
        Row numbers in the source, which are GDAL's FIDs.

    Raises
    ------
    ReadError
        ``gdal-failed`` where neither pyogrio nor fiona can.
    """
    wanted, places = np.unique(rows, return_inverse=True)
    with lent(source) as path, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # M and CRS: looked after elsewhere
        try:
            shapes = _with_pyogrio(path, wanted)
        except Exception as first:
            try:
                shapes = _with_fiona(path, wanted)
            except Exception as second:
                raise ReadError(
                    f"{source.name}: neither pyogrio ({first}) nor fiona ({second}) can read it",
                    "gdal-failed",
                ) from second
    return shapes[places]


def _with_pyogrio(path: Path, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    import pyogrio
    import pyogrio.raw

    # Set in a user's shell it would rewrite a .shx through our link, in the source folder.
    pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "NO"})
    if not len(rows):
        return np.empty(0, dtype=object)
    _, fids, wkb, _ = pyogrio.raw.read(path, columns=[], fids=rows, return_fids=True)
    shapes = shapely.from_wkb(wkb, on_invalid="ignore")
    found = np.full(len(rows), None, dtype=object)
    found[np.searchsorted(rows, np.asarray(fids, dtype=np.int64))] = shapes
    return found


def _with_fiona(path: Path, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    import fiona
    import shapely.geometry

    found = np.full(len(rows), None, dtype=object)
    with fiona.open(path, encoding="ISO-8859-1") as layer:
        for i, row in enumerate(rows.tolist()):
            geometry = layer[row]["geometry"]
            found[i] = None if geometry is None else shapely.geometry.shape(geometry)
    return found
