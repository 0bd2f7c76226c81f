"""Steps: read from a signature, found by name, and a broken plug-in that hurts nobody else."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import shapefiles as make

from shpbatch.engine import registry
from shpbatch.engine.aspects import Expression, FieldName, Fields, Frame, Geometry, Rejected, Rows
from shpbatch.engine.registry import STEPS, Registry, Step, step
from shpbatch.errors import RecipeError
from shpbatch.models import StepCall
from shpbatch.recipes.recipe import as_recipe, parse_chain

Install = Callable[..., Registry]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """A registry that sees these entry points: name="module:function"."""

    def make_registry(**points: str) -> Registry:
        found = [EntryPoint(n.replace("_", "-"), v, Registry.group) for n, v in points.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)
        return Registry()

    return make_registry


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path for modules of a test; they are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def module(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)


# --- what cannot be found or loaded -------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bufer", "did you mean 'buffer'"),
        ("BUFFER", "did you mean 'buffer'"),
        ("make_valid", "did you mean 'make-valid'"),
        ("zzz", "there are: assign-crs, buffer"),
        ("", "unknown step ''"),
    ],
)
def test_an_unknown_step(name: str, words: str) -> None:
    with pytest.raises(RecipeError, match="unknown step") as error:
        STEPS[name]
    assert words in str(error.value)
    assert error.value.code == "unknown-step"
    assert name not in STEPS


@pytest.mark.parametrize("name", ["nomodule_xyz:f", "json:nope", "json:", "nomodule.sub:f"])
def test_a_function_that_cannot_be_imported(name: str) -> None:
    with pytest.raises(RecipeError, match="MODULE:FUNCTION") as error:
        STEPS[name]
    assert error.value.code == "unknown-step"


BROKEN_MODULES = {
    "syntax": "def f(:",
    "raises": "1/0",
    "constant": "f = 5",
    "returns": "def f(gdf) -> int: return 5",
}


@pytest.mark.parametrize("kind", BROKEN_MODULES)
def test_a_module_of_the_user_that_is_broken(modules: Path, kind: str) -> None:
    module(modules, f"own_{kind}", BROKEN_MODULES[kind])
    with pytest.raises(RecipeError):
        Registry()[f"own_{kind}:f"]


@pytest.mark.parametrize("name", [":f", ".json:f"])
def test_a_module_name_that_is_none(name: str) -> None:
    with pytest.raises(RecipeError):
        Registry()[name]


BROKEN_PLUGINS = {
    "no-module": "nomodule_xyz:f",
    "no-attribute": "json:nope",
    "no-function": "math:pi",
    "broken": "own_plugin:f",
}


@pytest.mark.parametrize("kind", BROKEN_PLUGINS)
def test_a_broken_plugin_breaks_only_who_names_it(
    install: Install, modules: Path, kind: str
) -> None:
    module(modules, "own_plugin", "raise RuntimeError('at import')")
    steps = install(broken=BROKEN_PLUGINS[kind])
    assert "broken" in steps
    assert {"broken", "buffer"} < set(steps.names())
    assert steps["buffer"].name == "buffer"
    with pytest.raises(RecipeError, match=r"step 'broken' of .* does not load") as error:
        steps["broken"]
    assert error.value.code == "step-broken"
    assert BROKEN_PLUGINS[kind] in str(error.value)


def test_a_broken_plugin_does_not_hide_the_others(install: Install) -> None:
    steps = install(broken="nomodule_xyz:f")
    assert "buffer" in [s.name for s in steps]


def test_a_plugin_is_a_step(install: Install, modules: Path) -> None:
    module(modules, "good_plugin", "def f(gdf, metres: float = 3.0):\n    return gdf\n")
    steps = install(near_by="good_plugin:f")
    found = steps["near-by"]
    assert (found.name, [p.name for p in found.parameters]) == ("near-by", ["metres"])
    assert steps["near-by"] is found


def test_a_plugin_does_not_replace_a_built_in_step(install: Install) -> None:
    assert install(buffer="nomodule_xyz:f")["buffer"].scope == "rows"


# --- every step of the package -----------------------------------------------


def test_every_step_is_named_after_its_module_and_documented() -> None:
    assert len(STEPS.names()) >= 13
    assert STEPS.names() == sorted(STEPS.names())
    for found in STEPS:
        assert found.name in STEPS
        assert found.summary.endswith(".")
        for p in found.parameters:
            assert p.help, f"{found.name} {p.name}"
            assert p.option == "--" + p.name.replace("_", "-")


def test_listing_imports_no_step() -> None:
    code = (
        "import sys; from shpbatch.engine.registry import STEPS; STEPS.names(); 'buffer' in STEPS\n"
        "print([m for m in sys.modules if m.startswith('shpbatch.steps.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- what a signature says ---------------------------------------------------


def test_a_declared_step() -> None:
    @step
    def do_it(
        geometry: Geometry,
        fields: Fields,
        *,
        by: Annotated[FieldName, "The field."],
        many: list[FieldName] | None = None,
        kind: Literal["a", "b"] = "a",
        where: Expression | None = None,
    ) -> tuple[Geometry, Rows, Rejected]:
        """Do it."""

    (variant,) = do_it.variants
    assert (do_it.name, do_it.summary, do_it.scope) == ("do-it", "Do it.", "rows")
    assert variant.reads == (Geometry, Fields)
    assert variant.writes == (Geometry, Rows, Rejected)
    by, many, kind, where = do_it.parameters
    assert (by.required, by.help, by.text, by.is_list) == (True, "The field.", FieldName, False)
    assert (many.required, many.is_list, many.item, many.plain) == (
        False,
        True,
        FieldName,
        list[FieldName],
    )
    assert kind.choices == ("a", "b")
    assert where.plain is Expression
    assert do_it.columns({"by": "A", "many": ["B", "A"]}) == ("A", "B")


@pytest.mark.parametrize(
    ("source", "parameters"),
    [
        ("def f(gdf): pass", []),
        ("def f(gdf, metres=3.0): pass", ["metres"]),
        ("f = lambda gdf: gdf", []),
        (
            "import geopandas\ndef f(gdf: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame: pass",
            [],
        ),
        ("def f(gdf, a, *, b: int = 1): pass", ["a", "b"]),
    ],
)
def test_a_plain_function_takes_and_gives_a_frame(source: str, parameters: list[str]) -> None:
    scope: dict[str, Any] = {}
    exec(source, scope)
    (variant,) = step(scope["f"]).variants
    assert variant.reads == variant.writes == (Frame,)
    assert [p.name for p in variant.parameters] == parameters


def test_a_wrong_return_type_is_refused_when_declared() -> None:
    with pytest.raises(TypeError, match="aspects of a layer, not"):

        @step
        def wrong(geometry: Geometry) -> int:
            return 1


def test_a_user_can_still_call_the_function() -> None:
    @step
    def double(gdf: Any, by: int = 2) -> Frame:
        return gdf * by

    assert double(4) == 8
    assert double(4, by=3) == 12


# --- functions of the user ---------------------------------------------------


def _filtered(gdf, at_least: int = 0):  # type: ignore[no-untyped-def]
    return gdf[gdf["N"] >= at_least]


def _resolved(item: Any) -> Step:
    (call,) = as_recipe([item]).steps
    return STEPS.resolve(StepCall(call.name, call.params, call.function))


def test_a_function_travels_by_value() -> None:
    found = _resolved(_filtered)
    assert found.name == "-filtered"
    assert [p.name for p in found.parameters] == ["at_least"]
    assert _resolved(lambda gdf: gdf).variants[0].reads == (Frame,)


def test_a_call_without_a_function_is_looked_up() -> None:
    assert STEPS.resolve(StepCall("buffer")) is STEPS["buffer"]


def test_a_partial_is_a_step() -> None:
    _resolved(functools.partial(_filtered, at_least=2))


def test_annotations_that_only_a_type_checker_sees(modules: Path) -> None:
    module(
        modules,
        "own_hints",
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import geopandas as gpd\n"
        "def f(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:\n    return gdf\n",
    )
    assert Registry()["own_hints:f"].variants[0].reads == (Frame,)


@pytest.mark.parametrize("program", ["module", "script"])
def test_module_function_from_the_current_folder(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's module lies where the command is given; the workers must find it too."""
    module(tmp_path, "mine", "def near(gdf, at_least=1):\n    return gdf[gdf['N'] >= at_least]\n")
    make.write(tmp_path / "data")
    script = Path(sys.executable).with_name("shpbatch")
    command = [sys.executable, "-m", "shpbatch"] if program == "module" else [str(script)]
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(
        [*command, "run", "data", "-o", "out", "--step", "mine:near"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 read = 2 written + 1 filtered" in done.stdout


def test_a_default_tells_the_type_where_no_annotation_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, "untyped", "def first(gdf, n=2, share=0.5):\n    return gdf.iloc[:n]\n")
    monkeypatch.chdir(tmp_path)
    (call,) = parse_chain("! untyped:first --n 3 --share 1").steps
    assert call.params == {"n": 3, "share": 1.0}
    with pytest.raises(RecipeError, match="'--n' must be a whole number"):
        parse_chain("! untyped:first --n three")
