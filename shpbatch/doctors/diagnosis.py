"""What was found wrong with the files of a layer, and what can be saved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..findings import Lost
from ..models import Source
from ..shapefile.bundle import Bundle
from ..shapefile.found import Places
from ..shapefile.mended_table import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Diagnosis"]


@dataclass
class Diagnosis:
    """What is wrong with a layer, and how it is to be mended.

    Attributes
    ----------
    source : Source
    code : int
        Shape type, where the header lies that of the records.
    places : Places or None
        Of the records, where the ``.shp`` is to be written anew.
    searched : bool
        They were searched for: not all are where they should be.
    rows : Rows or None
        Of the ``.dbf``, where that is to be written anew.
    table : bool
        There is a ``.dbf`` that can be read.
    count : int
        Rows that are written, or would be were nothing lost.
    repairs : Counter
        What is put right.
    lost : list of Lost
        What cannot be, and what is doubtful.
    beside : ndarray of int64
        Rows whose record may have been hit by the damage behind it.
    """

    source: Source
    code: int
    places: Places | None = None
    searched: bool = False
    rows: Rows | None = None
    table: bool = False
    count: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    lost: list[Lost] = field(default_factory=list)
    beside: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def is_mended(self) -> bool:
        """Whether ``.shp`` or ``.dbf`` have to be written anew to be read."""
        return self.places is not None or self.rows is not None or self._has_no_use()

    def _has_no_use(self) -> bool:
        return not self.table and "dbf" in Bundle.of(self.source)

    def numbers(self) -> NDArray[np.int64] | None:
        """Row in the source of each row that is written; None where they are the same."""
        if self.places is None or self.table or self.places.whole == len(self.places.starts):
            return None
        return np.flatnonzero(self.places.starts)
