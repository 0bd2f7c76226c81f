"""Layers of other formats, as GDAL reads them (GeoParquet: Arrow).

GDAL sees a name that we made: it takes ``a!b.gpkg`` for a place in an archive.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ReadError, ShpbatchError
from ..foreign import files_of
from ..scratch import scratch

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["STEM", "Found", "found_of", "layers_of", "told_of"]

STEM = "layer"
_PARQUET = ".parquet"
#: Formats in which names of layers say something.
_NAMED = (".gpkg", ".gdb")
_JSON = (".geojson", ".json")
#: A path of ours in what GDAL says.
_OURS = re.compile(rf"[^\s'\"]*shpbatch-[^\s'\"]*{STEM}\.\w+")


@dataclass(frozen=True)
class Found:
    """A layer of another format.

    Attributes
    ----------
    crs : str or None
    kind : str
        The type of geometry that is declared.
    table : pyarrow.Table
        Its attributes.
    wkb : ndarray of object
        Its geometries, None for null.
    times : frozenset of str
        Names of the columns whose text is dates and times, or may be.
    """

    crs: str | None
    kind: str
    table: pa.Table
    wkb: NDArray[np.object_]
    times: frozenset[str] = frozenset()


def layers_of(path: str) -> tuple[list[str], list[str]]:
    """Names of the layers with geometry, and of the tables without.

    Raises
    ------
    ReadError
        ``source-unreadable``.
    """
    if path.lower().endswith(_PARQUET):
        return [Path(path).stem], []
    import pyogrio

    with _ours(path) as named, told_of(path):
        found = pyogrio.list_layers(named)
        if named.suffix not in _NAMED and len(found) == 1:
            return [Path(path).stem], []  # what it is called inside may be our name of the file
        layers = [str(name) for name, kind in found if kind is not None]
        return layers, [str(name) for name, kind in found if kind is None]


def found_of(path: str, layer: str) -> Found:
    """Read a layer.

    Raises
    ------
    ReadError
        ``source-unreadable``.
    """
    with _ours(path) as named, told_of(path):
        if named.suffix == _PARQUET:
            from .geoparquet import read_parquet

            crs, kind, table, wkb = read_parquet(named)
            return Found(crs, kind, table, wkb)
        return _by_gdal(named, layer)


def _by_gdal(named: Path, layer: str) -> Found:
    import pyarrow as pa
    import pyogrio

    # GDAL's own Arrow reader of FlatGeobuf ends the process at a null geometry (3.12.4).
    pyogrio.set_gdal_config_options({"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"})
    several = len(pyogrio.list_layers(named)) > 1 or named.suffix in _NAMED
    # Times as text keep their zones; of GeoJSON it would read " 01:53 p.m." as 01:53:00.
    options: dict[str, Any] = {"use_pyarrow": True, "datetime_as_string": True}
    if named.suffix in _JSON:
        options["DATE_AS_STRING"] = "YES"
    with pyogrio.open_arrow(named, layer=layer if several else None, **options) as (meta, batches):
        table = pa.Table.from_batches(batches, batches.schema)
    column = meta["geometry_name"] or "wkb_geometry"
    wkb = table.column(column).to_numpy()
    table = table.drop_columns([column])
    times = (f.name for f in table.schema if named.suffix in _JSON or _is_time(f))
    return Found(meta["crs"], meta["geometry_type"] or "", table, wkb, frozenset(times))


def _is_time(f: pa.Field) -> bool:
    return (f.metadata or {}).get(b"GDAL:OGR:type") == b"DateTime"


@contextmanager
def _ours(path: str) -> Iterator[Path]:
    """A source under a name of ours: links where possible, else copies."""
    suffix = Path(path).suffix.lower()
    with scratch() as folder:
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
def told_of(path: str) -> Iterator[None]:
    """What GDAL and Arrow raise, as an error of ours that names the user's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except ShpbatchError as error:
            told = str(error) if str(error).startswith(path) else f"{path}: {error}"
            raise type(error)(told, error.code) from None
        except Exception as error:
            reason = _OURS.sub(lambda _: Path(path).name, str(error)) or type(error).__name__
            raise ReadError(f"{path}: cannot be read: {reason}", "source-unreadable") from None
