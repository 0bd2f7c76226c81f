"""Files of a set beside its ``.shp``: what a new set replaces, and what it keeps."""

from __future__ import annotations

import os
from functools import lru_cache

from ..shapefile.bundle import INDEXES, MAIN, MEMOS
from ..shapefile.names import Names
from ..shapefile.spilled import OVERFLOW

__all__ = ["forget_names", "is_aside", "is_derived", "occupied", "siblings"]

#: Bytes of a folder that is listed each time: some hundred names on ext4, any on other systems.
SMALL_FOLDER = 1 << 14
#: Members that a new set replaces; styles and notes that it has not are kept.
_ASIDE = ("rejects.geojsonl", "repairs.jsonl", OVERFLOW)
_REPLACED = {*MAIN, *INDEXES, *MEMOS, "cpg", "prj", *_ASIDE}
_DERIVED = ("-shm", *(f".{extension}" for extension in INDEXES))


def siblings(sink: str) -> list[str]:
    """Names of the files that a new set replaces, without minding case, the ``.shp`` first.

    A sink of one file replaces its own rejects and repairs only: a rename replaces the file.
    """
    folder, own = os.path.split(sink)
    stem, suffix = os.path.splitext(own)
    found = {own, f"{stem}.rejects.geojsonl", f"{stem}.repairs.jsonl"}
    if suffix not in (".shp", ".shz"):
        found.add(f"{stem}.{OVERFLOW}")
    if suffix == ".gpkg":  # SQLite would replay what is left of the old one into the new one
        found |= {f"{own}-{end}" for end in ("wal", "shm", "journal")}
    if suffix == ".shp":
        found |= {n for n in _names(folder, stem) if _is_replaced(n[len(stem) + 1 :])}
        if os.path.lexists(sink):  # a set that came after the folder was looked at
            found |= {f"{stem}.{extension}" for extension in _REPLACED}
    there = [n for n in found if os.path.lexists(os.path.join(folder, n))]
    return sorted(there, key=lambda n: (n[len(stem) + 1 :].lower() != "shp", n))


def occupied(sink: str) -> str | None:
    """The ``.shp`` that is in the place of a sink, without minding case."""
    if os.path.lexists(sink):
        return sink
    folder, own = os.path.split(sink)
    names = _names(folder, os.path.splitext(own)[0])
    return next((os.path.join(folder, n) for n in names if n.casefold() == own.casefold()), None)


def is_derived(name: str) -> bool:
    """Whether a file holds nothing of its own: an index, which any program makes anew."""
    return name.lower().endswith(_DERIVED)


def is_aside(name: str) -> bool:
    """Whether a file tells of single features; outputs of several formats may share its name."""
    return name.lower().endswith(tuple(f".{extension}" for extension in _ASIDE))


def _is_replaced(extension: str) -> bool:
    extension = extension.lower()
    return extension in _REPLACED or extension.endswith(".atx")


def _names(folder: str, stem: str) -> list[str]:
    """Names of a stem; in a large folder as they were when it was first looked at."""
    folder, stem = folder or ".", stem.casefold()
    try:
        if os.stat(folder).st_size > SMALL_FOLDER:
            return _snapshot(folder).of(stem)
        return [n for n in os.listdir(folder) if n.casefold().startswith(stem + ".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


@lru_cache(maxsize=4)
def _snapshot(folder: str) -> Names:
    """Names in a large folder, as they were when this process first looked.

    Listing it again for each of 100,000 outputs would take hours. A run gives no
    two outputs names that differ by case only, so of what is added later only
    the exact names matter, which are asked for besides.
    """
    return Names(os.listdir(folder))


def forget_names() -> None:
    """Look anew: a run begins."""
    _snapshot.cache_clear()
