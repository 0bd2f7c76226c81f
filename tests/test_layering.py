"""The layout tells the story: imports go down, each engine has one door, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "shpbatch"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))

#: Lower number = further down. A module imports its own level's peers or lower.
LEVELS = {
    "errors": 0,
    "models": 1, "policy": 1, "findings": 1,
    "encoding_doctor": 4, "crs_doctor": 4, "crs_identity": 2, "defects": 6,
    "crs_operation": 3, "crs_policy": 8,
    "field_names": 2, "field_mapping": 3, "naming": 9, "declared": 5, "new_fields": 5,
    "account": 2, "shapefile": 2, "tally": 2, "talk": 2, "metrics": 10,
    "header": 3, "aspects": 3,
    "signature": 4,
    "duck": 2, "expression_tree": 3, "expressions": 5, "layer": 5,
    "moves": 5, "columns": 5, "registry": 5,
    "geometry": 5, "traits": 6,
    "fit": 6, "mixed": 6, "formats": 6, "frames": 6, "steps": 6, "reading": 6,
    "output": 6, "proof": 7,
    "engine": 7, "feed": 2, "divide": 9,
    "messages": 2, "worker": 8, "supervisor": 8, "pool": 8,
    "recipe_check": 8, "recipe_file": 8, "recipe": 8,
    "discover": 8, "clashes": 2, "outlook": 8, "runlog": 7, "report": 9,
    "foreign": 1, "foreign_losses": 7,
    "durable": 2, "siblings": 3, "stop": 2, "journal": 4, "ledger": 4, "destination": 8,
    "provenance": 7, "staleness": 8, "publishing": 8, "settling": 7, "publisher": 9, "past": 9,
    "settings": 10, "progress": 9,
    "union": 6, "merging": 7, "made": 7, "sinks": 2, "rejects": 6, "repairs": 6, "container": 7,
    "notes": 7, "completing": 8, "volumes": 7,
    "work": 9, "parts": 9, "preload": 9, "parser": 9, "planning": 9,
    "mapping": 10, "running": 11, "auditing": 11,
    "diagnosis": 3, "shapes_doctor": 4, "mending": 5, "mended": 7, "cures": 7, "repairing": 9,
    "api": 12, "salvaging": 12,
    "cli": 13,
    "__main__": 14,
}  # fmt: skip

#: Upward imports that are meant, each with its reason.
ALLOWED = {
    ("models", "recipe"),  # Recipe.read is the public name of what recipe.py does
    ("aspects", "expressions"),  # an Expression parameter checks itself, when it is used
    ("layer", "frames"),  # the Frame aspect: geopandas is imported only there
    ("shapefile", "formats"),  # layers of other formats are lent as shapefiles
    ("engine", "formats"),  # second layers are loaded where a step names one
}

#: Each third-party engine is imported by these modules only.
DOORS = {
    "fiona": {"formats", "cli"},  # cli: `env` prints its version
    "pyogrio": {"formats", "cli"},
    "multiprocessing": {"pool", "worker", "supervisor", "stop"},
    "tqdm": {"progress"},
    "click": {"cli"},
    "duckdb": {"duck", "expressions"},
    "geopandas": {"frames", "aspects"},
    "yaml": {"recipe_file"},
    "pydantic": {"recipe_check"},
}


def unit(path: Path) -> str:
    """Top-level name of a module inside the package."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """What a module imports: ``.name`` for parts of the package, else the top-level name."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {"." + str(name).split(".")[0] for name in names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = unit(path)
    if own == "__init__":
        return
    for name in (n[1:] for n in imports(path) if n.startswith(".")):
        if name in LEVELS and name != own and (own, name) not in ALLOWED:
            assert LEVELS[name] <= LEVELS[own], f"{own} imports {name}, which stands above it"


def test_every_module_has_a_level() -> None:
    assert {unit(p) for p in MODULES} - {"__init__"} == set(LEVELS)


def test_exceptions_are_still_needed() -> None:
    used = {(unit(p), n[1:]) for p in MODULES for n in imports(p) if n.startswith(".")}
    assert used >= ALLOWED


@pytest.mark.parametrize("door", DOORS)
def test_one_door_for_each_engine(door: str) -> None:
    assert {unit(p) for p in MODULES if door in imports(p)} <= DOORS[door]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 300


def test_print_only_in_the_command_line() -> None:
    for path in MODULES:
        names = {
            n.func.id
            for n in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert "print" not in names or unit(path) == "cli", path


def test_every_step_has_its_test() -> None:
    steps = {p.stem for p in (PACKAGE / "steps").glob("*.py")} - {"__init__"}
    tests = {p.stem.removeprefix("test_") for p in (Path(__file__).parent / "steps").glob("*.py")}
    assert steps <= tests
