"""The inputs F, T and B: random, but the same everywhere (each layer has a seed of its own).

Written once and kept: what takes a minute to build is read in every run. A folder
that was being written when the program died is not mistaken for a whole one,
because it gets its name last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import shapefile as shp
from .peers.steps import HALF_POP

#: Changes whenever the inputs do, so that those of an older version are not used.
VERSION = 1
SEED = 20_261_123
FIELDS: tuple[shp.Field, ...] = (
    ("id", "N", 18, 0), ("name", "C", 80, 0), ("kind", "C", 80, 0),
    ("value", "N", 24, 15), ("pop", "N", 9, 0), ("day", "D", 8, 0),
)  # fmt: skip
#: Folder and record type of F, its layers, the features in all of them, vertices of one.
FAMILIES = (
    ("polygons", shp.POLYGON, 60, 500_000, 20),
    ("lines", shp.LINE, 40, 300_000, 15),
    ("points", shp.POINT, 40, 600_000, 1),
)
WORDS = (
    "Straße", "Ørsted", "Český les", "Łódź", "Αθήνα", "Київ", "東京都", "naïve façade",
    "Åland", "Đà Nẵng", "Reykjavík", "São Tomé", "Mühlbach", "İzmir", "Šiauliai", "plain words",
)  # fmt: skip
KINDS = ("forêt", "Gewässer", "residential", "zone d’activités", "пашня", "meadow", "道路")


def build(root: Path, scale: float) -> dict[str, Path]:
    """Write what is not there yet; return the folders by name."""
    builders: dict[str, Callable[[Path, float], None]] = {"F": _folder, "T": _tiny, "B": _big}
    found = {name: once(root / name, scale, make) for name, make in builders.items()}
    flat = found["F-flat"] = root / "F-flat"
    _link(found["F"], flat)
    return found


def once(folder: Path, scale: float, make: Callable[[Path, float], None]) -> Path:
    """Make a folder unless it is there; it has its name only when it is whole."""
    if not folder.exists():
        print(f"building {folder}", flush=True)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        make(part, scale)
        part.rename(folder)
    return folder


def _folder(folder: Path, scale: float) -> None:
    for family, (name, code, layers, features, vertices) in enumerate(FAMILIES):
        (folder / name).mkdir()
        sizes = log_normal(np.random.default_rng([SEED, family]), layers, int(features * scale))
        for number, size in enumerate(sizes):
            rng = np.random.default_rng([SEED, family, number])
            layer(folder / name / f"{name}_{number:03}.shp", rng, code, size, vertices)


def _tiny(folder: Path, scale: float) -> None:
    for number in range(max(1, int(1_000 * scale))):
        rng = np.random.default_rng([SEED, 10, number])
        layer(folder / f"tiny_{number:04}.shp", rng, shp.POLYGON, 10, 20)


def _big(folder: Path, scale: float) -> None:
    rng = np.random.default_rng([SEED, 11])
    layer(folder / "big.shp", rng, shp.POLYGON, max(1, int(1_000_000 * scale)), 20)


def _link(source: Path, flat: Path) -> None:
    """F without its sub-folders, which ogr2ogr does not enter; links, so the same pages."""
    if not flat.exists():
        part = flat.with_name(flat.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for path in source.rglob("*.*"):
            os.link(path, part / path.name)
        part.rename(flat)


def log_normal(rng: np.random.Generator, layers: int, features: int) -> list[int]:
    """Sizes as uneven as those of real folders, with an exact sum and no empty layer."""
    weights = rng.lognormal(0, 1, layers)
    sizes = np.maximum(1, np.floor(weights / weights.sum() * features)).astype(int)
    sizes[sizes.argmax()] += features - sizes.sum()
    return [int(s) for s in sizes]


def layer(path: Path, rng: np.random.Generator, code: int, n: int, vertices: int) -> None:
    """Write one random layer."""
    shapes = {shp.POLYGON: stars, shp.LINE: walks, shp.POINT: places}[code](rng, n, vertices)
    shp.write_layer(path, code, shapes, FIELDS, attributes(rng, n))


def places(rng: np.random.Generator, n: int, vertices: int = 1) -> shp.Floats:
    """Points well inside UTM zone 31."""
    return rng.uniform((3.05, 45), (8.95, 60), (n, 2))


def stars(rng: np.random.Generator, n: int, vertices: int) -> shp.Floats:
    """Closed clockwise rings of 0.01 degrees; one radius an angle, so they never cross."""
    corners = vertices - 1
    angle = -(np.arange(corners) + rng.uniform(0, 0.8, (n, corners))) * (2 * np.pi / corners)
    radius = rng.uniform(0.002, 0.005, (n, corners))
    ring = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=2)
    return places(rng, n)[:, None, :] + np.concatenate((ring, ring[:, :1]), axis=1)


def walks(rng: np.random.Generator, n: int, vertices: int) -> shp.Floats:
    """Lines that wander by 0.001 degrees a vertex."""
    steps = rng.normal(0, 0.001, (n, vertices, 2))
    return places(rng, n)[:, None, :] + np.cumsum(steps, axis=1)


def attributes(rng: np.random.Generator, n: int) -> shp.Bytes:
    """Rows of :data:`FIELDS`; ``kind`` is null in a third of them."""
    rows = shp.empty_rows(FIELDS, n)
    number = np.arange(1, n + 1)
    words = np.array([w.encode() for w in WORDS])
    text = np.strings.add(words[rng.integers(len(words), size=n)], b" ")
    text = np.strings.add(text, words[rng.integers(len(words), size=n)])
    text = np.strings.add(text, np.strings.add(b" ", number.astype("S18")))
    kinds = np.array([k.encode() for k in KINDS])
    kind = np.where(rng.random(n) < 1 / 3, b"", kinds[rng.integers(len(kinds), size=n)])
    digits = np.strings.zfill(rng.integers(10**15, size=n).astype("S15"), 15)
    days = np.arange("2000-01-01", "2026-01-01", dtype="datetime64[D]").astype("S10")
    days = np.strings.replace(days, b"-", b"")
    rows["id"] = shp.integers(number + 10**12, 18)
    rows["name"] = np.strings.ljust(text, 80)
    rows["kind"] = np.strings.ljust(kind, 80)
    rows["value"] = np.strings.rjust(np.strings.add(b"0.", digits), 24)
    rows["pop"] = shp.integers(rng.integers(2 * HALF_POP, size=n), 9)
    rows["day"] = days[rng.integers(len(days), size=n)]
    return rows
