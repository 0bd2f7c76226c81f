"""The files beside a layer: those that stay true travel, byte for byte."""

from __future__ import annotations

from pathlib import Path

from ..models import Header
from .bundle import MEMOS, TRAVELLING, Bundle
from .codec_names import cpg_of_codec
from .crs import esri_wkt
from .dbf import WITH_MEMO

__all__ = ["write_sidecars"]


def write_sidecars(
    bundle: Bundle, before: Header, after: Header, folder: Path, stem: str = "layer"
) -> None:
    """Stage ``.prj``, ``.cpg`` and the sidecars that stay true; stale indexes are left.

    Parameters
    ----------
    bundle : Bundle
        Of the source.
    before, after : Header
        Of the source and of the outgoing layer.
    folder : Path
    stem : str
        Name of the staged files.
    """
    memos = MEMOS if any(f.type in WITH_MEMO for f in after.fields) else ()
    for extension in (*TRAVELLING, *memos):
        if extension in bundle:
            bundle.copy(extension, folder / f"{stem}.{extension}")
    if after.crs == before.crs and before.crs_from == "prj":
        if "prj" in bundle:
            bundle.copy("prj", folder / f"{stem}.prj")
    elif after.crs is not None:
        (folder / f"{stem}.prj").write_text(esri_wkt(after.crs), "utf-8")
    if not after.fields:
        return
    cpg = folder / f"{stem}.cpg"
    told = before.encoding_from if after.encoding == before.encoding else "default"
    if told == "cpg" and "cpg" in bundle:
        bundle.copy("cpg", cpg)
    elif told != "ldid":
        cpg.write_text(cpg_of_codec(after.encoding), "ascii")
