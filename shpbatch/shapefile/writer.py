"""Write ``.shp`` and ``.shx`` window by window; headers are computed from what was written."""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ..errors import WriteError
from .index import HEADER_BYTES, MAGIC
from .records import HEAD, Records
from .shp import record_ranges

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["LARGEST", "VERSION", "ShpWriter", "Stored", "check_size", "ranges_of", "shp_head"]

#: Bytes of a component: more is read by some programs and by others not at all.
LARGEST = 2**31 - 1
VERSION = 1000
CHUNK = 1 << 17


def check_size(path: Path, size: int) -> None:
    """Refuse to let a component grow too large.

    Raises
    ------
    WriteError
        ``too-large``.
    """
    if size > LARGEST:
        raise WriteError(
            f"the {path.suffix} would have more than 2 GB, the most a shapefile can hold; "
            "pass --on-too-large split, or format",
            "too-large",
        )


def shp_head(code: int, size: int, ranges: NDArray[np.float64]) -> bytes:
    """The 100 bytes at the beginning of a ``.shp`` or ``.shx``.

    Parameters
    ----------
    code : int
        Shape type.
    size : int
        Bytes of the whole file.
    ranges : ndarray of float64 (8,)
        minx, miny, maxx, maxy, Z and M from and to; NaN is written as 0.
    """
    numbers = np.nan_to_num(ranges, nan=0.0, posinf=np.inf, neginf=-np.inf)
    head = struct.pack(">i20xi", MAGIC, size // 2) + struct.pack("<2i", VERSION, code)
    return head + numbers.astype("<f8").tobytes()


@dataclass(frozen=True, slots=True)
class Stored:
    """Says that records lie in a file as they are to be written, if their turn is ``first``.

    Attributes
    ----------
    file : binary file
        Open for reading.
    at : int
        Byte of the first record header.
    first : int
        Number of the first record.
    ranges : ndarray of float64 (8,)
        Of all of them, see `shp_head`.
    """

    file: IO[bytes]
    at: int
    first: int
    ranges: NDArray[np.float64]


class ShpWriter:
    """Writes ``.shp`` and ``.shx``; a context manager that closes them.

    Parameters
    ----------
    shp : Path
    code : int
        Shape type, also where there is no record.

    Attributes
    ----------
    size : int
        Bytes of the ``.shp`` so far.
    head : bytes
        The header of the ``.shp``, when finished.
    """

    def __init__(self, shp: Path, code: int) -> None:
        self.path, self.code, self.count = shp, code, 0
        self.size = HEADER_BYTES
        self._ranges: list[NDArray[np.float64]] = []
        self._files: list[IO[bytes]] = []
        self._begun = False
        self.head = b""

    def __enter__(self) -> ShpWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def add(self, records: Records, stored: Stored | None = None) -> None:
        """Append records, numbered on from those before; ``stored`` ones need not be read.

        Raises
        ------
        WriteError
            ``too-large``.
        """
        if not len(records):
            return
        records = records.packed()
        check_size(self.path, self.size + len(records.data))
        entries = np.empty((len(records), 2), dtype=">i4")
        entries[:, 0] = (records.starts + self.size) // 2
        entries[:, 1] = records.sizes // 2
        shp, shx = self._opened()
        if stored is not None and stored.first == self.count + 1:
            _splice(stored, shp, len(records.data))
        else:
            shp.write(records.numbered(self.count + 1).data)
        shx.write(entries.data)
        self.size += len(records.data)
        self.count += len(records)
        self._ranges.append(ranges_of(records, self.code) if stored is None else stored.ranges)

    def finish(self) -> None:
        """Write the headers and close."""
        ranges = _united(np.array(self._ranges)) if self._ranges else np.full(8, np.nan)
        for file, size in zip(
            self._opened(), (self.size, HEADER_BYTES + HEAD * self.count), strict=True
        ):
            file.seek(0)
            file.write(shp_head(self.code, size, ranges))
        self.head = shp_head(self.code, self.size, ranges)
        self.release()

    def release(self) -> None:
        """Close the files; they are opened again when more is added."""
        for file in self._files:
            file.close()
        self._files.clear()

    def _opened(self) -> list[IO[bytes]]:
        if not self._files:
            for path in (self.path, self.path.with_suffix(".shx")):
                file = open(path, "r+b" if self._begun else "wb")  # noqa: SIM115 (see release)
                self._files.append(file)
                file.seek(0, os.SEEK_END)
                if not self._begun:
                    file.write(bytes(HEADER_BYTES))
            self._begun = True
        return self._files


def ranges_of(records: Records, code: int) -> NDArray[np.float64]:
    """Ranges of all records together, float64 (8,), as `shp_head` takes them."""
    return _united(record_ranges(records, code))


def _splice(stored: Stored, into: IO[bytes], size: int) -> None:
    """Append bytes of one file to another, in the kernel where it can."""
    at, end = stored.at, stored.at + size
    if hasattr(os, "copy_file_range"):
        into.flush()
        with contextlib.suppress(OSError):  # two file systems, or one that has no such call
            while at < end and (
                done := os.copy_file_range(stored.file.fileno(), into.fileno(), end - at, at)
            ):
                at += done
        into.seek(0, os.SEEK_END)
    stored.file.seek(at)
    while at < end and (chunk := stored.file.read(min(CHUNK, end - at))):
        at += into.write(chunk)


def _united(ranges: NDArray[np.float64]) -> NDArray[np.float64]:
    """One range of many; NaN has no part in it."""
    low = np.fmin.reduce(ranges[:, [0, 1, 4, 6]], axis=0)
    high = np.fmax.reduce(ranges[:, [2, 3, 5, 7]], axis=0)
    return np.array([low[0], low[1], high[0], high[1], low[2], high[2], low[3], high[3]])
