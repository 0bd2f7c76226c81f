"""Write text in another encoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from ..engine.aspects import Header
from ..engine.registry import step
from ..errors import StepError
from ..shapefile.codec_names import codec_of_cpg
from ..shapefile.dbf import WITH_MEMO


@step
def recode(
    header: Header,
    *,
    encoding: Annotated[str, "Of the output, such as UTF-8, cp1252 or GBK."] = "UTF-8",
) -> Header:
    """Write text in another encoding.

    Fields become as wide as their text needs; numbers, dates and geometry
    keep their bytes. Field names that need more than 10 bytes are shortened
    at a character, which is told.

    Parameters
    ----------
    header : Header
        Its encoding is the source's, as it was told or found out.
    encoding : str
        As a ``.cpg`` names it.

    Returns
    -------
    Header
        With the other encoding; ``.cpg`` and language byte say so.

    Raises
    ------
    StepError
        ``bad-value`` for what is no encoding of a ``.dbf``, ``memo-field``
        for a layer with texts in a file of memos.

    Notes
    -----
    Also known as: Set layer encoding (QGIS), ``-lco ENCODING`` (ogr2ogr).
    """
    codec = codec_of_cpg(encoding)
    if codec is None:
        raise StepError(f"recode: there is no encoding '{encoding}'; try UTF-8", "bad-value")
    memo = next((f.name for f in header.fields if f.type in WITH_MEMO), None)
    if memo is not None and codec != header.encoding:
        raise StepError(
            f"recode: the texts of the memo field {memo} are in a file of their own and cannot "
            "be recoded; drop it with the step select",
            "memo-field",
        )
    if codec == header.encoding:
        return header
    return replace(header, encoding=codec, encoding_from="recode", encoding_confidence=1.0)


@recode.header
def recoded(header: Header, *, encoding: str = "UTF-8") -> Header:
    """The same function: it reads headers only."""
    result: Header = recode(header, encoding=encoding)
    return result
