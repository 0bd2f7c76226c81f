"""Run one command and tell its CPU time, with that of all its descendants. Linux only.

Started as a process of its own for each command, so that what it reaps is that
command's and nothing else's. It is the "subreaper" of its descendants: a process
whose parent ends before it (the forkserver of multiprocessing, which nobody waits for)
becomes a child of this one, is waited for here, and so its CPU time is counted too.

    python runner.py LOG COMMAND [ARGUMENT...]
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def run(log: str, command: list[str]) -> dict[str, float]:
    """Run a command to its end, and wait for the last of its descendants."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    )
    start = time.perf_counter()
    main = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    wall = user = system = 0.0
    status = -1
    while True:
        try:
            pid, code, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        if pid == main:
            wall = time.perf_counter() - start
            status = os.waitstatus_to_exitcode(code)
        user += usage.ru_utime
        system += usage.ru_stime
    return {"status": status, "cpu": user + system, "user": user, "system": system, "wall": wall}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2:])))
