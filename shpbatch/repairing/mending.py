"""What is wrong with the files of a layer, and what can be saved of it; nothing is written."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Literal

import numpy as np

from ..doctors.diagnosis import Diagnosis
from ..doctors.shapes import add_doubts, as_they_are, diagnose_shapes
from ..errors import ReadError
from ..findings import Lost, runs_of
from ..models import Source
from ..shapefile.bundle import Bundle
from ..shapefile.mended_table import Rows, rows_of_table
from ..shapefile.opened import mapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["diagnose"]

NOT_ONE = np.empty(0, np.int64)


def diagnose(source: Source) -> Diagnosis:
    """Find out what can be saved of a layer.

    Raises
    ------
    ReadError
        ``empty-file``, ``bad-magic``, ``unknown-type``, ``nothing-saved``.
    SourceError
        ``source-missing``, ``bad-zip``.
    """
    bundle = Bundle.of(source)
    found = diagnose_shapes(source, bundle)
    if "dbf" in bundle:
        _add_table(found, bundle)
    else:
        _settle_shapes(found)
    if found.searched:
        add_doubts(found, bundle)
    return found


# -- the .dbf -----------------------------------------------------------------


def _add_table(found: Diagnosis, bundle: Bundle) -> None:
    """Find the rows of the ``.dbf``, and put them beside the shapes by number."""
    with bundle.file("dbf") as file:
        data = _all_of(file)
    shapes = found.count
    try:
        rows = rows_of_table(data, shapes, found.source.name)
    except ReadError as error:
        found.lost.append(Lost(0, shapes, "attributes", _short(error, found.source)))
        _settle_shapes(found)
        return
    if found.places is not None:
        found.places.end_at(rows.count + rows.lost)
        found.count = shapes = len(found.places.starts)
    found.table = True
    found.repairs.update(rows.repairs)
    found.count = max(shapes, rows.count)
    if rows.lost:
        _lose_rows(found, rows, shapes, f"the .dbf ends at byte {len(data)}, before its row does")
    elif shapes > rows.count:
        _tell_no_rows(found, rows.count, shapes - rows.count)
    if found.places is None and rows.count > shapes:
        found.places = as_they_are(found.source, bundle)
    if found.places is not None:
        _pad(found, bundle)
    _settle_shapes(found, rows.deleted)
    found.lost += runs_of(rows.torn.empty, "its row of the .dbf is zeros", "attributes")
    found.lost += runs_of(rows.torn.doubtful, "zeros were written over its row of the .dbf")
    mismatch = rows.count != found.count or rows.table.declared != rows.count
    if rows.repairs or rows.lost or mismatch or len(rows.torn.flags):
        found.rows = rows


def _tell_no_rows(found: Diagnosis, count: int, missing: int) -> None:
    """Shapes have no row, and the ``.dbf`` was not cut: an empty one is as it was meant."""
    if count:
        found.lost.append(Lost(count, missing, "attributes", "the .dbf has no row of it"))
    else:
        found.repairs["the .dbf has no rows: attributes are NULL"] += missing


def _lose_rows(found: Diagnosis, rows: Rows, shapes: int, reason: str) -> None:
    """Say of each row that was cut off whether its shape is saved."""
    with_shape = min(rows.lost, max(0, shapes - rows.count))
    if with_shape:
        found.lost.append(Lost(rows.count, with_shape, "attributes", reason))
    if rows.lost > with_shape:
        first = rows.count + with_shape
        found.lost.append(Lost(first, rows.lost - with_shape, "feature", reason))


def _all_of(file: IO[bytes]) -> NDArray[np.uint8]:
    size = os.fstat(file.fileno()).st_size
    return mapped(file, 0, size) if size else np.empty(0, np.uint8)


def _pad(found: Diagnosis, bundle: Bundle) -> None:
    """Rows without a shape keep their attributes, with a null shape."""
    there = found.places
    if there is None or found.count <= len(there.starts):
        return
    with bundle.file("shp") as file:
        there.spread(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), found.count)
    there.extend(found.count, 0, "the .shp has no record of it, the .dbf has its row")


def _settle_shapes(found: Diagnosis, deleted: NDArray[np.int64] = NOT_ONE) -> None:
    """Say of each lost record whether its attributes are saved; deleted rows are no loss."""
    if found.places is None:
        return
    found.count = max(found.count, len(found.places.starts))
    what: Literal["shape", "feature"] = "shape" if found.table else "feature"
    for gone in found.places.gone:
        place = f" (byte {gone.byte} of the .shp)" if gone.byte else ""
        for first, count in _runs(gone.first, gone.rows, deleted):
            found.lost.append(Lost(first, count, what, f"{gone.reason}{place}"))


def _runs(first: int, count: int, without: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Rows from one on, without some, as runs."""
    inside = without[np.searchsorted(without, first) : np.searchsorted(without, first + count)]
    for row in inside.tolist():
        if row > first:
            yield first, row - first
        count -= row + 1 - first
        first = row + 1
    if count:
        yield first, count


def _short(error: ReadError, source: Source) -> str:
    """A reason without the name of the layer, which stands beside it."""
    return str(error).removeprefix(f"{source.name}: ")
