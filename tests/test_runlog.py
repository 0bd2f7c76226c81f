"""The run log: whole JSON lines, whoever writes at once, whatever stands in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shpbatch.errors import WriteError
from shpbatch.locks import lock, unlock
from shpbatch.models import Features, Outcome, Sink
from shpbatch.reporting.runlog import RunLog, outcome_record

LINES = 200
PAYLOAD = "x" * 5_000  # longer than a pipe or a stdio buffer writes at once


#: A file that writes in pieces: only the lock keeps lines whole then, not the system's append.
PIECES = """
class Pieces:
    def __init__(self, file):
        self.file, self.fileno, self.flush, self.close = (
            file, file.fileno, file.flush, file.close
        )

    def write(self, line):
        for at in range(0, len(line), 1000):
            self.file.write(line[at : at + 1000])
            self.file.flush()
"""


def events(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run.jsonl", tmp_path):
        with pytest.raises(WriteError, match="cannot be written") as error:
            RunLog(str(path), "r")
        assert error.value.code == "write-failed"


def test_no_log_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RunLog(None, "r") as log:
        log.write("start")
        log.outcome(Outcome(("a",), "done"))
    assert list(tmp_path.iterdir()) == []


def test_one_line_an_event(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.jsonl"
    with RunLog(str(path), "run-1") as log:
        log.write("start", total=2)
        log.outcome(Outcome(("a.shp",), "failed", code="x", reason="because", detail="Trace…"))
    start, outcome = events(path)
    assert set(start) == {"time", "run_id", "event", "total"}
    assert (start["run_id"], start["event"], start["total"]) == ("run-1", "start", 2)
    assert start["time"].endswith("Z")
    assert (outcome["event"], outcome["detail"]) == ("outcome", "Trace…")


def test_it_appends(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for run in ("one", "two"):
        with RunLog(str(path), run) as log:
            log.write("start")
    assert [e["run_id"] for e in events(path)] == ["one", "two"]


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x07", "a\nb\r\n", "\u2028\x85\x9b", "\udc80", "道 é", "\0", "\x7f"]
)
def test_control_characters_are_escaped(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.jsonl"
    with RunLog(str(path), "r") as log:
        log.outcome(Outcome((text,), "failed", reason=text))
    raw = path.read_bytes()
    assert raw.count(b"\n") == 1
    assert all(32 <= byte < 127 for byte in raw.rstrip(b"\n"))
    assert events(path)[0]["sources"] == [text]


def test_what_json_does_not_know_is_text(tmp_path: Path) -> None:
    with RunLog(str(tmp_path / "run.jsonl"), "r") as log:
        log.write("start", path=tmp_path, items={"a": {1}})
    (event,) = events(tmp_path / "run.jsonl")
    assert event["path"] == str(tmp_path)


def test_threads_and_processes_at_once(tmp_path: Path) -> None:
    """8 threads of this process and 4 other processes: every line is there, and whole."""
    path = tmp_path / "run.jsonl"
    code = textwrap.dedent(
        f"""
        import sys
        from shpbatch.reporting.runlog import RunLog
        exec({PIECES!r})
        with RunLog({str(path)!r}, sys.argv[1]) as log:
            log._file = Pieces(log._file)
            print("ready", flush=True)
            sys.stdin.readline()
            for number in range({LINES}):
                log.write("line", number=number, payload={PAYLOAD!r})
        """
    )
    others = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"process-{i}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
    scope: dict[str, Any] = {}
    exec(PIECES, scope)
    with RunLog(str(path), "threads") as log:
        log._file = scope["Pieces"](log._file)

        def write(name: int) -> None:
            for number in range(LINES):
                log.write("line", thread=name, number=number, payload=PAYLOAD)

        threads = [threading.Thread(target=write, args=(i,), daemon=True) for i in range(8)]
        for other in others:
            assert other.stdin is not None
            other.stdin.write("go\n")
            other.stdin.flush()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for other in others:
            other.communicate(timeout=60)
    found = events(path)
    assert all(e["payload"] == PAYLOAD for e in found)
    count = Counter(e["run_id"] for e in found)
    assert count == {"threads": 8 * LINES, **{f"process-{i}": LINES for i in range(4)}}
    for i in range(4):  # and in the order in which each wrote
        mine = [e["number"] for e in found if e["run_id"] == f"process-{i}"]
        assert mine == list(range(LINES))
    assert len({(e["run_id"], e.get("thread"), e["number"]) for e in found}) == 12 * LINES


def test_the_lock_is_exclusive_between_open_files(tmp_path: Path) -> None:
    with open(tmp_path / "l", "a+b") as one, open(tmp_path / "l", "a+b") as two:
        assert lock(one, wait=False)
        assert not lock(two, wait=False)
        unlock(one)
        assert lock(two, wait=False)
        unlock(two)


@pytest.mark.skipif(os.name != "posix", reason="POSIX only")
def test_a_killed_holder_of_the_lock_blocks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    code = (
        "import os; from shpbatch.locks import lock\n"
        f"file = open({str(path)!r}, 'ab'); lock(file); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == -9
    with RunLog(str(path), "r") as log:
        log.write("start")
    assert len(events(path)) == 1


def test_the_record_of_an_outcome() -> None:
    outcome = Outcome(
        ("a.shp",),
        "done",
        sinks=(Sink("out/a.shp", 2),),
        features=Features(declared=2, read=2, written=2),
        seconds=0.12345,
        notes=("n",),
        value=object(),
        detail="trace",
    )
    record = outcome_record(outcome)
    assert record == json.loads(json.dumps(record))
    assert record["sinks"] == [{"path": "out/a.shp", "features": 2}]
    assert record["seconds"] == 0.123
    assert record["features"]["written"] == 2
    assert {"value", "detail"}.isdisjoint(record)


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path / "run.jsonl"), "r")
    log.close()
    log.close()
    log.write("late")
    assert (tmp_path / "run.jsonl").read_bytes() == b""
