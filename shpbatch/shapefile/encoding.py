"""Which encoding a ``.dbf`` is in: the ``.cpg``, the language byte, the bytes themselves."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .codec_names import LDID, SUPERSET, codec_of_cpg
from .weighing import (
    COMMONEST,
    DOUBLE_BYTE,
    readable_share,
    rival_of,
    tokens_of,
    weigh,
    words_decode,
)

__all__ = ["DOUBTFUL", "Sample", "Verdict", "decodes", "detect", "fits"]

#: 0x57 is "ANSI": whatever the writer's Windows used, so the bytes may outvote it.
ANSI = 0x57
#: From here on a guess outvotes what a file says of itself.
SURE = 0.9
#: Below this an encoding is doubtful: a warning, and a case for what the user wants then.
DOUBTFUL = 0.8
#: Words that are looked at to see whether a declared encoding is plausible.
PROBED = 60
#: Share of words that are UTF-8 from which on the others are taken for broken ones of it.
MOSTLY = 0.5
#: Bytes that are control characters in ISO 8859, and letters and dashes in Windows.
_C1 = re.compile(rb"[\x80-\x9f]")


#: Bytes in parts, as often as they are asked for: a .dbf may be larger than memory.
Sample = Callable[[], Iterable[bytes]]


class Verdict(NamedTuple):
    """The encoding of a ``.dbf``.

    Attributes
    ----------
    codec : str
        Of Python.
    told : str
        What told it: ``cpg``, ``ldid``, ``bytes`` (valid UTF-8, or more than the ``.cpg``
        says), ``guess`` (the likeliest of all), ``default`` (all is ASCII).
    doubt : str or None
        A sentence where the signs disagree or are missing.
    confidence : float
        0 to 1.
    """

    codec: str
    told: str
    doubt: str | None
    confidence: float

    @property
    def unsure(self) -> bool:
        """Whether nothing tells for sure."""
        return self.told == "guess" or self.confidence < DOUBTFUL


class _Text(NamedTuple):
    """What is looked at: all of it, its different words, how many of them are UTF-8."""

    sample: Sample
    words: list[bytes]
    utf8: float


def detect(cpg: str | None, ldid: int, sample: Sample) -> Verdict:
    """Decide on the encoding of a ``.dbf``.

    Parameters
    ----------
    cpg : str or None
        Text of the ``.cpg``.
    ldid : int
        Language driver id, byte 29 of the ``.dbf`` header; 0 says nothing.
    sample : callable
        Gives field names and cells of text, as much as is to be looked at, in parts.
    """
    codec = codec_of_cpg(cpg) if cpg is not None else None
    said = LDID.get(ldid)
    doubt = _doubt(cpg, codec)
    if all(part.isascii() for part in sample()):
        told = "cpg" if codec else "ldid" if said else "default"
        return Verdict(codec or said or "utf-8", told, None if codec else doubt, 1.0)
    words = tokens_of(sample())
    utf8 = 1.0 if decodes(sample, "utf-8") else min(0.99, readable_share(words, "utf-8"))
    text = _Text(sample, words, utf8)
    if codec and codec != "ascii" and (found := _labelled(codec, "cpg", text)):
        return found
    if said and ldid != ANSI and (found := _labelled(said, "ldid", text)):
        return found._replace(doubt=found.doubt or doubt)
    if utf8 >= MOSTLY and (found := _mostly_utf8(text, codec == "utf-8", doubt)):
        return found
    if ldid == ANSI or codec == "ascii":
        return _of_windows(words, doubt, ldid == ANSI)
    return _guessed(words, doubt)


def _labelled(codec: str, told: str, text: _Text) -> Verdict | None:
    """What a ``.cpg`` or a language byte says; None where the bytes are not that at all."""
    if codec == "utf-8":
        return Verdict(codec, told, None, 0.99) if text.utf8 == 1 or _is_utf8(text) else None
    controls = codec.startswith(("iso8859", "tis")) and any(map(_C1.search, text.sample()))
    strict = decodes(text.sample, codec)
    more = SUPERSET.get(codec)
    if more and (controls or not strict) and fits(text.sample, more):
        what = "the .cpg" if told == "cpg" else "the language byte"
        found = _believed(more, told, text)
        doubt = f"{what} says {codec}, but the text has characters that only {more} has"
        return found if found.doubt else found._replace(told="bytes", doubt=doubt)
    fitting = strict or words_decode(text.words, codec)
    return _believed(codec, told, text) if fitting else None


def _believed(codec: str, told: str, text: _Text) -> Verdict:
    """What a label says, unless the text speaks against it."""
    says = f"the {'.cpg' if told == 'cpg' else 'language byte'} says {codec}"
    few = len(text.words) < 3
    # Two Chinese characters may be two or three of UTF-8 as well, and so may two of Thai.
    chance = codec in DOUBLE_BYTE or codec == "cp874" or readable_share(text.words, "utf-8") < 1
    if _is_utf8(text) and not (few and chance):
        sure = 0.95 if len(text.words) > 1 else 0.75
        return Verdict("utf-8", "bytes", f"{says}, but the text is utf-8", sure)
    rival = rival_of(text.words[:PROBED], codec)
    if rival is None:
        return Verdict(codec, told, None, 0.95)
    ranked = [r for r in weigh(text.words) if r[0] != codec]
    best, share = ranked[0] if ranked else ("", 0.0)
    if share >= SURE and rival.implausible and not few:
        doubt = f"{says}, in which the text is none; {best} is assumed ({share:.0%} sure)"
        return Verdict(best, "guess", doubt, share)
    return Verdict(codec, told, f"{says}, in which the text looks odd; perhaps {rival.codec}", 0.4)


def _mostly_utf8(text: _Text, said: bool, doubt: str | None) -> Verdict | None:
    """UTF-8 that no label tells, or a part of which is broken."""
    if _is_utf8(text):
        return Verdict("utf-8", "bytes", doubt, 0.95)
    sure = min(text.utf8, DOUBTFUL - 0.1)
    if said:
        return Verdict("utf-8", "cpg", ".cpg says utf-8, but some of the text is not utf-8", sure)
    reason = "most of the text is utf-8, but some is not"
    return Verdict("utf-8", "bytes", reason, sure) if len(text.words) > 3 else None


def _of_windows(words: list[bytes], doubt: str | None, ansi: bool) -> Verdict:
    """Text of some Windows: that of Western Europe, unless it speaks for another."""
    says = "language byte says ANSI" if ansi else ".cpg says ASCII"
    rival = rival_of(words[:PROBED], COMMONEST, doubted=True)
    if rival is None:
        return Verdict(COMMONEST, "ldid" if ansi else "bytes", doubt, DOUBTFUL)
    if rival.clear:
        return _guessed(words, f"the {says}, but the text is hardly of Western Europe")
    odd = f"the {says}, in which the text looks odd; perhaps {rival.codec}"
    return Verdict(COMMONEST, "guess", odd, 0.5)


def _guessed(words: list[bytes], doubt: str | None) -> Verdict:
    """The likeliest encoding; that of Western Windows where nothing speaks for any."""
    ranked = weigh(words)
    best, share = ranked[0] if ranked else (COMMONEST, 0.0)
    missing = "neither .cpg nor language byte tells the encoding of non-ASCII text"
    text = f"{doubt or missing}; {best} is assumed ({share:.0%} sure)"
    return Verdict(best, "guess", text, share)


def _doubt(cpg: str | None, codec: str | None) -> str | None:
    if cpg is None:
        return None
    if codec is None:
        return f".cpg says {cpg.strip()[:20]!r}, which names no encoding"
    return f".cpg says {codec}, but the bytes are not {codec}"


def _is_utf8(text: _Text) -> bool:
    return text.utf8 == 1.0 or words_decode(text.words, "utf-8")


def fits(sample: Sample, codec: str) -> bool:
    """Whether text can be in an encoding, but for a few values that are cut or broken."""
    return decodes(sample, codec) or words_decode(tokens_of(sample()), codec)


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
