"""Files of a set beside its ``.shp``: what a new set replaces, and what it keeps."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from .shapefile.bundle import INDEXES, MAIN, MEMOS

__all__ = ["forget_names", "occupied", "siblings"]

#: Bytes of a folder that is listed each time: some hundred names on ext4, any on other systems.
SMALL_FOLDER = 1 << 14
#: Members that a new set replaces; styles and notes that it has not are kept.
_REPLACED = {*MAIN, *INDEXES, *MEMOS, "cpg", "prj", "rejects.geojsonl"}


def siblings(sink: Path) -> list[Path]:
    """Files that a new set replaces, without minding case, the ``.shp`` first.

    A ``.shz`` replaces its own rejects only: a rename replaces the one file.
    """
    if sink.suffix == ".shz":
        beside = sink.with_suffix(".rejects.geojsonl")
        return [p for p in (sink, beside) if os.path.lexists(p)]
    found = [p for p in _of_stem(sink) if _is_replaced(_extension(p, sink))]
    return sorted(found, key=lambda p: (_extension(p, sink) != "shp", p.name))


def occupied(sink: str) -> str | None:
    """The ``.shp`` that is in the place of a sink, without minding case."""
    if os.path.lexists(sink):
        return sink
    folder, own = os.path.split(sink)
    names = _names(folder, os.path.splitext(own)[0])
    return next((os.path.join(folder, n) for n in names if n.casefold() == own.casefold()), None)


def _is_replaced(extension: str) -> bool:
    return extension in _REPLACED or extension.endswith(".atx")


def _of_stem(sink: Path) -> list[Path]:
    """Files of the sink's stem, without minding case."""
    found = set(_names(str(sink.parent), sink.stem))
    found |= {f"{sink.stem}.{e}" for e in (*_REPLACED, *(e.upper() for e in MAIN))}
    return [p for n in sorted(found) if os.path.lexists(p := sink.with_name(n))]


def _names(parent: str, stem: str) -> list[str]:
    """Names of a stem; in a large folder as they were when it was first looked at."""
    parent, stem = parent or ".", stem.casefold()
    try:
        if os.stat(parent).st_size > SMALL_FOLDER:
            return _snapshot(parent).get(stem, [])
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [n for n in os.listdir(parent) if n.casefold().startswith(stem + ".")]


@lru_cache(maxsize=4)
def _snapshot(folder: str) -> dict[str, list[str]]:
    """Names in a large folder by stem, as they were when this process first looked.

    Listing it again for each of 100,000 outputs would take hours. A run gives
    no two outputs names that differ by case only, so what is added later
    matters only under its exact name, which is asked for besides.
    """
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        stem = name.casefold()
        while "." in stem:  # "a.b.shp" is of "a.b", and a sidecar of "a"
            stem = stem.rpartition(".")[0]
            names.setdefault(stem, []).append(name)
    return names


def forget_names() -> None:
    """Look anew: a run begins."""
    _snapshot.cache_clear()


def _extension(path: Path, sink: Path) -> str:
    return path.name[len(sink.stem) + 1 :].lower()
