"""The amounts that every side uses, in one place, so that all do the same work."""

from __future__ import annotations

UTM = "EPSG:32631"
#: PROJ puts the south pole, where the ring of Antarctica is closed, at a finite y.
WORLD = "EPSG:3857"
#: ``pop`` is below it in half of the features.
HALF_POP = 50_000
WHERE = f"pop < {HALF_POP}"
EXPRESSION = "value * 2 + pop"
TOLERANCE = 0.001
DISTANCE = 0.001
#: Segments in a quarter of a circle; every library has another default.
SEGMENTS = 8
