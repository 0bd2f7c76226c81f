"""Apply a recipe to a layer.

A step's parameter types say what is decoded, its return types say what
changes, everything else is carried. This file is that sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..account import counting
from ..errors import LayerError, StepError
from ..header import shape_code
from ..models import Recipe, StepCall
from .aspects import (
    Coords,
    Fields,
    Frame,
    Geometry,
    Header,
    OtherLayer,
    Rejected,
    Rows,
    Vertices,
    find_field,
)
from .columns import VIRTUAL_TYPES, without_bad_values
from .decoding import with_m
from .fit import fit
from .layer import Layer
from .moves import tell_changed
from .registry import STEPS, Step, Variant
from .returned import checked

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["apply", "apply_header", "apply_recipe"]

#: Aspects that need geometry objects.
_SHAPES = {Geometry, Frame}


def apply_recipe(
    recipe: Recipe, layer: Layer, ticked: Callable[[float], None] = lambda fraction: None
) -> Layer:
    """Apply every step in order; ``ticked`` is told the share that is done."""
    for number, call in enumerate(recipe.steps, 1):
        with _named(call):
            layer = _fitted(call, layer)
            beside = tuple(apply(call, _fitted(call, other)) for other in layer.beside)
            layer = replace(apply(call, layer), beside=beside)
        ticked(number / len(recipe.steps))
    return layer


def _fitted(call: StepCall, layer: Layer) -> Layer:
    """The layer as a step can take it: vertices are those of its type, and none of any other."""
    if layer.shapes is None:
        return layer
    variants = STEPS.resolve(call).active(call.params)
    return fit(layer) if any({Coords, Vertices} & {*v.reads} for v in variants) else layer


def apply(call: StepCall, layer: Layer) -> Layer:
    """Apply one step: all of its variants that the parameters ask for."""
    step = STEPS.resolve(call)
    before = layer.header
    for variant in step.active(call.params):
        layer = _apply(step, variant, call.params, layer)
    if step.rule is not None and Header not in step.variants[0].writes:
        layer = _ruled(layer, step.rule(before, **call.params))
    return layer


def apply_header(recipe: Recipe, header: Header) -> Header:
    """What the steps will make of a header, without reading a feature.

    Raises
    ------
    LayerError
        Where a step would refuse the layer: ``field-missing``, ``crs-missing``…
    """
    for call in recipe.steps:
        step = STEPS.resolve(call)
        with _named(call):
            for name in step.columns(call.params):
                if name.upper() not in VIRTUAL_TYPES:
                    find_field(name, header.field_names())
            if step.rule is not None:
                header = step.rule(header, **call.params)
    return header


@contextmanager
def _named(call: StepCall) -> Iterator[None]:
    """Errors of a step say which step."""
    try:
        yield
    except LayerError as error:
        if str(error).startswith(call.name):
            raise
        raise type(error)(f"{call.name}: {error}", error.code) from error
    except Exception as error:
        if not isinstance(error, ValueError | TypeError | ArithmeticError) and not _of_geos(error):
            raise
        raise StepError(f"{call.name}: {error}", "step-failed") from error


def _of_geos(error: Exception) -> bool:
    """Whether GEOS refused; asked by name, since not every recipe needs shapely."""
    return any(c.__name__ == "ShapelyError" for c in type(error).__mro__)


def _apply(step: Step, variant: Variant, params: Mapping[str, Any], layer: Layer) -> Layer:
    if _SHAPES & {*variant.reads}:
        layer = layer.decoded()
    columns = variant.columns(params)
    if Frame in variant.reads:
        columns = tuple(layer.header.field_names())
    if columns and {Fields, Frame} & {*variant.reads}:
        layer = without_bad_values(layer, columns)
    inputs = [layer.get(aspect, columns) for aspect in variant.reads]
    with counting(layer.account, step.name, layer.rows):
        out = _results(variant, variant.function(*inputs, **_own(variant, params)))
    if Frame in out:
        return _put_frame(step, out[Frame], layer)
    out = checked(out, len(layer))
    rejected = out.pop(Rejected, None) or Rejected(np.empty(0, np.int64), ())
    rows = out.pop(Rows, None)
    if Coords in out:
        rejected = _non_finite(inputs, variant, out[Coords], layer, rejected)
    result = taken = _moved(step, layer, rows, rejected)
    for aspect, value in out.items():
        result = result.put(aspect, value)
    if Vertices in out:
        tell_changed(step.name, taken, result)
    _note_lost(step, layer, result, rows)
    return _without(step, layer, result, rows, rejected)


def _moved(step: Step, layer: Layer, rows: NDArray[np.int64] | None, rejected: Rejected) -> Layer:
    """The rows that a step returned, accounted for."""
    if rows is None:
        return layer
    kept = rows if (np.diff(rows) > 0).all() else np.unique(rows)
    gone = len(layer) - len(kept)
    if len(rejected.rows):
        gone -= len(np.setdiff1d(rejected.rows, kept))
    if step.absent == "merged":
        layer.account.merged += gone
    else:
        layer.account.filtered += gone
    layer.account.created += len(rows) - len(kept)
    return layer.take(rows)


def _without(
    step: Step,
    layer: Layer,
    result: Layer,
    rows: NDArray[np.int64] | None,
    rejected: Rejected,
) -> Layer:
    """Drop rejected rows from the result, each recorded with its reason."""
    if not len(rejected.rows):
        return result
    layer.account.reject(step.name, layer.rows[rejected.rows], rejected.reasons)
    source = np.arange(len(layer)) if rows is None else rows
    kept = ~np.isin(source, rejected.rows)
    repeated = int((~kept).sum()) - len(np.intersect1d(source, rejected.rows))
    layer.account.created -= repeated
    return result if kept.all() else result.take(np.flatnonzero(kept))


def _non_finite(
    inputs: list[Any], variant: Variant, coords: Any, layer: Layer, rejected: Rejected
) -> Rejected:
    """Rows in which a number became none, added to the rejected ones.

    x and y decide, and Z where all three were numbers: a vertex of no place may have a height.
    """
    if np.isfinite(coords).all():
        return rejected
    before = inputs[variant.reads.index(Coords)] if Coords in variant.reads else coords
    own = min(coords.shape[1], before.shape[1])  # a step may give x and y alone
    had, has = np.isfinite(before[:, :own]), np.isfinite(coords[:, :own])
    lost = has[:, :2].sum(axis=1) < had[:, :2].sum(axis=1)
    if own == 3:
        lost |= had.all(axis=1) & ~has[:, 2]
    feature = np.repeat(np.arange(len(layer)), np.diff(layer.vertices().vertex_offsets))
    rows = np.setdiff1d(np.unique(feature[lost]), rejected.rows)
    reasons = ("a coordinate left the range in which the operation is defined",) * len(rows)
    return Rejected(
        np.concatenate([rejected.rows, rows]).astype(np.int64), (*rejected.reasons, *reasons)
    )


def _note_lost(
    step: Step, before: Layer, after: Layer, rows: NDArray[np.int64] | None = None
) -> None:
    """Count features whose Z or M values a step could not carry; ``rows`` are those it gave."""
    if shape_code(before.header) < 10 or before.shapes is None or after.shapes is None:
        return
    import shapely

    if before.shapes is after.shapes:
        return
    rows = np.arange(len(before)) if rows is None else rows
    there = ~(shapely.is_missing(after.shapes) | shapely.is_empty(after.shapes))
    for name, of in {"Z": lambda layer: shapely.has_z(layer.shapes), "M": with_m}.items():
        had, has = of(before) & ~shapely.is_empty(before.shapes), of(after)
        lost = np.unique(rows[had[rows] & there & ~has])
        if step.absent == "merged" and not has.any():
            lost = np.flatnonzero(had)  # also of those that are part of others now
        if len(lost):
            first = f"FID {before.rows[lost[0]]}"
            text = f"{step.name} dropped the {name} values of features"
            before.account.lose(text, len(lost), first)


def _put_frame(step: Step, frame: Any, layer: Layer) -> Layer:
    from .frames import from_frame

    result = from_frame(frame, layer)
    rows = np.asarray(frame.index, dtype=np.int64)
    _note_lost(step, layer, result, rows)
    kept = len(np.unique(rows))
    layer.account.filtered += len(layer) - kept
    layer.account.created += len(rows) - kept
    return result


def _results(variant: Variant, result: Any) -> dict[type, Any]:
    """What a function returned, by aspect."""
    values = result if len(variant.writes) != 1 else (result,)
    if not variant.writes:
        return {}
    if not isinstance(values, tuple) or len(values) != len(variant.writes):
        names = ", ".join(w.__name__ for w in variant.writes)
        raise StepError(f"the step promised ({names}) and returned something else", "step-result")
    return {a: v for a, v in zip(variant.writes, values, strict=True) if v is not None}


def _own(variant: Variant, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of this variant, second layers loaded."""
    own = {p.name: params[p.name] for p in variant.parameters if p.name in params}
    for p in variant.parameters:
        if p.text is OtherLayer and own.get(p.name) is not None:
            from ..formats.other import load_other

            own[p.name] = load_other(str(own[p.name]))
    return own


def _ruled(layer: Layer, ruled: Header) -> Layer:
    """The layer with the CRS and geometry type that the step's header rule gave."""
    header = replace(
        layer.header,
        crs=ruled.crs,
        geometry_type=ruled.geometry_type,
        has_z=ruled.has_z,
        has_m=ruled.has_m,
    )
    return replace(layer, header=header)
