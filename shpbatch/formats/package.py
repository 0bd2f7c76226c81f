"""All layers of a run in one GeoPackage, with their styles where QGIS looks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..account import Account
from ..policy import Policy
from ..shapefile.spilled import OVERFLOW
from ..sinks import STYLES
from ..writing.output import STEM, Output
from .become import ours, put

__all__ = ["pack"]

#: A time that says nothing, so that the same layers make the same bytes.
_DAY = "1980-01-01T00:00:00"


def pack(layers: Mapping[str, Sequence[Output]], account: Account, policy: Policy) -> None:
    """Put staged sets into one GeoPackage, ``layer.gpkg`` in the folder of the first.

    Parameters
    ----------
    layers : mapping of str to sequence of Output
        Sets of each layer, closed and proved: several where it has more than 2 GB.
    account : Account
        Where is counted what the format cannot hold.
    policy : Policy

    Raises
    ------
    WriteError
        ``write-failed``, ``write-incomplete``, ``write-differs``.
    """
    folder = next(iter(layers.values()))[0].folder
    with ours(folder) as own:
        path = own / f"{STEM}.gpkg"
        for name, volumes in layers.items():
            if put(volumes, path, name, account, policy) and policy.on_overflow == "sidecar":
                account.lose(f"layer {name}: there is no .{OVERFLOW} beside a package", 1)
        styles = [found for name, v in layers.items() if (found := _style(name, v[0].folder))]
        if styles:
            _write_styles(path, styles)
    for file in folder.iterdir():
        if file.is_file() and file.name != f"{STEM}.gpkg":
            file.unlink()


def _style(layer: str, folder: Path) -> dict[str, str] | None:
    """A row of the table of styles; None of a layer without one."""
    texts = {}
    for extension in ("qml", "sld"):
        path = folder / f"{STEM}.{extension}"
        texts[extension] = path.read_text("utf-8", "replace") if path.exists() else ""
    if not any(texts.values()):
        return None
    return {"f_table_name": layer, "styleQML": texts["qml"], "styleSLD": texts["sld"]}


def _write_styles(path: Path, styles: Sequence[Mapping[str, str]]) -> None:
    """The table as QGIS makes it, each style the default of its layer."""
    import pyarrow as pa
    import pyogrio

    names = [s["f_table_name"] for s in styles]
    geometry = [pyogrio.read_info(path, layer=n)["geometry_name"] or None for n in names]
    blank, count = [""] * len(styles), len(styles)
    table = pa.table(
        {
            "f_table_catalog": blank,
            "f_table_schema": blank,
            "f_table_name": names,
            "f_geometry_column": pa.array(geometry, pa.string()),
            "styleName": names,
            "styleQML": [s["styleQML"] for s in styles],
            "styleSLD": [s["styleSLD"] for s in styles],
            "useAsDefault": [True] * count,
            "description": blank,
            "owner": blank,
            "ui": pa.array([None] * count, pa.string()),
            "update_time": pa.array([_DAY] * count).cast(pa.timestamp("ms")),
        }
    )
    pyogrio.write_arrow(table, path, layer=STYLES, driver="GPKG", layer_options={"FID": "id"})
