"""The command line as a user meets it: what it prints, and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from shpbatch.cli.main import main

SAMPLE = Path(__file__).parents[1] / "sample_data"
TO_WEB = ["!", "reproject", "--dst-crs", "EPSG:3857", "--src-crs-default", "EPSG:4326"]
JSON_KEYS = {"schema", "run_id", "status", "exit_code", "seconds", "files", "features", "outcomes"}
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shpbatch", *map(str, args)])
        handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def command(*args: object, **kwargs: object) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    line = [sys.executable, "-m", "shpbatch", *map(str, args)]
    return subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,  # type: ignore[call-overload]
    )


def children(pid: int) -> list[int]:
    """Processes below a process, however deep (Linux)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, frontier = [], {pid}
    while frontier:
        frontier = {p for p, parent in parents.items() if parent in frontier}
        found += sorted(frontier)
    return found


def layers(tmp_path: Path, count: int) -> Path:
    """A folder of copies of one sample layer."""
    src = tmp_path / "src"
    src.mkdir()
    for i in range(count):
        for member in (SAMPLE / "transport").glob("newhaven_nework.*"):
            shutil.copy(member, src / f"{i:03}{member.suffix}")
    return src


def test_help_lists_every_command_without_heavy_imports() -> None:
    probe = (
        "import sys; sys.argv = ['shpbatch', '--help']\n"
        "from shpbatch.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('numpy', 'geopandas', 'pyarrow', 'duckdb', 'pydantic')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"
    for name in ("run", "plan", "info", "steps", "recipe", "demo", "env"):
        assert f"  {name} " in out.stdout


@pytest.mark.parametrize("name", ["run", "plan", "info", "steps", "recipe", "demo", "env"])
def test_every_command_has_help(shell: Shell, name: str) -> None:
    code, out, _ = shell(name, "--help")
    assert code == 0
    assert "Usage: shpbatch " + name in out


def test_run_prints_one_json_object(tmp_path: Path) -> None:
    process = command("run", SAMPLE, "-o", tmp_path / "out", "-j", 4, "--json", *TO_WEB)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, err
    record = json.loads(out)
    assert set(record) == JSON_KEYS | {"log", "vanished", "pruned", "kept", "ignored", "recovered"}
    assert record["exit_code"] == 1
    assert record["status"] == "failed"
    assert record["files"] == {"total": 17, "done": 16, "failed": 1, "skipped": 0}
    (failed,) = [o for o in record["outcomes"] if o["status"] != "done"]
    assert failed["code"] == "shp-truncated"
    assert "virginia.shp" in failed["reason"]
    assert "Traceback" not in err
    total = record["features"]
    assert total["read"] == sum(o["features"]["read"] for o in record["outcomes"])
    assert total["read"] + total["created"] == sum(
        total[k] for k in ("written", "filtered", "rejected", "merged")
    )
    log = [json.loads(line) for line in Path(record["log"]).read_text().splitlines()]
    assert len(log) == 19
    assert {e["run_id"] for e in log} == {record["run_id"]}


def test_what_a_function_prints_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "import os\n"
        "from shpbatch.engine.aspects import Coords\n"
        "print('imported')\n"
        "def loud(coords: Coords) -> Coords:\n"
        "    print('hello')\n"
        "    os.write(1, b'from C\\n')\n"
        "    return coords\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)])}
    words = ["run", SAMPLE / "soho", "-o", tmp_path / "out", "-j", 1, "--step", "loud:loud"]
    for more in (["--json"], ["-n", "--json"]):
        process = command(*words, *more, env=env)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert len(json.loads(out)) > 3
        assert "imported" in err
        assert ("hello" in err) == ("from C" in err) == ("-n" not in more)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nowhere", *TO_WEB], 2, "nowhere: no such file or folder"),
        (["EMPTY", *TO_WEB], 2, "no shapefile"),
        (["SAMPLE", "--include", "*.nope", *TO_WEB], 2, "matches --include"),
        (["SAMPLE", "!", "bufer"], 2, "unknown step 'bufer'"),
        (["SAMPLE", "!", "reproject", "--dst-crs", "EPSG:1"], 2, "not a CRS that PROJ knows"),
        (["SAMPLE", "!", "reproject"], 2, "'--dst-crs' is required"),
        (["SAMPLE", "-r", "no.yaml"], 2, "no.yaml"),
        (["SAMPLE", "-r", "x.yaml", *TO_WEB], 2, "give the steps once"),
        (["SAMPLE", "-j", "0", *TO_WEB], 2, "1 or more"),
        (["SAMPLE", "--max-failures", "x", *TO_WEB], 2, "--max-failures"),
        (["SAMPLE", "!", "select", "--fields", "nope"], 2, "no field 'nope'"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_2(
    shell: Shell, tmp_path: Path, args: list[str], code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    named = {"EMPTY": str(tmp_path / "empty"), "SAMPLE": str(SAMPLE)}
    got, out, err = (
        shell("run", *[named.get(a, a) for a in args], "-o", tmp_path / "out")
        if ("!" not in args)
        else shell("run", "-o", tmp_path / "out", *[named.get(a, a) for a in args])
    )
    assert got == code
    assert words in err
    assert "Traceback" not in err
    assert not list((tmp_path / "out").rglob("*.shp"))


def test_a_refusal_is_also_one_json_object(shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell("run", "nowhere", "-o", tmp_path / "out", "--json", *TO_WEB)
    record = json.loads(out)
    assert code == record["exit_code"] == 2
    assert record["code"] == "source-missing"
    assert record["status"] == "refused"
    assert record["files"]["total"] == 0


def test_recipe_errors_come_all_at_once_with_their_place(shell: Shell, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "steps:\n  - reproject:\n      dst_crs: EPSG:4326\n      srs_crs: x\n  - slect\n"
    )
    code, _, err = shell("run", SAMPLE, "-o", tmp_path / "out", "-r", recipe)
    assert code == 2
    lines = err.splitlines()
    assert lines[0].startswith(
        "Error: recipe.yaml:4:7: reproject: unknown key 'srs_crs' (did you mean 'src_crs'?)"
    )
    assert lines[1].startswith(
        "Error: recipe.yaml:5:5: unknown step 'slect' (did you mean 'select'?)"
    )


def test_plan_says_why_for_each_file_and_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    chain = ["!", "reproject", "--dst-crs", "EPSG:3857"]
    code, out, _ = shell("plan", SAMPLE, "-o", tmp_path / "out", *chain)
    assert code == 1
    assert sum(line.startswith("run ") for line in out.splitlines()) == 13
    refused = [line for line in out.splitlines() if line.startswith("fail ")]
    assert len(refused) == 4
    assert all("--src-crs-default" in line for line in refused)
    _, dry, _ = shell("run", SAMPLE, "-o", tmp_path / "out", "--dry-run", *chain)
    assert dry == out
    code, out, _ = shell("plan", SAMPLE, "-o", tmp_path / "out", "--json", *chain)
    tasks = json.loads(out)["tasks"]
    assert {t["code"] for t in tasks} == {None, "crs-missing"}
    assert not (tmp_path / "out").exists()


def test_info_reads_headers(shell: Shell) -> None:
    code, out, _ = shell("info", SAMPLE / "places", SAMPLE / "utilities")
    assert code == 0
    assert (
        "naturalearth_cities.shp: 243 Point; EPSG:4326; iso8859-1 (cpg); 1 fields: name C80" in out
    )
    assert "gas_leitung.shp: 213 PolyLineZ; EPSG:31253" in out
    _, out, _ = shell("info", "--json", SAMPLE / "awkward" / "latin1.shp")
    record = json.loads(out)
    assert record["encoding"] == "cp1252"
    assert {p["code"] for p in record["problems"]} == {
        "shx-missing",
        "prj-missing",
        "encoding-doubtful",
    }


def test_steps_and_schema_come_from_the_registry(shell: Shell) -> None:
    from shpbatch.engine.registry import STEPS

    _, listed, _ = shell("steps")
    assert [line.split()[0] for line in listed.splitlines()] == STEPS.names()
    for name in STEPS.names():
        code, out, _ = shell("steps", name)
        assert code == 0
        assert out.startswith(f"! {name}")
    code, _, err = shell("steps", "bufffer")
    assert code == 2 and "unknown step" in err
    _, out, _ = shell("recipe", "schema")
    schema = json.loads(out)
    validate = jsonschema.Draft202012Validator(schema)
    assert validate.is_valid({"steps": [{"reproject": {"dst_crs": "EPSG:4326"}}]})
    assert not validate.is_valid({"steps": [{"reproject": {"dst": "EPSG:4326"}}]})
    assert not validate.is_valid({"steps": ["nothing"]})


def test_env_names_every_engine(shell: Shell) -> None:
    code, out, _ = shell("env", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"shpbatch", "python", "GDAL (pyogrio)", "GDAL (fiona)", "duckdb"} <= set(found)


def test_demo_works_from_any_directory(tmp_path: Path) -> None:
    process = command("demo", "-o", tmp_path / "demo", cwd=tmp_path)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "16 done, 1 failed" in out
    assert "virginia.shp" in out
    summary = json.loads((tmp_path / "demo/summary.json").read_text())
    assert summary["files"]["done"] == 16
    for name in ("results: ", "summary: ", "log: "):
        path = next(line.removeprefix(name) for line in out.splitlines() if line.startswith(name))
        assert Path(path).exists()


def test_another_run_holds_the_destination(shell: Shell, tmp_path: Path) -> None:
    from shpbatch.publishing.destination import claim

    with claim(str(tmp_path / "out")):
        code, _, err = shell("run", SAMPLE / "places", "-o", tmp_path / "out", *TO_WEB)
    assert code == 75
    assert "another run" in err


@pytest.mark.skipif(sys.platform != "linux", reason="finds workers through /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_run_in_order(tmp_path: Path, number: signal.Signals, code: int) -> None:
    src, out = layers(tmp_path, 120), tmp_path / "out"
    process = command("run", src, "-o", out, "-j", 4, "--json", "--progress", "none", *TO_WEB)
    wait_for(lambda: len(list(out.glob("*.shp"))) >= 2)
    workers = children(process.pid)
    process.send_signal(number)
    stdout, err = process.communicate(timeout=30)
    record = json.loads(stdout)
    assert process.returncode == record["exit_code"] == code, err
    assert record["status"] == "interrupted"
    assert record["files"]["total"] == 120
    assert record["files"]["failed"] == 0
    written = {
        Path(o["sinks"][0]["path"]).name for o in record["outcomes"] if o["status"] == "done"
    }
    # What was published in the grace period counts too; nothing is half there.
    for shp in out.glob("*.shp"):
        assert shp.with_suffix(".dbf").exists() and shp.with_suffix(".shx").exists()
    assert written <= {p.name for p in out.glob("*.shp")}
    wait_for(lambda: not any(Path(f"/proc/{w}").exists() for w in workers), 5)


@pytest.mark.skipif(sys.platform != "linux", reason="finds workers through /proc")
def test_killed_workers_cost_their_file_at_most(tmp_path: Path) -> None:
    src, out = layers(tmp_path, 60), tmp_path / "out"
    process = command("run", src, "-o", out, "-j", 4, "--json", "--progress", "none", *TO_WEB)
    killed = 0
    while process.poll() is None and killed < 6:
        time.sleep(0.3)
        grandchildren = [p for p in children(process.pid) if p not in direct(process.pid)]
        if list(out.glob("*.shp")) and grandchildren:
            try:
                os.kill(grandchildren[killed % len(grandchildren)], signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
    stdout, err = process.communicate(timeout=120)
    record = json.loads(stdout)
    lost = [o for o in record["outcomes"] if o["status"] != "done"]
    assert all(o["status"] == "crashed" and o["code"] == "worker-killed" for o in lost), err
    assert len(lost) <= killed
    assert record["files"]["total"] == 60
    assert len(list(out.glob("*.shp"))) == 60 - len(lost)
    assert not list((out / ".shpbatch" / "stage").glob("*")) or lost


def direct(pid: int) -> list[int]:
    """Direct children of a process: the forkserver and the resource tracker."""
    text = (
        Path(f"/proc/{pid}/task/{pid}/children").read_text()
        if Path(f"/proc/{pid}").exists()
        else ""
    )
    return [int(p) for p in text.split()]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
