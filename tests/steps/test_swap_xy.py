"""swap-xy: y before x, rings the right way round, the box turned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import shapefiles as make
import shapely

import shpbatch
from shpbatch.engine.apply import apply_header
from shpbatch.engine.reading import read_layer
from shpbatch.header import read_header
from shpbatch.models import Header
from shpbatch.recipes.recipe import parse_chain
from shpbatch.shapefile.ragged import signed_areas

EXAMPLES = [""]


def test_worked_case() -> None:
    layer = oracle.layer_of(["POINT Z (52 13 7)", None], "Point", has_z=True)
    made = oracle.ours("swap-xy", layer).geometry()
    assert shapely.get_coordinates(made, include_z=True).tolist() == [[13, 52, 7]]
    assert made[1] is None


def test_rings_keep_their_meaning(tmp_path: Path) -> None:
    shell = [(50, 10), (50, 14), (54, 14), (54, 10), (50, 10)]
    hole = [(51, 11), (52, 11), (52, 12), (51, 12), (51, 11)]
    path = make.layer(tmp_path / "in", [make.poly(5, shell, hole)], 5)
    report = shpbatch.run(path, tmp_path / "out", "! swap-xy", method="inline")
    assert report.outcomes[0].status == "done", report.outcomes[0].reason
    made = read_layer(make.source(tmp_path / "out/a.shp"))
    vertices = made.vertices()
    assert np.sign(signed_areas(vertices.coords, vertices.part_offsets)).tolist() == [-1, 1]
    assert read_header(make.source(tmp_path / "out/a.shp")).bounds == (10, 50, 14, 54)
    assert shapely.area(made.geometry())[0] == 15


def test_the_box_is_known_before_a_vertex_is_read() -> None:
    found = apply_header(parse_chain("swap-xy"), Header("Point", bounds=(1, 2, 5, 6)))
    assert found.bounds == (2, 1, 6, 5)


def test_twice_is_nothing() -> None:
    layer = oracle.read(oracle.SAMPLES / "soho/SohoWater.shp")
    twice = oracle.ours("swap-xy ! swap-xy", layer)
    assert np.array_equal(twice.vertices().coords, layer.vertices().coords)
