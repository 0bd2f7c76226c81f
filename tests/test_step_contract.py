"""What every step promises, shown for every step there is, on made and on real layers.

A new step takes part by being there: `EXAMPLES` in its own test file gives
its options (``FIRST`` stands for the layer's first field).
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
import shlex
from itertools import chain
from pathlib import Path

import numpy as np
import oracle
import pyarrow as pa
import pytest
import shapely

from shpbatch.aspects import Fields, Frame, Header, Rows
from shpbatch.engine import apply_header, apply_recipe
from shpbatch.errors import StepError
from shpbatch.fit import fit
from shpbatch.layer import Layer
from shpbatch.models import Field, Recipe
from shpbatch.models import Header as LayerHeader
from shpbatch.recipe import parse_chain
from shpbatch.registry import STEPS

#: Options of the steps whose test files declare none.
EXAMPLES = {
    "make-valid": ["", "--method structure --keep-lower-dim"],
    "simplify": ["--tolerance 0.1"],
    "buffer": ["--distance 0.01", "--distance=-0.01 --quadrant-segments 2"],
    "centroid": [""],
    "segmentize": ["--max-length 5"],
    "explode-collections": [""],
    "clip": ["--bbox=-100,0,50,40"],
}
#: What a step may say to a sound request: the layer itself is not fit for it.
REFUSALS = {"invalid-geometry", "no-fields"}
FIELDS = (Field("id", "N", 9), Field("name", "C", 20), Field("when", "D", 8))
SHAPES = {
    "Point": ["POINT (1 2)", None, "POINT (3 4)", "POINT (-5 6)"],
    "MultiPoint": ["MULTIPOINT (1 2, 3 4)", None, "MULTIPOINT (5 6)", "MULTIPOINT EMPTY"],
    "PolyLine": [
        "LINESTRING (0 0, 10 0, 10 10)",
        "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3, 4 2))",
        None,
        "LINESTRING EMPTY",
    ],
    "Polygon": [
        "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (2 2, 2 4, 4 4, 4 2, 2 2))",
        "MULTIPOLYGON (((20 0, 21 0, 21 1, 20 1, 20 0)), ((30 0, 31 0, 31 1, 30 1, 30 0)))",
        "POLYGON ((0 20, 2 22, 2 20, 0 22, 0 20))",  # a bow tie
        None,
        "POLYGON EMPTY",
    ],
    "PolyLineZ": ["LINESTRING Z (0 0 1, 10 0 2, 10 10 3)", None],
    "PointM": ["POINT M (1 2 9)", "POINT M (3 4 8)"],
}
REAL = [*oracle.POLYGONS, *oracle.LINES, *oracle.POINTS, "corpus:go-shp-0.1.1/polylinez.shp"]


def made(kind: str, rows: bool = True) -> Layer:
    """A hand-made layer with three fields."""
    base = kind.rstrip("ZM")
    shapes = np.array(
        [None if s is None else shapely.from_wkt(s) for s in (SHAPES[kind] if rows else [])],
        dtype=object,
    )
    n = len(shapes)
    columns = (
        pa.array(range(n), pa.int32()),
        pa.array([None if i == 1 else f"n{i}é" for i in range(n)], pa.string()),
        pa.array([None] * n, pa.date32()),
    )
    flags = {"has_z": kind.endswith("Z"), "has_m": kind.endswith("M")}
    header = LayerHeader(base, count=n, fields=FIELDS, crs="EPSG:4326", **flags)
    layer = Layer(header, columns, np.arange(n), shapes=shapes)
    layer.account.read = n
    return layer


def examples(name: str) -> list[str]:
    """Option texts of a step: its own test file's, else those above."""
    module = importlib.import_module("test_" + name.replace("-", "_"))
    return getattr(module, "EXAMPLES", None) or EXAMPLES[name]


def chains(layer: Layer, name: str) -> list[Recipe]:
    """The examples of a step as recipes for a layer."""
    first = layer.header.field_names()[:1]
    texts = [t for t in examples(name) if first or "FIRST" not in t]
    return [parse_chain(f"{name} " + t.replace("FIRST", *first or [""])) for t in texts]


def attributes(layer: Layer) -> list[list[object]]:
    return [column.to_pylist() for column in layer.columns]


def check(name: str, layer: Layer) -> None:
    """All promises that can be seen on one layer."""
    for recipe in chains(layer, name):
        layer.account.__init__(read=len(layer))  # type: ignore[misc]
        before = attributes(layer), layer.geometry().copy(), layer.header
        try:
            result = apply_recipe(recipe, layer)
        except StepError as refusal:
            assert refusal.code in REFUSALS
            assert str(refusal).startswith(name)
            continue
        # The input is not changed.
        assert attributes(layer) == before[0]
        assert oracle.same_objects(layer.geometry(), before[1])
        assert layer.header == before[2]
        # The account balances, also after what a shapefile cannot hold is rejected.
        written = fit(result)
        assert layer.account.features(len(layer), len(written)).balances()
        # The plan knew the header.
        planned = apply_header(recipe, layer.header)
        for key in ("geometry_type", "has_z", "crs"):
            assert getattr(planned, key) == getattr(result.header, key), key
        assert [(f.name, f.arrow) for f in planned.fields] == [
            (f.name, f.arrow) for f in result.header.fields
        ]
        # What is not declared is kept.
        kept(name, layer, result)


def kept(name: str, layer: Layer, result: Layer) -> None:
    step = STEPS[name]
    writes = {w for v in step.variants for w in v.writes}
    rejected = len([r for r in layer.account.rejects if r.step == name])
    if Rows not in writes and Frame not in writes:
        assert len(result) == len(layer) - rejected
    if not writes & {Fields, Header, Frame}:
        assert result.header.fields == layer.header.fields
        index = pa.array(result.rows)
        assert attributes(result) == [c.take(index).to_pylist() for c in layer.columns]
    if step.rule is None:
        assert result.header.crs == layer.header.crs


@pytest.mark.parametrize("name", STEPS.names())
@pytest.mark.parametrize("kind", SHAPES)
def test_made_layers(name: str, kind: str) -> None:
    check(name, made(kind))


@pytest.mark.parametrize("name", STEPS.names())
@pytest.mark.parametrize("kind", SHAPES)
def test_no_rows(name: str, kind: str) -> None:
    layer = made(kind, rows=False)
    check(name, layer)
    for recipe in chains(layer, name):
        assert len(apply_recipe(recipe, layer)) == 0


@pytest.mark.parametrize("name", STEPS.names())
def test_no_fields(name: str) -> None:
    layer = oracle.layer_of(SHAPES["Polygon"], "Polygon", crs="EPSG:4326")
    if name != "select":
        check(name, layer)


@pytest.mark.parametrize("name", STEPS.names())
@pytest.mark.parametrize("real", REAL)
def test_real_layers(name: str, real: str) -> None:
    check(name, oracle.read(oracle.layer_path(real)))


@pytest.mark.parametrize("name", [s.name for s in STEPS if s.scope == "rows"])
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("size", [1, 2])
def test_windows_give_the_whole(name: str, kind: str, size: int) -> None:
    layer = made(kind)
    for recipe in chains(layer, name):
        whole = apply_recipe(recipe, layer)
        windows = [
            apply_recipe(recipe, layer.take(np.arange(i, min(i + size, len(layer)))))
            for i in range(0, len(layer), size)
        ]
        shapes = np.concatenate([w.geometry() for w in windows])
        assert oracle.same_objects(shapes, whole.geometry())
        joined = [[*chain.from_iterable(p)] for p in zip(*map(attributes, windows), strict=True)]
        assert joined == attributes(whole)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_documented(step: object) -> None:
    from shpbatch.registry import Step

    assert isinstance(step, Step)
    assert re.fullmatch(r"[A-Z].{10,70}\.", step.summary)
    for section in ("Parameters\n", "Returns\n", "Also known as"):
        assert section in step.doc, section
    for p in step.parameters:
        assert p.help.endswith("."), p.name
        assert re.search(rf"^{p.name} : ", inspect.cleandoc(step.doc), flags=re.M), p.name


@pytest.mark.parametrize("name", STEPS.names())
def test_calls_travel(name: str) -> None:
    for text in examples(name):
        recipe = parse_chain(shlex.join([name, *shlex.split(text.replace("FIRST", "x"))]))
        assert pickle.loads(pickle.dumps(recipe)) == recipe


@pytest.mark.parametrize("name", STEPS.names())
def test_has_a_test_file(name: str) -> None:
    assert (Path(__file__).parent / "steps" / f"test_{name.replace('-', '_')}.py").is_file()
