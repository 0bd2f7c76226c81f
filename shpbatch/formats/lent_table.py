"""The attributes of a layer of another format, as the ``.dbf`` that is lent for it.

What that cannot hold is whole in a file beside it, and counted where the run
says what is to become of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..account import Account
from ..engine.columns import field_of, kind_of
from ..fields.names import layer_names
from ..fields.new import holdable
from ..header import WHOLE_NAMES
from ..shapefile.columns import array_of
from ..shapefile.rows import Piece, TableWriter
from ..shapefile.spilled import OVERFLOW, WHOLE_VALUES
from .dates import dated
from .reading import STEM, Found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["write_table"]


@dataclass(frozen=True)
class _Rows:
    """Rows of no ``.dbf``."""

    table: None = None

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        raise AssertionError("nothing is carried here")


def write_table(folder: Path, found: Found, account: Account) -> None:
    """Write the ``.dbf``, and beside it the whole names of its fields, and whole values.

    Parameters
    ----------
    folder : Path
    found : Found
    account : Account
        Where is counted what no field can hold.
    """
    names = found.table.column_names
    if not names:
        return
    columns, fields = [], []
    for name, chunked in zip(names, found.table.columns, strict=True):
        column = dated(chunked) if name in found.times else None
        if column is None:
            column = _narrowed(holdable(name, _plain(chunked.combine_chunks()), account))
        columns.append(column)
        fields.append(field_of(name, kind_of(name, array_of(column).type)))
    short = layer_names(names, "utf-8", {}, [])
    named = tuple(replace(f, name=s) for f, s in zip(fields, short, strict=True))
    writer = TableWriter(named, "utf-8", 0, on_overflow="sidecar")
    pieces = [Piece(range(found.table.num_rows), tuple(columns), _Rows())]
    writer.write(folder / f"{STEM}.dbf", pieces)
    if writer.spilled:
        (folder / f"{STEM}.{OVERFLOW}").rename(folder / f"{STEM}.{WHOLE_VALUES}")
    whole = dict(zip(short, names, strict=True))
    for text, count in writer.losses.items():
        written, _, rest = text.removeprefix("field ").partition(":")
        told = f"field {whole[written]}:{rest}" if written in whole else text
        account.lose(told, count, writer.examples.get(text))
    (folder / f"{STEM}.cpg").write_text("UTF-8", "ascii")
    (folder / f"{STEM}.{WHOLE_NAMES}").write_text(json.dumps(names), "utf-8")


def _plain(column: Any) -> Any:
    """The values of a dictionary, of an extension type, of a larger kind of text."""
    import pyarrow as pa

    if isinstance(column.type, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    if isinstance(column.type, pa.BaseExtensionType):  # such as the JSON of mixed properties
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


def _narrowed(column: Any) -> Any:
    """Small types of Arrow as those that a field has."""
    import pyarrow as pa

    kinds = {
        **dict.fromkeys((pa.int8(), pa.int16(), pa.uint8(), pa.uint16()), pa.int32()),
        pa.uint32(): pa.int64(),
        **dict.fromkeys((pa.float16(), pa.float32()), pa.float64()),
        pa.null(): pa.string(),
    }
    if not isinstance(column, pa.Array):
        return column
    return column.cast(kinds[column.type]) if column.type in kinds else column
