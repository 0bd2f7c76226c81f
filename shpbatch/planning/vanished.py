"""Outputs whose sources are gone: which these are, and their removal where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..durable import is_there
from ..errors import ReadError, WriteError
from ..foreign import is_foreign
from ..models import Problem
from ..publishing.ledger import Ledger, Made
from ..publishing.staleness import edited
from ..shapefile.bundle import ZIP_ERRORS
from ..shapefile.zips import open_zip

__all__ = ["Whereabouts", "prune", "stays"]


class Whereabouts:
    """Which sources are gone; zips and files of other formats are looked into, once.

    What cannot be looked at is not gone: a share may be away, rights may be missing.

    Parameters
    ----------
    unlisted : iterable of str
        Folders that could not be listed: nothing below them is known to be gone.
    """

    def __init__(self, unlisted: Iterable[str] = ()) -> None:
        self._unlisted = _below(unlisted)
        self._inside: dict[Path, set[str] | None] = {}

    def is_gone(self, source: str) -> bool:
        """Whether a source, by its full name, is not there any more."""
        if source.startswith(self._unlisted) or _there(Path(source)):
            return False
        holder = next((p for p in Path(source).parents if _there(p)), None)
        if holder is None:  # not even its drive or share is there
            return False
        if holder.is_dir() and not is_foreign(str(holder)):
            return True
        if holder not in self._inside:
            self._inside[holder] = _members(str(holder))
        inside = self._inside[holder]
        return inside is not None and source not in inside


def _below(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(os.path.join(os.path.abspath(folder), "") for folder in folders)


def _there(path: Path) -> bool:
    try:
        return is_there(path)
    except OSError:
        return True


def _members(path: str) -> set[str] | None:
    """Full names of the layers in a file, None where that cannot be read."""
    from ..formats.reading import layers_of

    try:
        if is_foreign(path):
            names, _ = layers_of(path)
        else:
            with open_zip(path) as archive:
                names = archive.namelist()
    except (ReadError, *ZIP_ERRORS):
        return None
    return {os.path.abspath(f"{path}/{name}") for name in names}


def stays(dst: str, made: Made, empty: Iterable[str] = ()) -> Problem | None:
    """Why an output whose sources are gone is not to be removed.

    Parameters
    ----------
    dst : str
    made : Made
    empty : iterable of str
        Folders that were named and have nothing in them, as a share that is
        not mounted: what was made of them stays.
    """
    lost = [s for s in made.provenance["sources"] if s.startswith(_below(empty))]
    if lost:
        reason = f"nothing at all is left where {lost[0]} was: is that folder mounted?"
        return Problem("source-folder-empty", reason)
    if changed := edited(made.members, dst):
        reason = f"{Path(dst, changed[0])} was edited by hand; remove it by hand"
        return Problem("output-edited", reason)
    return None


def prune(
    dst: str, ledger: Ledger, keys: Iterable[str], empty: Iterable[str] = ()
) -> tuple[dict[str, Problem], list[str]]:
    """Remove outputs whose sources are gone.

    Parameters
    ----------
    dst : str
    ledger : Ledger
    keys : iterable of str
        Of the outputs.
    empty : iterable of str
        See `stays`.

    Returns
    -------
    tuple of dict and list of str
        What stays, and why; and what was removed.
    """
    kept: dict[str, Problem] = {}
    gone = []
    for key in keys:
        made = ledger.made_of(key)
        if made is None:
            continue
        if told := stays(dst, made, empty) or _removed(dst, made):
            kept[key] = told
        else:
            gone.append(key)
    with suppress(WriteError), ledger.together():  # a full disk: the next run forgets them
        ledger.forget_made(gone)
    return kept, gone


def _removed(dst: str, made: Made) -> Problem | None:
    """Remove the files of an output, the ``.shp`` first; what prevents it."""
    for name in sorted(made.members, key=lambda n: not n.endswith(".shp")):
        path = Path(dst, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            reason = f"{path} cannot be removed: {error.strerror}; the next run tries again"
            return Problem("write-failed", reason)
    return None
