"""The spatial index: the bytes of shapelib, found and used by GDAL, published with its layer."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapefiles as make
from click.testing import CliRunner
from numpy.typing import NDArray

import shpbatch
from shpbatch.cli.verify import command as verify
from shpbatch.errors import WriteError
from shpbatch.models import Outcome
from shpbatch.shapefile import qix
from shpbatch.shapefile.qix import depth_for, write_qix

ogrinfo = pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="no ogrinfo")


def run(path: Path, dst: Path, recipe: Any = (), **options: Any) -> Outcome:
    (outcome,) = shpbatch.run(
        path, dst, recipe, workers=1, method="inline", spatial_index=True, **options
    ).outcomes
    return outcome


def points(folder: Path, n: int, seed: int = 1, nulls: int = 0) -> Path:
    xy = np.random.default_rng(seed).normal(size=(n, 2)) * 30
    records = [make.point(x, y) for x, y in xy]
    records[:nulls] = [make.NULL] * nulls
    box = *xy[nulls:].min(axis=0), *xy[nulls:].max(axis=0)
    return header_box(make.layer(folder, records), box)


def lines(folder: Path, n: int, seed: int = 1) -> Path:
    rng = np.random.default_rng(seed)
    starts = rng.normal(size=(n, 2)) * 30
    ends = starts + rng.exponential(size=(n, 2)) * 5
    records = [make.poly(3, [tuple(a), tuple(b)]) for a, b in zip(starts, ends, strict=True)]
    return header_box(make.layer(folder, records, 3), (*starts.min(axis=0), *ends.max(axis=0)))


def header_box(path: Path, box: tuple[float, ...]) -> Path:
    for member in (path, path.with_suffix(".shx")):
        data = bytearray(member.read_bytes())
        struct.pack_into("<4d", data, 36, *box)
        member.write_bytes(data)
    return path


def nodes(data: bytes) -> list[tuple[tuple[float, ...], list[int], int]]:
    """Box, shapes and count of subnodes of each node, in file order; checks that sizes are true."""
    found: list[tuple[tuple[float, ...], list[int], int]] = []

    def walk(at: int) -> int:
        size, *box, count = struct.unpack_from("<i4di", data, at)
        shapes = list(struct.unpack_from(f"<{count}i", data, at + 40))
        (below,) = struct.unpack_from("<i", data, at + 40 + 4 * count)
        found.append((tuple(box), shapes, below))
        at = begin = at + 44 + 4 * count
        for _ in range(below):
            at = walk(at)
        assert at - begin == size
        return at

    assert walk(16) == len(data)
    return found


def by_gdal(path: Path) -> bytes:
    path.with_suffix(".qix").unlink(missing_ok=True)
    sql = f"CREATE SPATIAL INDEX ON {path.stem}"
    subprocess.run(["ogrinfo", "-q", str(path), "-sql", sql], check=True, timeout=60)
    return path.with_suffix(".qix").read_bytes()


@ogrinfo
@pytest.mark.parametrize("n", [1, 4, 5, 40, 3_000])
@pytest.mark.parametrize("kind", [points, lines])
def test_bytes_are_those_of_shapelib(kind: Any, n: int, tmp_path: Path) -> None:
    path = kind(tmp_path, n)
    write_qix(path)
    ours = path.with_suffix(".qix").read_bytes()
    assert ours == by_gdal(path)


@ogrinfo
@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_windows_do_not_matter(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path, 100)
    monkeypatch.setattr(qix, "ROWS", rows)
    write_qix(path)
    assert path.with_suffix(".qix").read_bytes() == by_gdal(path)


def test_null_and_empty_shapes_are_left_out(tmp_path: Path) -> None:
    empty = struct.pack("<i4d2i", 3, 0, 0, 0, 0, 0, 0)
    line = make.poly(3, [(5.0, 6.0), (7.0, 8.0)])
    path = header_box(make.layer(tmp_path, [make.NULL, line, empty, line], 3), (5, 6, 7, 8))
    write_qix(path)
    data = path.with_suffix(".qix").read_bytes()
    assert data[:8] == b"SQT\x01\x01\0\0\0"
    assert struct.unpack_from("<2i", data, 8) == (4, 0)  # MapServer compares with the .shp
    assert [shapes for _, shapes, _ in nodes(data)] == [[1, 3]]


@pytest.mark.parametrize("records", [[], [make.NULL] * 9])
def test_a_layer_of_nothing(records: list[bytes], tmp_path: Path) -> None:
    path = make.layer(tmp_path, records)
    write_qix(path)
    assert [n[1:] for n in nodes(path.with_suffix(".qix").read_bytes())] == [([], 0)]


def test_points_in_one_place(tmp_path: Path) -> None:
    path = header_box(make.layer(tmp_path, [make.point(3, 4)] * 5_000), (3, 4, 3, 4))
    write_qix(path)
    (node,) = nodes(path.with_suffix(".qix").read_bytes())
    assert node == ((3, 4, 3, 4), [*range(5_000)], 0)


def test_a_header_that_lies_and_endless_shapes(tmp_path: Path) -> None:
    inf = float("inf")
    records = [make.point(1e9, 3), make.point(-inf, 0), make.point(0, 0), make.point(1e308, -1e308)]
    path = header_box(make.layer(tmp_path, records * 5), (0, 0, 1, 1))
    write_qix(path)
    found = nodes(path.with_suffix(".qix").read_bytes())
    assert sorted(s for _, shapes, _ in found for s in shapes) == [*range(20)]
    assert found[0][0][0] == -inf
    assert found[0][0][2] >= 1e308


def test_shapes_are_within_their_nodes(tmp_path: Path) -> None:
    path = lines(tmp_path, 2_000)
    write_qix(path)
    found = nodes(path.with_suffix(".qix").read_bytes())
    boxes = boxes_of(path)
    assert sorted(s for _, shapes, _ in found for s in shapes) == [*range(2_000)]
    assert len(found) > 100
    for box, shapes, _ in found:
        assert (boxes[shapes, :2] >= box[:2]).all()
        assert (boxes[shapes, 2:] <= box[2:]).all()


def boxes_of(path: Path) -> NDArray[np.float64]:
    from shpbatch.shapefile.reader import Reader

    with Reader(make.source(path)) as reader:
        return qix._boxes(reader, 0)


@pytest.mark.parametrize(
    ("count", "depth"), [(0, 0), (4, 0), (5, 1), (8, 1), (9, 2), (1_000, 8), (10**6, 12)]
)
def test_depth(count: int, depth: int) -> None:
    assert depth_for(count) == depth


@ogrinfo
def test_gdal_uses_it_and_finds_the_same(tmp_path: Path) -> None:
    path = lines(tmp_path, 800)
    box = ["-spat", "-10", "-10", "5", "5"]
    command = ["ogrinfo", "-q", "-al", "-geom=WKT", str(path), *box]
    plain = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    write_qix(path)
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        timeout=60,
        env={**os.environ, "CPL_DEBUG": "ON"},
    )
    assert b"Used spatial index, got" in done.stderr
    assert done.stdout == plain
    assert plain.count(b"OGRFeature") > 20


def test_a_run_publishes_it(tmp_path: Path) -> None:
    src, out = make.write(tmp_path / "src"), tmp_path / "out"
    assert run(src, out).status == "done"  # carried whole
    assert len(nodes((out / "a.qix").read_bytes())) == 1
    assert CliRunner().invoke(verify, [str(out)]).exit_code == 0
    (out / "a.qix").write_bytes(b"SQT")
    found = CliRunner().invoke(verify, [str(out)])
    assert found.exit_code == 1
    assert "changed  a.qix" in found.output


def test_a_run_without_the_option_takes_it_away(tmp_path: Path) -> None:
    src, out = make.write(tmp_path / "src"), tmp_path / "out"
    assert run(src, out).status == "done"
    (plain,) = shpbatch.run(src, out, (), workers=1, method="inline").outcomes
    assert plain.why == "recipe changed: policy.spatial_index True → False"
    assert not (out / "a.qix").exists()


def test_it_is_of_what_was_written_not_of_the_source(tmp_path: Path) -> None:
    src, out = points(tmp_path / "src", 100, nulls=3), tmp_path / "out"
    src.with_suffix(".qix").write_bytes(b"stale")
    outcome = run(src, out, [("filter", {"where": "FID >= 50"}), ("buffer", {"distance": 1})])
    assert outcome.features.written == 50, outcome.reason
    ids = [s for _, shapes, _ in nodes((out / "a.qix").read_bytes()) for s in shapes]
    assert sorted(ids) == [*range(50)]


def test_in_a_container_and_for_each_step(tmp_path: Path) -> None:
    src = make.write(tmp_path / "src")
    assert run(src, tmp_path / "zip", container="shz").status == "done"
    with zipfile.ZipFile(tmp_path / "zip/a.shz") as archive:
        assert "a.qix" in archive.namelist()
    shpbatch.run(
        src,
        tmp_path / "each",
        ["make-valid", "centroid"],
        each_step=True,
        spatial_index=True,
        method="inline",
    )
    assert (tmp_path / "each/make-valid/a.qix").exists()
    assert (tmp_path / "each/centroid/a.qix").exists()


def test_what_is_not_read_back_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = points(tmp_path, 30)
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: self.open("wb").write(data[:-4]))
    with pytest.raises(WriteError, match="not read back"):
        write_qix(path)


@ogrinfo
def test_real_layers(corpus: Path, tmp_path: Path) -> None:
    """Where the header tells the truth and no shape is null, bytes are GDAL's."""
    from shpbatch.shapefile.reader import Reader

    count = 0
    for path in sorted(corpus.rglob("*.shp"))[::4]:
        if not path.with_suffix(".shx").exists():
            continue
        if path.with_suffix(".shx").stat().st_size <= 100:  # no shape at all
            continue
        for extension in (".shp", ".shx"):
            shutil.copyfile(path.with_suffix(extension), tmp_path / f"a{extension}")
        own = tmp_path / "a.shp"
        write_qix(own)
        ours = own.with_suffix(".qix").read_bytes()
        ids = [s for _, shapes, _ in nodes(ours) for s in shapes]
        with Reader(make.source(own)) as reader:
            boxes = qix._boxes(reader, 0)
            head = np.frombuffer(reader.head, "<f8", 4, 36)
        assert sorted(ids) == np.flatnonzero(~np.isnan(boxes).any(axis=1)).tolist(), path
        if np.isnan(boxes).any() or (boxes[:, :2] < head[:2]).any():
            continue
        if not (boxes[:, 2:] > head[2:]).any():
            assert ours == by_gdal(own), path
            count += 1
    assert count > 20
