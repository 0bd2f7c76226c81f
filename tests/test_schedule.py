"""What a scheduled job asks of a run: metrics, lines for a collector, limits."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shpbatch.reporting.talk import Talk

SAMPLES = Path(__file__).parents[1] / "sample_data"
CHAIN = ["!", "make-valid"]


def shell(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shpbatch", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_metrics_are_a_prom_file(tmp_path: Path) -> None:
    prom = tmp_path / "shpbatch.prom"
    options = ["-o", tmp_path / 'o"ut', "-j", 2, "-q", "--metrics-file", prom]
    assert shell("run", SAMPLES / "awkward", *options, *CHAIN).returncode == 1
    lines = prom.read_text().splitlines()
    assert any(
        line.startswith('shpbatch_last_run_files{dst="')
        and line.endswith('o\\"ut",status="failed"} 1')
        for line in lines
    )
    assert f'shpbatch_last_run_exit_code{{dst="{tmp_path}/o\\"ut"}} 1' in lines
    assert all(line.startswith(("# HELP ", "# TYPE ", "shpbatch_")) for line in lines)
    assert [p.name for p in tmp_path.glob("*.tmp")] == []
    (at,) = [line for line in lines if line.startswith("shpbatch_last_run_timestamp_seconds{")]
    assert abs(float(at.split()[-1]) - time.time()) < 60


def test_lines_are_objects_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "talk.log"
    options = ["-o", tmp_path / "out", "-j", 2, "--log-format", "json", "--log-file", path]
    done = shell("run", SAMPLES / "awkward", *options, *CHAIN)
    assert done.returncode == 1
    (failure,) = (json.loads(line) for line in done.stderr.splitlines())
    assert failure["event"] == "failure"
    assert "virginia" in failure["message"]
    first, end = (json.loads(line) for line in path.read_text().splitlines())
    assert first == failure
    assert (end["event"], end["files"]["failed"], end["exit_code"]) == ("end", 1, 1)
    again = shell("run", SAMPLES / "soho", *options, *CHAIN)
    assert again.returncode == 0
    assert len(path.read_text().splitlines()) == 3  # nothing failed: its end alone


def test_a_file_of_lines_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shpbatch.reporting.talk.ROTATED_AT", 300)
    talk = Talk(path=str(tmp_path / "talk.log"))
    for number in range(90):
        talk.note(f"line {number}\nforged", "message")
    talk.close()
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == ["talk.log", *(f"talk.log.{n}" for n in range(1, 6))]
    assert all("T" in line[:20] for line in (tmp_path / "talk.log").read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_worker_that_wants_too_much_memory_fails_alone(tmp_path: Path) -> None:
    module = tmp_path / "greedy.py"
    module.write_text(
        "from shpbatch.engine.aspects import Coords\n"
        "import numpy as np\n"
        "def greedy(coords: Coords) -> Coords:\n"
        "    if len(coords) == 243:\n"
        "        np.ones(1 << 30)\n"
        "    return coords\n"
    )
    command = [sys.executable, "-m", "shpbatch", "run", str(SAMPLES / "places")]
    command += ["-o", str(tmp_path / "out"), "-j", "2", "--json", "--mem-limit", "2G"]
    command += ["--nice", "3", "--step", "greedy:greedy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    record = json.loads(done.stdout)
    told = {Path(o["sources"][0]).stem: o["code"] for o in record["outcomes"]}
    assert told == {"cities": None, "naturalearth_cities": "out-of-memory"}


def test_a_limit_that_is_no_size_is_refused(tmp_path: Path) -> None:
    for size in ("much", "2X", "-1"):
        done = shell("run", SAMPLES, "-o", tmp_path / "out", f"--mem-limit={size}")
        assert done.returncode == 2
        assert "K, M, G or T" in done.stderr
