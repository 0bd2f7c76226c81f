"""Where the records of a ``.shp`` are: from the ``.shx``, else from the record chain.

Layout: ESRI Shapefile Technical Description (1998), "Organization of the
Main File" and "of the Index File". Lengths count 16-bit words.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

from ..errors import ReadError
from .bundle import Bundle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "build_shx", "chain", "count_records", "read_shx"]

HEADER_BYTES = 100
MAGIC = 9994


def read_shx(bundle: Bundle) -> NDArray[np.int64] | None:
    """Offsets and content lengths in bytes, int64 (n, 2); None without a usable ``.shx``.

    Usable is what has the magic number and its own length, and does not leave
    out records that the chain of the ``.shp`` has.
    """
    import numpy as np

    data = bundle.read("shx")
    if len(data) < HEADER_BYTES or struct.unpack(">i", data[:4])[0] != MAGIC:
        return None
    declared = 2 * struct.unpack(">i", data[24:28])[0]
    if not HEADER_BYTES <= declared <= len(data):
        return None
    n = (declared - HEADER_BYTES) // 8
    words = np.frombuffer(data, ">i4", 2 * n, HEADER_BYTES).reshape(n, 2)
    index = words.astype(np.int64) * 2
    if HEADER_BYTES + int((index[:, 1] + 8).sum()) < bundle.size("shp"):
        try:
            return index if len(chain(bundle)) <= n else None
        except ReadError:  # gaps between records: only the index knows them
            return index
    return index


def check_index(bundle: Bundle, index: NDArray[np.int64]) -> None:
    """Raise ReadError where the index points outside the ``.shp``."""
    size = bundle.size("shp")
    ends = index[:, 0] + 8 + index[:, 1]
    bad = (index[:, 0] < HEADER_BYTES) | (index[:, 1] < 0) | (ends > size)
    if bad.any():
        i = int(bad.argmax())
        raise ReadError(
            f"{bundle.name('shp')}: record {i + 1} should end at byte {ends[i]}, "
            f"the file has {size}; it was cut: get it again from where it came",
            "shp-truncated",
        )


def chain(bundle: Bundle) -> list[tuple[int, int]]:
    """Offset and content length in bytes of every record, by walking record headers.

    Raises
    ------
    ReadError
        ``chain-broken``, with the byte, where a record cannot be whole.
    """
    with bundle.open("shp") as file:
        if bundle.zipped:
            return _walk(file.read(), bundle)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return _walk(view, bundle)


def _walk(data: bytes | mmap.mmap, bundle: Bundle) -> list[tuple[int, int]]:
    found = []
    at, end = HEADER_BYTES, len(data)
    while at + 8 <= end:
        words = struct.unpack_from(">i", data, at + 4)[0]
        following = at + 8 + 2 * words
        if words < 2 or following > end:
            raise ReadError(
                f"{bundle.name('shp')}: no usable .shx, and the record at byte {at} does not fit "
                f"the file's {end} bytes: get the file again from where it came",
                "chain-broken",
            )
        found.append((at, 2 * words))
        at = following
    if at != end:
        raise ReadError(
            f"{bundle.name('shp')}: no usable .shx, and {end - at} bytes from byte {at} on are no "
            "record: get the file again from where it came",
            "chain-broken",
        )
    return found


def count_records(bundle: Bundle) -> int:
    """Features declared: entries of the ``.shx``, else records of the chain."""
    index = read_shx(bundle)
    return len(chain(bundle)) if index is None else len(index)


def build_shx(bundle: Bundle) -> bytes:
    """The bytes of a ``.shx`` for a layer that lacks one."""
    records = chain(bundle)
    header = bytearray(bundle.read("shp", HEADER_BYTES))
    struct.pack_into(">i", header, 24, (HEADER_BYTES + 8 * len(records)) // 2)
    entries = b"".join(struct.pack(">ii", at // 2, length // 2) for at, length in records)
    return bytes(header) + entries
