"""The whole of values that are wider than their fields, in a table beside the layer.

RFC 4180, UTF-8: a row for each such value, with the row of its feature in the
layer (0-based, the FID of GDAL) and the name of its field. Values stand in
quotes and are not altered, so that what was cut can be put back.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OVERFLOW", "WHOLE_VALUES", "Spilled", "read_spilled"]

#: Extension of the file beside the sink.
OVERFLOW = "overflow.csv"
#: The same, beside a shapefile that is lent for a layer of another format.
WHOLE_VALUES = "whole-values.csv"
COLUMNS = ("row", "field", "value")
#: Characters of a value that are read back: some are longer than the 131,072 of Python.
LONGEST = 2**31 - 1


@dataclass
class Spilled:
    """Whole values of the layer, written as they come; there is no file without any.

    Attributes
    ----------
    path : Path
    count : int
    """

    path: Path
    count: int = 0

    def add(self, found: Iterable[tuple[int, int, str, str]]) -> None:
        """Append values: row, place of the field, its name, value; in any order."""
        rows = sorted(found)
        if not rows:
            return
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
            if not self.count:
                csv.writer(file).writerow(COLUMNS)
            writer.writerows((row, name, value) for row, _, name, value in rows)
        self.count += len(rows)


def read_spilled(path: Path) -> Iterator[tuple[int, str, str]]:
    """Values of such a file: row, name of the field, value."""
    if not path.exists():
        return
    csv.field_size_limit(LONGEST)
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != COLUMNS:
            raise ValueError(f"{path.name} does not begin with {','.join(COLUMNS)}")
        for row, name, value in rows:
            yield int(row), name, value
