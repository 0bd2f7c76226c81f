"""Sources as layers: whole, or window by window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..account import Account
from ..header import read_header
from ..models import Header, Source
from ..shapefile.columns import LEFT_OUT, Slice, Whole
from ..shapefile.reader import Reader, Window
from .columns import Body
from .layer import Layer

__all__ = ["layer_of", "read_layer"]


def read_layer(source: Source) -> Layer:
    """A whole layer; nothing of it is decoded.

    Raises
    ------
    ReadError
        For broken structure.
    SourceError
        ``source-missing``, ``bad-zip``.
    """
    header = read_header(source, whole=True)
    with Reader(source) as reader:
        return layer_of(reader.window(0, reader.count), header, reader, Account())


def layer_of(window: Window, header: Header, reader: Reader, account: Account) -> Layer:
    """The layer that a window holds, counted."""
    read = len(window.rows)
    account.read += read
    account.deleted += window.deleted
    account.unreadable += window.unreadable
    account.declared += read + window.deleted + window.unreadable
    account.flaws |= dict.fromkeys(window.flaws)
    columns: tuple[Any, ...] = ()
    if reader.table is not None:
        columns = tuple(Slice(d.start, d.stop) for d in reader.table.descriptors)
    body = None if window.body is None else Body(window.body, window.rows)
    layer = Layer(
        header=replace(header, count=read),
        columns=columns,
        rows=window.rows,
        body=body,
        code=reader.code,
        records=window.records,
        account=account,
    )
    layer = _with_whole(layer, reader) if reader.whole_values else layer
    return _with_others(layer, reader) if reader.other_types else layer


def _with_others(layer: Layer, reader: Reader) -> Layer:
    """The layer with geometries that its ``.shp`` does not hold, as ones that were changed."""
    import shapely

    layer = layer.decoded()
    assert layer.shapes is not None
    found = [reader.other_types.get(row) for row in layer.rows.tolist()]
    there = np.array([wkb is not None for wkb in found], dtype=bool)
    shapes = layer.shapes.copy()
    shapes[there] = shapely.from_wkb([wkb for wkb in found if wkb is not None])
    return replace(layer, shapes=shapes)


def _with_whole(layer: Layer, reader: Reader) -> Layer:
    """The layer with values that its ``.dbf`` does not hold, in all windows of a field alike."""
    import pyarrow as pa
    import pyarrow.compute as pc

    assert reader.table is not None
    columns = list(layer.columns)
    for at, name in enumerate(reader.table.names("utf-8")):
        values = reader.whole_values.get(name)
        if values is None:
            continue
        texts = pa.array([values.get(row) for row in layer.rows.tolist()], pa.string())
        array, field = layer.values(at), layer.header.fields[at]
        if field.type == "C":
            columns[at] = pc.coalesce(texts, array)
        else:
            columns[at] = Whole(array, texts, LEFT_OUT[field.type])
    return replace(layer, columns=tuple(columns))
