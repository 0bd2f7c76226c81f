"""Text passes GDAL as Latin-1, byte for byte; decoding and encoding are ours.

Every byte is a Latin-1 character, so GDAL neither guesses, replaces nor cuts:
what a codec cannot read or hold is seen here, and said.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..account import Account
from ..errors import WriteError
from ..models import Field, Header

__all__ = ["TUNNEL", "decode", "encode", "name_bytes"]

TUNNEL = "ISO-8859-1"
WIDEST = 254


def decode(column: Any, field: Field, encoding: str, account: Account) -> Any:
    """Text of a column that GDAL read through the tunnel, in its real encoding."""
    if not pa.types.is_string(column.type) or encoding == "iso8859-1" or _ascii(column):
        return column
    unreadable = 0

    def one(text: str | None) -> str | None:
        nonlocal unreadable
        if text is None or text.isascii():
            return text
        raw = text.encode("latin-1")
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            unreadable += 1
            return raw.decode(encoding, "replace")

    decoded = _each(column, one)
    account.note(f"field {field.name}: values hold bytes that are not {encoding}", unreadable)
    return decoded


def encode(column: Any, field: Field, header: Header) -> Any:
    """Text of a column as the tunnel takes it.

    Raises
    ------
    WriteError
        ``text-unencodable``, ``text-too-long``.
    """
    if not pa.types.is_string(column.type):
        return column
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest <= WIDEST and _ascii(column):
        return column

    def one(text: str | None) -> str | None:
        if text is None:
            return None
        try:
            raw = text.encode(header.encoding)
        except UnicodeEncodeError:
            raise WriteError(
                f"field {field.name}: '{text[:40]}' has characters that {header.encoding} "
                "lacks; the layer keeps its source's encoding",
                "text-unencodable",
            ) from None
        if len(raw) > WIDEST:
            raise WriteError(
                f"field {field.name}: a text of {len(raw)} bytes, a .dbf holds {WIDEST}; "
                "shorten it with calculate",
                "text-too-long",
            )
        return raw.decode("latin-1")

    return _each(column, one)


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


def _ascii(column: Any) -> bool:
    return bool(pc.all(pc.string_is_ascii(column), min_count=0).as_py())


def _each(column: Any, function: Any) -> Any:
    """Map a function over the distinct values of a text column."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    coded = column.combine_chunks().dictionary_encode()
    values = pa.array([function(v) for v in coded.dictionary.to_pylist()], pa.string())
    return values.take(coded.indices)
