"""The header that the plan has read serves the worker, while the files are as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapefiles as make
from pyproj import CRS

import shpbatch
from shpbatch import parser
from shpbatch.engine.aspects import Coords
from shpbatch.planning.outlook import outlook

OTHER = CRS.from_epsg(3857).to_wkt("WKT1_ESRI")


def test_a_header_is_read_again_where_its_files_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def counted(task: Any) -> Any:
        looked.append(task.source.relative)
        return outlook(task)

    monkeypatch.setattr(parser, "outlook", counted)
    for name in ("a", "b"):
        shp, shx = make.shp_bytes([make.point(1, 2)] * 3)
        make.write(tmp_path / "src", name, shp=shp, shx=shx)
    prj = tmp_path / "src/b.prj"

    def change(coords: Coords) -> Coords:  # of the other one, which comes after
        if prj.read_text() != OTHER:
            prj.write_text(OTHER)
        return coords

    report = shpbatch.run(tmp_path / "src", tmp_path / "out", [change], method="inline")
    assert [o.status for o in report.outcomes] == ["done", "done"]
    assert looked == ["b.shp"]
    assert (tmp_path / "out/b.prj").read_text() == OTHER
