"""Geometry that a step gave back, put into its layer: moved, edited or new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import StepError
from ..shapefile.edit import same_rows
from ..shapefile.encode import encode
from ..shapefile.ragged import Ragged, ring_reversed
from ..shapefile.records import HEAD, join_records
from ..shapefile.types import has_m, has_z
from .decoding import with_measures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .layer import Layer

__all__ = ["put_coords", "put_shapes", "put_vertices", "tell_changed"]


def put_coords(layer: Layer, coords: NDArray[np.float64]) -> Layer:
    """The layer with its vertices moved; rings that were mirrored by that are turned back."""
    before = layer.vertices()
    if coords.ndim != 2 or len(coords) != len(before.coords):
        raise StepError(
            f"{len(coords)} vertices for {len(before.coords)}; a step on Coords keeps them",
            "row-mismatch",
        )
    if not 2 <= coords.shape[1] <= before.coords.shape[1]:
        raise StepError(
            f"vertices of {coords.shape[1]} coordinates for a layer that has "
            f"{before.coords.shape[1]}; a step on Coords keeps its dimensions",
            "row-mismatch",
        )
    moved = ring_reversed(before, before.moved(coords))
    _tell_converted(layer, np.ones(len(layer), bool))
    return replace(layer, ragged=moved, code=moved.code, records=None, shapes=None, origin=None)


def put_shapes(layer: Layer, shapes: NDArray[np.object_]) -> Layer:
    """The layer with these geometries; rows whose geometry is the same object keep their bytes."""
    if len(shapes) != len(layer):
        raise StepError(
            f"{len(shapes)} geometries for {len(layer)} features; return Rows as well",
            "row-mismatch",
        )
    return replace(layer, shapes=shapes)


def put_vertices(layer: Layer, made: Ragged) -> Layer:
    """The layer with other vertices; rows whose vertices are the same keep their bytes."""
    before = layer.vertices()
    if len(made) != len(layer):
        raise StepError(
            f"vertices of {len(made)} rows for {len(layer)} features; a step on Vertices keeps "
            "rows, or returns Rows as well",
            "row-mismatch",
        )
    if (
        made.part_offsets[-1] != len(made.coords)
        or made.row_offsets[-1] != len(made.part_offsets) - 1
    ):
        raise StepError("the vertices are not those that their offsets tell", "row-mismatch")
    same = np.ones(len(layer), bool) if made is before else same_rows(before, made)
    if same.all() and (layer.shapes is None or not layer.changed().any()):
        return layer
    _tell_converted(layer, ~same)
    records = None
    if same.any():
        kept = layer.encoded(made.code).take(np.flatnonzero(same))
        records = join_records(kept, encode(made.take(np.flatnonzero(~same))), ~same)
    return replace(layer, ragged=made, code=made.code, records=records, shapes=None, origin=None)


def _tell_converted(layer: Layer, rows: NDArray[np.bool_]) -> None:
    """Count the records of another type than the layer's that become of its own here."""
    if layer.records is None or layer.ragged is not None:
        return
    types = layer.records.words(HEAD, "<i4")
    odd = np.flatnonzero(rows & ~np.isin(types, (0, layer.code)))
    if not len(odd):
        return
    account, numbers = layer.account, layer.rows[odd]
    account.note("records of another type than the layer's became of its own", len(odd))
    flat = np.array([not has_z(kind) for kind in types[odd].tolist()])
    told = {
        "Z values of geometries are dropped, as the layer has none": ~flat
        & (not has_z(layer.code)),
        "geometries have no Z in a layer that has, and are written with 0": flat
        & has_z(layer.code),
    }
    if not has_m(layer.code):
        told["M values of geometries are dropped, as the layer has none"] = with_measures(
            layer.records.take(odd)
        )
    for text, lost in told.items():
        if lost.any():
            account.lose(text, int(lost.sum()), f"FID {numbers[lost][0]}")


def tell_changed(step: str, before: Layer, after: Layer) -> None:
    """Count the features that a step on Vertices changed, and those it left without geometry."""
    was, now = before.vertices(), after.vertices()
    if was is now:
        return
    before.account.note(f"{step} changed features", int((~same_rows(was, now)).sum()))
    emptied = now.null & ~was.null
    if emptied.any():
        text = f"{step} left nothing of geometries, which are written as null"
        before.account.lose(text, int(emptied.sum()), f"FID {before.rows[emptied.argmax()]}")
