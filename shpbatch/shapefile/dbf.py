"""The ``.dbf``: its header, and its rows as one matrix of bytes.

Layout: dBASE III PLUS table file header. Rows are fixed-width text, so
dropping, repeating or reordering rows is indexing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ..errors import ReadError, WriteError
from ..models import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DELETED", "WITH_MEMO", "Descriptor", "Table", "dated", "header_bytes", "parse_table"]

DELETED = ord("*")
#: Field types of dBASE, FoxPro and their kin; all but C N F D L are carried, never decoded.
KINDS = "CNFDLMBGPIOTYVWXQ0@+"
#: Those whose cells are places in a file of memos, and the versions that say there is one.
WITH_MEMO, MEMO_VERSIONS = "MGBPW", (0x83, 0x8B, 0xF5)
#: Bytes of a header before the descriptors, and of each descriptor.
PREFIX = DESCRIPTOR = 32
END = 0x0D
WIDEST_TABLE = 65_535


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A field as the header has it.

    ``raw`` are its 32 bytes; ``start`` and ``stop`` bound its cell in a row.
    """

    raw: bytes
    name: bytes
    kind: str
    width: int
    decimals: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Table:
    """What the header of a ``.dbf`` says.

    ``header`` is all before the first row, ``length`` the bytes of a row.
    """

    header: bytes
    declared: int
    length: int
    descriptors: tuple[Descriptor, ...]

    @property
    def start(self) -> int:
        """Byte of the first row."""
        return len(self.header)

    @property
    def ldid(self) -> int:
        """Language driver id."""
        return self.header[29]

    def names(self, encoding: str) -> list[str]:
        """Names of the fields; bytes that are no character of the encoding as surrogates."""
        return [d.name.decode(encoding, "surrogateescape") for d in self.descriptors]

    def rows_in(self, size: int) -> int:
        """Rows that a file of ``size`` bytes has room for."""
        return max(0, (size - self.start) // self.length)


def parse_table(data: bytes, name: str) -> Table:
    """Read a header.

    Parameters
    ----------
    data : bytes
        The beginning of the file, the whole header at least.
    name : str
        The layer, for messages.

    Raises
    ------
    ReadError
        ``bad-dbf``, with the byte.
    """
    if len(data) < PREFIX:
        raise ReadError(f"{name}: the .dbf is cut within its header", "bad-dbf")
    declared, start, length = struct.unpack_from("<IHH", data, 4)
    if start > len(data):
        raise ReadError(
            f"{name}: the .dbf is cut within its header, at byte {len(data)} of {start}", "bad-dbf"
        )
    found = _descriptors(data[:start], name, wide=True)
    if found and found[-1].stop > length:  # then the decimals of text mean nothing
        found = _descriptors(data[:start], name, wide=False)
    offset = found[-1].stop if found else 1
    if start <= PREFIX or length < 1 or offset > length:
        raise ReadError(
            f"{name}: the .dbf header says that a row has {length} bytes (byte 10), "
            f"its fields need {offset}; shpbatch repair saves what is whole",
            "bad-dbf",
        )
    return Table(data[:start], declared, length, tuple(found))


def _descriptors(header: bytes, name: str, wide: bool) -> list[Descriptor]:
    found: list[Descriptor] = []
    offset = 1
    for at in range(PREFIX, len(header) - DESCRIPTOR + 1, DESCRIPTOR):
        if header[at] == END:
            break
        raw = header[at : at + DESCRIPTOR]
        found.append(_descriptor(raw, offset, f"{name}: .dbf, byte {at}", wide))
        offset = found[-1].stop
    return found


def _descriptor(raw: bytes, start: int, where: str, wide: bool) -> Descriptor:
    name, kind = raw[:11].split(b"\0")[0], chr(raw[11])
    width, decimals = raw[16], raw[17]
    if kind == "C":  # Clipper: text wider than 255 uses the decimals byte
        width, decimals = width + (256 * decimals if wide else 0), 0
    shown = name.decode("ascii", "replace")
    if kind not in KINDS:
        raise ReadError(f"{where}: field '{shown}' has an unknown type {kind!r}", "bad-dbf")
    if not width:
        raise ReadError(f"{where}: field '{shown}' has no width", "bad-dbf")
    return Descriptor(raw, name, kind, width, decimals, start, start + width)


def dated(header: bytes, rows: int, today: date | None = None) -> bytes:
    """A header with another count of rows, and the date of today."""
    today = today or date.today()
    stamp = bytes([(today.year - 1900) % 256, today.month, today.day])
    return header[:1] + stamp + struct.pack("<I", rows) + header[8:]


def header_bytes(
    fields: Sequence[Field],
    raws: Sequence[bytes | None],
    encoding: str,
    ldid: int,
    version: int = 3,
) -> bytes:
    """A new header, without count and date.

    Parameters
    ----------
    fields : sequence of Field
    raws : sequence of bytes or None
        The source's own descriptor of a carried field: its name and reserved bytes stay.
    encoding : str
        Codec of the names.
    ldid : int
        Language driver id.
    version : int
        Of the source: it is kept where it tells of memos that come along.

    Raises
    ------
    WriteError
        ``name-too-long``, ``text-unencodable``, ``row-too-wide``.
    """
    length = 1 + sum(f.width for f in fields)
    if length > WIDEST_TABLE:
        raise WriteError(
            f"a row would have {length} bytes, a .dbf holds {WIDEST_TABLE}; "
            "drop fields with select",
            "row-too-wide",
        )
    start = PREFIX + DESCRIPTOR * len(fields) + 1
    if start > WIDEST_TABLE:
        raise WriteError(
            f"{len(fields):,} fields, a .dbf holds 2,046; drop some with select", "row-too-wide"
        )
    memos = version in MEMO_VERSIONS and any(f.type in WITH_MEMO for f in fields)
    head = struct.pack("<B3xIHH17xB2x", version if memos else 3, 0, start, length, ldid)
    described = b"".join(_describe(f, r, encoding) for f, r in zip(fields, raws, strict=True))
    return head + described + bytes([END])


def _describe(field: Field, raw: bytes | None, encoding: str) -> bytes:
    width, decimals = field.width, field.decimals
    if field.type == "C" and width > 255:
        width, decimals = width % 256, width // 256
    sizes = bytes([width, decimals])
    if raw is not None:  # bytes 12 to 15 may be a place in the old row
        return raw[:12] + bytes(4) + sizes + raw[18:]
    name = name_bytes(field.name, encoding).ljust(11, b"\0")
    return name + field.type.encode("ascii") + bytes(4) + sizes + bytes(14)


def name_bytes(name: str, encoding: str) -> bytes:
    """A field name as the .dbf holds it.

    Raises
    ------
    WriteError
        ``name-too-long`` over 10 bytes, ``text-unencodable``.
    """
    try:
        # Names cut within a character keep their odd bytes as surrogates (see `header`).
        raw = name.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        raise WriteError(
            f"field name '{name}' has characters that {encoding} lacks", "text-unencodable"
        ) from None
    if len(raw) > 10:
        raise WriteError(
            f"field name '{name}' is {len(raw)} bytes long in {encoding}, a .dbf holds 10",
            "name-too-long",
        )
    return raw
