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
    """Offsets and content lengths in bytes, int64 (n, 2); None without a usable ``.shx``."""
    import numpy as np

    data = bundle.read("shx")
    if len(data) < HEADER_BYTES or struct.unpack(">i", data[:4])[0] != MAGIC:
        return None
    n = _entries(data[:HEADER_BYTES], len(data))
    words = np.frombuffer(data, ">i4", 2 * n, HEADER_BYTES).reshape(n, 2)
    return words.astype(np.int64) * 2


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
                f"{bundle.name('shp')}: no .shx, and the record at byte {at} does not fit "
                f"the file's {end} bytes: get the file again from where it came",
                "chain-broken",
            )
        found.append((at, 2 * words))
        at = following
    return found


def count_records(bundle: Bundle) -> int:
    """Features declared: entries of the ``.shx``, else records of the chain."""
    head = bundle.read("shx", HEADER_BYTES)
    if len(head) == HEADER_BYTES:
        return _entries(head, bundle.size("shx"))
    return len(chain(bundle))


def _entries(head: bytes, size: int) -> int:
    """Entries of a ``.shx``: its header's length, where the file is that long."""
    declared = 2 * struct.unpack(">i", head[24:28])[0]
    return (min(declared, size) - HEADER_BYTES) // 8 if declared >= HEADER_BYTES else 0


def build_shx(bundle: Bundle) -> bytes:
    """The bytes of a ``.shx`` for a layer that lacks one."""
    records = chain(bundle)
    header = bytearray(bundle.read("shp", HEADER_BYTES))
    struct.pack_into(">i", header, 24, (HEADER_BYTES + 8 * len(records)) // 2)
    entries = b"".join(struct.pack(">ii", at // 2, length // 2) for at, length in records)
    return bytes(header) + entries
