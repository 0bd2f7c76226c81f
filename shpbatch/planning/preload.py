"""What the workers of a recipe import, so that it is imported once and not in each of them."""

from __future__ import annotations

from ..engine.aspects import Fields, Frame, Geometry
from ..engine.registry import STEPS
from ..models import Recipe

__all__ = ["preload_for"]

#: What steps with a parameter of such a kind import when they are called.
_MODULE_OF = {"expression": "duckdb", "crs": "pyproj", "layer": "shpbatch.formats.other"}


def preload_for(recipe: Recipe) -> tuple[str, ...]:
    """Modules that every worker of this recipe needs, imported once by the forkserver."""
    needed = ["shpbatch.work.task", "shpbatch.work.parts"]
    for call in recipe.steps:
        step = STEPS.resolve(call)
        for variant in step.active(call.params):
            if call.function is None:
                needed.append(variant.function.__module__)
            if Fields in variant.reads or Fields in variant.writes:
                needed += ["shpbatch.shapefile.cells", "pandas"]  # Arrow imports it for a literal
            if Geometry in variant.reads:
                needed += ["shapely", "shpbatch.shapefile.shapes", "shpbatch.shapefile.vertices"]
            if Frame in variant.reads:
                needed += ["geopandas"]
        kinds = {p.text.kind for p in step.parameters if p.text and p.name in call.params}
        needed += [module for kind, module in _MODULE_OF.items() if kind in kinds]
    return tuple(dict.fromkeys(needed))
