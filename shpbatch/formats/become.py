"""A staged shapefile becomes one file of another format, which is read back and compared.

The shapefile in the stage was written and proved as any other; what it could
not hold (names of more than 10 bytes, texts of more than 254, times of day)
is taken from beside it. GDAL sees names of ours only: a user's folder may be
called ``a!b``.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..account import Account
from ..crs.identity import identified
from ..errors import WriteError
from ..models import Header
from ..policy import Policy
from ..scratch import scratch
from ..shapefile.spilled import OVERFLOW, Spilled
from ..sinks import layer_name, unique
from ..writing.output import STEM, Output
from .compare import Digest, same_crs
from .joined import Table, joined
from .table import GEOMETRY, Left, Staging

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BESIDE", "become", "ours", "put"]

#: GDAL's drivers of what it writes; GeoParquet is written by Arrow, GeoJSON by us.
DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}
#: Formats that hold measures.
WITH_M = (".gpkg", ".fgb")
#: Sidecars that programs look for beside a file of any format.
BESIDE = ("qml", "sld", "qmd")
_MULTI = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "PolyLine": "MultiLineString",
    "Polygon": "MultiPolygon",
    "MultiPatch": "MultiPolygon",
}
#: The same layer makes the same bytes on any day.
_DAY = "1980-01-01T00:00:00Z"


@dataclass(frozen=True)
class Target:
    """The one file: where GDAL sees it, what it is to be, whether features keep their order."""

    path: Path
    layer: str
    suffix: str
    header: Header
    crs: str | None
    geometry: str
    in_order: bool = False


def become(volumes: Sequence[Output], sink: Path, account: Account, policy: Policy) -> None:
    """Put staged sets into one file of the sink's format, in place of the first of them.

    Parameters
    ----------
    volumes : sequence of Output
        Of one layer, in order, closed and proved: several where it has more than 2 GB.
    sink : Path
        Whose suffix tells the format; its stem names the layer.
    account : Account
        Where is counted what the format cannot hold.
    policy : Policy
        Whether the file is read back, and all of it compared; whether values
        that could not be put back stay in a table beside.

    Raises
    ------
    WriteError
        ``write-failed``, ``write-incomplete``, ``write-differs``.
    """
    folder = volumes[0].folder
    with ours(folder) as own:
        layer = sink.stem if sink.suffix != ".gpkg" else layer_name(sink.stem)
        if layer != sink.stem:
            account.note(f"the layer is called {layer}: a GeoPackage takes no {sink.stem}")
        left = put(volumes, own / f"{STEM}{sink.suffix}", layer, account, policy)
    beside = folder / f"{STEM}.{OVERFLOW}"
    beside.unlink(missing_ok=True)  # of the first of them
    if policy.on_overflow == "sidecar":
        Spilled(beside).add(left)
    kept = (sink.suffix[1:], *BESIDE, OVERFLOW)
    for path in folder.iterdir():
        extension = path.name[len(STEM) + 1 :]
        if extension == "shp.xml":
            account.note("the .shp.xml is left behind: only a shapefile has one")
        if path.is_file() and extension not in kept:
            path.unlink()


def put(
    volumes: Sequence[Output], path: Path, layer: str, account: Account, policy: Policy
) -> list[Left]:
    """Write a layer to a file, or add it to one; give the values that are not whole in it."""
    output, suffix = volumes[0], path.suffix
    header = replace(output.header, fields=output.fields)
    wanted = output.header.field_names()
    names = unique(wanted, ("geometry",) if suffix == ".parquet" else ())
    for name, own in zip(wanted, names, strict=True):
        if name != own:
            account.lose(f"field {name} is written as {own}", 1)
    if header.geometry_type == "MultiPatch":
        text = "surfaces of a MultiPatch are written as polygons with Z"
        account.lose(text, sum(o.count for o in volumes))
    if suffix == ".geojson":
        _tell_geojson(header, sum(o.count for o in volumes), account)
    staging = joined([_staging(o, names, suffix in WITH_M, account) for o in volumes])
    left = staging.restore()
    target = _target(path, layer, header, names, account)
    if left and policy.on_overflow == "sidecar":  # which names features by their place
        target = replace(target, in_order=True)
    with _quiet():
        try:
            digest = _write(target, staging)
        except WriteError:
            raise
        except Exception as error:  # GDAL, Arrow and PROJ have an error class each
            raise WriteError(
                f"{layer}{suffix} cannot be written: {error}", _code_of(error, "write-failed")
            ) from None
        if policy.proof:
            _prove(target, staging, digest)
    return left


def _tell_geojson(header: Header, count: int, account: Account) -> None:
    """Count what a GeoJSON cannot say."""
    if header.crs is None:
        account.note("the layer has no CRS: readers take a GeoJSON without one for WGS 84")
    if not count and header.fields:
        account.lose("fields are not in a GeoJSON that has no features", len(header.fields))


def _staging(output: Output, names: list[str], with_m: bool, account: Account) -> Staging:
    header = replace(output.header, fields=output.fields, count=output.count)
    return Staging(output.folder / f"{STEM}.shp", header, names, with_m, account)


def _target(path: Path, layer: str, header: Header, names: list[str], account: Account) -> Target:
    known = None if header.crs is None else identified(header.crs)
    crs = header.crs
    if crs is not None and known is None:
        account.lose("the CRS cannot be read by PROJ, and is left out", 1, crs)
        crs = None
    elif known is not None and known.sure:
        crs = known.sure
    elif path.suffix == ".geojson" and crs is not None:
        account.lose("the CRS has no code: GeoJSON cannot tell it", 1, crs)
        crs = None
    geometry = unique(["geom"], names)[0]
    return Target(path, layer, path.suffix, header, crs, geometry)


def _write(target: Target, staging: Table) -> Digest:
    """Write the file, row batch by row batch, and take the digest of what was given."""
    if target.suffix == ".parquet":
        from .geoparquet import write_parquet

        return write_parquet(target.path, staging, target.crs, _type(target.header, staging, False))
    if target.suffix == ".geojson":
        from .geojson import write_geojson

        return write_geojson(target.path, staging, target.layer, target.crs)
    import pyarrow as pa
    import pyogrio

    schema, digest = staging.schema(), Digest()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in staging.tables():
            digest.add(batch)
            yield batch

    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _DAY})
    options: dict[str, Any] = _options(target, staging)
    pyogrio.write_arrow(
        pa.RecordBatchReader.from_batches(schema, batches()),
        target.path,
        layer=target.layer,
        driver=DRIVERS[target.suffix],
        geometry_name=GEOMETRY,
        geometry_type=_type(target.header, staging, target.suffix in WITH_M),
        crs=target.crs,
        layer_options=options,
    )
    return digest


def _options(target: Target, staging: Table) -> dict[str, Any]:
    if target.suffix == ".gpkg":
        fid = unique(["fid"], [*staging.names, target.geometry])[0]
        return {"GEOMETRY_NAME": target.geometry, "FID": fid}
    # Its index keeps features in another order, and takes no null.
    return {"SPATIAL_INDEX": "NO" if target.in_order or _has_null(staging) else "YES"}


def _has_null(staging: Table) -> bool:
    return any(batch.column(GEOMETRY).null_count for batch in staging.tables(quiet=True))


def _type(header: Header, staging: Table, with_m: bool) -> str:
    """The type of all geometries, as pyogrio spells it."""
    if header.geometry_type not in _MULTI:
        return "Unknown"
    kind = _MULTI[header.geometry_type]
    if with_m and staging.has_measures():
        if kind == "Point" and not header.has_z:
            return "PointM"
        return f"Measured {'3D ' if header.has_z else ''}{kind}"
    return f"{kind} Z" if header.has_z else kind


def _prove(target: Target, staging: Table, meant: Digest) -> None:
    """Read all of the file, and compare it with what was given to write."""
    from .compare import read_back

    try:
        found = read_back(target.path, staging.schema(), target.suffix, target.layer)
        crs = _crs_of(target)
    except Exception as error:
        raise WriteError(
            f"what was written cannot be read back: {error}", "write-incomplete"
        ) from None
    if found.count != meant.count:
        raise WriteError(
            f"what was written has {found.count:,} features instead of {meant.count:,}",
            "write-incomplete",
        )
    if told := found.differs(meant, ordered=target.in_order or target.suffix != ".fgb"):
        raise WriteError(
            f"the proof of what was written failed: {told} not read back as meant",
            "write-differs",
        )
    if not same_crs(crs, target.crs, target.suffix):
        raise WriteError(
            "the proof of what was written failed: the CRS is another one", "write-differs"
        )


def _crs_of(target: Target) -> str | None:
    if target.suffix == ".parquet":
        from .geoparquet import crs_of

        return crs_of(target.path)
    import pyogrio

    layer = target.layer if target.suffix == ".gpkg" else None
    found: str | None = pyogrio.read_info(target.path, layer=layer)["crs"]
    return found


@contextmanager
def ours(folder: Path) -> Iterator[Path]:
    """The folder under a name of ours: a link where possible, else a folder to copy from."""
    with scratch() as own:
        link = Path(own, "stage")
        try:
            link.symlink_to(folder.absolute(), target_is_directory=True)
        except (OSError, NotImplementedError):  # Windows without the privilege
            link.mkdir()
            yield link
            for path in link.iterdir():
                shutil.move(path, folder / path.name)
            return
        yield link


@contextmanager
def _quiet() -> Iterator[None]:
    """GDAL's warnings: what they are about is looked after, or compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _code_of(error: Exception, otherwise: str) -> str:
    full = isinstance(error, OSError) and error.errno in (28, 122)
    return "disk-full" if full or "disk is full" in str(error) else otherwise
