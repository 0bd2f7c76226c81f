"""How sure the encoding of a layer is, and what its text looks like."""

from __future__ import annotations

from dataclasses import dataclass

from .findings import Finding
from .models import Header, Source

__all__ = ["EncodingReport", "examine_encoding"]

_SURE = {"cpg": 0.95, "ldid": 0.8, "bytes": 0.9, "default": 0.3}


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """The encoding of a layer's text.

    Attributes
    ----------
    encoding, told : str
        Python codec, and what told it (``cpg``, ``ldid``, ``bytes``, ``default``).
    confidence : float
        0 to 1.
    candidates : tuple of (str, float)
        Other codecs, likeliest first.
    samples : tuple of str
        Texts that are not ASCII, decoded.
    findings : tuple of Finding
    """

    encoding: str
    told: str
    confidence: float
    candidates: tuple[tuple[str, float], ...] = ()
    samples: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def examine_encoding(source: Source, header: Header) -> EncodingReport:
    """Examine the text of a layer, whose header was read."""
    told = header.encoding_from
    return EncodingReport(header.encoding, told, _SURE.get(told, 0.3))
