"""The README cannot lie: every command in it is run, every step and exit code is in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import shpbatch
from shpbatch.engine.registry import STEPS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.S | re.M)


def blocks(kind: str) -> list[str]:
    return [text for tag, text in BLOCKS if tag == kind]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README assumes it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "sample_data", folder / "data")
    shutil.copytree(ROOT / "sample_data" / "soho", folder / "incoming")
    (folder / "recipe.yaml").write_text(blocks("yaml")[0])
    return folder


def sh(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    scripts = os.path.dirname(sys.executable)
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


def sessions() -> list[tuple[str, int, list[str]]]:
    """Console commands in order: (command, exit code, lines shown)."""
    found: list[tuple[str, int, list[str]]] = []
    for block in blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line[2:].partition(" # exit ")
                found.append((command, int(code or 0), []))
            else:
                found[-1][2].append(line)
    return found


def steady(line: str) -> str:
    """A line without what changes from run to run."""
    line = re.sub(r"\d+\.\d s", "N s", line)
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN", line)


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for sh")
def test_every_console_command_prints_what_the_readme_shows(desk: Path) -> None:
    assert len(sessions()) >= 10
    for command, code, shown in sessions():
        # An unquoted ! is history expansion only in an interactive bash, before a word.
        done = sh(command, desk)
        assert done.returncode == code, f"{command}\n{done.stderr}"
        printed = [steady(line) for line in (done.stdout + done.stderr).splitlines()]
        for line in shown:
            assert steady(line) in printed, f"{command} does not print: {line}"


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for sh")
@pytest.mark.parametrize("command", re.findall(r"\| `(shpbatch run [^`]*)` \|", README))
def test_every_ogr2ogr_equivalent_runs(command: str, desk: Path) -> None:
    done = sh(command + " ", desk)
    assert done.returncode in (0, 1), done.stderr
    assert " done, " in done.stdout
    assert not done.stdout.startswith("0 done"), done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for sh")
def test_scheduled_commands_run(desk: Path) -> None:
    lines = [
        line for kind in ("cron", "ini") for text in blocks(kind) for line in text.splitlines()
    ]
    commands = [m[0] for line in lines if (m := re.search(r"shpbatch run .*", line))]
    assert len(commands) == 2
    for command in commands:
        done = sh(command, desk)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for sh")
def test_the_airflow_task_runs(desk: Path) -> None:
    """With Airflow's names for what it does: it is larger than all the rest together."""
    operators: list[dict[str, Any]] = []
    stand_in = types.ModuleType("airflow")
    vars(stand_in).update(
        BashOperator=lambda **given: operators.append(given),
        dag=lambda **_: lambda function: function,
    )
    names = ["airflow", "airflow.sdk", "airflow.providers.standard.operators.bash"]
    (text,) = [t for t in blocks("python") if "airflow" in t]
    with pytest.MonkeyPatch.context() as patch:
        for name in (*names, "airflow.providers", "airflow.providers.standard"):
            patch.setitem(sys.modules, name, stand_in)
        patch.setitem(sys.modules, "airflow.providers.standard.operators", stand_in)
        exec(text, {})
    (operator,) = operators
    assert operator["cwd"] == "/srv/gis"
    command = operator["bash_command"].replace(".venv/bin/", "")
    for code, status in ((0, "done"), (99, "done")):
        done = sh(command, desk)
        assert done.returncode == code, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["status"] == status


def test_the_prefect_flow_runs(desk: Path) -> None:
    """With Prefect's names for what it does."""
    (text,) = [t for t in blocks("python") if "prefect" in t]
    (desk / "prefect.py").write_text(
        "flow = lambda function: function\ntask = lambda **_: lambda function: function\n"
    )
    (desk / "flow.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "flow.py"], cwd=desk, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    files = len(list((desk / "incoming").glob("*.shp")))
    assert done.stdout.strip() == str({"done": files, "files": files})


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_the_make_rule_runs(desk: Path) -> None:
    (desk / "Makefile").write_text(blocks("make")[0])
    for expected in (" done, ", "0 done, "):
        done = sh("make made", desk)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def test_python_examples_run(desk: Path) -> None:
    others = ("from ..engine.registry", "airflow", "prefect")
    examples = [text for text in blocks("python") if not any(other in text for other in others)]
    script = desk / "example.py"
    script.write_text("\n".join(examples))
    done = subprocess.run(
        [sys.executable, script], cwd=desk, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "['shp-truncated']"


def test_a_step_added_as_the_readme_says(tmp_path: Path) -> None:
    """In a copy of the package, so that nothing else can know of it."""
    shutil.copytree(ROOT / "shpbatch", tmp_path / "shpbatch")
    (step,) = [text for text in blocks("python") if "from ..engine.registry" in text]
    (tmp_path / "shpbatch/steps/translate.py").write_text(step)
    shutil.copytree(ROOT / "sample_data" / "places", tmp_path / "data")
    probe = """
import json, sys
from shpbatch.recipes.file import recipe_schema
from shpbatch.cli.steps import explain
from shpbatch.engine.registry import STEPS
import shpbatch, pyogrio
assert "translate" in json.dumps(recipe_schema())
assert explain(STEPS["translate"]).startswith("! translate")
if __name__ == "__main__":
    report = shpbatch.run("data", "out", "! translate --dx 512 --dy -256", include=["cities.shp"])
    print(report.outcomes[0].status, pyogrio.read_bounds("out/cities.shp")[1][:, 0].tolist())
    print(pyogrio.read_bounds("data/cities.shp")[1][:, 0].tolist())
"""
    (tmp_path / "probe.py").write_text(probe)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "probe.py"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    moved, original = done.stdout.splitlines()
    x0, y0, x1, y1 = eval(original)
    assert moved == f"done {[x0 + 512, y0 - 256, x1 + 512, y1 - 256]}"


def test_every_step_is_in_the_table_with_its_summary() -> None:
    for step in STEPS:
        assert f"| `{step.name}` | {step.summary} |" in README


def test_exit_codes_are_documented() -> None:
    for code in ("| 0 |", "| 1 |", "| 2 |", "| 3 |", "| 75 |", "| 130, 143 |"):
        assert code in README


def test_ci_runs_the_same_test_command() -> None:
    tests = blocks("sh")[1].strip()
    assert tests in (ROOT / ".ci/run").read_text("utf-8")


def test_the_version_is_in_the_changelog_or_not_released() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changelog or f"## [{shpbatch.__version__}]" in changelog
