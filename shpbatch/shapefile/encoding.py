"""Which encoding a ``.dbf`` is in: the ``.cpg``, the language byte, the bytes themselves."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .weighing import DOUBLE_BYTE, is_implausible, tokens_of, weigh, words_decode

__all__ = ["LDID", "LDID_OF", "Sample", "Verdict", "codec_of_cpg", "decodes", "detect"]

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
#: From here on a guess outvotes what a file says of itself.
SURE = 0.9
#: Words that are looked at to see whether a declared encoding is plausible.
PROBED = 60


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


class Verdict(NamedTuple):
    """The encoding of a ``.dbf``.

    Attributes
    ----------
    codec : str
        Of Python.
    told : str
        What told it: ``cpg``, ``ldid``, ``bytes`` (valid UTF-8), ``guess``
        (the likeliest of all), ``default`` (all is ASCII).
    doubt : str or None
        A sentence where the signs disagree or are missing.
    confidence : float
        0 to 1.
    """

    codec: str
    told: str
    doubt: str | None
    confidence: float


def detect(cpg: str | None, ldid: int, sample: Sample) -> Verdict:
    """Decide on the encoding of a ``.dbf``.

    Parameters
    ----------
    cpg : str or None
        Text of the ``.cpg``.
    ldid : int
        Language driver id, byte 29 of the ``.dbf`` header; 0 says nothing.
    sample : callable
        Gives field names and body, as much as is to be looked at, in parts.
    """
    codec = codec_of_cpg(cpg) if cpg is not None else None
    said = LDID.get(ldid)
    doubt = _doubt(cpg, codec)
    if all(part.isascii() for part in sample()):
        told = "cpg" if codec else "ldid" if said else "default"
        return Verdict(codec or said or "utf-8", told, None if codec else doubt, 1.0)
    words = tokens_of(sample())
    utf8 = decodes(sample, "utf-8") or words_decode(words, "utf-8")
    if codec and (decodes(sample, codec) or (codec == "utf-8" and utf8)):
        return _believed(codec, "cpg", words, utf8)
    if said and ldid != ANSI and decodes(sample, said):
        found = _believed(said, "ldid", words, utf8)
        return found._replace(doubt=found.doubt or doubt)
    if utf8 or codec:
        return Verdict("utf-8" if utf8 else str(codec), "bytes" if utf8 else "cpg", doubt, 0.95)
    return _guessed(words, "cp1252" if ldid == ANSI else said, doubt)


def _believed(codec: str, told: str, words: list[bytes], utf8: bool) -> Verdict:
    """What a ``.cpg`` or a language byte says, unless the text speaks against it."""
    if codec == "utf-8":
        return Verdict(codec, told, None, 0.99)
    what = ".cpg" if told == "cpg" else "language byte"
    if utf8 and len(words) > 1 and codec not in DOUBLE_BYTE:
        return Verdict("utf-8", "bytes", f"the {what} says {codec}, but the text is utf-8", 0.95)
    if len(words) < 3 or not is_implausible(words[:PROBED], codec):
        return Verdict(codec, told, None, 0.95)
    ranked = [r for r in weigh(words) if r[0] != codec]
    best, share = ranked[0] if ranked else ("", 0.0)
    if share >= SURE:
        doubt = f"the {what} says {codec}, in which the text is none; {best} is assumed"
        return Verdict(best, "guess", f"{doubt} ({share:.0%} sure)", share)
    doubt = f"the {what} says {codec}, in which the text looks odd"
    return Verdict(codec, told, f"{doubt}; perhaps {best}" if best else doubt, 0.4)


def _guessed(words: list[bytes], ansi: str | None, doubt: str | None) -> Verdict:
    """The likeliest encoding; that of Western Windows where nothing speaks for any."""
    ranked = weigh(words)
    unsure = len(words) < 3 or not ranked or ranked[0][1] < SURE or ranked[0][0] == ansi
    if ansi and unsure:  # whatever the writer's Windows used, so most likely this one
        return Verdict(ansi, "ldid", doubt, 0.8)
    best, share = ranked[0] if ranked else ("cp1252", 0.0)
    missing = "neither .cpg nor language byte tells the encoding of non-ASCII text"
    text = f"{doubt or missing}; {best} is assumed ({share:.0%} sure)"
    return Verdict(best, "guess", text, share)


def _doubt(cpg: str | None, codec: str | None) -> str | None:
    if cpg is None:
        return None
    if codec is None:
        return f".cpg says {cpg.strip()[:20]!r}, which names no encoding"
    return f".cpg says {codec}, but the bytes are not {codec}"


def decodes(sample: Sample, codec: str) -> bool:
    """Whether all bytes can be in an encoding."""
    # Not final: a sample may end within a character.
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for part in sample():
            decoder.decode(part)
    except UnicodeError:
        return False
    return True
