"""Check that the CPU time of every descendant is counted: burn a known amount, and compare.

python -m tests.benchmarks.check_cpu
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time

from .measure import RUNNER

#: Burns ``SECONDS`` in each of four processes, started in one of the ways a command may.
PROGRAM = """
import multiprocessing, subprocess, sys, time
SECONDS = 0.5
def burn():
    while time.process_time() < SECONDS:
        pass
if __name__ == "__main__":
    way = sys.argv[1]
    if way == "orphan":  # their parent ends before they do
        for _ in range(4):
            subprocess.Popen([sys.executable, __file__, "burn"])
    elif way == "burn":
        burn()
    else:
        context = multiprocessing.get_context(way)
        workers = [context.Process(target=burn) for _ in range(4)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
"""


def main() -> int:
    """Print a line a way; exit code 1 where CPU time is missing."""
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/burn.py"
        with open(program, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        for way in ("burn", "fork", "spawn", "forkserver", "orphan"):
            wanted = 0.5 if way == "burn" else 2.0
            argv = [
                sys.executable,
                "-I",
                str(RUNNER),
                f"{folder}/log",
                sys.executable,
                program,
                way,
            ]
            start = time.perf_counter()
            told = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
            good = not told["status"] and wanted * 0.98 < told["cpu"] < wanted + 0.6
            failed |= not good
            print(
                f"{way:10}  burnt at least {wanted:.1f} s, counted {told['cpu']:.2f} s, "
                f"wall {time.perf_counter() - start:.2f} s  {'ok' if good else 'WRONG'}"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
