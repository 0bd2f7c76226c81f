"""The encoding that the user wants used, where that is not what the files tell."""

from __future__ import annotations

from ..errors import EncodingError
from ..policy import Policy
from .codec_names import codec_of_cpg
from .encoding import Sample, Verdict, decodes, detect, fits
from .weighing import tokens_of, weigh

__all__ = ["decided"]

#: Candidates that are named.
NAMED = 3


def decided(cpg: str | None, ldid: int, sample: Sample, policy: Policy) -> Verdict:
    """The encoding of a ``.dbf`` as a policy decides; parameters as for `detect`.

    Raises
    ------
    EncodingError
        ``encoding-unknown`` where nothing tells it and none is to be guessed;
        ``encoding-mismatch`` where the text cannot be what the user says.
    """
    if policy.encoding:
        return _told(policy.encoding, sample, "--encoding")
    found = detect(cpg, ldid, sample)
    if not found.unsure:
        return found
    fallback = policy.encoding_fallback
    if fallback and (found.told == "guess" or fits(sample, codec_of_cpg(fallback) or "ascii")):
        return _told(fallback, sample, "--encoding-fallback")
    if policy.on_encoding == "latin1":
        doubt = "nothing tells the encoding of non-ASCII text; latin-1 is taken, as was asked"
        return Verdict("iso8859-1", "option", doubt, 0.0)
    if policy.on_encoding == "fail":
        likely = weigh(tokens_of(sample()))[:NAMED]
        named = ", ".join(f"{codec} ({share:.0%})" for codec, share in likely)
        raise EncodingError(
            "nothing tells for sure the encoding of text that is not ASCII"
            f"{f'; likely {named}' if named else ''}; tell it with --encoding NAME",
            "encoding-unknown",
        )
    return found


def _told(name: str, sample: Sample, option: str) -> Verdict:
    codec = codec_of_cpg(name)
    if codec is None:
        raise EncodingError(f"{option} {name}: there is no such encoding", "encoding-unknown")
    if not fits(sample, codec):
        raise EncodingError(
            f"{option} {name}: the text holds bytes that {codec} has not; look at it with "
            "shpbatch audit, or leave this layer out with --exclude",
            "encoding-mismatch",
        )
    doubt = None if decodes(sample, codec) else f"some of the text is broken {codec}, or cut"
    return Verdict(codec, "option", doubt, 1.0)
