"""Second layers of a step (clip, join): loaded once a worker, indexed."""

from __future__ import annotations

from functools import lru_cache

import shapely

from ..engine.aspects import OtherLayer
from ..engine.reading import read_layer
from ..errors import LayerError, StepError
from ..models import Source

__all__ = ["load_other"]


@lru_cache(maxsize=4)
def load_other(path: str) -> OtherLayer:
    """Load a second layer.

    Raises
    ------
    StepError
        ``other-layer`` where it cannot be read.
    """
    try:
        layer = read_layer(Source(path, path)).decoded()
    except (LayerError, OSError) as error:
        raise StepError(f"the second layer cannot be read: {error}", "other-layer") from error
    shapes = layer.geometry()
    other = OtherLayer(path)
    other.geometry = shapes[~shapely.is_missing(shapes) & ~shapely.is_empty(shapes)]
    other.crs = layer.header.crs
    other.tree = shapely.STRtree(other.geometry)
    return other
