"""Zips as they come: names in the encoding of some Windows, and what somebody hostile made of them.

Bombs, overlapping members, links, names that climb.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from ..errors import ReadError
from .weighing import rival_of, tokens_of, weigh

__all__ = ["check_members", "inner_path", "limited", "open_zip"]

#: What the format says that names are in which are not marked as UTF-8, and the mark.
UNMARKED, MARK = "cp437", 0x800

MOST_MEMBERS = 10_000
#: A ``.dbf`` of blanks packs 1,000 to 1; what is small anyway may.
MOST_RATIO, SMALL = 200, 64 << 20
#: Bytes of one member: both ``.shp`` and ``.dbf`` end at 2 GB.
LARGEST = 1 << 31


def open_zip(path: str) -> zipfile.ZipFile:
    """A zip, open for reading, its names as a person reads them.

    Few programs write names in cp437 or mark them as UTF-8: `zip` of Linux
    writes UTF-8 without the mark, Windows whatever its language has.
    """
    archive = zipfile.ZipFile(path)
    try:
        names = [m.orig_filename for m in archive.infolist() if not m.flag_bits & MARK]
        codec = _codec_of_names(tuple(n for n in names if not n.isascii()))
    except BaseException:
        archive.close()
        raise
    if codec == UNMARKED:
        return archive
    archive.close()
    return zipfile.ZipFile(path, metadata_encoding=codec)


@lru_cache(maxsize=16)
def _codec_of_names(names: tuple[str, ...]) -> str:
    """What names are in that were read as cp437."""
    raw = [name.encode(UNMARKED) for name in names]
    if _are(raw, "utf-8"):
        return "utf-8" if raw else UNMARKED
    words = tokens_of(name.replace(b"/", b" ").replace(b".", b" ") for name in raw)
    if rival_of(words, UNMARKED, doubted=True) is None:
        return UNMARKED
    return next((codec for codec, _ in weigh(words) if _are(raw, codec)), UNMARKED)


def _are(names: list[bytes], codec: str) -> bool:
    try:
        for name in names:
            name.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def check_members(archive: zipfile.ZipFile, path: str) -> list[zipfile.ZipInfo]:
    """Members of an archive, if it is one that can be trusted to be read.

    Raises
    ------
    ReadError
        ``bad-zip``: too many members, or members that share bytes (which is
        how 10 MB unpack to 281 TB; David Fifield, "A better zip bomb", 2019).
    """
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise ReadError(
            f"{path}: {len(members):,} members, {MOST_MEMBERS:,} are read at most; split it",
            "bad-zip",
        )
    end = 0
    for member in sorted(members, key=lambda m: m.header_offset):
        if member.header_offset < end:
            raise ReadError(
                f"{path}: {member.filename!r} shares bytes with another member: "
                "not a zip that an honest program wrote",
                "bad-zip",
            )
        end = member.header_offset + member.compress_size
    return [m for m in members if not stat.S_ISLNK(m.external_attr >> 16)]


def inner_path(name: str) -> PurePosixPath:
    """The path of a member below its zip; one that climbs or is absolute stays below, too."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return PurePosixPath(*[p.replace(":", "_") for p in parts if p not in ("/", "..", ".")])


def limited(parts: Iterable[bytes], member: zipfile.ZipInfo, path: str) -> Iterator[bytes]:
    """Unpacked bytes of a member, as many as an honest one may have; its header is not believed.

    Raises
    ------
    ReadError
        ``zip-bomb``.
    """
    most = min(LARGEST, max(SMALL, MOST_RATIO * member.compress_size))
    done = 0
    for data in parts:
        done += len(data)
        if done > most:
            raise ReadError(
                f"{path}/{member.filename}: unpacks to more than {most:,} bytes of "
                f"{member.compress_size:,}; unpack it by hand if that is meant",
                "zip-bomb",
            )
        yield data
