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
    """Rows of one window that go to one of several layers; a row source of `rows`.

    They are asked for by their place here: in the source they may stand in another order.
    """

    path: Path
    offset: int
    table: Table | None

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows by place, as a matrix of bytes."""
        assert self.table is not None
        length = self.table.length
        low, high = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
        at, size = self.offset + low * length, (high - low) * length
        return np.fromfile(self.path, np.uint8, size, offset=at).reshape(-1, length)[rows - low]


def put_aside(path: Path, body: NDArray[np.uint8], table: Table | None) -> Aside:
    """Append rows to a file, in the order in which they will be written."""
    with open(path, "ab") as file:
        offset = file.tell()
        file.write(np.ascontiguousarray(body).data)
    return Aside(path, offset, table)
