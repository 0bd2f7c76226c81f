"""What a scheduled job asks of a run: metrics, lines for a collector, limits."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shpbatch
from shpbatch.publishing.destination import STATE
from shpbatch.publishing.ledger import LEDGER, Ledger
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


def test_nothing_to_do_has_one_exit_code_everywhere(tmp_path: Path) -> None:
    src, out, prom = tmp_path / "src", tmp_path / "out", tmp_path / "x.prom"
    shutil.copytree(SAMPLES / "soho", src)
    words = ["run", src, "-o", out, "-j", 1, "--exit-nothing", 99, "--json", "--prune"]
    assert shell(*words).returncode == 0  # something was done
    done = shell(*words, "--metrics-file", prom)
    assert done.returncode == json.loads(done.stdout)["exit_code"] == 99
    assert f'last_run_exit_code{{dst="{out}"}} 99' in prom.read_text()
    with Ledger(out / STATE / LEDGER, read_only=True) as ledger:
        assert ledger.runs()[0]["exit_code"] == 99
    end = json.loads(Path(json.loads(done.stdout)["log"]).read_text().splitlines()[-1])
    assert (end["event"], end["exit_code"], end["files"]["total"]) == ("end", 99, 2)
    for path in src.glob("SohoWater.*"):
        path.unlink()
    done = shell(*words)  # what depends on the outputs must run
    assert (done.returncode, json.loads(done.stdout)["pruned"]) == (0, ["SohoWater.shp"])
    skipped = ["run", SAMPLES / "awkward/latin1.shp", "-o", tmp_path / "new", "--on-crs", "skip"]
    done = shell(*skipped, "--exit-nothing", 99, *CHAIN, "!", "reproject", "--dst-crs", "EPSG:3857")
    assert done.returncode == 0, done.stderr  # skipped, which is not up to date


def test_metrics_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before the run, or else after it, with all that was done."""
    out = tmp_path / "out"
    words = ["run", SAMPLES / "soho", "-o", out, "-j", 1, "--json"]
    done = shell(*words, "--metrics-file", tmp_path / "none/x.prom")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "write-failed")
    assert not list(out.rglob("*.shp"))
    assert shell("runs", out).stdout == ""
    options = {"method": "inline", "metrics_file": str(tmp_path / "x.prom")}
    monkeypatch.setattr("os.replace", _full_for(".prom", os.replace))
    report = shpbatch.run(SAMPLES / "soho", out, [], **options)
    assert [o.status for o in report.outcomes] == ["done", "done"]
    assert not [p for p in tmp_path.iterdir() if "prom" in p.name]


def _full_for(suffix: str, real: Callable[..., None]) -> Callable[..., None]:
    def replace(source: Any, target: Any) -> None:
        if str(target).endswith(suffix):
            raise OSError(28, "No space left on device")
        real(source, target)

    return replace


def test_a_file_of_lines_on_a_full_disk_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = Talk(path=str(tmp_path / "talk.log"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("logging.StreamHandler.flush", full)
    for number in range(3):
        talk.say(f"line {number}")
    talk.close()
    err = capsys.readouterr().err
    assert err.count("cannot be written: No space left on device") == 1
    assert "Traceback" not in err
    assert "line 2" in err


@pytest.mark.skipif(os.name != "posix", reason="POSIX shells")
@pytest.mark.parametrize("stderr", ["2>&1 >/dev/null | true", "2>&-", "2>/dev/full"])
def test_a_run_that_nobody_listens_to_goes_on(stderr: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "shpbatch", "run", str(SAMPLES), "-o", "out", "-j", "2"]
    line = f"{shlex.join(words)} ! centroid {stderr}"
    subprocess.run(line, shell=True, cwd=tmp_path, stdout=subprocess.DEVNULL, check=False)
    with Ledger(tmp_path / "out" / STATE / LEDGER, read_only=True) as ledger:
        (told,) = ledger.runs()
    assert (told["status"], told["exit_code"], told["files"]["done"]) == ("failed", 1, 16)


@pytest.mark.parametrize("limit", ["abc", "nan%", "inf%", "0", "-1"])
def test_a_limit_of_failures_that_is_none(limit: str, tmp_path: Path) -> None:
    done = shell("run", SAMPLES / "soho", "-o", tmp_path / "out", "--max-failures", limit)
    assert done.returncode == 2
    assert f"not '{limit}'" in done.stderr
    assert shell("runs", tmp_path / "out").stdout == ""  # none began


@pytest.mark.parametrize("words", [("-j", "²"), ("--mem-limit", "²")])
def test_digits_that_are_no_number(words: tuple[str, str], tmp_path: Path) -> None:
    done = shell("run", SAMPLES / "soho", "-o", tmp_path / "out", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
