"""Layers of other formats are lent to the reader as shapefiles.

They are written by our own writer into a folder that goes away. What a
shapefile cannot hold is whole beside it, or counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..account import Account
from ..errors import ReadError, WriteError
from ..header import shape_code
from ..models import Header
from ..shapefile.crs import esri_wkt
from ..shapefile.encode import encode
from ..shapefile.vertices import from_shapes
from ..shapefile.writer import ShpWriter
from .kinds import kind_of, put_apart
from .lent_table import write_table
from .reading import STEM, Found, found_of, told_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LOSSES", "lend"]

#: Extension of what is told beside the lent shapefile.
LOSSES = "losses.json"
#: Geometries made at a time.
ROWS = 65_536


def lend(path: str, layer: str, folder: Path) -> None:
    """Write a layer as ``layer.shp`` with its files into a folder.

    Raises
    ------
    ReadError
        ``source-unreadable``, ``too-large``.
    """
    account, found = Account(on_overflow="cut"), found_of(path, layer)
    with told_of(path), _not_too_large():
        shapes = _shapes(found.wkb, account)
        header = _header(shapes, found, account)
        code = shape_code(header)
        shapes = put_apart(shapes, code, folder)
        with ShpWriter(folder / f"{STEM}.shp", code) as shp:
            for at in range(0, max(1, len(shapes)), ROWS):
                shp.add(encode(from_shapes(shapes[at : at + ROWS], code)))
            shp.finish()
        write_table(folder, found, account)
    if header.crs is not None:
        (folder / f"{STEM}.prj").write_text(header.crs, "utf-8")
    told = [[text, n, account.examples.get(text)] for text, n in account.losses.items()]
    (folder / f"{STEM}.{LOSSES}").write_text(json.dumps(told), "utf-8")


@contextmanager
def _not_too_large() -> Iterator[None]:
    """No policy divides what is lent: say what does."""
    try:
        yield
    except WriteError as error:
        if error.code != "too-large":
            raise
        raise ReadError(
            "the layer has more than 2 GB as a shapefile, which it is on its way; "
            "divide it with ogr2ogr -where",
            "too-large",
        ) from None


def _shapes(wkb: NDArray[np.object_], account: Account) -> NDArray[np.object_]:
    """Geometries; what is none, or not as the standard has it, is counted."""
    import shapely

    found = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object).reshape(len(wkb))
    odd = np.flatnonzero(shapely.is_missing(found))
    odd = odd[[wkb[row] is not None for row in odd]]
    if not len(odd):
        return found
    found[odd] = shapely.from_wkb(wkb[odd], on_invalid="fix")
    lost = shapely.is_missing(found[odd])
    for text, rows in (
        ("geometries that cannot be read are written as null", odd[lost]),
        ("rings that were not closed, or had too few points, were closed", odd[~lost]),
    ):
        account.lose(text, len(rows), f"FID {rows[0]}" if len(rows) else None)
    return found


def _header(shapes: NDArray[np.object_], found: Found, account: Account) -> Header:
    """The shapefile's header, which most geometries fit."""
    import shapely

    z, m = shapely.has_z(shapes), shapely.has_m(shapes)
    flat = np.flatnonzero(~z & ~shapely.is_missing(shapes) & ~shapely.is_empty(shapes))
    if z.any() and len(flat):
        text = "geometries have no Z in a layer that has, and are written with 0"
        account.lose(text, len(flat), f"FID {flat[0]}")
    header = Header(
        kind_of(shapes, found.kind), has_z=bool(z.any()), has_m=bool(m.any() and not z.any())
    )
    crs = found.crs
    known = crs is not None and "ndefined" not in crs  # GeoPackage has two CRS that are none
    return replace(header, crs=esri_wkt(str(crs))) if known else header
