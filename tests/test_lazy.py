"""What a recipe does not need is neither decoded nor imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import shapefiles as make

from shpbatch.engine import decoding
from shpbatch.engine import layer as layers
from shpbatch.models import Recipe, Task
from shpbatch.parser import run_alone
from shpbatch.recipes.recipe import parse_chain
from shpbatch.shapefile import encode, values, vertices

SAMPLES = Path(__file__).parents[1] / "sample_data"
SIDS = SAMPLES / "census/sids.shp"
HEAVY = [
    "geopandas",
    "pandas",
    "shapely",
    "pyarrow",
    "duckdb",
    "pyproj",
    "pyogrio",
    "fiona",
    "click",
    "tqdm",
]
MERCATOR = "reproject --dst-crs EPSG:3857 --src-crs EPSG:4326"


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often vertices, geometries and columns are decoded while the fixture lives."""
    found: Counter[str] = Counter()

    def counting(module: object, name: str, as_what: str) -> None:
        original = getattr(module, name)

        def counted(*args: object, **named: object) -> object:
            what = f"{as_what} {args[1].name}" if as_what == "column" else as_what
            found[what] += 1
            return original(*args, **named)

        monkeypatch.setattr(module, name, counted)

    counting(decoding, "decode", "vertices")
    counting(layers, "encode", "records")
    counting(decoding, "to_shapes", "geometries")
    counting(vertices, "from_shapes", "taken apart")
    counting(values, "decode_cells", "column")
    return found


@pytest.mark.parametrize(
    ("chain", "decoded"),
    [
        ("", {}),
        ("select NAME,AREA", {}),
        ("assign-crs EPSG:4326", {}),
        (MERCATOR, {"vertices": 1, "records": 1}),
        (f"{MERCATOR} ! reproject --dst-crs EPSG:4326", {"vertices": 1, "records": 1}),
        ("filter --where 'AREA > 0.1'", {"column AREA": 1}),
        ("filter --where \"AREA > 0.1 AND NAME = 'Ashe'\"", {"column AREA": 1, "column NAME": 1}),
        ("calculate --field x --expression 'BIR74 / AREA'", {"column BIR74": 1, "column AREA": 1}),
        ("filter --where 'AREA > 0.1' ! select NAME", {"column AREA": 1}),
        ("make-valid", {"vertices": 1, "geometries": 1}),
        ("simplify 0.1", {"vertices": 1, "geometries": 1, "taken apart": 1, "records": 1}),
        (
            f"simplify 0.1 ! {MERCATOR}",
            {"vertices": 1, "geometries": 1, "taken apart": 1, "records": 1},
        ),
    ],
)
def test_only_what_is_named_is_decoded(
    chain: str, decoded: dict[str, int], counts: Counter[str], tmp_path: Path
) -> None:
    recipe = parse_chain(chain) if chain else Recipe()
    sink, policy = str(tmp_path / "sids.shp"), make.WITHOUT_PROOF
    outcome = run_alone(Task(make.source(SIDS), recipe, sink, str(tmp_path), policy=policy))
    assert outcome.status == "done", outcome.reason
    assert dict(counts) == decoded


def modules_after(chain: str, tmp_path: Path) -> set[str]:
    """Heavy modules in a process that ran a recipe."""
    code = (
        "import json, sys, shpbatch\n"
        f"r = shpbatch.run({str(SIDS)!r}, {str(tmp_path / 'out')!r}, {chain!r}, method='inline')\n"
        "assert r.outcomes[0].status == 'done', r.outcomes[0].reason\n"
        f"print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("chain", "needed"),
    [
        ("assign-crs EPSG:4326", {"pyproj"}),
        (MERCATOR, {"pyproj"}),
        ("simplify 0.1", {"shapely"}),
        ("make-valid", {"shapely"}),
        ("filter --where 'AREA > 0.1'", {"pyarrow"}),
        ("filter --where \"NAME LIKE 'A%' AND BIR74 BETWEEN 100 AND 900\"", {"pyarrow"}),
        ("calculate --field x --expression 'BIR74 * 0.5 + AREA'", {"pyarrow"}),
        ("calculate --field x --expression 'BIR74 > 99' --type logical", {"pyarrow"}),
        ("calculate --field x --expression \"NAME || '!'\" --width 40", {"pyarrow"}),
    ],
)
def test_only_what_is_needed_is_imported(chain: str, needed: set[str], tmp_path: Path) -> None:
    assert modules_after(chain, tmp_path) == needed


def test_expressions_need_no_geopandas(tmp_path: Path) -> None:
    found = modules_after("filter --where 'sqrt(AREA) > 0.3'", tmp_path)
    assert "duckdb" in found
    assert not found & {"geopandas", "pyogrio", "fiona", "shapely"}


@pytest.mark.parametrize(
    ("step", "needs_duckdb"),
    [
        (["filter", "--where", "AREA > 0.1"], False),
        (["calculate", "--field", "x", "--expression", "BIR74 / AREA"], False),
        (["filter", "--where", "sqrt(AREA) > 0.3"], True),
    ],
)
def test_a_plain_expression_needs_no_duckdb(
    step: list[str], needs_duckdb: bool, tmp_path: Path
) -> None:
    """Neither the parent nor a worker imports it, nor pandas; both tell what they import."""
    command = [sys.executable, "-X", "importtime", "-m", "shpbatch", "run", str(SIDS), "-j", "1"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out"), "!", *step],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"shpbatch.cli.main", "pyarrow.compute"} <= imported  # of parent and worker
    assert ("duckdb" in imported) == ("pandas" in imported) == needs_duckdb


def test_a_copy_needs_nothing_but_numpy(tmp_path: Path) -> None:
    assert modules_after([], tmp_path) == set()  # type: ignore[arg-type]


def test_encode_is_counted_where_it_is_used() -> None:
    assert layers.encode is encode.encode  # else the counts above would count nothing
