"""Which encoding a ``.dbf`` is in: the ``.cpg``, the language byte, the bytes themselves."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable

__all__ = ["LDID", "LDID_OF", "codec_of_cpg", "detect"]

#: dBASE language driver identifiers (header byte 29) and Python codecs.
LDID = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x04: "mac_roman", 0x08: "cp865",
    0x09: "cp437", 0x0A: "cp850", 0x0B: "cp437", 0x0D: "cp437", 0x0E: "cp850",
    0x0F: "cp437", 0x10: "cp850", 0x11: "cp437", 0x12: "cp850", 0x13: "cp932",
    0x14: "cp850", 0x15: "cp437", 0x16: "cp850", 0x17: "cp865", 0x18: "cp437",
    0x19: "cp437", 0x1A: "cp850", 0x1B: "cp437", 0x1C: "cp863", 0x1D: "cp850",
    0x1F: "cp852", 0x22: "cp852", 0x23: "cp852", 0x24: "cp860", 0x25: "cp850",
    0x26: "cp866", 0x37: "cp850", 0x40: "cp852", 0x4D: "cp936", 0x4E: "cp949",
    0x4F: "cp950", 0x50: "cp874", 0x57: "cp1252", 0x58: "cp1252", 0x59: "cp1252",
    0x64: "cp852", 0x65: "cp866", 0x66: "cp865", 0x67: "cp861", 0x6A: "cp737",
    0x6B: "cp857", 0x78: "cp950", 0x79: "cp949", 0x7A: "cp936", 0x7B: "cp932",
    0x7C: "cp874", 0x7D: "cp1255", 0x7E: "cp1256", 0x86: "cp737", 0x87: "cp852",
    0x88: "cp857", 0x96: "mac_cyrillic", 0x97: "mac_latin2", 0x98: "mac_greek",
    0xC8: "cp1250", 0xC9: "cp1251", 0xCA: "cp1254", 0xCB: "cp1253", 0xCC: "cp1257",
}  # fmt: skip

#: Codecs of Python that no .dbf is in.
_UNFIT = {
    "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "undefined",
    "idna", "punycode", "unicode_escape", "unicode-escape", "raw_unicode_escape",
    "raw-unicode-escape",
}  # fmt: skip

#: The other way round: the first byte that names a codec, 0x57 for cp1252.
LDID_OF = {codec: ldid for ldid, codec in reversed(LDID.items())} | {"cp1252": 0x57}

#: 0x57 is "ANSI": whatever the writer's Windows used, so the bytes may outvote it.
ANSI = 0x57


def codec_of_cpg(text: str) -> str | None:
    """Python codec of a ``.cpg``: ``936``, ``88591``, ``Big-5``, ``ANSI 1250``, ``UTF-8``….

    Returns None for what names no encoding of bytes (a web page, UTF-16).
    """
    name = text.strip().strip("\ufeff\0").lower()
    if not name or len(name) > 40:
        return None
    name = re.sub(r"^koi8[-_ ]?([ru])$", r"koi8-\1", name)
    if iso := re.fullmatch(r"(?:iso)?[-_ ]?8859[-_ ]?(\d{1,2})", name):
        name = f"iso8859-{iso[1]}"
    elif ansi := re.fullmatch(r"(?:ansi|windows|cp|oem|ibm)?[-_ ]?(\d{3,5})", name):
        name = "utf-8" if ansi[1] == "65001" else f"cp{ansi[1]}"
    for spelling in (name, name.replace("-", ""), name.replace(" ", "")):
        try:
            codec = codecs.lookup(spelling)
        except (LookupError, ValueError):
            continue
        if codec.name == "utf-8-sig":  # its mark begins a file, not each text
            return "utf-8"
        unfit = codec.name in _UNFIT or not codec._is_text_encoding
        return None if unfit else codec.name
    return None


#: Bytes in parts, as often as they are asked for: a .dbf may be larger than memory.
Sample = Callable[[], Iterable[bytes]]


def detect(cpg: str | None, ldid: int, sample: Sample) -> tuple[str, str, str | None]:
    """Decide on the encoding of a ``.dbf``.

    Parameters
    ----------
    cpg : str or None
        Text of the ``.cpg``.
    ldid : int
        Language driver id, byte 29 of the ``.dbf`` header; 0 says nothing.
    sample : callable
        Gives field names and body, as much as is to be looked at, in parts.

    Returns
    -------
    tuple of str, str, str or None
        Python codec; what told it (``cpg``, ``ldid``, ``bytes``, ``default``);
        a sentence where the signs disagree or are missing.
    """
    codec = codec_of_cpg(cpg) if cpg is not None else None
    told = LDID.get(ldid)
    doubt = _doubt(cpg, codec)
    if codec and _decodes(sample, codec):
        return codec, "cpg", None
    if told and ldid != ANSI and _decodes(sample, told):
        return told, "ldid", doubt
    if all(part.isascii() for part in sample()):
        return told or codec or "utf-8", "ldid" if told else "default", None
    if _decodes(sample, "utf-8"):
        return "utf-8", "bytes", doubt
    if codec:
        return codec, "cpg", doubt
    guess = "neither .cpg nor language byte tells the encoding of non-ASCII text; cp1252 is assumed"
    return told or "cp1252", "ldid" if told else "default", doubt if told else guess


def _doubt(cpg: str | None, codec: str | None) -> str | None:
    if cpg is None:
        return None
    if codec is None:
        return f".cpg says {cpg.strip()[:20]!r}, which names no encoding"
    return f".cpg says {codec}, but the bytes are not {codec}"


def _decodes(sample: Sample, codec: str) -> bool:
    # Not final: a sample may end within a character.
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for part in sample():
            decoder.decode(part)
    except UnicodeError:
        return False
    return True
