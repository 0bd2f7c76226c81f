"""Sidecars that travelled are made to say what is so now: names of fields, CRS, extent.

What cannot be changed with proof stays as it came, and a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from xml.parsers import expat

from ..models import Field
from .metadata_place import METADATA, placed
from .qgis_expression import References
from .styles import STYLES, restyled

if TYPE_CHECKING:
    from .place import Place

__all__ = ["keep_places", "keep_styles", "names_now"]

_UNREADABLE = (expat.ExpatError, LookupError, ValueError)
#: What FGDC metadata say of a projection in elements of its own.
_PARAMETERS = (b"<mapproj", b"<gridsys", b"<geograph>", b"<geodetic", b"<localp")
#: Bytes of a file that is looked into: what is found in it takes some 30 times as much memory.
LARGEST = 32 << 20
#: Layer files of ArcGIS: an OLE container with names in UTF-16, and JSON.
_CLOSED = {"lyr": "utf-16-le", "lyrx": "utf-8"}


def names_now(before: Iterable[Field], after: Iterable[Field]) -> dict[str, str | None]:
    """What each field of a source is named in the output; None where it is gone.

    Parameters
    ----------
    before : iterable of Field
        Of the source.
    after : iterable of Field
        Of the output, with the names that they are written under.
    """
    now: dict[str, str | None] = {}
    for f in after:
        if f.origin:
            now.setdefault(f.origin, f.name)
    made = {f.name for f in after}
    for f in before:
        # A field that was made anew under its name takes its place.
        now.setdefault(f.name, f.name if f.name in made else None)
    return now


def keep_styles(folder: Path, stem: str, layer: str, names: Mapping[str, str | None]) -> list[str]:
    """Give the styles of a staged layer the names that its fields have now.

    Parameters
    ----------
    folder : Path
    stem : str
        Name of the staged files.
    layer : str
        Name of the layer, for sentences.
    names : mapping of str to (str or None)
        See `names_now`.

    Returns
    -------
    list of str
        What a person should know, a sentence each.
    """
    told: list[str] = []
    if all(old == new for old, new in names.items()):
        return told
    for extension in STYLES:
        path = folder / f"{stem}.{extension}"
        if path.exists():
            told += _restyled(path, extension, f"{layer}.{extension}", names)
    for extension, encoding in _CLOSED.items():
        path = folder / f"{stem}.{extension}"
        data = path.read_bytes() if path.exists() else b""
        found = [n for n, new in names.items() if new != n and _encoded(n, encoding) in data]
        if found:
            told.append(
                f"{layer}.{extension} was not changed and may refer to fields that are renamed "
                f"or gone: {', '.join(found)}"
            )
    return told


def _encoded(name: str, encoding: str) -> bytes:
    return name.encode(encoding, "replace")


def _restyled(path: Path, extension: str, name: str, names: Mapping[str, str | None]) -> list[str]:
    references = References(names)
    try:
        data = _read(path)
        made = restyled(data, extension, references)
    except _UNREADABLE as error:
        return [f"{name} travels as it is, with the old names of fields: {_reason(error)}"]
    if made != data:
        path.write_bytes(made)
    told = []
    if references.count == 1:
        told.append(f"{name}: 1 reference to a renamed field was changed")
    elif references.count:
        told.append(f"{name}: {references.count:,} references to renamed fields were changed")
    if references.gone:
        told.append(
            f"{name} refers to fields that are no longer there: {', '.join(references.gone)}"
        )
    if references.doubtful:
        told.append(
            f"{name} names fields that may be another layer's, and were not changed: "
            f"{', '.join(references.doubtful)}"
        )
    return told


def keep_places(folder: Path, stem: str, layer: str, old: Place, new: Place) -> list[str]:
    """Let the metadata of a staged layer tell its CRS and its extent, where they told others.

    Parameters
    ----------
    folder : Path
    stem, layer : str
        Names of the staged files and of the layer.
    old, new : Place
        Of the source and of the output.

    Returns
    -------
    list of str
        What a person should know, a sentence each.
    """
    told: list[str] = []
    if old == new:
        return told
    for extension in METADATA:
        path = folder / f"{stem}.{extension}"
        if not path.exists():
            continue
        try:
            data = _read(path)
            made = placed(data, extension, old, new)
        except _UNREADABLE as error:
            told.append(
                f"{layer}.{extension} travels as it is, with the old CRS and extent: "
                f"{_reason(error)}"
            )
            continue
        if made != data:
            path.write_bytes(made)
        if new.crs != old.crs and any(mark in made for mark in _PARAMETERS):
            told.append(
                f"{layer}.{extension} has the parameters of the source's CRS in spref/horizsys, "
                "which are left"
            )
    return told


def _read(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MB")
    return path.read_bytes()


def _reason(error: Exception) -> str:
    if isinstance(error, expat.ExpatError):
        return f"it is no XML ({error})"
    return f"it cannot be changed with proof ({error})"
