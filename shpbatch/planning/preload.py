"""What the workers of a recipe import, so that it is imported once and not in each of them."""

from __future__ import annotations

from ..engine.aspects import Expression, Fields, Frame, Geometry
from ..engine.registry import STEPS
from ..engine.signature import Variant
from ..models import Recipe

__all__ = ["preload_for"]


def preload_for(recipe: Recipe) -> tuple[str, ...]:
    """Modules that every worker of this recipe needs, imported once by the forkserver."""
    needed = ["shpbatch.work.task", "shpbatch.work.parts"]
    for call in recipe.steps:
        step = STEPS.resolve(call)
        for variant in step.active(call.params):
            if call.function is None:
                needed.append(variant.function.__module__)
            needed += _modules_of(variant)
        for p in step.parameters:
            texts = p.texts(call.params.get(p.name)) if p.text else []
            needed += [module for text in texts if p.text for module in p.text.modules(text)]
    return tuple(dict.fromkeys(needed))


def _modules_of(variant: Variant) -> list[str]:
    """What the engine imports for what a function takes and gives."""
    needed = []
    if Fields in variant.reads or Fields in variant.writes:
        needed.append("shpbatch.shapefile.values")
        if not any(p.text is Expression for p in variant.parameters):
            needed.append("pandas")  # Arrow imports it for a value that a step gives it
    if Fields in variant.writes:
        needed.append("shpbatch.shapefile.cells")
    if Geometry in variant.reads:
        needed += ["shapely", "shpbatch.shapefile.shapes", "shpbatch.shapefile.vertices"]
    if Frame in variant.reads:
        needed.append("geopandas")
    return needed
