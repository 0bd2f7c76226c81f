"""Prove that a set of files is structurally whole; no writer is believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import ReadError, SourceError, WriteError
from .header import dbf_fields, read_header
from .models import Source
from .shapefile.bundle import Bundle
from .shapefile.index import HEADER_BYTES, check_index, read_shx

__all__ = ["deleted_rows", "staged_count"]


def deleted_rows(bundle: Bundle) -> tuple[int, int | None]:
    """Rows flagged as deleted, and rows in all (None without a ``.dbf``)."""
    if "dbf" not in bundle:
        return 0, None
    with bundle.open("dbf") as file:
        data = file.read()
    dbf_fields(data, bundle.name("dbf"))
    declared = int.from_bytes(data[4:8], "little")
    start, length = (int.from_bytes(data[i : i + 2], "little") for i in (8, 10))
    rows = max(0, min(declared, (len(data) - start) // length)) if length else 0
    flags = np.frombuffer(data, np.uint8, rows * length, start)[:: length or 1]
    return int((flags == ord("*")).sum()), rows


def staged_count(folder: Path) -> int:
    """Features in a written set, proved to be structurally whole.

    A writer may report success on a full disk, so the files themselves are
    asked: lengths against sizes, the index against the records, rows against shapes.

    Raises
    ------
    WriteError
        ``write-incomplete``.
    """
    source = Source(str(folder / "layer.shp"), "layer.shp")
    try:
        bundle = Bundle.of(source)
        header = read_header(source)
        index = read_shx(bundle)
        if index is None or any(p.code in ("length-lies", "shx-missing") for p in header.problems):
            raise ReadError("lengths do not agree", "write-incomplete")
        check_index(bundle, index)
        rows = deleted_rows(bundle)[1]
    except (ReadError, SourceError) as error:
        raise WriteError(
            f"what was written is not whole ({error}); is the disk full?", "write-incomplete"
        ) from None
    if rows is not None and rows != header.count:
        raise WriteError(
            f"{header.count} shapes but {rows} rows were written; is the disk full?",
            "write-incomplete",
        )
    if HEADER_BYTES + int((index[:, 1] + 8).sum()) != bundle.size("shp"):
        raise WriteError("the written .shp has gaps; is the disk full?", "write-incomplete")
    return header.count
