"""Read and write layers through pyogrio's Arrow streams (GDAL)."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyogrio.raw

from ..account import Account
from ..check import deleted_rows
from ..errors import ReadError, WriteError
from ..header import read_header, shape_code
from ..layer import ARROW_TYPES, Layer
from ..models import Header, Source
from ..shapefile.bundle import MAIN, Bundle
from ..shapefile.encoding import LDID_OF
from ..shapefile.index import build_shx, check_index, read_shx
from .text import TUNNEL, decode, encode, name_bytes

__all__ = ["STEM", "lent", "read_layer", "read_table", "write_layer"]

BATCH_ROWS = 65_536
STEM = "layer"

#: Names of the shape types in GDAL's SHPT creation option.
_SHPT = {
    0: "NULL", 1: "POINT", 3: "ARC", 5: "POLYGON", 8: "MULTIPOINT", 11: "POINTZ", 13: "ARCZ",
    15: "POLYGONZ", 18: "MULTIPOINTZ", 21: "POINTM", 23: "ARCM", 25: "POLYGONM", 28: "MULTIPOINTM",
}  # fmt: skip
_OGR = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "PolyLine": "LineString",
    "Polygon": "Polygon",
    "Null": "Unknown",
}


@contextmanager
def lent(source: Source) -> Iterator[Path]:
    """The members of a source under names of ours, in a folder that goes away.

    A missing ``.shx`` is rebuilt there, never in the user's folder.
    """
    bundle = Bundle.of(source)
    with tempfile.TemporaryDirectory(prefix="shpbatch-") as folder:
        for extension in MAIN:
            if extension in bundle:
                bundle.lend(extension, Path(folder, f"{STEM}.{extension}"))
        index = read_shx(bundle)
        if index is None:
            shx = Path(folder, f"{STEM}.shx")
            shx.unlink(missing_ok=True)
            shx.write_bytes(build_shx(bundle))
        else:
            check_index(bundle, index)
        yield Path(folder, f"{STEM}.shp")


def read_layer(source: Source, ticked: Callable[[float], None] = lambda fraction: None) -> Layer:
    """Read a whole layer.

    Parameters
    ----------
    source : Source
    ticked : callable
        Told the share of features read, after each batch.

    Returns
    -------
    Layer
        Geometry as WKB (M values kept), text in its real encoding.

    Raises
    ------
    ReadError
        For broken structure, and where fewer features come than were declared.
    """
    header = read_header(source, whole=True)
    account = Account()
    with lent(source) as path, _quiet():
        table = _read_table(path, header, ticked, account)
    wkb = table.column(table.num_columns - 1).combine_chunks()
    columns = [
        decode(table.column(i).combine_chunks(), f, header.encoding, account)
        for i, f in enumerate(header.fields)
    ]
    account.read = table.num_rows
    _check_count(source, header, table.num_rows)
    return Layer(
        header=header,
        columns=tuple(_typed(c, f.arrow) for c, f in zip(columns, header.fields, strict=True)),
        rows=np.arange(table.num_rows, dtype=np.int64),
        wkb=wkb,
        account=account,
    )


def _read_table(
    path: Path, header: Header, ticked: Callable[[float], None], account: Account
) -> pa.Table:
    """Read through Arrow; what pyogrio declines, record by record through fiona."""
    try:
        return read_table(path, header, ticked)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException) as e:
        from . import records

        account.note(f"read with fiona, because pyogrio says: {e}")
        return records.read_table(path, header, ticked)


def read_table(path: Path, header: Header, ticked: Callable[[float], None]) -> pa.Table:
    """Batches of a lent layer as one table: fields in file order, the geometry as WKB last."""
    # Set in a user's shell it would rewrite a .shx through our link, in the source folder.
    pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "NO"})
    options: dict[str, Any] = {"encoding": TUNNEL, "batch_size": BATCH_ROWS}
    with pyogrio.raw.open_arrow(path, use_pyarrow=True, **options) as (meta, reader):
        batches, read = [], 0
        for batch in reader:
            batches.append(batch)
            read += batch.num_rows
            ticked(read / max(1, header.count))
        table = pa.Table.from_batches(batches, reader.schema)
    geometry = meta["geometry_name"] or "wkb_geometry"
    at = max(i for i, name in enumerate(table.column_names) if name == geometry)
    order = [i for i in range(table.num_columns) if i != at]
    if len(order) != len(header.fields):
        raise ReadError(
            f"the .dbf declares {len(header.fields)} fields, GDAL reads {len(order)}", "bad-dbf"
        )
    return table.select([*order, at])


def _typed(column: Any, kind: str) -> Any:
    """The column in the type that its field declares, whatever GDAL made of it."""
    wanted = ARROW_TYPES[kind]
    return column if column.type.equals(wanted) else column.cast(wanted)


def _check_count(source: Source, header: Header, read: int) -> None:
    """Compare what was declared with what was read, deleted rows apart."""
    deleted, rows = deleted_rows(Bundle.of(source))
    if rows is not None and rows != header.count:
        raise ReadError(
            f"{source.name}: {header.count} shapes but {rows} rows in the .dbf; "
            "the .dbf belongs to another layer or was cut",
            "count-mismatch",
        )
    if read + deleted != header.count:
        raise ReadError(
            f"{source.name}: {header.count} features declared, {read} read, {deleted} deleted",
            "count-mismatch",
        )


def write_layer(
    layer: Layer, folder: Path, ticked: Callable[[float], None] = lambda fraction: None
) -> None:
    """Write ``layer.shp``, ``.shx`` and ``.dbf`` into a folder.

    A layer without fields gets no ``.dbf``. The shape type is the header's,
    also where there are no rows.

    Raises
    ------
    WriteError
        ``multipatch-unsupported``, ``disk-full``, ``write-failed``; text and
        names as in `text`.
    """
    header = layer.header
    code = shape_code(header)
    if code not in _SHPT:
        raise WriteError(
            "MultiPatch layers cannot be written yet; leave this layer out with --exclude",
            "multipatch-unsupported",
        )
    reader = pa.RecordBatchReader.from_batches(
        (table := _table(layer)).schema, _ticking(table, ticked)
    )
    with _quiet():
        try:
            pyogrio.raw.write_arrow(
                reader,
                folder / f"{STEM}.shp",
                driver="ESRI Shapefile",
                geometry_type=_OGR[header.geometry_type] + (" Z" if header.has_z else ""),
                geometry_name="wkb_geometry",
                crs=None,
                encoding=TUNNEL,
                SHPT=_shpt(layer, code),
            )
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
            raise WriteError(f"GDAL cannot write the layer: {error}", "write-failed") from error
    if header.fields:
        _finish_dbf(folder / f"{STEM}.dbf", header)
    else:
        (folder / f"{STEM}.dbf").unlink()  # GDAL invents a field FID where there is none


def _shpt(layer: Layer, code: int) -> str:
    """GDAL's name of the shape type; Z types have M only where a geometry has."""
    if layer.header.has_z and layer.shapes is not None:
        import shapely

        return _SHPT[code] + ("M" if shapely.has_m(layer.shapes).any() else "")
    return _SHPT[code] + ("M" if layer.header.has_z else "")


def _table(layer: Layer) -> pa.Table:
    """The columns as the tunnel takes them, the geometry last."""
    import shapely

    header = layer.header
    columns = [encode(c, f, header) for c, f in zip(layer.columns, header.fields, strict=True)]
    wkb = layer.wkb
    if layer.shapes is not None:
        wkb = pa.array(shapely.to_wkb(layer.shapes, include_srid=False), pa.binary())
    elif wkb is None:
        wkb = pa.nulls(len(layer), pa.binary())
    fields = [pa.field(f"c{i}", c.type) for i, c in enumerate(columns)]
    extension = {"ARROW:extension:name": "geoarrow.wkb"}
    fields.append(pa.field("wkb_geometry", wkb.type, metadata=extension))
    return pa.Table.from_arrays([*columns, wkb], schema=pa.schema(fields))


def _ticking(table: pa.Table, ticked: Callable[[float], None]) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in table.to_batches(BATCH_ROWS):
        yield batch
        done += batch.num_rows
        ticked(done / max(1, table.num_rows))


def _finish_dbf(dbf: Path, header: Header) -> None:
    """Put the true field names and language byte into the header that GDAL wrote.

    GDAL renames fields with ``:`` and those that occur twice, so it is given
    c0, c1, … and the names are set here, as bytes.
    """
    told = LDID_OF.get(header.encoding, 0) if header.encoding_from == "ldid" else 0
    with open(dbf, "r+b") as file:
        file.seek(29)
        file.write(bytes([told]))
        for i, field in enumerate(header.fields):
            file.seek(32 + 32 * i)
            file.write(name_bytes(field.name, header.encoding).ljust(11, b"\0"))


@contextmanager
def _quiet() -> Iterator[None]:
    """GDAL's warnings are about what this module checks itself (M, field widths, no CRS)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
