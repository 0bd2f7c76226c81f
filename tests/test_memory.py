"""What a worker holds in memory does not grow with the layer: one of 2 GB takes under 400 MB."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapefiles as make

from shpbatch.shapefile.row_numbers import numbers_of, packed_numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
#: Plans a layer and does all of its tasks one after the other, as one worker might.
WORKER = """
import sys
from pathlib import Path
from shpbatch.models import Source, Task
from shpbatch.parser import run_task
from shpbatch.planning.divide import divided
from shpbatch.recipes.recipe import parse_chain

path, out, chain = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
source = Source(str(path), path.name, size=path.stat().st_size)
task = Task(source, parse_chain(chain), f"{out}/a.shp", out, cost=2 * source.size)
for each in divided([task]).tasks:
    outcome = run_task(each)
    assert outcome.status == "done", outcome.reason
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
FILTER = "filter --where 'FID % 10 <> 0'"
RECORD = np.dtype([("number", ">i4"), ("words", ">i4"), ("type", "<i4"), ("xy", "<f8", 2)])


def points(folder: Path, count: int) -> Path:
    """A layer of points without a table: the most rows that some bytes can hold."""
    folder.mkdir()
    head = make.shp_bytes([], bounds=(0, 0, 360, 1))[0]
    with open(folder / "a.shp", "wb") as shp, open(folder / "a.shx", "wb") as shx:
        shp.write(head[:24] + struct.pack(">i", 50 + 14 * count) + head[28:])
        shx.write(head[:24] + struct.pack(">i", 50 + 4 * count) + head[28:])
        for at in range(0, count, 1 << 20):
            rows = np.arange(at, min(at + (1 << 20), count))
            made = np.zeros(len(rows), RECORD)
            made["number"], made["words"], made["type"] = rows + 1, 10, 1
            made["xy"][:, 0] = rows % 360
            shp.write(made.data)
            entries = np.full((len(rows), 2), 10, ">i4")
            entries[:, 0] = 50 + 14 * rows
            shx.write(entries.data)
    return folder / "a.shp"


def peak(folder: Path, count: int, chain: str) -> int:
    """Bytes that a process held at most while it did a layer of points."""
    path, out = points(folder, count), folder / "out"
    out.mkdir()
    command = [sys.executable, "-c", WORKER, str(path), str(out), chain]
    done = subprocess.run(command, capture_output=True, text=True)
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    return 1024 * int(done.stdout)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Numbers of rows, or the index, held whole would be 8 bytes for each of 2.5 million more."""
    small, large = (peak(tmp_path / str(n), n, FILTER) for n in (2_000_000, 4_500_000))
    assert large - small < 8 * 2_500_000
    assert large < 250e6


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chain", [FILTER, "swap-xy"])
def test_two_gigabytes_of_points(tmp_path: Path, chain: str) -> None:
    assert peak(tmp_path / "most", (2_147_483_000 - 100) // 28, chain) < 400e6


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [5],
        [3, 4, 5],
        [0, 2, 3, 7],
        [9, 10, 10, 12],
        [7, 3, 5],
        [0, 70_000_000],
        [2, 1, 5_000_000_000],
    ],
)
def test_numbers_of_rows_in_little_memory_are_the_same(rows: list[int]) -> None:
    packed = packed_numbers(np.array(rows, dtype=np.int64))
    assert numbers_of(packed).tolist() == rows
    assert numbers_of(packed).dtype == np.int64
    assert len(packed) == len(rows)
