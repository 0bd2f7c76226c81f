"""What lies in the folders and is no layer: lone tables, lone sidecars, junk, zips of nothing."""

from __future__ import annotations

import os
import shlex
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..findings import Finding
from ..shapefile.bundle import ZIP_ERRORS
from ..shapefile.zips import open_zip
from .grid import Stray

__all__ = ["find_strays"]

#: Extensions that speak of a layer; a ``.xml`` alone does not.
_OURS = ("dbf", "shx", "prj", "cpg", "qix", "sbn", "sbx", "qpj")
#: Other formats that are no sources of a folder unless ``--include`` asks for them.
_OTHERS = {
    "gpkg": "a GeoPackage",
    "fgb": "a FlatGeobuf file",
    "geojson": "a GeoJSON file",
    "parquet": "a Parquet file",
    "tab": "a MapInfo table",
    "mif": "a MapInfo interchange file",
    "gdb": "a file geodatabase",
}
#: Those of them that are nothing without their ``.shp``.
_NEEDY = ("shx", "qix", "sbn", "sbx")


def find_strays(
    src: Iterable[str], ignored: Iterable[tuple[str, str]] = (), others: bool = True
) -> list[Stray]:
    """What was passed over below the folders of ``src``, sorted.

    Parameters
    ----------
    src : iterable of str
        What the user named; only its folders are looked into.
    ignored : iterable of (path, reason)
        What `discover` passed over: zips without a layer, links, outputs of other runs.
    others : bool
        Whether sources of other formats were passed over.
    """
    found = [Stray(path, _passed_over(path, reason)) for path, reason in ignored]
    for name in src:
        if os.path.isdir(name):
            found += [s for s in _below(name) if others or s.finding.code != "other-format"]
    return sorted({s.path: s for s in found}.values(), key=lambda s: s.path)


def _below(folder: str) -> Iterator[Stray]:
    for root, folders, files in os.walk(folder):
        for name in sorted(folders):
            if (finding := _of_folder(folder, name)) is not None:
                yield Stray(os.path.join(root, name), finding)
        folders[:] = sorted(f for f in folders if not _closed(f))
        yield from _of_files(root, files)
        for name in sorted(files):
            if (extension := name.rpartition(".")[2]).lower() in _OTHERS:
                yield Stray(os.path.join(root, name), _of_other(folder, extension))


def _closed(folder: str) -> bool:
    """Folders that are not looked into, as `discover` does."""
    return folder in (".shpbatch", "__MACOSX") or folder.lower().endswith(".gdb")


def _of_other(folder: str, extension: str) -> Finding:
    """A file of another format, with its extension as it is spelt: globs tell capitals apart."""
    reason = f"{_OTHERS[extension.lower()]}, which is read where it is asked for"
    remedy = f"shpbatch audit {shlex.quote(folder)} --include '*.{extension}'"
    return Finding("other-format", "note", reason, remedy)


def _of_folder(folder: str, name: str) -> Finding | None:
    lower = name.lower()
    if lower.endswith(".gdb"):
        return _of_other(folder, name[-3:])
    if name == "__MACOSX":
        return Finding("junk", "note", "what macOS leaves in zips; delete it")
    if lower.endswith((".shp", ".zip", ".shz")):
        return Finding("junk", "warning", "a folder that is named like a file; rename it")
    return None


def _of_files(root: str, files: list[str]) -> Iterator[Stray]:
    """Sidecars whose stem has no ``.shp``, and AppleDouble files."""
    stems: dict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(files):
        stem, dot, extension = name.rpartition(".")
        if name.startswith("._"):
            if extension.lower() == "shp":
                reason = "an AppleDouble file of macOS, no layer; delete it"
                yield Stray(os.path.join(root, name), Finding("junk", "note", reason))
        elif dot:
            stems[stem.casefold()].setdefault(extension.lower(), name)
    for members in stems.values():
        if "shp" not in members and any(e in _OURS for e in members):
            yield from _lone(root, members)


def _lone(root: str, members: dict[str, str]) -> Iterator[Stray]:
    """The one finding of a stem without a ``.shp``."""
    if "dbf" in members:
        path = os.path.join(root, members["dbf"])
        others = [f".{e}" for e in members if e in _OURS and e != "dbf"]
        beside = f", though a {', '.join(others)} lies beside it" if others else ""
        reason = f"a .dbf without its .shp{beside}: {_table(path)}"
        severity = "warning" if set(members) & set(_NEEDY) else "note"
        yield Stray(path, Finding("lone-dbf", severity, reason, "find its .shp, or move it away"))  # type: ignore[arg-type]
        return
    own = sorted(e for e in members if e in _OURS)
    reason = f"{', '.join(f'.{e}' for e in own)} without a .shp"
    yield Stray(os.path.join(root, members[own[0]]), Finding("lone-sidecar", "note", reason))


def _table(path: str) -> str:
    """What the header of a lone ``.dbf`` says."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError as error:
        return str(error.strerror)
    if len(head) < 12:
        return "cut within its header"
    rows, start, _ = struct.unpack_from("<IHH", head, 4)
    fields = max(0, (start - 33) // 32)
    return f"{rows:,} rows of {fields} {'field' if fields == 1 else 'fields'}"


def _passed_over(path: str, reason: str) -> Finding:
    if path.lower().endswith((".zip", ".shz")) and "zip" in reason:
        return _of_zip(path, reason)
    return Finding("passed-over", "note", reason)


def _of_zip(path: str, reason: str) -> Finding:
    """Why a zip gave no layer: what it holds instead."""
    try:
        with open_zip(path) as archive:
            names = [m.filename for m in archive.infolist() if not m.is_dir()]
    except ZIP_ERRORS:
        names = []
    inner = [n for n in names if n.lower().endswith(".zip")]
    tables = [n for n in names if n.lower().endswith(".dbf")]
    if inner:
        reason += f", but with {len(inner)} more zips in it, which are not opened: unpack it"
    elif tables:
        reason += f", but with a .dbf ({tables[0]})"
    elif not names:
        reason += ": it is empty"
    return Finding("zip-without-layer", "warning", reason)
