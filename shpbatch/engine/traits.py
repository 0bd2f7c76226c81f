"""What a whole recipe needs and leaves alone, from the signatures of its steps."""

from __future__ import annotations

from dataclasses import dataclass

from ..models import Recipe, Task
from .aspects import Coords, Fields, Frame, Geometry, Rejected, Rows, Sinks, Vertices
from .registry import STEPS

__all__ = ["Traits", "carries", "traits_of"]


@dataclass(frozen=True, slots=True)
class Traits:
    """Attributes of a recipe.

    Attributes
    ----------
    row_wise : bool
        Gives the same on windows of a layer as on the whole. A step on a
        Frame may look at all rows, so it does only where it says so.
    carries_shapes : bool
        No step drops, repeats or rejects a row or touches geometry: ``.shp``
        and ``.shx`` come out as they are.
    keeps_rows : bool
        No step may drop or repeat rows, but for those that it rejects.
    decodes : bool
        Vertices of all rows that come out are decoded.
    partitions : bool
        Some step names several sinks.
    fields : tuple of str
        Names of the fields that some step reads; ``*`` for all.
    writes_fields : bool
        Some step gives columns.
    """

    row_wise: bool
    carries_shapes: bool
    keeps_rows: bool
    decodes: bool
    fields: tuple[str, ...]
    writes_fields: bool
    partitions: bool


def carries(task: Task) -> bool:
    """Whether no row of a task is dropped and no geometry touched, whatever the rows hold."""
    traits = traits_of(task.recipe)
    return traits.carries_shapes and not task.union and task.policy.on_bad_value == "null"


def traits_of(recipe: Recipe) -> Traits:
    """Look at the variants that the parameters of each call ask for."""
    known = _known.get(id(recipe))
    if known is None or known[0] is not recipe:
        known = recipe, _traits(recipe)
        _known.clear()  # one recipe at a time; parameters need not be hashable
        _known[id(recipe)] = known
    return known[1]


_known: dict[int, tuple[Recipe, Traits]] = {}


def _traits(recipe: Recipe) -> Traits:
    reads: set[type] = set()
    writes: set[type] = set()
    row_wise = True
    fields: dict[str, None] = {}
    for call in recipe.steps:
        step = STEPS.resolve(call)
        row_wise &= step.scope == "rows"
        for variant in step.active(call.params):
            reads.update(variant.reads)
            writes.update(variant.writes)
            row_wise &= Frame not in variant.reads
            fields |= dict.fromkeys(variant.columns(call.params))
    if Frame in reads:
        fields["*"] = None
    touched = {Rows, Rejected, Geometry, Coords, Vertices, Frame, Sinks}
    return Traits(
        row_wise=row_wise,
        carries_shapes=not touched & writes,
        keeps_rows=not {Rows, Frame, Sinks} & writes,
        decodes=bool({Coords, Vertices, Geometry, Frame} & reads),
        fields=tuple(fields),
        writes_fields=Fields in writes,
        partitions=Sinks in writes,
    )
