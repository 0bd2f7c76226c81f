"""The layout tells the story: imports go down, each engine has one door, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "shpbatch"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))

#: From the ground up. A module imports its own package, and what stands below it.
STOREYS = (
    {"errors", "arrays", "locks"},
    {"scratch"},
    {"models", "features", "policy", "findings", "foreign"},
    {"account", "durable", "sinks"},
    {"crs", "shapefile", "reporting"},
    {"header", "fields", "pool"},
    {"engine", "expressions"},
    {"writing", "publishing", "doctors"},
    {"formats", "steps"},
    {"work"},
    {"repairing", "recipes"},
    {"planning"},
    {"parser"},
    {"running"},
    {"auditing"},
    {"api"},
    {"salvaging"},
    {"cli"},
    {"__main__"},
)
LEVELS = {name: level for level, names in enumerate(STOREYS) for name in names}

#: Upward imports that are meant, each with its reason.
ALLOWED = {
    ("models", "recipes"),  # Recipe.read is the public name of what recipes/ does
    ("shapefile", "formats"),  # layers of other formats are lent as shapefiles
    ("engine", "formats"),  # second layers are loaded where a step names one
}

#: Each third-party engine is imported by these modules only.
DOORS = {
    "fiona": {"formats", "cli"},  # cli: `env` prints its version
    "pyogrio": {"formats", "cli"},
    "multiprocessing": {"pool"},
    "tqdm": {"reporting.progress"},
    "click": {"cli"},
    "duckdb": {"expressions"},
    "geopandas": {"engine.frames", "engine.aspects"},
    "yaml": {"recipes.file"},
    "pydantic": {"recipes.check"},
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
    for path in (p for p in MODULES if door in imports(p)):
        dotted = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        assert {dotted, unit(path)} & DOORS[door], dotted


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
