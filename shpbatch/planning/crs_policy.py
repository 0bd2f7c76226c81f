"""``--on-crs``: a layer without a usable CRS gets the one that its extent and sisters speak for."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ..crs.identity import shown
from ..doctors.crs import SURE, candidates
from ..errors import CRSError, ShpbatchError
from ..header import read_header
from ..models import Header, Problem, Source
from .discover import discover

__all__ = ["NO_CRS", "assumed"]

#: Codes of refusals that another CRS cures.
NO_CRS = ("crs-missing", "crs-unreadable")
#: Layers of one folder that are asked.
SISTERS = 200


def assumed(source: Source, header: Header, refused: CRSError) -> Header:
    """The header with the CRS that is likeliest.

    Parameters
    ----------
    source : Source
    header : Header
        Without a CRS, or with one that PROJ cannot read.
    refused : CRSError
        What a step said of it.

    Raises
    ------
    CRSError
        The same, and what the CRS may be, where nothing is sure.
    """
    found = candidates(header, _sisters(source))
    if not found or found[0][1] < SURE:
        perhaps = ", ".join(f"{shown(crs)} ({share:.0%})" for crs, share in found)
        told = f"perhaps it is {perhaps}" if found else "nothing tells what it may be"
        raise CRSError(f"{refused}; {told}", refused.code)
    crs, share = found[0]
    text = f"the CRS {shown(crs)} is assumed ({share:.0%} sure), as layers beside it have it"
    problems = (*header.problems, Problem("crs-assumed", text))
    return replace(header, crs=crs, crs_from="doctor", problems=problems)


def _sisters(source: Source) -> tuple[Header, ...]:
    """Headers of the layers in the same folder, or in the same zip."""
    place = source.path if source.member else str(Path(source.path).parent)
    try:
        return _headers(place, os.stat(place).st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=8)
def _headers(place: str, mtime_ns: int) -> tuple[Header, ...]:
    """Headers of layers that have a CRS; asked for once, unless files came or left."""
    found = []
    for source in _layers(place):
        try:
            header = read_header(source)
        except ShpbatchError:  # a file that is no layer tells nothing of its sisters
            continue
        if header.crs is not None:
            found.append(header)
    return tuple(found)


def _layers(place: str) -> list[Source]:
    if os.path.isdir(place):
        names = sorted(n for n in os.listdir(place) if n.lower().endswith(".shp"))
        return [Source(os.path.join(place, name), name) for name in names[:SISTERS]]
    return [s for s in discover([place]).sources if s.problem is None][:SISTERS]
