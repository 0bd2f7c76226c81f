"""The words a step's signature is written in.

An aspect names a part of a layer. A parameter of an aspect's type is given by
the engine; a return type names what comes out. All other parameters are the
step's own, and the text types below say which of them name columns.

At run time the array aspects are bare markers, so that a step's signature
costs no import; a type checker sees what they really are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RecipeError, StepError
from ..models import Header

if TYPE_CHECKING:
    import geopandas
    import numpy as np
    import pyarrow as pa
    import shapely
    from numpy.typing import NDArray

    from ..shapefile.ragged import Ragged as Vertices

    Coords = NDArray[np.float64]
    Bounds = NDArray[np.float64]
    Geometry = NDArray[np.object_]
    Rows = NDArray[np.int64]
    Sinks = pa.StringArray
    Names = tuple[str, ...]
    Fields = pa.Table
    Frame = geopandas.GeoDataFrame
else:

    class Coords:
        """Vertices, float64 (n, 2) or (n, 3); no geometry object is made."""

    class Vertices:
        """Vertices, parts and rows as one `Ragged`; rows that come back as they were keep bytes."""

    class Bounds:
        """Record boxes, float64 (n, 4): minx, miny, maxx, maxy; NaN where there is none."""

    class Geometry:
        """Shapely geometries, object (n,), None for null."""

    class Rows:
        """Source row of each output row, int64: absent = filtered, repeated = created."""

    class Sinks:
        """Name of the output that each row goes to: a pyarrow array of text, without nulls."""

    class Names:
        """Name of every field, in file order: a tuple of text of any length."""

    class Fields:
        """A pyarrow.Table of the columns that the step names, and only these."""

    class Frame:
        """A GeoDataFrame with everything, its index the row number."""


__all__ = [
    "ASPECTS",
    "CRS",
    "Aggregate",
    "BBox",
    "Bounds",
    "Coords",
    "Expression",
    "FieldName",
    "Fields",
    "FileName",
    "Frame",
    "Geometry",
    "Header",
    "Names",
    "OtherLayer",
    "Rejected",
    "Renaming",
    "Rows",
    "Sinks",
    "Vertices",
]

BBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rows of the incoming layer that a step could not do, each with its reason."""

    rows: Rows
    reasons: tuple[str, ...]


#: What the engine can give to a step or take from it.
GIVEN = (Coords, Vertices, Bounds, Geometry, Fields, Header, Frame)
ASPECTS = (*GIVEN, Rows, Rejected, Sinks, Names)


class Text(str):
    """A parameter that is text with a meaning; subclasses check it and say what it names."""

    kind = "text"

    @classmethod
    def check(cls, text: str) -> None:
        """Raise RecipeError for what is wrong whatever the layer."""

    @classmethod
    def columns(cls, text: str) -> tuple[str, ...]:
        """Fields that the text names, as it spells them."""
        return ()

    @classmethod
    def modules(cls, text: str) -> tuple[str, ...]:
        """Modules that a step imports for the text when it is called."""
        return ()


class FieldName(Text):
    """Name of a field that the layer must have."""

    kind = "field"

    @classmethod
    def columns(cls, text: str) -> tuple[str, ...]:
        return (text,)


class Expression(Text):
    """One scalar SQL expression on the fields of a layer."""

    kind = "expression"

    @classmethod
    def check(cls, text: str) -> None:
        from .. import expressions

        expressions.check(text)

    @classmethod
    def columns(cls, text: str) -> tuple[str, ...]:
        from .. import expressions

        return expressions.names(text)

    @classmethod
    def modules(cls, text: str) -> tuple[str, ...]:
        from .. import expressions

        return expressions.modules_of(text)


class Aggregate(Text):
    """A field and how its values are combined: ``pop:sum``."""

    kind = "field:function"
    FUNCTIONS = ("sum", "min", "max", "mean", "count", "first", "last")

    @classmethod
    def check(cls, text: str) -> None:
        name, _, function = text.rpartition(":")
        if not name or function not in cls.FUNCTIONS:
            raise RecipeError(
                f"'{text}' is not FIELD:FUNCTION; functions are {', '.join(cls.FUNCTIONS)}",
                "bad-aggregate",
            )

    @classmethod
    def columns(cls, text: str) -> tuple[str, ...]:
        return (text.rpartition(":")[0],)


class Renaming(Text):
    """A new name for a field: ``population=pop``."""

    kind = "new=old"

    @classmethod
    def check(cls, text: str) -> None:
        new, _, old = text.partition("=")
        if not new or not old or "\0" in new:
            raise RecipeError(f"'{text}' is not NEW=OLD, two names of fields", "bad-rename")

    @classmethod
    def columns(cls, text: str) -> tuple[str, ...]:
        return (text.partition("=")[2],)


class FileName(Text):
    """Path of a file that a step reads; an output is made anew when that changes."""

    kind = "file"


class CRS(Text):
    """A coordinate reference system: ``EPSG:4326``, WKT, PROJ text or a file of one."""

    kind = "crs"

    @classmethod
    def modules(cls, text: str) -> tuple[str, ...]:
        return ("pyproj",)

    @classmethod
    def check(cls, text: str) -> None:
        from pyproj import CRS as ProjCRS
        from pyproj.exceptions import CRSError

        try:
            ProjCRS.from_user_input(text)
        except CRSError:
            raise RecipeError(
                f"'{text}' is not a CRS that PROJ knows; write it as EPSG:4326 or as WKT",
                "bad-crs",
            ) from None


class OtherLayer(Text):
    """Path of a second layer; the engine gives the step the loaded layer itself.

    A step sees ``geometry`` (object array without nulls), ``crs`` (text or
    None) and ``tree`` (a shapely STRtree over the geometry).
    """

    kind = "layer"

    @classmethod
    def modules(cls, text: str) -> tuple[str, ...]:
        return ("shpbatch.formats.other",)

    if TYPE_CHECKING:
        geometry: NDArray[np.object_]
        crs: str | None
        tree: shapely.STRtree


def nearest(name: str, names: list[str]) -> str:
    """Sentence part that helps with an unknown name."""
    import difflib

    # Seconds for a name of some 100,000 characters, which is like none.
    close = difflib.get_close_matches(
        name[:200].lower(), [n.lower() for n in names], n=1, cutoff=0.6
    )
    hint = next((f" (did you mean '{n}'?)" for n in names if close and n.lower() == close[0]), "")
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"{hint}; there are: {listed}" if names else "; the layer has none"


def find_field(name: str, names: list[str]) -> int:
    """Index of a field: the exact name first, else the only one that differs by case.

    Raises
    ------
    StepError
        ``field-missing``, with the nearest names; ``field-ambiguous``.
    """
    if name in names:
        return names.index(name)
    folded = [i for i, n in enumerate(names) if n.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0]
    if folded:
        same = ", ".join(names[i] for i in folded)
        raise StepError(f"field '{name}' could be any of {same}; spell it so", "field-ambiguous")
    raise StepError(f"no field '{name}'{nearest(name, names)}", "field-missing")
