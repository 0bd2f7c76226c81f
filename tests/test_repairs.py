"""What make-valid changed: one line told, one line written for each feature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make
from ringed import BOW, HOLE, SQUARE, shifted

import shpbatch
from shpbatch.account import Repair
from shpbatch.planning import divide
from shpbatch.shapefile import reader
from shpbatch.writing.repairs import repairs_told

FLAT = [(5, 5), (6, 5), (7, 5), (5, 5)]
#: Bow ties have areas of 0 as they are and of 2 when repaired; a square that overlaps itself.
ROWS = ([SQUARE, HOLE], [BOW], [FLAT], [shifted(BOW, 9)], [SQUARE, shifted(SQUARE, 2)])


def layer(folder: Path, stem: str = "a", times: int = 1) -> Path:
    shp, shx = make.shp_bytes([make.poly(5, *row) for row in ROWS] * times, 5)
    names = [b"x"] * len(ROWS) * times
    return make.write(
        folder, stem, shp=shp, shx=shx, dbf=make.dbf_bytes(make.NAMES, make.rows_of(*names))
    )


def run(source: Path, out: Path, **options: Any) -> Any:
    (outcome,) = shpbatch.run(source, out, "make-valid", method="inline", **options).outcomes
    assert outcome.status == "done", outcome.reason
    return outcome


def told(outcome: Any) -> str:
    (line,) = [n for n in outcome.notes if n.startswith("make-valid repaired")]
    return str(line)


def test_worked_case(tmp_path: Path) -> None:
    outcome = run(layer(tmp_path / "in"), tmp_path / "out")
    # 0 + 0 + 0 + (16 + 16); 2 + 0 (a line) + 2 + 24: the overlap of 2 x 4 was counted twice.
    assert told(outcome) == (
        "make-valid repaired 4 features: area 32 → 28, 2 became MultiPolygon, "
        "1 became MultiLineString, 1 became Polygon (Self-intersection 4)"
    )
    lines = [json.loads(x) for x in (tmp_path / "out/a.repairs.jsonl").read_text().splitlines()]
    assert [x["fid"] for x in lines] == [1, 2, 3, 4]
    assert lines[0] == {
        "fid": 1,
        "step": "make-valid",
        "reason": "Self-intersection",
        "type_before": "Polygon",
        "type_after": "MultiPolygon",
        "area_before": 0.0,
        "area_after": 2.0,
        "source": str(tmp_path / "in/a.shp"),
    }


def test_the_sums_do_not_depend_on_windows_or_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = layer(tmp_path / "in", times=30)
    whole = run(source, tmp_path / "whole")
    for name, window, large in (("windows", 7, 1 << 40), ("parts", 4, 1)):
        monkeypatch.setattr(reader, "WINDOW_ROWS", window)
        monkeypatch.setattr(divide, "LARGE", large)
        monkeypatch.setattr(divide, "PART", 3_000)
        again = run(source, tmp_path / name)
        assert (again.notes, again.features) == (whole.notes, whole.features)
        for file in ("a.repairs.jsonl", "a.rejects.geojsonl", "a.shp", "a.dbf"):
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_merge_and_shz(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        layer(tmp_path / "in", stem)
    outcome = run(tmp_path / "in", tmp_path / "out", merge="all", container="shz")
    assert told(outcome).startswith("make-valid repaired 8 features: area 64 → 56")
    lines = (tmp_path / "out/all.repairs.jsonl").read_text().splitlines()
    assert [Path(json.loads(x)["source"]).stem for x in lines] == ["a"] * 4 + ["b"] * 4
    assert {p.name for p in (tmp_path / "out").glob("all.*")} == {
        "all.shz", "all.repairs.jsonl", "all.rejects.geojsonl",
    }  # fmt: skip


def test_nothing_to_repair_leaves_no_file_and_removes_an_old_one(tmp_path: Path) -> None:
    source = layer(tmp_path / "in")
    run(source, tmp_path / "out")
    (outcome,) = shpbatch.run(source, tmp_path / "out", "close-rings", method="inline").outcomes
    assert outcome.status == "done"
    assert not (tmp_path / "out/a.repairs.jsonl").exists()


def test_lines_and_numbers() -> None:
    length = Repair(1, "make-valid", "Too few points", "LineString", "Point", "length", 0.0, 0.0)
    (line,) = repairs_told([length])
    assert line == (
        "make-valid repaired 1 feature: length 0 → 0, 1 became Point (Too few points 1)"
    )
    sizes = [(1.5e-9, "1.5e-09"), (1.25, "1.25"), (135952770.126, "135,952,770.13"), (0.1, "0.1")]
    for value, shown in sizes:
        one = Repair(1, "s", "r", "Polygon", "Polygon", "area", value, value)
        assert repairs_told([one]) == [f"s repaired 1 feature: area {shown} → {shown} (r 1)"]
