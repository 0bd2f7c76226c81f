"""Zips that somebody hostile made: bombs, overlapping members, links, names that climb."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from ..errors import ReadError

__all__ = ["check_members", "inner_path", "limited"]

MOST_MEMBERS = 10_000
#: A ``.dbf`` of blanks packs 1,000 to 1; what is small anyway may.
MOST_RATIO, SMALL = 200, 64 << 20
#: Bytes of one member: both ``.shp`` and ``.dbf`` end at 2 GB.
LARGEST = 1 << 31


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


def limited(file: IO[bytes], member: zipfile.ZipInfo, path: str) -> Iterator[bytes]:
    """The bytes of a member, as many as an honest one may have; its header is not believed.

    Raises
    ------
    ReadError
        ``zip-bomb``.
    """
    most = min(LARGEST, max(SMALL, MOST_RATIO * member.compress_size))
    done = 0
    while data := file.read(1 << 17):
        done += len(data)
        if done > most:
            raise ReadError(
                f"{path}/{member.filename}: unpacks to more than {most:,} bytes of "
                f"{member.compress_size:,}; unpack it by hand if that is meant",
                "zip-bomb",
            )
        yield data
