"""Several staged shapefiles as the tables of one layer, which has more than 2 GB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .table import Left, Staging

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Table", "joined"]


class Table(Protocol):
    """A layer to write, batch by batch."""

    @property
    def names(self) -> Sequence[str]:
        """Names of all fields."""

    def schema(self) -> pa.Schema:
        """The schema of all tables, the geometry last."""

    def restore(self) -> list[Left]:
        """Take back values that were too wide; give those that stay outside."""

    def has_measures(self) -> bool:
        """Whether vertices have measures."""

    def tables(self, quiet: bool = False) -> Iterator[pa.RecordBatch]:
        """All rows, in order; ``quiet`` counts nothing."""


@dataclass(frozen=True)
class Joined:
    """Stagings of one layer, one after the other."""

    stagings: Sequence[Staging]

    @property
    def names(self) -> Sequence[str]:
        """Names of all fields."""
        return self.stagings[0].names

    def schema(self) -> pa.Schema:
        """The widest of the schemas: an integer here may be a real there."""
        import pyarrow as pa

        schemas = [s.schema() for s in self.stagings]
        return pa.unify_schemas(schemas, promote_options="permissive")

    def restore(self) -> list[Left]:
        """Take back values that were too wide; give those that stay outside, by rows of all."""
        left: list[Left] = []
        first = 0
        for staging in self.stagings:
            left += [(first + row, at, name, text) for row, at, name, text in staging.restore()]
            first += staging.header.count
        return left

    def has_measures(self) -> bool:
        """Whether vertices of any have measures."""
        return any(s.has_measures() for s in self.stagings)

    def tables(self, quiet: bool = False) -> Iterator[pa.RecordBatch]:
        """All rows, in order; ``quiet`` counts nothing."""
        schema = self.schema()
        for staging in self.stagings:
            for batch in staging.tables(quiet):
                yield batch.cast(schema)


def joined(stagings: Sequence[Staging]) -> Table:
    """The tables of one staging, or of several as of one."""
    return stagings[0] if len(stagings) == 1 else Joined(stagings)
