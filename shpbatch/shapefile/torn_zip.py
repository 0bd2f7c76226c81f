"""Members of a zip whose bytes are not those that were packed: as much as can be unpacked."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..errors import ReadError
from .bundle import Bundle
from .zips import limited, open_zip

__all__ = ["torn_members", "unpack_torn"]

#: Bytes of the header of a member before its name.
LOCAL = 30
CHUNK = 1 << 17


def torn_members(bundle: Bundle, extensions: Iterable[str]) -> list[str]:
    """Those of a layer in a zip whose members do not have the checksum that it tells.

    Raises
    ------
    ReadError
        ``zip-bomb``.
    """
    return [e for e in extensions if bundle.zipped and e in bundle and _is_torn(bundle, e)]


def _is_torn(bundle: Bundle, extension: str) -> bool:
    try:
        for _ in bundle.chunks(extension):
            pass
    except ReadError as error:
        if error.code == "zip-bomb":
            raise
        return True
    return False


def unpack_torn(bundle: Bundle, extension: str, target: Path) -> None:
    """Write what a member unpacks to, up to where it no longer does.

    Raises
    ------
    ReadError
        ``source-unreadable`` where it is packed in a way that is not known; ``zip-bomb``.
    """
    with open_zip(bundle.path) as archive:
        member = archive.getinfo(bundle.members[extension])
    encrypted = member.flag_bits & 1
    if encrypted or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ReadError(
            f"{bundle.name(extension)}: encrypted, or packed in a way that is not read",
            "source-unreadable",
        )
    with open(bundle.path, "rb") as file, open(target, "wb") as out:
        file.seek(member.header_offset)
        name, extra = struct.unpack_from("<2H", file.read(LOCAL).ljust(LOCAL, b"\0"), 26)
        file.seek(member.header_offset + LOCAL + name + extra)
        parts = _inflated(_packed(file, member.compress_size), member.compress_type)
        for data in limited(parts, member, bundle.path):
            out.write(data)


def _packed(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size and (data := file.read(min(CHUNK, size))):
        size -= len(data)
        yield data


def _inflated(parts: Iterator[bytes], method: int) -> Iterator[bytes]:
    if method == zipfile.ZIP_STORED:
        yield from parts
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for part in parts:
        rest = part
        while rest:
            before = inflate.copy()
            try:
                yield inflate.decompress(rest, CHUNK)
            except zlib.error:
                yield from _before_the_error(before, rest)
                return
            rest = inflate.unconsumed_tail
    with suppress(zlib.error):
        yield inflate.flush()


def _before_the_error(inflate: zlib._Decompress, rest: bytes) -> Iterator[bytes]:
    """What comes before a byte that cannot be: a call that raises gives nothing of it."""
    with suppress(zlib.error):
        for byte in rest:  # nothing behind the bad one can be told
            yield inflate.decompress(bytes([byte]))
