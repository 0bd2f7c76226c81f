"""The notebooks run from top to bottom, say what their text says, and carry no outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]

#: What the cells must show, by cell id.
SHOWN = {
    "01_pool_basics": {
        "corrupt": r"sample_data/awkward/virginia\.shp: record 63 should end at byte 36284",
        "cell-function": r"no result: the workers could not find __main__\.size_kb",
        "map-parser": r"AWKWARD/EMPTYPOINTS\.SHP",
        "callback": r"16 files, 1 call, with 16 results at once",
        "our-bar": r"reproject: 100%.* 16/16 files[\s\S]*done +15\s+failed +1",
        "progress": r"0 emptypoints\.shp \d+% \d+%",
        "progress-bar": r"inside files: 100%.* 8/8 files",
        "killed-pool": r"no result after 3 s",
        "killed-map-parser": r"NY8_utm18\.shp +crashed .* 2\n",
        "killed-counts": r"done +14\s",
        "timeout": r"'done', 0, None[\s\S]*'timeout', None,[\s\S]*'done', 0\.1, None",
        "counters": r"Tally +80000",
        "budget-threads": r"48 times acquired, at most \d+ of 100",
        "budget-alone": r"True\s+False\s+True\s+False",
        "map-steps": r"make-valid \| done \| 281\nsimplify.* done \| 281\nreproject.* done \| 281",
        "each-step-run": r"each/simplify/SohoWater\.shp",
    },
    "02_folder_of_shapefiles": {
        "inventory": r"tokyomet262\.shp[^\n]* cp932 +ldid",
        "plan-refused": r"census/sids\.shp: crs-missing",
        "run": r"100%.* 17/17 files",
        "corrupt": r"\[shp-truncated\] sample_data/awkward/virginia\.shp"
        r"[\s\S]*1 of 17 failed; all accounts balance: True",
        "plot": r"image/png",
        "columns": r"before +281 +5 +18\s+after +281 +0 +20",
        "new-columns": r"area_km2 +vertices",
        "log": r"start outcome outcome \.\.\. end\n.*'done': 16, 'failed': 1",
        "exists": r"recipe changed: .* → .* ! buffer",
        "skip-run": r"up-to-date +16\s+shp-truncated +1",
    },
}


def test_every_notebook_is_tested() -> None:
    assert set(NAMES) == set(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_runs_and_shows_what_it_says(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, km=own_kernel(), timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=plain_environment(tmp_path))
    shown = {cell.id: said(cell) for cell in notebook.cells if cell.cell_type == "code"}
    for cell, pattern in SHOWN[path.stem].items():
        assert re.search(pattern, shown[cell]), f"{cell}:\n{shown[cell]}"
    assert "TqdmWarning" not in "".join(shown.values())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_is_clean_in_git(path: Path) -> None:
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+[a-z][a-z0-9-]*", name) for name in ids), "ids are words"
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert not re.search(r"/(root|home|Users|tmp|work|mnt)/|[A-Z]:\\\\", text), "a machine's path"


def own_kernel() -> AsyncKernelManager:
    """A kernel of the interpreter that runs the tests, whatever kernels are installed."""
    return AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )


def plain_environment(home: Path) -> dict[str, str]:
    """Ours, but for the user's IPython settings and what pytest changes in a kernel."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTEST_CURRENT_TEST", "MPLBACKEND")}
    return {**kept, "IPYTHONDIR": str(home / "ipython")}


def said(cell: Any) -> str:
    """What a cell shows, as text; for other things their MIME types."""
    found = []
    for output in cell.outputs:
        if "text" in output:
            found.append(output.text)
        else:
            found += [output.data.get("text/plain", ""), *output.data]
    return "\n".join(found)
