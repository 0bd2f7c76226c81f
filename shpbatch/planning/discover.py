"""Turn what the user named into a sorted list of sources."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import ReadError, SourceError
from ..foreign import files_of, is_foreign
from ..models import Problem, Source
from ..shapefile.bundle import ZIP_ERRORS
from ..shapefile.zips import check_members, inner_path, open_zip
from ..sinks import sink_paths
from .lists import Listed, expanded, read_lists, unmatched
from .walk import UNLISTED, Walk

__all__ = ["Found", "discover"]


@dataclass(frozen=True, slots=True)
class Found:
    """Sources in sorted order; what was passed over, with the reason; named folders without any."""

    sources: tuple[Source, ...]
    ignored: tuple[tuple[str, str], ...] = ()
    empty: tuple[str, ...] = ()


def discover(
    src: Iterable[str | Listed],
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    avoid: str | None = None,
    limit: int | None = None,
) -> Found:
    """Find the layers of files, folders, globs, zips, ``@list.txt`` and ``-`` (standard input).

    Parameters
    ----------
    src : iterable of str
        What the user named; lists may have been read already (`read_lists`).
    include, exclude : iterable of str
        Globs on the path below the named folder (or on the file name alone).
    avoid : str, optional
        The destination of a run, which may lie in a source folder: neither that
        nor an output of an earlier run is looked into.
    limit : int, optional
        Keep the first so many.

    Returns
    -------
    Found
        Sorted by path; a layer named twice is there once. A folder that cannot
        be listed is a source with a problem.

    Raises
    ------
    SourceError
        ``source-missing`` for a path that does not exist, ``no-sources``
        where nothing was found.
    """
    include, exclude = list(include), list(exclude)
    src = read_lists(src)
    named = list(expanded(src))
    walk = Walk(avoid, foreign=bool(include))
    empty = unmatched(src)
    wanted = (
        source
        for name in named
        for source in _counted(name, _sources(name, walk), empty)
        if not (include or exclude) or _is_wanted(source, include, exclude)
    )
    once = wanted if len(named) == 1 else _once(wanted)  # a folder has no file twice
    found = sorted(once, key=lambda s: (s.path, s.member or ""))[:limit]
    if not found:
        told = _nothing(named, bool(include or exclude), walk.ignored)
        raise SourceError(told, "no-sources")
    return Found(tuple(found), tuple(walk.ignored), tuple(empty))


def _counted(name: str, sources: Iterable[Source], empty: list[str]) -> Iterator[Source]:
    """The sources of a name, which is noted where there is none."""
    source = None
    for source in sources:
        yield source
    if source is None:
        empty.append(name)


def _once(sources: Iterable[Source]) -> Iterable[Source]:
    """The first of each that were named twice."""
    found: dict[tuple[str, str | None], Source] = {}
    for source in sources:
        found.setdefault((os.path.abspath(source.path), source.member), source)
    return found.values()


def _sources(name: str, walk: Walk) -> Iterator[Source]:
    ignored = walk.ignored
    if is_foreign(name) and os.path.exists(name):
        yield from _of_foreign(name, os.path.basename(os.path.normpath(name)), ignored)
    elif os.path.isdir(name):
        start = len(os.path.join(name, ""))
        root = os.path.join(os.path.realpath(name), "")
        for path in walk.files(name):
            if os.path.islink(path) and not os.path.realpath(path).startswith(root):
                ignored.append((path, "a link to outside of the folder; name it to have it done"))
                continue
            yield from _of_file(path, path[start:].replace(os.sep, "/"), ignored)
        yield from walk.unlisted(start)
    elif os.path.exists(name):
        yield from _of_file(name, os.path.basename(name), ignored, named=True)
    else:
        raise SourceError(f"{name}: no such file or folder; check the path", "source-missing")


def _of_file(
    path: str, relative: str, ignored: list[tuple[str, str]], named: bool = False
) -> Iterator[Source]:
    lower = path.lower()
    if lower.endswith(".shp"):
        yield Source(path, relative, size=_size(path))
    elif lower.endswith((".shz", ".zip")):
        yield from _of_zip(path, PurePosixPath(relative), ignored)
    elif is_foreign(path):
        yield from _of_foreign(path, relative, ignored)
    elif named:
        raise SourceError(
            f"{path}: not a .shp, .shz, .zip or a folder; name the .shp file of the layer",
            "source-unfit",
        )


def _of_zip(path: str, relative: PurePosixPath, ignored: list[tuple[str, str]]) -> Iterator[Source]:
    """The layers in a zip, which counts as a folder of its own name; a ``.shz`` is one layer."""
    try:
        with open_zip(path) as archive:
            members = [m for m in check_members(archive, path) if _is_layer(m.filename)]
    except ReadError as error:
        problem = Problem(error.code, str(error))
        yield Source(path, str(relative / relative.stem), problem=problem)
        return
    except ZIP_ERRORS as error:
        reason = f"{path}: not a readable zip ({error}); get it again"
        yield Source(path, str(relative / relative.stem), problem=Problem("bad-zip", reason))
        return
    if not members:
        ignored.append((path, "a zip without a .shp"))
    one = relative.suffix.lower() == ".shz" and len(members) == 1
    for member in members:
        place = relative if one else relative / inner_path(member.filename)
        yield Source(path, str(place), member.filename, member.file_size)


def _of_foreign(path: str, relative: str, ignored: list[tuple[str, str]]) -> Iterator[Source]:
    """The layers of a file of another format, which counts as a folder where there are several."""
    from ..formats.reading import layers_of

    path = os.path.normpath(path)
    stem = os.path.splitext(relative)[0]
    try:
        layers, tables = layers_of(path)
    except ReadError as error:
        yield Source(path, f"{stem}.shp", problem=Problem(error.code, str(error)))
        return
    ignored.extend((f"{path}/{table}", "a table without geometry") for table in tables)
    size = sum(os.stat(file).st_size for file in files_of(path).values())
    places = sink_paths(f"{stem}.shp", layers if len(layers) > 1 else [""])
    for layer, place in zip(layers, places, strict=False):
        yield Source(path, place.as_posix(), layer, size // len(layers))


def _is_wanted(source: Source, include: list[str], exclude: list[str]) -> bool:
    """Whether a source is asked for; one of another format also by the name of its file."""
    names = [source.relative]
    if source.problem and source.problem.code == UNLISTED:  # what is asked for may be in it
        names, include = [*names, f"{source.relative}/"], []
    elif is_foreign(source.path):
        names.append(os.path.basename(source.path))
    return any(_wanted(n, include, []) for n in names) and all(
        _wanted(n, [], exclude) for n in names
    )


def _is_layer(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return (
        name.lower().endswith(".shp") and "__MACOSX" not in parts and not parts[-1].startswith("._")
    )


def _size(path: str) -> int:
    """Bytes of ``.shp`` and ``.dbf``; a file that cannot be asked weighs nothing."""
    total = 0
    for name in (path, path[:-4] + ".dbf"):
        try:
            total += os.stat(name).st_size
        except OSError:
            continue
    return total


def _wanted(relative: str, include: list[str], exclude: list[str]) -> bool:
    def matches(patterns: list[str]) -> bool:
        name = relative.rpartition("/")[2]
        return any(fnmatch.fnmatch(relative, p) or fnmatch.fnmatch(name, p) for p in patterns)

    return (not include or matches(include)) and not matches(exclude)


def _nothing(named: list[str], filtered: bool, ignored: list[tuple[str, str]]) -> str:
    where = ", ".join(named) or "the list"
    if filtered:
        return f"{where}: no shapefile matches --include/--exclude; the globs are on paths below it"
    passed = f" but {ignored[0][0]}: {ignored[0][1]}" if ignored else ""
    return f"{where}: no shapefile (.shp, or a zip of one) in it{passed}"
