"""One shapefile, open: what its headers and its index say."""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Self

import numpy as np

from ..errors import ReadError
from ..models import Source
from .bundle import Bundle
from .dbf import Table, parse_table
from .index import HEADER_BYTES, Index, load_index
from .others import OTHERS, read_others
from .records import HEAD
from .spilled import WHOLE_VALUES, read_spilled

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["OnBadRecord", "Opened", "mapped"]

OnBadRecord = Literal["fail", "skip"]

#: Bytes that no .dbf has.
MOST = 1 << 31
#: Bytes from which on a mapping is cheaper than a copy.
MAPPED_FROM = 1 << 16


class Opened:
    """A source, open; a context manager.

    Parameters
    ----------
    source : Source
    on_bad_record : {"fail", "skip"}
        What to do with a record whose structure is broken.

    Raises
    ------
    ReadError, SourceError
        Where the layer as a whole cannot be read.
    """

    def __init__(self, source: Source, on_bad_record: OnBadRecord = "fail") -> None:
        self.source, self.skip = source, on_bad_record == "skip"
        self.bundle = Bundle.of(source)
        self._stack = ExitStack()
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def file(self, extension: str) -> IO[bytes]:
        """A member, open for reading at any place."""
        if extension not in self._files:
            self._files[extension] = self._stack.enter_context(self.bundle.file(extension))
        return self._files[extension]

    def release(self) -> None:
        """Close the files; they are opened again where they are asked for."""
        self._stack.close()
        self._files.clear()

    def size(self, extension: str) -> int:
        """Bytes of a member."""
        return os.fstat(self.file(extension).fileno()).st_size

    # -- what the headers say ------------------------------------------------

    @cached_property
    def head(self) -> bytes:
        """The 100 bytes at the beginning of the ``.shp``."""
        return bytes(self.bytes_at("shp", 0, HEADER_BYTES))

    @cached_property
    def code(self) -> int:
        """Shape type of the layer."""
        return int(struct.unpack_from("<i", self.head, 32)[0])

    @cached_property
    def index(self) -> Index:
        return load_index(self.bundle, skip=self.skip)

    @cached_property
    def table(self) -> Table | None:
        """The header of the ``.dbf``, None where there is none."""
        if "dbf" not in self.bundle:
            return None
        size = self.size("dbf")
        prefix = bytes(self.bytes_at("dbf", 0, min(32, size)))
        length = struct.unpack_from("<H", prefix, 8)[0] if len(prefix) == 32 else 0
        return parse_table(bytes(self.bytes_at("dbf", 0, min(max(32, length), size))), self.name)

    @cached_property
    def whole_values(self) -> dict[str, dict[int, str]]:
        """Values of a layer of another format that its lent ``.dbf`` does not hold.

        By the field's name in that, and the row.
        """
        found: dict[str, dict[int, str]] = {}
        if WHOLE_VALUES in self.bundle:
            path = Path(self.bundle.path, self.bundle.members[WHOLE_VALUES])
            for row, name, value in read_spilled(path):
                found.setdefault(name, {})[row] = value
        return found

    @cached_property
    def other_types(self) -> dict[int, bytes]:
        """Geometries (WKB) of such a layer that its lent ``.shp`` does not hold, by row."""
        if OTHERS not in self.bundle:
            return {}
        return read_others(Path(self.bundle.path, self.bundle.members[OTHERS]))

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def table_rows(self) -> int:
        """Rows that the ``.dbf`` has whole; a count in its header that says 0 is not believed."""
        if self.table is None:
            return 0
        room = self.table.rows_in(self.size("dbf"))
        if self.table.declared == 0 and room == len(self.index):
            return room
        return min(self.table.declared, room)

    @cached_property
    def count(self) -> int:
        """Features declared: by the index or by the ``.dbf``, whichever says more.

        Raises
        ------
        ReadError
            ``count-mismatch`` where they do not agree and bad records are not skipped.
        """
        shapes = len(self.index)
        if self.table is None:
            return shapes
        told = self.table.declared if self.table.declared * self.table.length < MOST else 0
        declared = max(told, self.table_rows)  # more than a .dbf can hold is no count
        if not self.skip and (self.table_rows != shapes or self.table.declared > shapes):
            if shapes in (self.table.declared, self.table_rows):
                row = self.table_rows + 1
                raise ReadError(
                    f"{self.name}: row {row} of {self.table.declared} should end at byte "
                    f"{self.table.start + row * self.table.length} of the .dbf, which has "
                    f"{self.size('dbf')}: it was cut, or its count of rows is wrong; "
                    "shpbatch repair saves what is whole",
                    "dbf-truncated",
                )
            raise ReadError(
                f"{self.name}: {shapes} shapes but {self.table_rows} rows in the .dbf; "
                "the .dbf belongs to another layer or was cut; shpbatch repair saves what is whole",
                "count-mismatch",
            )
        return max(shapes, declared)

    def file_flaws(self) -> tuple[str, ...]:
        """Why the ``.shp`` as a file is not to be copied as it is."""
        size, n = self.size("shp"), len(self.index)
        declared = 2 * struct.unpack_from(">i", self.head, 24)[0]
        end = HEADER_BYTES
        if n:
            starts, sizes = self.index.window(n - 1, n)
            end = int(starts[0] + sizes[0] + HEAD)
        flaws = []
        if self.index.rebuilt:
            flaws.append("the .shx was missing or of no use")
        if declared != size or end != size:
            flaws.append("the length in the .shp header was wrong, or bytes trailed the records")
        if "shx" in self.bundle and self.size("shx") != HEADER_BYTES + 8 * n:
            flaws.append("bytes trailed the .shx")
        return tuple(flaws)

    def table_is_whole(self) -> bool:
        """Whether the ``.dbf`` has as many rows as it says, and as there are shapes."""
        return self.table is not None and (
            self.table.declared == len(self.index) == self.table_rows
        )

    def bytes_at(self, extension: str, start: int, size: int) -> NDArray[np.uint8]:
        """Bytes of a member, not to be written to; all of them, or an error.

        Few are read; many are mapped, so that what is not looked at costs
        nothing. Only these are mapped: a process must not grow with the file.
        """
        file = self.file(extension)
        there = os.fstat(file.fileno()).st_size
        if start + size > there:
            raise ReadError(
                f"{self.bundle.name(extension)}: cut at byte {there} while it was read; "
                "run again when nobody writes it",
                "source-changed",
            )
        if size < MAPPED_FROM:
            file.seek(start)
            return np.frombuffer(file.read(size), np.uint8)
        return mapped(file, start, size)


def mapped(file: IO[bytes], start: int, size: int) -> NDArray[np.uint8]:
    """Bytes of a file that are read when they are looked at."""
    begin = start - start % mmap.ALLOCATIONGRANULARITY
    view = mmap.mmap(file.fileno(), start - begin + size, access=mmap.ACCESS_READ, offset=begin)
    return np.frombuffer(view, np.uint8, size, start - begin)
