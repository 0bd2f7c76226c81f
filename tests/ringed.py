"""Layers of records made of rings, in memory, and rings to plant defects in."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np
import shapefiles as make
from hypothesis import strategies as st

from shpbatch.account import Account
from shpbatch.engine.apply import apply_recipe
from shpbatch.engine.layer import Layer
from shpbatch.models import Header
from shpbatch.recipes.recipe import parse_chain
from shpbatch.shapefile.records import Records

Ring = list[tuple[float, float]]
TYPES = {1: "Point", 3: "PolyLine", 5: "Polygon", 8: "MultiPoint"}
SQUARE: Ring = [(0, 0), (0, 4), (4, 4), (4, 0), (0, 0)]
HOLE: Ring = [(1, 1), (2, 1), (2, 2), (1, 2), (1, 1)]
BOW: Ring = [(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)]


def shifted(ring: Ring, x: float, y: float = 0) -> Ring:
    return [(a + x, b + y) for a, b in ring]


def layer_of(*rows: Sequence[Ring] | bytes, code: int = 5) -> Layer:
    """A layer as if just read: each row is its parts, or the bytes of its record."""
    contents = [row if isinstance(row, bytes) else make.poly(code, *row) for row in rows]
    data = b"".join(
        struct.pack(">2i", number, len(content) // 2) + content
        for number, content in enumerate(contents, 1)
    )
    sizes = np.array([len(content) for content in contents], dtype=np.int64)
    account = Account(declared=len(rows), read=len(rows), source="made")
    return Layer(
        Header(TYPES[code % 10], has_z=10 < code < 20, count=len(rows)),
        (),
        np.arange(len(rows), dtype=np.int64),
        code=code,
        records=Records.packed_from(np.frombuffer(data, np.uint8), sizes),
        account=account,
    )


def done(chain: str, layer: Layer) -> Layer:
    return apply_recipe(parse_chain(chain), layer)


def contents(layer: Layer) -> list[bytes]:
    """The bytes of each record, without its header."""
    records = layer.encoded(layer.code)
    return [
        records.data[at + 8 : at + 8 + size].tobytes()
        for at, size in zip(records.starts, records.sizes, strict=True)
    ]


@st.composite
def rings(draw: st.DrawFn) -> Ring:
    """A valid ring, clockwise and closed, around (0, 0): each vertex is seen from there."""
    count = draw(st.integers(3, 9))
    radii = draw(st.lists(st.integers(2, 20), min_size=count, max_size=count))
    ring = [
        (r * math.cos(-2 * math.pi * k / count), r * math.sin(-2 * math.pi * k / count))
        for k, r in enumerate(radii)
    ]
    return [*ring, ring[0]]


#: Any parts at all, on a small grid so that they touch and repeat.
wild = st.lists(
    st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0])] * 2), min_size=1, max_size=7),
    min_size=1,
    max_size=3,
)
