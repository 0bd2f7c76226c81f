"""Names of the outputs that one source becomes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from .errors import PlanError

__all__ = ["DRIVERS", "KINDS", "SUFFIXES", "Container", "container_of", "in_order", "kind_of"]
__all__ += [
    "STYLES",
    "in_layer",
    "is_set",
    "layer_name",
    "layer_names",
    "numbered",
    "of_kind",
    "sink_paths",
    "unique",
]

Container = Literal["files", "shz", "gpkg", "fgb", "geojson", "parquet"]
#: What the path of a sink ends in.
SUFFIXES: dict[Container, str] = {
    "files": ".shp",
    "shz": ".shz",
    "gpkg": ".gpkg",
    "fgb": ".fgb",
    "geojson": ".geojson",
    "parquet": ".parquet",
}
#: GDAL's names of the formats, and what else people call them, without case.
DRIVERS: dict[str, Container] = {
    "ESRI Shapefile": "files",
    "GPKG": "gpkg",
    "FlatGeobuf": "fgb",
    "GeoJSON": "geojson",
    "Parquet": "parquet",
}
_ALSO: dict[str, Container] = {
    "shapefile": "files",
    "shp": "files",
    "geopackage": "gpkg",
    "fgb": "fgb",
    "json": "geojson",
    "geoparquet": "parquet",
}
#: Windows and shells stumble over these; % is what stands for them.
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]|^\.|[. ]$')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)
LONGEST = 100
#: Table in which QGIS keeps the styles of a GeoPackage.
STYLES = "layer_styles"
#: How names of a GeoPackage's own tables begin, and what GDAL lets no name begin with.
_OWN = ("gpkg", "sqlite_", "rtree_", "ogr_")
_SPECIAL = "`~!@#$%^&*()+-={}|[]\\:\";'<>?,./"
#: Layers of other geometries that were split off are named by them: ``roads_point.shp``.
KINDS = ("point", "line", "polygon")


def container_of(driver: str, container: Container = "files") -> Container:
    """How outputs are kept, by GDAL's name of their format.

    Raises
    ------
    PlanError
        ``bad-value``.
    """
    known = {name.casefold(): kind for name, kind in (*DRIVERS.items(), *_ALSO.items())}
    kind = known.get(driver.strip().casefold())
    if kind is None:
        raise PlanError(f"--format '{driver}': one of {', '.join(DRIVERS)}", "bad-value")
    if kind != "files" and container != "files":
        raise PlanError(
            f"--format {driver} and --container {container} do not go together: "
            "only a shapefile goes into a .shz",
            "bad-value",
        )
    return container if kind == "files" else kind


def is_set(suffix: str) -> bool:
    """Whether a sink of this suffix is a shapefile, in files or in a zip."""
    return suffix in (SUFFIXES["files"], SUFFIXES["shz"])


def of_kind(label: str, kind: str) -> str:
    """The label of what was split off the features of a label; no label holds a NUL otherwise."""
    return f"{label}\0{kind}" if kind else label


def in_layer(layer: str, label: str) -> str:
    """The label of rows in a layer of a package."""
    if not layer:
        return label
    own = _bare(label)
    return of_kind(f"{layer}_{own}" if own else layer, kind_of(label))


def layer_names(labels: Sequence[str]) -> list[str]:
    """Names of the layers of a package that labels become."""
    return unique([layer_name(label.replace("\0", "_")) for label in labels])


def layer_name(name: str) -> str:
    """A name as a GeoPackage takes it for a layer: some are its own, or those of its styles."""
    own = name.casefold().startswith(_OWN) or name.casefold() == STYLES
    return f"layer_{name}" if own or not name or name[0] in _SPECIAL else name


def kind_of(label: str) -> str:
    """The kind of geometry that was split off; "" of what was not."""
    kind = label.rpartition("\0")[2]
    return kind if "\0" in label and kind in KINDS else ""


def in_order(labels: Collection[str]) -> list[str]:
    """Labels as they first appear, each before what was split off it, whatever the windows."""
    bare = {_bare(label): None for label in labels}
    return [own for label in bare for k in ("", *KINDS) if (own := of_kind(label, k)) in labels]


def _bare(label: str) -> str:
    kind = kind_of(label)
    return label[: -len(kind) - 1] if kind else label


def sink_paths(sink: str, labels: Sequence[str]) -> list[Path]:
    """A path for each label: the sink itself for the label "", else one in a folder of its name."""
    bare = list(dict.fromkeys(map(_bare, labels)))
    paths = dict(zip(bare, _paths(sink, bare), strict=True))
    return [beside(paths[_bare(label)], kind_of(label)) for label in labels]


def beside(path: Path, kind: str) -> Path:
    """The path of what was split off a layer."""
    return path.with_name(f"{path.stem}_{kind}{path.suffix}") if kind else path


def numbered(path: Path, count: int) -> list[Path]:
    """Paths of the layers that one becomes: ``roads_1.shp``, ``roads_2.shp`` where it is two."""
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}_{i}{path.suffix}") for i in range(1, count + 1)]


def _paths(sink: str, labels: Sequence[str]) -> list[Path]:
    if list(labels) == [""]:
        return [Path(sink)]
    taken: set[str] = set()
    paths = []
    for label in labels:
        stem = name = file_name(label)
        again = 1
        while stem.casefold() in taken:  # also by a label that is itself spelled "a~2"
            again += 1
            stem = f"{name}~{again}"
        taken.add(stem.casefold())
        paths.append(Path(sink).with_suffix("") / f"{stem}{Path(sink).suffix}")
    return paths


def file_name(label: str) -> str:
    """A label as a file name that every system takes."""
    name = _UNFIT.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), label)
    if not name or _RESERVED.fullmatch(name):
        name = f"%{name}"
    if len(name.encode()) > LONGEST:
        cut = name.encode()[:LONGEST].decode("utf-8", "ignore")
        name = f"{cut}~{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    return name


def unique(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names that differ without case, and are Unicode."""
    seen, found = {t.casefold() for t in taken}, []
    for given in names:
        name = given.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        again, own = 1, name
        while own.casefold() in seen:
            again += 1
            own = f"{name}_{again}"
        seen.add(own.casefold())
        found.append(own)
    return found
