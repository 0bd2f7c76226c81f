"""Geometries of a layer of another format that the type of its lent shapefile does not hold.

A line that says what the layer holds, then row and WKB of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["OTHERS", "read_others", "write_others"]

#: Extension of the file beside the lent shapefile.
OTHERS = "other-types.txt"


def write_others(path: Path, told: str, rows: Iterable[int], wkb: Iterable[bytes]) -> None:
    """Write them."""
    lines = (f"{row} {shape.hex()}\n" for row, shape in zip(rows, wkb, strict=True))
    path.write_text(told + "\n" + "".join(lines), "ascii")


def read_others(path: Path) -> dict[int, bytes]:
    """The geometries by their rows."""
    found = {}
    for line in path.read_text("ascii").splitlines()[1:]:
        row, _, shape = line.partition(" ")
        found[int(row)] = bytes.fromhex(shape)
    return found
