"""What a user's step gives back is looked at, and what it was given is its own to read only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine.aspects import Coords, Geometry, Header, Rejected, Rows, Sinks, Vertices
from shpbatch.engine.reading import read_layer

SQUARE = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)]


def rows_of(made: Callable[[int], Any]) -> Any:
    def give(header: Header) -> Rows:
        return made(header.count)

    return give


def sinks_of(names: list[str | None]) -> Any:
    def give(header: Header) -> Sinks:
        return pa.array(names)

    return give


def rejected_of(rows: list[int], reasons: tuple[str, ...]) -> Any:
    def give(geometry: Geometry) -> tuple[Geometry, Rejected]:
        return geometry, Rejected(np.array(rows), reasons)

    return give


def coords_of(made: Callable[[Any], Any]) -> Any:
    def give(coords: Coords) -> Coords:
        return made(coords)

    return give


def changed_in_place(coords: Any) -> Any:
    coords[:] = coords[:, ::-1]
    return coords


def cut_vertices(vertices: Vertices) -> Vertices:
    from dataclasses import replace

    return replace(vertices, coords=vertices.coords[:-1])


def ran(step: Any, tmp_path: Path) -> Any:
    path = make.layer(tmp_path / "src", [make.poly(5, SQUARE)] * 4, 5)
    (outcome,) = shpbatch.run(path, tmp_path / "out", [step], method="inline").outcomes
    return outcome


@pytest.mark.parametrize(
    ("step", "code", "told"),
    [
        (rows_of(lambda n: np.arange(n) % 2 == 0), "step-result", "np.flatnonzero(mask)"),
        (rows_of(lambda n: np.array([0, n])), "step-result", "names row 4"),
        (rows_of(lambda n: np.array([-1, 0])), "step-result", "names row -1"),
        (rows_of(lambda n: np.array([[0, 1]])), "step-result", "shape (1, 2)"),
        (rows_of(lambda n: np.array([0.0, 1.5])), "step-result", "float64"),
        (rejected_of([1, 1], ("x", "y")), "step-result", "once"),
        (rejected_of([4], ("x",)), "step-result", "names row 4"),
        (rejected_of([1, 2], ("x",)), "step-result", "1 reasons"),
        (sinks_of(["a", None, "b", "a"]), "step-result", "the sink of 1 features is null"),
        (sinks_of(["a"]), "row-mismatch", "1 names of sinks for 4 features"),
        (coords_of(lambda c: np.column_stack([c, c[:, 0]])), "row-mismatch", "3 coordinates"),
        (coords_of(lambda c: c[:, :1]), "row-mismatch", "1 coordinates"),
        (coords_of(lambda c: c[:-1]), "row-mismatch", "19 vertices for 20"),
        (coords_of(changed_in_place), "step-failed", "read-only"),
        (cut_vertices, "row-mismatch", "offsets"),
    ],
)
def test_what_cannot_be_is_refused_with_the_step(
    step: Any, code: str, told: str, tmp_path: Path
) -> None:
    outcome = ran(step, tmp_path)
    assert (outcome.status, outcome.code) == ("failed", code), outcome.reason
    assert f"{step.__name__.replace('_', '-')}: " in outcome.reason
    assert told in outcome.reason
    assert not list((tmp_path / "out").glob("*.shp"))


@pytest.mark.parametrize("rows", [[], [3, 0], [1, 1, 2]])
def test_rows_in_any_number_and_order_are_taken(rows: list[int], tmp_path: Path) -> None:
    outcome = ran(rows_of(lambda n: rows), tmp_path)
    assert (outcome.status, outcome.features.written) == ("done", len(rows)), outcome.reason


def test_rings_that_a_step_mirrors_are_turned_back(tmp_path: Path) -> None:
    assert ran(coords_of(lambda c: c[:, ::-1].copy()), tmp_path).status == "done"
    coords = read_layer(make.source(tmp_path / "out/a.shp")).vertices().coords[:5]
    assert coords.tolist() == [[y, x] for x, y in SQUARE[::-1]]
