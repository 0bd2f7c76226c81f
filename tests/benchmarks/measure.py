"""Measure a command: clean before, check after."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .shapefile import feature_count
from .works import Command

RUNNER = Path(__file__).with_name("runner.py")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one command; times in seconds."""

    cpu: float
    wall: float
    features: int


class FailedError(Exception):
    """A command ended with an error; the text is the end of what it printed."""


def measure(command: Command, work: Path) -> Run:
    """Run a command into an empty folder, which is removed again."""
    out, log = work / "out", work / "log"
    shutil.rmtree(out, ignore_errors=True)
    if command.make_out:
        out.mkdir()
    os.sync()  # so that no run pays for writing out what the one before it left behind
    argv = [a.replace("{out}", str(out)) for a in command.argv]
    runner = [sys.executable, "-I", str(RUNNER), str(log), *argv]
    done = subprocess.run(runner, cwd=work, capture_output=True, text=True)
    try:
        if done.returncode:
            raise FailedError(done.stderr.strip()[-400:])
        told = json.loads(done.stdout)
        if told["status"]:
            tail = " / ".join(log.read_text("utf-8", "replace").strip().splitlines()[-3:])
            raise FailedError(f"exit code {told['status']:.0f}: {tail[-400:]}")
        return Run(told["cpu"], told["wall"], feature_count(out))
    finally:
        shutil.rmtree(out, ignore_errors=True)


def warm_up(folder: Path) -> None:
    """Read every file once, so that the first run does not read from the disk alone."""
    for path in folder.rglob("*.*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 22):
                    pass
