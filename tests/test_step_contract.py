"""What holds for every step, whoever wrote it.

A step `x` of ``shpbatch/steps/x.py`` is found by itself. Its options are the
constant ``EXAMPLES`` of ``tests/steps/test_x.py``: texts as on the command
line, in which ``{text}``, ``{number}`` (names of fields), ``{bbox}`` (a quarter
of the layer), ``{length}`` (a hundredth of its extent) and ``{polygons}`` (path
of a polygon layer) are filled in.
"""

from __future__ import annotations

import ast
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import shapely
from conftest import LAYERS, hand_made, write_shapefile

import shpbatch.steps
from shpbatch.account import Account
from shpbatch.engine.apply import apply_header, apply_recipe
from shpbatch.engine.aspects import Coords, Fields, Frame, Geometry, Header, Names, Rows, Vertices
from shpbatch.engine.fit import fit
from shpbatch.engine.layer import Layer
from shpbatch.engine.registry import STEPS, Step
from shpbatch.errors import LayerError
from shpbatch.models import Recipe
from shpbatch.recipes.recipe import parse_chain
from shpbatch.shapefile.values import ARROW_TYPES

STEP_FILES = {
    p.stem.replace("_", "-"): p
    for p in sorted(Path(shpbatch.steps.__path__[0]).glob("*.py"))
    if p.stem != "__init__"
}
#: Steps whose test file has no EXAMPLES; a step of yours has them there.
FALLBACK = {
    "buffer": ["--distance {length}", "--distance -{length} --join-style mitre"],
    "centroid": [""],
    "clip": ["--bbox {bbox}", "--like {polygons}", "--bbox {bbox} --like {polygons}"],
    "explode-collections": [""],
    "make-valid": ["", "--method structure"],
    "segmentize": ["--max-length {length}"],
    "simplify": ["--tolerance {length}"],
}
#: Real layers beside those of `oracle`: types, fields and damage of many kinds.
REAL = (
    *oracle.POLYGONS,
    *oracle.LINES,
    *oracle.POINTS,
    "sample:places/cities.shp",  # a date
    "sample:awkward/latin1.shp",
    "corpus:PySAL-1.14.4/wmat/lattice10x10.shp",  # no .dbf
    "corpus:PySAL-1.14.4/networks/eberly_net.shp",  # logical
    "corpus:shapefile-rs-5319cb3/linez.shp",  # Z and M
    "corpus:shapefile-rs-5319cb3/linem.shp",
    "corpus:shapelib-a2ad7b3/csah.shp",  # 24 null
    "corpus:mbostock-shapefile-ffe6088/empty.shp",
    "corpus:gisdata-0.5.4/data/good/time/boxes_with_date.shp",
)
#: Rows of a real layer that windows are tried on.
MOST_ROWS = 60


def own_tests(name: str) -> Path:
    return Path(__file__).parent / "steps" / f"test_{name.replace('-', '_')}.py"


def examples(name: str) -> list[str]:
    """Options of a step to try, from its test file (which is read, not run)."""
    path = own_tests(name)
    for node in ast.parse(path.read_text()).body if path.exists() else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            return list(ast.literal_eval(node.value))
    return FALLBACK.get(name, [])


#: More than the layers' first field shows.
FURTHER = {
    "assign-crs": ["--crs EPSG:32632"],
    "calculate": [
        """--field new --expression '"{number}" * 2'""",
        """--field {number} --expression '"{number}"' --type text""",
        """--field {text} --expression 'upper("{text}")'""",
        "--field ok --expression 'OGR_GEOM_X > 10.5'",
    ],
    "dissolve": ["--by {text}", "--by {text} --aggregates {number}:mean"],
    "filter": [
        """--where '"{number}" > 10' --bbox={bbox}""",
        """--where '"{text}" IS NULL OR FID = 1'""",
        "--where 'OGR_GEOM_LENGTH >= 0'",
    ],
    "reproject": ["--dst-crs EPSG:32632 --src-crs-default EPSG:4326"],
    "select": ["--fields {number},{text}"],
}
CASES = [(name, o) for name in STEP_FILES for o in (*examples(name), *FURTHER.get(name, ()))]


@dataclass(frozen=True)
class Trial:
    """A step done on a layer: what was planned, what went in, what came out."""

    step: Step
    recipe: Recipe
    planned: Any
    before: Layer
    after: Layer

    @property
    def writes(self) -> set[type]:
        return {w for v in self.step.active(self.recipe.steps[0].params) for w in v.writes}


def fresh(layer: Layer) -> Layer:
    """The layer as if just read: geometry decoded, an account of its own."""
    layer = replace(layer, account=Account()).decoded()
    return replace(layer, account=Account(declared=len(layer), read=len(layer)))


def filled(options: str, layer: Layer, polygons: Path) -> str | None:
    """Options for this layer; None where it has no such field."""
    plain = [f for f in layer.header.fields if re.fullmatch(r"[A-Za-z]\w*", f.name, re.ASCII)]
    given = {
        "text": next((f.name for f in plain if f.arrow == "string"), None),
        "number": next((f.name for f in plain if f.arrow in ("int32", "int64", "float64")), None),
        "polygons": polygons,
    }
    box = shapely.total_bounds(layer.shapes) if len(layer) else np.zeros(4)
    minx, miny, maxx, maxy = np.nan_to_num(box)
    extent = max(maxx - minx, maxy - miny) or 1.0
    given["length"] = f"{extent / 100:.9f}"
    given["bbox"] = f"{minx - 0.001},{miny - 0.001},{minx + extent / 2},{miny + extent / 2}"
    options = options.replace("FIRST", "{first}")
    given["first"] = plain[0].name if plain else None
    wanted = re.findall(r"\{(\w+)\}", options)
    return options.format(**given) if all(given[w] is not None for w in wanted) else None


def tried(name: str, options: str, layer: Layer, polygons: Path) -> Trial | None:
    """Plan and do a step; None where it refuses for a reason that its docstring names."""
    words = filled(options, layer, polygons)
    if words is None:
        return None
    recipe = parse_chain(f"{name} {words}")
    try:
        planned = apply_header(recipe, layer.header)
        return Trial(STEPS[name], recipe, planned, layer, apply_recipe(recipe, layer))
    except LayerError as error:
        assert f"``{error.code}``" in STEPS[name].doc, f"{error.code} is not documented: {error}"
        return None


def values_of(layer: Layer) -> list[Any]:
    """Every column, decoded."""
    return [layer.values(i) for i in range(len(layer.columns))]


def written(layer: Layer) -> list[list[Any]]:
    """Everything in a layer as plain values, geometry with Z and M as WKB."""
    columns = [[repr(v) for v in c.to_pylist()] for c in values_of(layer)]
    return [layer.rows.tolist(), shapely.to_wkb(layer.geometry()).tolist(), *columns]


def schema(header: Header) -> dict[str, Any]:
    return {
        "type": header.geometry_type,
        "has_z": header.has_z,
        "has_m": header.has_m,
        "crs": header.crs,
        "fields": [(f.name, f.arrow) for f in header.fields],
    }


def check_header(trial: Trial) -> None:
    """What was planned is what came out, and what is in the layer."""
    after = trial.after
    assert schema(trial.planned) == schema(after.header)
    types = [ARROW_TYPES[f.arrow] for f in after.header.fields]
    assert [c.type for c in values_of(after)] == types
    assert [len(c) for c in values_of(after)] == [len(after)] * len(types)
    shapes = after.geometry()
    assert len(shapes) == len(after.rows) == len(after)
    there = shapes[~shapely.is_missing(shapes) & ~shapely.is_empty(shapes)]
    assert (shapely.has_z(there) == after.header.has_z).all()


def check_carried(trial: Trial) -> None:
    """What the step does not declare to change is as it was."""
    before, after, writes = trial.before, trial.after, trial.writes
    source = before.take(after.rows)
    old, new = written(source), written(after)
    if Frame in writes:
        return
    if Rows not in writes:
        assert len(after) == len(before) - len(before.account.rejects)
    if not {Geometry, Coords, Vertices} & writes:
        assert new[1] == old[1], "geometry"
    if not {Fields, Header} & writes:
        assert new[2:] == old[2:], "values"
    if not {Header, Names} & writes:
        names = before.header.field_names()
        assert after.header.field_names()[: len(names)] == names, "fields were dropped"
    if trial.step.rule is None and Fields not in writes:
        assert schema(after.header) == schema(before.header)


def check_account(trial: Trial) -> None:
    """Every feature is written or explained, also once it is brought to its layer's type."""
    before, after = trial.before, trial.after
    assert before.account.features(len(after)).balances()
    fitted = fit(after)
    assert before.account.features(len(fitted)).balances()


def check_windows(trial: Trial) -> None:
    """A step of scope "rows" does the same on windows of a layer as on the whole."""
    if trial.step.scope != "rows":
        return
    part = trial.before.take(np.arange(min(len(trial.before), MOST_ROWS)))
    whole, rejects = in_windows(trial.recipe, part, max(1, len(part)))
    for size in {1, 7, max(1, len(part) // 2)}:
        again, told = in_windows(trial.recipe, part, size)
        assert again == whole, f"windows of {size}"
        assert told == rejects, f"windows of {size}"


def in_windows(recipe: Recipe, layer: Layer, size: int) -> tuple[list[list[Any]], list[Any]]:
    """Everything that a recipe makes of windows of a layer, one after the other."""
    account = Account()
    parts = []
    for at in range(0, max(1, len(layer)), size):
        window = layer.take(np.arange(at, min(at + size, len(layer))))
        done = apply_recipe(recipe, replace(window, account=account))
        parts.append([[repr(schema(done.header))], *written(done)])
    headers, *values = ([v for p in column for v in p] for column in zip(*parts, strict=True))
    assert len(set(headers)) == 1
    return values, account.rejects


CHECKS = (check_header, check_carried, check_account, check_windows)
#: Layers made by hand on which each example can be tried at all.
TRIALS = [
    pytest.param(name, options, layer, id=f"{name} {options} on {layer}")
    for name, options in CASES
    for layer in LAYERS
    if filled(options, hand_made(layer), Path()) is not None
]


@pytest.fixture(scope="session")
def polygons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapefile("polygons", tmp_path_factory.mktemp("like") / "polygons.shp")


@pytest.mark.parametrize(("name", "options", "layer"), TRIALS)
def test_on_a_layer_made_by_hand(name: str, options: str, layer: str, polygons: Path) -> None:
    given = fresh(hand_made(layer))
    before = written(given)
    trial = tried(name, options, given, polygons)
    assert (written(given), schema(given.header)) == (before, schema(hand_made(layer).header))
    if trial is None:
        return
    for check in CHECKS:
        check(trial)
    # All of them are valid: nothing may be lost but what the step leaves out.
    assert given.account.rejects == []


@pytest.mark.parametrize("real", REAL)
def test_on_real_layers(real: str, polygons: Path) -> None:
    layer = oracle.read(oracle.layer_path(real))
    before = written(fresh(layer))
    done = 0
    for name, options in CASES:
        given = fresh(layer)
        trial = tried(name, options, given, polygons)
        assert written(given) == before, f"{name} {options} changed the layer it was given"
        if trial is None:
            continue
        done += 1
        for check in CHECKS:
            try:
                check(trial)
            except AssertionError as error:
                raise AssertionError(f"{name} {options}: {check.__name__}") from error
    assert done >= len(CASES) // 2


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_call_travels_to_a_worker(name: str, options: str, polygons: Path) -> None:
    words = filled(options, hand_made("polygons"), polygons)
    recipe = parse_chain(f"{name} {words}")
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_the_names_are_those_of_the_files() -> None:
    assert set(STEP_FILES) <= set(STEPS.names())
    assert STEPS.names() == sorted(STEPS.names())
    assert all(name in STEPS for name in STEP_FILES)


@pytest.mark.parametrize("name", STEP_FILES)
def test_one_step_a_file_with_tests_and_examples(name: str) -> None:
    assert STEPS[name].name == name
    assert own_tests(name).is_file(), f"write {own_tests(name)}"
    assert examples(name), f"declare EXAMPLES = [...] in {own_tests(name)}"


@pytest.mark.parametrize("name", STEP_FILES)
def test_documented(name: str) -> None:
    step = STEPS[name]
    assert len(step.summary) <= 72
    assert step.summary.endswith(".")
    sections = dict(re.findall(r"^(\w+)\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", step.doc, re.M | re.S))
    assert {"Parameters", "Returns", "Notes"} <= sections.keys()
    assert "Also known as:" in sections["Notes"]
    for p in step.parameters:
        assert re.search(rf"^([\w, ]+, )?{p.name}(, [\w, ]+)? :", sections["Parameters"], re.M), p
        assert p.help.endswith("."), p
    for variant in step.variants:
        assert variant.function.__doc__
        for p in variant.parameters:
            assert p.help, p


@pytest.mark.parametrize("name", STEP_FILES)
def test_declares_what_it_changes(name: str) -> None:
    step = STEPS[name]
    assert all(v.reads and v.writes for v in step.variants)
    changes = {w for v in step.variants for w in v.writes}
    # Where the schema can change, the plan must be able to know.
    if changes & {Fields, Header, Frame}:
        assert step.rule is not None
