"""Files of a set beside its ``.shp``: what a new set replaces, and what it keeps."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .shapefile.bundle import INDEXES, MAIN, MEMOS

__all__ = ["came", "forget_names", "occupied", "siblings"]

#: Bytes of a folder that is listed each time: some hundred names on ext4, any on other systems.
SMALL_FOLDER = 1 << 14
#: Members that a new set replaces; styles and notes that it has not are kept.
_REPLACED = {*MAIN, *INDEXES, *MEMOS, "cpg", "prj", "rejects.geojsonl"}


def siblings(sink: str) -> list[str]:
    """Names of the files that a new set replaces, without minding case, the ``.shp`` first.

    A ``.shz`` replaces its own rejects only: a rename replaces the one file.
    """
    folder, own = os.path.split(sink)
    stem, suffix = os.path.splitext(own)
    if suffix == ".shz":
        found = [own, f"{stem}.rejects.geojsonl"]
    else:
        found = [n for n in {*_names(folder, stem), own} if _is_replaced(n[len(stem) + 1 :])]
    found = [n for n in found if os.path.lexists(os.path.join(folder, n))]
    return sorted(found, key=lambda n: (n[len(stem) + 1 :].lower() != "shp", n))


def occupied(sink: str) -> str | None:
    """The ``.shp`` that is in the place of a sink, without minding case."""
    if os.path.lexists(sink):
        return sink
    folder, own = os.path.split(sink)
    names = _names(folder, os.path.splitext(own)[0])
    return next((os.path.join(folder, n) for n in names if n.casefold() == own.casefold()), None)


def came(folder: str, names: Iterable[str]) -> None:
    """Files were moved into a folder: it need not be looked at again to know them."""
    known = _known.get(folder or ".")
    if known is not None:
        _add(known, names)


def _is_replaced(extension: str) -> bool:
    extension = extension.lower()
    return extension in _REPLACED or extension.endswith(".atx")


def _names(folder: str, stem: str) -> list[str]:
    """Names of a stem; in a large folder as they were when it was first looked at."""
    folder, stem = folder or ".", stem.casefold()
    try:
        if os.stat(folder).st_size <= SMALL_FOLDER:
            return [n for n in os.listdir(folder) if n.casefold().startswith(stem + ".")]
        if folder not in _known:
            while len(_known) >= MOST_FOLDERS:
                del _known[next(iter(_known))]
            _known[folder] = _add({}, os.listdir(folder))
        return _known[folder].get(stem, [])
    except (FileNotFoundError, NotADirectoryError):
        return []


#: Names in large folders by stem, as they were when this process first looked, and what it
#: moved there since. Listing them again for each of 100,000 outputs would take hours.
_known: dict[str, dict[str, list[str]]] = {}
MOST_FOLDERS = 4


def _add(known: dict[str, list[str]], names: Iterable[str]) -> dict[str, list[str]]:
    for name in names:
        stem = name.casefold()
        while "." in stem:  # "a.b.shp" is of "a.b", and a sidecar of "a"
            stem = stem.rpartition(".")[0]
            known.setdefault(stem, []).append(name)
    return known


def forget_names() -> None:
    """Look anew: a run begins."""
    _known.clear()
