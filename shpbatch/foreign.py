"""Sources of other formats: which files these are, and the shapefiles lent for their layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .scratch import scratch

__all__ = ["FOREIGN", "files_of", "is_foreign", "lending", "lent_folder", "let_go"]

#: Suffixes of formats that GDAL (or Arrow: .parquet) reads for us.
FOREIGN = (".gpkg", ".fgb", ".geojson", ".json", ".parquet", ".tab", ".mif", ".gdb")
#: Files beside the one that is named, which are part of it.
_PARTS = {".tab": ("dat", "map", "id", "ind"), ".mif": ("mid",), ".gpkg": ("gpkg-wal",)}

_lent: dict[tuple[str, str], tuple[str, ExitStack]] = {}


def is_foreign(path: str) -> bool:
    """Whether a path names a source of another format."""
    return path.lower().endswith(FOREIGN)


def files_of(path: str) -> dict[str, str]:
    """The files of such a source, by extension; of a folder (.gdb) by name."""
    if os.path.isdir(path):
        return {name: os.path.join(path, name) for name in sorted(os.listdir(path))}
    stem, suffix = os.path.splitext(path)
    found = {suffix[1:].lower(): path}
    parts = _PARTS.get(suffix.lower(), ())
    if parts:
        own = os.path.basename(stem)
        for name in os.listdir(os.path.dirname(path) or "."):
            other, extension = os.path.splitext(name)
            if other == own and extension[1:].lower() in parts:
                found[extension[1:].lower()] = os.path.join(os.path.dirname(path), name)
    return found


def lent_folder(path: str, layer: str, make: Callable[[Path], None]) -> str:
    """The folder of the shapefile that stands for a layer, made where there is none yet."""
    key = (os.path.abspath(path), layer)
    if key not in _lent:
        with ExitStack() as stack:
            folder = stack.enter_context(scratch())
            make(folder)
            _lent[key] = (str(folder), stack.pop_all())
    return _lent[key][0]


@contextmanager
def lending() -> Iterator[None]:
    """Around a look at a layer: what was lent for it goes at once, as there may be a thousand."""
    try:
        yield
    finally:
        let_go()


def let_go() -> None:
    """Remove what was lent: a task is done, or a plan has seen its header."""
    while _lent:
        _lent.popitem()[1][1].close()
