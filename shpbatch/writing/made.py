"""What a layer, after its steps, gives to write: to one sink, or to one for each label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..header import shape_code
from ..shapefile.encode import as_type, encode
from ..shapefile.rows import Piece
from ..shapefile.types import has_z
from ..sinks import kind_of, of_kind
from .output import Made

if TYPE_CHECKING:
    from ..engine.layer import Layer
    from ..models import Header
    from ..shapefile.reader import Reader
    from .union import Union

__all__ = ["header_of_sink", "made_of"]


def made_of(
    layer: Layer, reader: Reader, carried: bool = False, union: Union | None = None
) -> Iterator[tuple[str, Made]]:
    """What a layer gives to write, each with the label of its sink; "" where there is one.

    Parameters
    ----------
    layer : Layer
    reader : Reader
        Of its source.
    carried : bool
        Records are the source's own, and need not be collected here.
    union : Union, optional
        What the layer becomes part of.
    """
    if layer.sinks is None and not layer.kind:
        with reader.told(layer.rows):
            made = _made(layer, reader, carried, union)
        yield "", made
        return
    for label, part in _by_label(layer):
        with reader.told(part.rows):
            made = _made(part, reader, False, union)
        body = None if part.body is None else part.body.picked(part.rows)
        yield of_kind(label, layer.kind), Made(made.piece, made.records, made.ragged, body)


def header_of_sink(after: Header, label: str, union: Union | None) -> Header:
    """Header of the layer that one of these steps' becomes, or becomes part of."""
    if union is None:
        return after
    split_off = kind_of(label) != ""
    return replace(union.header, geometry_type=after.geometry_type) if split_off else union.header


def _by_label(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """The layer's rows of each label, in order, labels as they first appear."""
    if not len(layer):
        return
    if layer.sinks is None:
        yield "", layer
        return
    coded = layer.sinks.dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))
    for label, rows in zip(coded.dictionary.to_pylist(), np.split(order, ends[:-1]), strict=True):
        yield label, layer.take(rows)


def _made(layer: Layer, reader: Reader, carried: bool, union: Union | None) -> Made:
    header = header_of_sink(layer.header, of_kind("", layer.kind), union)
    columns = layer.columns if union is None else union.columns_of(layer, reader.source.relative)
    piece = Piece.of(layer.rows, columns, reader)
    if carried:
        return Made(piece, None)
    own, code = shape_code(layer.header), shape_code(header)
    if own != code:  # a sister layer has Z or M, or this one has nothing but null shapes
        flat = layer.vertices()
        if has_z(code) and not has_z(own) and (count := int((~flat.null).sum())):
            text = "geometries have no Z in a layer that has, and are written with 0"
            layer.account.lose(text, count, f"FID {layer.rows[flat.null.argmin()]}")
        ragged = as_type(flat, code)
        return Made(piece, encode(ragged), ragged)
    records = layer.encoded(own)
    return Made(piece, records, None if layer.carries_records(own) else layer.vertices())
