"""The run log: one JSON line an event, guarded by locks.

A thread lock inside the process, an OS file lock across processes and hosts.
A file lock dies with its holder; a ``multiprocessing.Lock`` does not, and a
killed worker that holds one blocks all others for ever.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, fields
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any

from ..durable import translated
from ..locks import lock, unlock
from ..models import Features, Outcome

__all__ = ["RunLog", "outcome_record"]

FEATURES = tuple(f.name for f in fields(Features))


class RunLog:
    """Appends events to a JSON-lines file; threads and processes may share the file.

    Parameters
    ----------
    path : str or None
        None writes nothing.
    run_id : str
        Stands in every line.

    Raises
    ------
    WriteError
        ``disk-full``, ``write-failed`` where it cannot be opened.
    """

    def __init__(self, path: str | None, run_id: str) -> None:
        self.path = path
        self.run_id = run_id
        self._guard = threading.Lock()
        self._file: IO[bytes] | None = None
        if path:
            with translated(path):
                os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
                self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event with its time (RFC 3339, UTC)."""
        if self._file is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"time": now, "run_id": self.run_id, "event": event, **fields}
        # ASCII only: no control character of a file name reaches a terminal.
        line = json.dumps(record, default=str).encode("ascii") + b"\n"
        with self._guard:
            lock(self._file)
            try:
                self._file.write(line)
                self._file.flush()
            finally:
                unlock(self._file)

    def outcome(self, outcome: Outcome) -> None:
        """Append what became of one task."""
        self.write("outcome", **outcome_record(outcome), detail=outcome.detail)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it stands in the log and in the ``--json`` object."""
    record = {
        "sources": list(outcome.sources),
        "sinks": [{"path": s.path, "features": s.features} for s in outcome.sinks],
        "status": outcome.status,
        "code": outcome.code,
        "reason": outcome.reason,
        "features": {name: getattr(outcome.features, name) for name in FEATURES},
        "seconds": round(outcome.seconds, 3),
        "notes": list(outcome.notes),
        "operations": list(outcome.operations),
        "attempts": outcome.attempts,
        "why": outcome.why,
    }
    if outcome.repairs or outcome.lost:
        record["repairs"] = [{"what": what, "count": count} for what, count in outcome.repairs]
        record["lost"] = [asdict(lost) for lost in outcome.lost]
    return record
