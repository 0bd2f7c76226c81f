"""A damaged layer as a well-formed one, written for a run to read: records and rows as found."""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..doctors.diagnosis import Diagnosis
from ..models import Header, Source
from ..shapefile.bundle import MEMOS, TRAVELLING, Bundle
from ..shapefile.codec_names import LDID, LDID_OF, cpg_of_codec
from ..shapefile.found import Places
from ..shapefile.mended_table import Rows
from ..shapefile.opened import mapped
from ..shapefile.writer import ShpWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BESIDE", "relabelled", "write_mended"]

STEM = "layer"
BLANK, END_OF_FILE = 0x20, b"\x1a"
#: Rows of a ``.dbf`` that are copied together.
ROWS = 65_536
#: What of a layer is no geometry and no row.
BESIDE = (*TRAVELLING, *MEMOS, "prj", "cpg")
#: From this confidence on a label that the text contradicts is replaced.
SURE = 0.8


def write_mended(found: Diagnosis, folder: Path) -> Source:
    """Write what was saved of a layer; what is whole is lent, not copied.

    Parameters
    ----------
    found : Diagnosis
    folder : Path
        A new one.

    Returns
    -------
    Source
        Under the relative path of the layer.

    Raises
    ------
    WriteError
        ``too-large``, ``disk-full``.
    """
    bundle = Bundle.of(found.source)
    shp = folder / f"{STEM}.shp"
    for extension in BESIDE:
        _lend(bundle, extension, folder)
    if found.places is None:
        for extension in ("shp", "shx"):
            _lend(bundle, extension, folder)
    else:
        _write_shapes(found, found.places, bundle, shp)
    if found.rows is not None:
        _write_rows(found.rows, found.count, bundle, shp.with_suffix(".dbf"))
    elif found.table:
        _lend(bundle, "dbf", folder)
    return Source(str(shp), found.source.relative, size=found.source.size)


def _lend(bundle: Bundle, extension: str, folder: Path) -> None:
    if extension in bundle:
        bundle.lend(extension, folder / f"{STEM}.{extension}")


def _write_shapes(found: Diagnosis, there: Places, bundle: Bundle, shp: Path) -> None:
    numbers = found.numbers()
    if numbers is None:
        numbers = np.arange(len(there.starts))
    with bundle.file("shp") as file, ShpWriter(shp, found.code) as writer:
        view = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        for rows in there.windows(numbers):
            writer.add(there.records(view, rows))
        writer.finish()


def _write_rows(rows: Rows, count: int, bundle: Bundle, dbf: Path) -> None:
    """The whole rows of a ``.dbf``, and one of NULL for each shape that has none."""
    table = rows.table
    with bundle.file("dbf") as file, open(dbf, "wb") as out:
        out.write(table.header[:4] + struct.pack("<I", count) + table.header[8:])
        for at in range(0, rows.count, ROWS):
            size = min(ROWS, rows.count - at) * table.length
            body = mapped(file, table.start + at * table.length, size)
            out.write(_flagged(body, table.length, rows.torn.flags - at).data)
        for at in range(rows.count, count, ROWS):
            out.write(np.full((min(ROWS, count - at), table.length), BLANK, np.uint8).data)
        out.write(END_OF_FILE)


def _flagged(body: NDArray[np.uint8], length: int, torn: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Rows of which some, by number, do not begin with a flag, as rows that all do."""
    torn = torn[(torn >= 0) & (torn < len(body) // length)]
    if len(torn):
        body = body.copy()
        body[torn * length] = BLANK
    return body


def relabelled(source: Source, header: Header, folder: Path) -> tuple[Source, Counter[str]]:
    """The layer without a ``.prj`` that is none, its text labelled as what it is.

    Parameters
    ----------
    source : Source
    header : Header
        Of the source, told by all of its text.
    folder : Path
        A new one, if there is something to do.

    Returns
    -------
    tuple of Source and Counter
        The source itself where its labels are right; what was put right.
    """
    bundle, repairs = Bundle.of(source), Counter[str]()
    codes = {p.code: p.reason for p in header.problems}
    if "prj-unreadable" in codes:
        repairs[f"{codes['prj-unreadable']}: it is left out"] += 1
    guessed = header.encoding_from in ("bytes", "guess") and header.encoding_confidence >= SURE
    odd = "encoding-doubtful" in codes and (guessed or header.encoding_confidence == 1.0)
    if odd:
        repairs[f"{codes['encoding-doubtful']}: labelled {header.encoding}"] += 1
    if not repairs:
        return source, repairs
    folder.mkdir()
    kept = [e for e in BESIDE if e != "prj" or "prj-unreadable" not in codes]
    for extension in ("shp", "shx", *kept):
        if extension != "cpg" or not odd:
            _lend(bundle, extension, folder)
    ldid = bundle.read("dbf", 30)[29:]
    if odd and ldid and LDID.get(ldid[0]) != header.encoding:
        _relabel(bundle, folder / f"{STEM}.dbf", LDID_OF.get(header.encoding, 0))
    else:
        _lend(bundle, "dbf", folder)
    if odd:
        (folder / f"{STEM}.cpg").write_text(cpg_of_codec(header.encoding), "ascii")
    return Source(str(folder / f"{STEM}.shp"), source.relative, size=source.size), repairs


def _relabel(bundle: Bundle, dbf: Path, ldid: int) -> None:
    bundle.copy("dbf", dbf)
    with open(dbf, "r+b") as file:
        file.seek(29)
        file.write(bytes([ldid]))
