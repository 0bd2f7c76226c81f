"""How sure the encoding of a layer is, and what its text looks like."""

from __future__ import annotations

from dataclasses import dataclass

from ..findings import Finding
from ..foreign import is_foreign
from ..models import Header, Source
from ..shapefile.bundle import Bundle
from ..shapefile.dbf import parse_table
from ..shapefile.encoding import DOUBTFUL, Sample
from ..shapefile.text_sample import SAMPLE_BYTES, text_sample
from ..shapefile.weighing import tokens_of, weigh

__all__ = ["EncodingReport", "examine_encoding"]

#: Candidates and texts that are shown.
CANDIDATES, SAMPLES = 4, 5


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """The encoding of a layer's text.

    Attributes
    ----------
    encoding, told : str
        Python codec, and what told it: ``cpg``, ``ldid``, ``bytes`` (valid
        UTF-8), ``guess``, ``option``, ``default`` (all is ASCII), ``format`` (of a
        source that is no shapefile).
    confidence : float
        0 to 1.
    candidates : tuple of (str, float)
        Other codecs that the bytes can be in, likeliest first; those of a text that is ASCII
        are none.
    samples : tuple of str
        Words that are not ASCII, decoded.
    findings : tuple of Finding
    """

    encoding: str
    told: str
    confidence: float
    candidates: tuple[tuple[str, float], ...] = ()
    samples: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def examine_encoding(source: Source, header: Header, whole: bool = False) -> EncodingReport:
    """Examine the text of a layer, whose header was read.

    Parameters
    ----------
    source : Source
    header : Header
    whole : bool
        The header was told by all of the ``.dbf``, not by its first 64 kB.

    Raises
    ------
    ReadError, SourceError
        Where the ``.dbf`` cannot be read.
    """
    words = tokens_of(_sample(source, whole)()) if header.fields else []
    samples = tuple(w.decode(header.encoding, "replace") for w in words[:SAMPLES])
    doubt = next((p.reason for p in header.problems if p.code == "encoding-doubtful"), None)
    doubtful = bool(words) and header.encoding_confidence < DOUBTFUL
    ranked = weigh(words) if doubtful or (doubt and words) else []
    others = tuple((c, s) for c, s in ranked if c != header.encoding)[:CANDIDATES]
    findings = (_finding(header, doubt, others, doubtful),) if doubt or doubtful else ()
    return EncodingReport(
        header.encoding,
        "format" if is_foreign(source.path) else header.encoding_from,
        header.encoding_confidence,
        others,
        samples,
        findings,
    )


def _finding(
    header: Header, doubt: str | None, others: tuple[tuple[str, float], ...], doubtful: bool
) -> Finding:
    reason = doubt or f"the text is hardly {header.encoding}, which the file says"
    best = header.encoding
    if doubtful and header.encoding_from != "guess":  # a label that is kept
        best = others[0][0] if others else best
    # Of text that is partly UTF-8, no encoding cures the rest.
    remedy = "" if doubtful and header.encoding == "utf-8" else f"--encoding {best}"
    return Finding("encoding-doubtful", "warning" if doubtful else "note", reason, remedy)


def _sample(source: Source, whole: bool) -> Sample:
    """What the header's encoding was told by."""
    bundle = Bundle.of(source)
    data = bundle.read("dbf", SAMPLE_BYTES)
    return text_sample(bundle, parse_table(data, source.name), data, whole)
