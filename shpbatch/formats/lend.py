"""Layers of other formats are lent to the reader as shapefiles.

They are read in batches by GDAL (GeoParquet by Arrow) and written by our own
writer into a folder that goes away. What a shapefile cannot hold is counted;
names of fields are whole beside it. GDAL sees a name that we made.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..account import Account
from ..engine.columns import field_of, kind_of
from ..errors import ReadError, ShpbatchError
from ..fields.names import layer_names
from ..fields.new import holdable
from ..foreign import files_of
from ..header import shape_code
from ..models import Header
from ..shapefile.columns import array_of
from ..shapefile.crs import esri_wkt
from ..shapefile.encode import encode
from ..shapefile.rows import Piece, TableWriter
from ..shapefile.vertices import from_shapes, misfits
from ..shapefile.writer import ShpWriter

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["layers_of", "lend"]

STEM = "layer"
#: Extensions of what is beside the lent shapefile.
NAMES, LOSSES = "whole-names.json", "losses.json"
_KINDS = {0: "Point", 1: "PolyLine", 3: "Polygon", 4: "MultiPoint", 5: "PolyLine", 6: "Polygon"}
#: Types of layers without a geometry that tells it.
_DECLARED = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "LineString": "PolyLine",
    "MultiLineString": "PolyLine",
    "Polygon": "Polygon",
    "MultiPolygon": "Polygon",
}
_PARQUET = ".parquet"


@dataclass(frozen=True)
class _Rows:
    """Rows of no ``.dbf``."""

    table: None = None

    def picked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        raise AssertionError("nothing is carried here")


def layers_of(path: str) -> list[str]:
    """Names of the layers with geometry.

    Raises
    ------
    ReadError
        ``source-unreadable``.
    """
    if path.lower().endswith(_PARQUET):
        return [Path(path).stem]
    import pyogrio

    with _ours(path) as named, _told(path):
        found = pyogrio.list_layers(named)
        if Path(named).suffix not in (".gpkg", ".gdb") and len(found) == 1:
            return [Path(path).stem]  # what it is called inside may be our name of the file
        return [str(name) for name, kind in found if kind is not None]


def lend(path: str, layer: str, folder: Path) -> None:
    """Write a layer as ``layer.shp`` with its files into a folder.

    Raises
    ------
    ReadError
        ``source-unreadable``, ``mixed-types``.
    """
    account = Account(on_overflow="cut")
    with _ours(path) as named, _told(path):
        crs, kind, batches = _read(named, layer)
    header = _header(path, [shapes for _, shapes in batches], crs, kind)
    code = shape_code(header)
    with ShpWriter(folder / f"{STEM}.shp", code) as shp:
        for _, shapes in batches:
            shp.add(encode(from_shapes(shapes, code)))
        shp.finish()
    _write_table(folder, [table for table, _ in batches], account)
    if header.crs is not None:
        (folder / f"{STEM}.prj").write_text(header.crs, "utf-8")
    told = [[text, n, account.examples.get(text)] for text, n in account.losses.items()]
    (folder / f"{STEM}.{LOSSES}").write_text(json.dumps(told), "utf-8")


def _read(named: Path, layer: str) -> tuple[str | None, str, list[tuple[pa.Table, Any]]]:
    """The CRS, the declared type, and batches of attributes and geometries."""
    import pyarrow as pa
    import shapely

    if named.suffix == _PARQUET:
        import pyarrow.parquet as pq

        metadata = json.loads((pq.read_metadata(named).metadata or {}).get(b"geo", b"null"))
        if metadata is None:
            raise ReadError("no GeoParquet: it has no 'geo' metadata", "source-unreadable")
        column = metadata["primary_column"]
        crs = metadata["columns"][column].get("crs", "OGC:CRS84")
        kind = next(iter(metadata["columns"][column]["geometry_types"]), "")
        crs = json.dumps(crs) if isinstance(crs, dict) else crs
        with pq.ParquetFile(named) as file:
            found = [pa.Table.from_batches([b]) for b in file.iter_batches()]
    else:
        import pyogrio

        # GDAL's own Arrow reader of FlatGeobuf ends the process at a null geometry (3.12.4).
        pyogrio.set_gdal_config_options({"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"})
        several = len(pyogrio.list_layers(named)) > 1 or named.suffix in (".gpkg", ".gdb")
        options: dict[str, Any] = {"layer": layer if several else None, "use_pyarrow": True}
        with pyogrio.open_arrow(named, **options) as (meta, batches):
            column, crs = meta["geometry_name"] or "wkb_geometry", meta["crs"]
            kind = meta["geometry_type"] or ""
            found = [pa.Table.from_batches([b]) for b in batches]
            if not found:
                found = [batches.schema.empty_table()]
    parts = []
    for table in found:
        wkb = table.column(column).to_numpy()
        shapes = np.asarray(shapely.from_wkb(wkb), dtype=object).reshape(len(table))
        parts.append((table.drop_columns([column]), shapes))
    return crs, kind, parts


def _header(path: str, parts: list[NDArray[np.object_]], crs: str | None, kind: str) -> Header:
    """The shapefile's header that all geometries fit."""
    import shapely

    kinds = {int(k) for shapes in parts for k in np.unique(shapely.get_type_id(shapes)) if k >= 0}
    names = {_KINDS.get(k, "collections") for k in kinds}
    if names == {"Point", "MultiPoint"}:
        names = {"MultiPoint"}
    if len(names) > 1 or "collections" in names:
        raise ReadError(
            f"{path}: the layer holds {' and '.join(sorted(names))}, a shapefile one type; "
            "split it with ogr2ogr -where",
            "mixed-types",
        )
    if not names and (told := _DECLARED.get(kind.partition(" ")[0])):
        names = {told}
    z = any(bool(shapely.has_z(shapes).any()) for shapes in parts)
    m = any(bool(shapely.has_m(shapes).any()) for shapes in parts)
    header = Header(next(iter(names), "Null"), has_z=z, has_m=m and not z)
    code = shape_code(header)
    if any(misfits(shapes, code).any() for shapes in parts):
        raise ReadError(f"{path}: the layer holds geometries of several types", "mixed-types")
    known = crs is not None and "ndefined" not in crs  # GeoPackage has two CRS that are none
    return replace(header, crs=esri_wkt(str(crs))) if known else header


def _write_table(folder: Path, tables: list[pa.Table], account: Account) -> None:
    """Write the ``.dbf``, and the whole names of its fields beside it."""
    import pyarrow as pa

    table = pa.concat_tables(tables, promote_options="permissive")
    if not table.num_columns:
        return
    columns, fields = [], []
    for name, chunked in zip(table.column_names, table.columns, strict=True):
        column = chunked.combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_large_string(column.type):
            column = column.cast(pa.string())
        column = _narrowed(holdable(name, column, account))
        columns.append(column)
        fields.append(field_of(name, kind_of(name, array_of(column).type)))
    short = layer_names(table.column_names, "utf-8", {}, [])
    named = tuple(replace(f, name=s) for f, s in zip(fields, short, strict=True))
    writer = TableWriter(named, "utf-8", 0, on_overflow="cut")
    writer.write(folder / f"{STEM}.dbf", [Piece(range(table.num_rows), tuple(columns), _Rows())])
    whole = dict(zip(short, table.column_names, strict=True))
    for text, count in writer.losses.items():
        for written, name in whole.items():
            if text.startswith(f"field {written}:"):
                text = text.replace(f"field {written}:", f"field {name}:", 1)  # noqa: PLW2901
                break
        account.lose(text, count, writer.examples.get(text))
    (folder / f"{STEM}.cpg").write_text("UTF-8", "ascii")
    (folder / f"{STEM}.{NAMES}").write_text(json.dumps(table.column_names), "utf-8")


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


@contextmanager
def _ours(path: str) -> Iterator[Path]:
    """A source under a name of ours: links where possible, else copies."""
    suffix = Path(path).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="shpbatch-") as folder:
        named = Path(folder, f"{STEM}{suffix}")
        if Path(path).is_dir():
            named.mkdir()
            pairs = {named / name: file for name, file in files_of(path).items()}
        else:
            pairs = {Path(folder, f"{STEM}.{e}"): file for e, file in files_of(path).items()}
        for link, file in pairs.items():
            if suffix == ".gpkg":  # SQLite would follow a link, and write beside its target
                shutil.copyfile(file, link)
                continue
            try:
                link.symlink_to(Path(file).absolute())
            except (OSError, NotImplementedError):  # Windows without the privilege
                shutil.copyfile(file, link)
        yield named


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What GDAL and Arrow raise, as an error of ours that names the user's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except ShpbatchError as error:
            raise type(error)(f"{path}: {error}", error.code) from None
        except Exception as error:
            reason = str(error).partition("/shpbatch-")[0] or type(error).__name__
            raise ReadError(f"{path}: cannot be read: {reason}", "source-unreadable") from None
