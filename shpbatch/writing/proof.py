"""Never believe a writer: the staged set is read back and compared with what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.decoding import vertices_of
from ..errors import LayerError, SourceError, WriteError
from ..models import Field, Source
from ..shapefile.cast import Cast, as_wide, cast_cells
from ..shapefile.columns import Missing, Slice, array_of, cells_of, joined, null_byte
from ..shapefile.reader import Reader
from ..shapefile.spilled import OVERFLOW, read_spilled
from .output import STEM, Kept, Made, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..shapefile.ragged import Ragged

__all__ = ["prove", "prove_encoded"]

CHUNK = 1 << 20


def prove(output: Output) -> None:
    """Prove that a staged set is whole and holds what it is to hold.

    Files that were carried whole are compared with the source byte for byte.
    Of what was made: structure, counts, and values as our reader reads them
    from the file, all of a small layer, three windows of a large one.

    Raises
    ------
    WriteError
        ``write-incomplete``, ``write-differs``.
    """
    shp = output.folder / f"{STEM}.shp"
    try:
        with Reader(Source(str(shp), shp.name)) as staged:
            wanted = {"shp", "shx", *output.copied, *(("dbf",) if output.fields else ())}
            if missing := sorted(wanted - {*staged.bundle.members}):
                raise _incomplete(f"there is no .{missing[0]}")
            for extension in output.copied:
                _same_bytes(output, staged, extension)
            if {"shp", "shx"} <= {*output.copied} and ("dbf" in output.copied or not output.fields):
                return  # the source has been looked at, and this is the source
            _structure(output, staged)
            for kept in output.kept:
                _window(output, staged, kept)
            _overflow(output)
    except WriteError:
        raise
    except (LayerError, SourceError, OSError) as error:
        raise _incomplete(str(error)) from None


def prove_encoded(made: Made, code: int) -> None:
    """Prove that records hold the vertices that were encoded.

    Raises
    ------
    WriteError
        ``write-differs``.
    """
    if made.ragged is None or made.records is None:
        return
    if not _same_vertices(vertices_of(made.records, code), made.ragged):
        raise _differs("vertices are not read back as they were meant")


def _structure(output: Output, staged: Reader) -> None:
    flaws = staged.file_flaws()
    with_table = bool(output.fields) or "dbf" in output.copied
    if flaws or staged.count != output.count or (staged.table is not None) != with_table:
        why = "; ".join((f"{staged.count} features instead of {output.count}", *flaws))
        raise _incomplete(why)
    if output.head and not _same_heads(staged, output.head):
        raise _differs("the headers of .shp and .shx are not those that were meant")
    if staged.table is not None and output.table_head and staged.table.header != output.table_head:
        raise _differs("the header of the .dbf is not the one that was meant")


def _same_heads(staged: Reader, head: bytes) -> bool:
    """Type and bounds of both headers; the lengths have been looked at."""
    shx = bytes(staged.bytes_at("shx", 0, len(head)))
    return staged.head == head and shx[28:] == head[28:] and shx[:24] == head[:24]


def _same_bytes(output: Output, staged: Reader, extension: str) -> None:
    size = staged.size(extension)
    if size != (meant := output.reader.size(extension)):
        raise _incomplete(f"the .{extension} has {size} bytes of {meant}")
    same = True
    for at in range(0, size, CHUNK):
        length = min(CHUNK, size - at)
        ours = staged.bytes_at(extension, at, length)
        theirs = output.reader.bytes_at(extension, at, length)
        same = same and _equal(ours, theirs)
    if not same:
        raise _differs(f"the copied .{extension} is not its source; did the source change?")


def _equal(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> bool:
    """Whether two runs of bytes are equal, eight bytes at a time."""
    whole = len(left) - len(left) % 8
    return len(left) == len(right) and bool(
        (left[:whole].view(np.int64) == right[:whole].view(np.int64)).all()
        and (left[whole:] == right[whole:]).all()
    )


def _window(output: Output, staged: Reader, kept: Kept) -> None:
    made = kept.made
    window = staged.window(kept.first, kept.first + len(made.piece.rows), checked=False)
    records = made.records
    if records is None and "shp" not in output.copied and len(made.piece.rows):
        records = output.reader.records(made.piece.numbers)
    if records is not None:
        meant = records.packed().numbered(kept.first + 1)
        if not _equal(window.records.packed().data, meant):
            raise _differs("records are not those that were meant")
    prove_encoded(replace(made, records=window.records), staged.code)
    if window.body is None or "dbf" in output.copied or not len(made.piece.rows):
        return
    assert staged.table is not None
    piece = made.piece.loaded()
    source = piece.source
    body = source.picked(piece.numbers) if source.table is not None else None
    for which, f, column in joined(output.fields, piece.columns):
        places = staged.table.descriptors[which]
        cells = window.body[:, places[0].start : places[-1].stop]
        if not _same_cells(cells, f, column, body, output.header.encoding):
            raise _differs(f"field {f.name} is not read back as it was meant")


def _overflow(output: Output) -> None:
    """The table of whole values: all that was counted, and those of the windows as they are."""
    path = output.folder / f"{STEM}.{OVERFLOW}"
    if bool(output.spilled) != path.exists():
        raise _incomplete(f"the .{OVERFLOW} is not there, or there for nothing")
    if not output.spilled:
        return
    try:
        found = sorted(read_spilled(path))
    except (ValueError, UnicodeDecodeError) as error:
        raise _incomplete(f"the .{OVERFLOW}: {error}") from None
    if len(found) != output.spilled:
        raise _incomplete(f"the .{OVERFLOW} has {len(found)} values of {output.spilled}")
    for kept in output.kept:
        meant = sorted(_spilled(output, kept))
        stop = kept.first + len(kept.made.piece.rows)
        if [v for v in found if kept.first <= v[0] < stop] != meant:
            raise _differs(f"values in the .{OVERFLOW} are not those that were meant")


def _spilled(output: Output, kept: Kept) -> Iterator[tuple[int, str, str]]:
    """Whole values of a window that their fields do not hold: row, field, value."""
    piece = kept.made.piece.loaded()
    body = piece.source.picked(piece.numbers) if piece.source.table is not None else None
    for f, column in zip(output.fields, piece.columns, strict=True):
        for row, _, value in cells_of(column, f, body, output.header.encoding)[2]:
            yield kept.first + row, f.name, value


def _same_cells(
    cells: NDArray[np.uint8],
    f: Field,
    column: Any,
    body: NDArray[np.uint8] | None,
    encoding: str,
) -> bool:
    if isinstance(column, Slice):
        assert body is not None
        return np.array_equal(cells, as_wide(body[:, column.start : column.stop], f))
    if isinstance(column, Missing):
        return bool((cells == null_byte(f)).all())
    if isinstance(column, Cast):
        assert body is not None
        own = body[:, column.place.start : column.place.stop]
        return np.array_equal(cells, cast_cells(column, f, own, encoding)[0])
    return _same_values(cells, f, array_of(column), encoding)


def _same_vertices(found: Ragged, meant: Ragged) -> bool:
    (with_m, m), (has_m, meant_m) = _measures(found), _measures(meant)
    return (
        _same_numbers(found.coords, meant.coords)
        and np.array_equal(found.part_offsets, meant.part_offsets)
        and np.array_equal(found.row_offsets, meant.row_offsets)
        and np.array_equal(found.null, meant.null)
        and np.array_equal(with_m, has_m)
        and _same_numbers(m, meant_m)
        and (meant.kinds is None or np.array_equal(found.kinds, meant.kinds))  # type: ignore[arg-type]
    )


def _same_numbers(found: NDArray[np.float64], meant: NDArray[np.float64]) -> bool:
    """Whether numbers are equal, NaN to NaN; the same bits are, which is soon seen."""
    bits = (found.view(np.int64), meant.view(np.int64))
    return np.array_equal(*bits) or np.array_equal(found, meant, equal_nan=True)


def _measures(ragged: Ragged) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Rows that have measures, and the measures, NaN in the others."""
    if ragged.m is None:
        return np.zeros(len(ragged), bool), np.full(len(ragged.coords), np.nan)
    with_m = ~ragged.null if ragged.with_m is None else ragged.with_m & ~ragged.null
    return with_m, np.where(np.repeat(with_m, np.diff(ragged.vertex_offsets)), ragged.m, np.nan)


def _same_values(cells: Any, f: Field, meant: Any, encoding: str) -> bool:
    """Values as they are read back; numbers to the decimals of their field."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..arrays import numpy_of, scalar_of
    from ..shapefile.overflow import kept
    from ..shapefile.values import decode_cells

    meant, _ = kept(meant, f, encoding)
    found = decode_cells(cells, f, encoding).array
    if f.type == "C":
        meant = pc.ascii_rtrim(meant, " ")
        meant = pc.if_else(pc.equal(meant, scalar_of("")), pa.NULL, meant)
    if pa.types.is_floating(meant.type) or pa.types.is_floating(found.type):
        near = numpy_of(found.cast(pa.float64(), safe=False).fill_null(scalar_of(np.nan)))
        wanted = numpy_of(meant.cast(pa.float64(), safe=False).fill_null(scalar_of(np.nan)))
        slack = 0.5 * 10.0**-f.decimals + 1e-12 * np.abs(wanted)
        return bool(((np.abs(near - wanted) <= slack) | (np.isnan(near) & np.isnan(wanted))).all())
    return bool(found.cast(meant.type).equals(meant))


def _incomplete(why: str) -> WriteError:
    return WriteError(
        f"what was written is not whole ({why}); is the disk full?", "write-incomplete"
    )


def _differs(why: str) -> WriteError:
    return WriteError(f"the proof of what was written failed: {why}", "write-differs")
