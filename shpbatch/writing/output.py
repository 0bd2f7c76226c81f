"""The staged set of one sink, written window by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..fields.names import layer_names
from ..header import shape_code
from ..models import Field, Header
from ..shapefile.aside import put_aside
from ..shapefile.codec_names import LDID, LDID_OF
from ..shapefile.columns import Slice
from ..shapefile.index import HEADER_BYTES
from ..shapefile.rows import Piece, TableWriter
from ..shapefile.writer import ShpWriter, Stored

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from ..shapefile.ragged import Ragged
    from ..shapefile.reader import Reader
    from ..shapefile.records import Records

__all__ = ["STEM", "Kept", "Made", "Output"]

STEM = "layer"
#: Rows below which everything is proved; above, the first, the last and some in between.
PROVED_ROWS = 20_000
#: Copied at a time: it stays in the cache.
CHUNK = 1 << 17
#: Rows of a source that are read together where its records are carried.
ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Made:
    """What a window became.

    Attributes
    ----------
    piece : Piece
    records : Records or None
        None where they are the source's own.
    ragged : Ragged or None
        The values that records which were encoded must hold.
    body : ndarray of uint8 or None
        Rows of the ``.dbf`` that cannot be read again in this order.
    stored : Stored or None
        Where the records lie already.
    """

    piece: Piece
    records: Records | None
    ragged: Ragged | None = None
    body: NDArray[np.uint8] | None = None
    stored: Stored | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A window kept for the proof: where it begins in the sink, and what is to be there."""

    first: int
    made: Made


@dataclass
class Output:
    """Writes ``layer.shp``, ``.shx`` and ``.dbf`` into a folder.

    Attributes
    ----------
    folder : Path
    reader : Reader
        The source, or the first of several.
    before, header : Header
        Of the source, and of the outgoing layer.
    carried : bool
        No step touched rows or geometry.
    taken : dict of str to str
        What field names that a ``.dbf`` does not hold are written as.
    on_overflow : {"fail", "cut", "sidecar"}
        What becomes of values that are wider than a field can be.
    flaws : dict
        Why carried files cannot be copied whole.
    fields : tuple of Field
        With the names and widths that they have at the end.
    renamed : list of tuple of str
        Name, written name and encoding of fields whose names are too long.
    head : bytes
        Header of the ``.shp``, unless it was carried whole.
    table_head : bytes
        Header of the ``.dbf``, unless it was carried whole.
    spilled : int
        Values that are wider than their fields, and whole in a table beside.
    copied : list of str
        Extensions that were carried whole.
    """

    folder: Path
    reader: Reader
    before: Header
    header: Header
    carried: bool = False
    taken: Mapping[str, str] = field(default_factory=dict)
    on_overflow: Literal["fail", "cut", "sidecar"] = "fail"
    flaws: dict[str, None] = field(default_factory=dict)
    count: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    examples: dict[str, Any] = field(default_factory=dict)
    copied: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    fields: tuple[Field, ...] = ()
    renamed: list[tuple[str, str, str]] = field(default_factory=list)
    head: bytes = b""
    table_head: bytes = b""
    spilled: int = 0
    _shp: ShpWriter | None = None

    def add(self, made: Made) -> None:
        """Append a window."""
        if made.body is not None:
            aside = put_aside(self.folder / "aside", made.body, made.piece.source.table)
            there = replace(made.piece, rows=range(len(made.body)), source=aside)
            made = replace(made, piece=there, body=None)
        if made.records is not None:
            if self._shp is None:
                self._shp = ShpWriter(self.folder / f"{STEM}.shp", shape_code(self.header))
            self._shp.add(made.records, made.stored)
            if made.piece.source is not self.reader:  # one of many sets: few files may be open
                self._shp.release()
        self._keep(made)
        self.pieces.append(made.piece)
        self.count += len(made.piece.rows)

    @property
    def shp_size(self) -> int:
        """Bytes of the ``.shp`` so far, where its records are not carried."""
        return HEADER_BYTES if self._shp is None else self._shp.size

    def _keep(self, made: Made) -> None:
        """Keep what the proof will look at: all of a small layer, three windows of a large one."""
        self.kept.append(Kept(self.count, made))
        if self.count + len(made.piece.rows) > PROVED_ROWS and len(self.kept) > 3:
            # Each window in between is as likely to be the one that stays.
            share = 1 / (len(self.pieces) - 1)
            at = 2 if np.random.default_rng(self.count).random() < share else 1
            self.kept = [self.kept[0], self.kept[at], self.kept[-1]]

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shp is not None:
            self._shp.release()

    def close(self) -> None:
        """Write what waits for all windows to be known: the ``.dbf``, files carried whole."""
        if self.carried:
            self._carry()
        elif self._shp is not None:
            self._shp.finish()
            self.head = self._shp.head
        self._name_fields()
        if self._table_is_carried():
            self._copy("dbf")
            return
        if not self.fields:
            return
        writer = TableWriter(
            self.fields, self.header.encoding, self._ldid(), on_overflow=self.on_overflow
        )
        writer.recoded = self._is_recoded()
        writer.write(self.folder / f"{STEM}.dbf", self.pieces)
        self.notes |= writer.notes
        self.losses |= writer.losses
        self.examples |= writer.examples
        self.fields, self.table_head = writer.fields, writer.header
        self.spilled = writer.spilled

    def _name_fields(self) -> None:
        """Fields get the names that they are written under."""
        table, encoding = self.reader.table, self.header.encoding
        own = table.names(encoding) if table is not None else []
        long = self.header.field_names()
        short = layer_names(long, encoding, self.taken, own)
        self.renamed = [(a, b, encoding) for a, b in zip(long, short, strict=True) if a != b]
        named = zip(self.header.fields, short, strict=True)
        self.fields = tuple(replace(f, name=name) for f, name in named)
        for name, written, _ in self.renamed:
            self.losses[f"field {name} is written as {written}"] = 1

    def _carry(self) -> None:
        if not self.flaws and not self.reader.file_flaws() and self._is_whole():
            self._copy("shp")
            self._copy("shx")
            return
        with ShpWriter(self.folder / f"{STEM}.shp", self.reader.code) as shp:
            for rows in self._row_runs():
                shp.add(self.reader.records(rows))
            shp.finish()
        self.head = shp.head

    def _row_runs(self) -> Iterator[NDArray[np.int64]]:
        for piece in self.pieces:
            numbers = piece.numbers
            for at in range(0, len(numbers), ROWS):
                yield numbers[at : at + ROWS]

    def _is_whole(self) -> bool:
        """Whether every row of the one source is there, in its order."""
        at = 0
        for piece in self.pieces:
            rows = piece.rows
            if piece.source is not self.reader or not isinstance(rows, range):
                return False
            if len(rows) and rows[0] != at:
                return False
            at += len(rows)
        return at == self.reader.count

    def _table_is_carried(self) -> bool:
        table = self.reader.table
        if table is None or self._is_recoded() or not self.reader.table_is_whole():
            return False
        columns = self.pieces[0].columns
        places = [(c.start, c.stop) for c in columns if isinstance(c, Slice)]
        same = len(places) == len(columns)
        same = same and [f.name for f in self.fields] == table.names(self.header.encoding)
        return (
            same and places == [(d.start, d.stop) for d in table.descriptors] and self._is_whole()
        )

    def _is_recoded(self) -> bool:
        return self.header.encoding_from == "recode"

    def _copy(self, extension: str) -> None:
        file = self.reader.file(extension)
        file.seek(0)
        buffer = bytearray(CHUNK)
        with open(self.folder / f"{STEM}.{extension}", "wb", buffering=0) as out:
            while size := file.readinto(buffer):  # type: ignore[attr-defined]
                _write_all(out, memoryview(buffer)[:size])
        self.copied.append(extension)

    def _ldid(self) -> int:
        """Language byte: the source's, where it does not contradict the encoding."""
        told, encoding = self.header.encoding_from, self.header.encoding
        own = self.reader.table.ldid if self.reader.table is not None else 0
        if told == "cpg" or (told == "ldid" and LDID.get(own) == encoding):
            return own
        return LDID_OF.get(encoding, 0) if told in ("ldid", "recode") else 0


def _write_all(out: FileIO, data: memoryview) -> None:
    """Write all of it: a disk that is nearly full takes a part, and only then is an error."""
    while data:
        data = data[out.write(data) :]
