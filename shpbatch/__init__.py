"""Run the same steps over whole folders of shapefiles, in parallel, losing nothing.

``discover → header → plan → [read → steps → write, on the pool] → publish → log → report``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import map_parser, plan, run
    from .auditing import Audit, audit
    from .engine.registry import step
    from .errors import ShpbatchError
    from .models import Outcome, Recipe, Report
    from .parser import shp_parser
    from .salvaging import repair

#: Public names and where they live; imported when first asked for, so that
#: ``import shpbatch`` and ``shpbatch --help`` cost nothing.
_HOMES = {
    "Audit": "auditing",
    "Outcome": "models",
    "Recipe": "models",
    "Report": "models",
    "ShpbatchError": "errors",
    "audit": "auditing",
    "map_parser": "api",
    "plan": "api",
    "repair": "salvaging",
    "run": "api",
    "shp_parser": "parser",
    "step": "engine.registry",
}

__all__ = [
    "Audit",
    "Outcome",
    "Recipe",
    "Report",
    "ShpbatchError",
    "__version__",
    "audit",
    "map_parser",
    "plan",
    "repair",
    "run",
    "shp_parser",
    "step",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
