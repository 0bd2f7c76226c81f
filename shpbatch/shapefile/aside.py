"""Rows of a ``.dbf`` put aside in a file until all of a layer are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .dbf import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Aside", "put_aside"]


@dataclass(frozen=True, slots=True)
class Aside:
    """Rows of one window that go to one of several layers; a row source of `rows`."""

    path: Path
    offset: int
    rows: NDArray[np.int64]
    table: Table | None

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows by number, as a matrix of bytes."""
        assert self.table is not None
        length = self.table.length
        body = np.fromfile(self.path, np.uint8, len(self.rows) * length, offset=self.offset)
        return body.reshape(-1, length)[np.searchsorted(self.rows, rows)]


def put_aside(
    path: Path, rows: NDArray[np.int64], body: NDArray[np.uint8], table: Table | None
) -> Aside:
    """Append rows to a file; ``rows`` are their numbers, in ascending order."""
    with open(path, "ab") as file:
        offset = file.tell()
        file.write(np.ascontiguousarray(body).data)
    return Aside(path, offset, rows, table)
