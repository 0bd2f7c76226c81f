"""What was made, of what, when, and what failed: the memory of a destination.

SQLite in the private folder, written by the parent alone. The journal stands
in for what is not yet in it, so nothing that was published is unknown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..durable import Durability
from ..errors import PlanError
from .database import Database

__all__ = ["LEDGER", "Ledger", "Made", "Quarantined", "key_of"]

LEDGER = "ledger.db"
VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, started TEXT NOT NULL, ended TEXT, status TEXT,
    exit_code INTEGER, seconds REAL, files TEXT, features TEXT, recipe TEXT
);
CREATE TABLE IF NOT EXISTS outcomes (
    run_id TEXT NOT NULL, key BLOB NOT NULL, record TEXT NOT NULL, why TEXT
);
CREATE INDEX IF NOT EXISTS outcomes_of_run ON outcomes (run_id);
CREATE TABLE IF NOT EXISTS outputs (
    key BLOB PRIMARY KEY, run_id TEXT NOT NULL, provenance TEXT NOT NULL, members TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS troubles (
    key BLOB PRIMARY KEY, run_id TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    provenance TEXT NOT NULL
);
"""
#: Runs that are kept, and how many outcomes of them: some 300 MB. The last run is kept whole.
KEPT_RUNS, KEPT_OUTCOMES = 1_000, 300_000
_PAST = """
SELECT run_id FROM runs
WHERE run_id NOT IN (SELECT run_id FROM runs ORDER BY rowid DESC LIMIT ?)
UNION
SELECT run_id FROM outcomes
WHERE rowid <= (SELECT max(rowid) FROM outcomes) - ?
AND run_id <> (SELECT run_id FROM outcomes ORDER BY rowid DESC LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """An output as the ledger knows it.

    Attributes
    ----------
    provenance : dict
        What it was made of, see `provenance`.
    members : dict of str to list
        Its files by path below the destination: bytes, modification time in
        ns, SHA-256.
    """

    provenance: dict[str, Any]
    members: dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A failure that is remembered: of what status, why, and of what it came."""

    status: str
    reason: str
    provenance: dict[str, Any]


class Ledger:
    """The ledger of one destination; a context manager.

    Parameters
    ----------
    path : Path
    durability : {"full", "fast"}
        Whether each transaction waits for the disk.
    read_only : bool
        Look only; one that does not exist is empty.

    Raises
    ------
    PlanError
        ``ledger-broken``, ``ledger-newer``, ``ledger-unusable``.
    WriteError
        ``disk-full``.
    """

    def __init__(
        self, path: Path, durability: Durability = "full", read_only: bool = False
    ) -> None:
        self.path = path
        self._db = Database(path, read_only)
        if self._db.version > VERSION:
            raise PlanError(
                f"{path}: was written by a newer shpbatch; update this one", "ledger-newer"
            )
        if not read_only or not self._db.version:
            self._db.prepare(VERSION, _SYNC[durability], _TABLES)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def together(self) -> AbstractContextManager[None]:
        """All of it or nothing; ``disk-full``, ``write-failed``, ``ledger-broken``."""
        return self._db.together()

    # -- outputs -------------------------------------------------------------

    def made(self) -> Iterator[tuple[str, Made]]:
        """All outputs with their keys: the path of the first sink below the destination.

        One by one: who looks at each for an hour must not hold up a run meanwhile.
        """
        for key in self.keys():
            if (found := self.made_of(key)) is not None:
                yield key, found

    def made_of(self, key: str) -> Made | None:
        """One output, None where it is not known."""
        query = "SELECT provenance, members FROM outputs WHERE key = ?"
        rows = self._db.ask_json(query, os.fsencode(key))
        return Made(*rows[0]) if rows else None

    def keys(self) -> list[str]:
        """Keys of all outputs."""
        return [os.fsdecode(row[0]) for row in self._db.ask("SELECT key FROM outputs")]

    def put_made(self, key: str, run_id: str, made: Made) -> None:
        """Remember an output; what was wrong with it before is settled."""
        texts = json.dumps(made.provenance), json.dumps(made.members)
        name = os.fsencode(key)
        self._db.tell("INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?)", name, run_id, *texts)
        self._db.tell("DELETE FROM troubles WHERE key = ?", name)

    def forget_made(self, keys: Iterable[str]) -> None:
        """Outputs that were removed."""
        rows = [(os.fsencode(key),) for key in keys]
        self._db.tell_each("DELETE FROM outputs WHERE key = ?", rows)

    # -- failures ------------------------------------------------------------

    def trouble_of(self, key: str) -> Quarantined | None:
        """How an output failed last time, unless it was made since."""
        query = "SELECT status, reason, provenance FROM troubles WHERE key = ?"
        with self._db.told():
            for status, reason, made_of in self._db.ask(query, os.fsencode(key)):
                return Quarantined(status, reason, json.loads(made_of))
        return None

    def put_trouble(self, key: str, run_id: str, trouble: Quarantined) -> None:
        """Remember a failure."""
        reason, made_of = _storable(trouble.reason), json.dumps(trouble.provenance)
        row = os.fsencode(key), run_id, trouble.status, reason, made_of
        self._db.tell("INSERT OR REPLACE INTO troubles VALUES (?, ?, ?, ?, ?)", *row)

    # -- runs ----------------------------------------------------------------

    def begin(self, run_id: str, started: str, recipe: str) -> list[str]:
        """A run begins; runs that are forgotten for it, the first ones of all."""
        with self.together():
            self._db.tell(
                "INSERT INTO runs (run_id, started, recipe) VALUES (?, ?, ?)",
                run_id,
                started,
                recipe,
            )
            rows = self._db.ask(_PAST, KEPT_RUNS, KEPT_OUTCOMES)
            self._db.tell_each("DELETE FROM outcomes WHERE run_id = ?", rows)
            self._db.tell_each("DELETE FROM runs WHERE run_id = ?", rows)
        return [row[0] for row in rows]

    def put_outcome(
        self, run_id: str, key: str, record: Mapping[str, Any], why: str | None
    ) -> None:
        """What became of one file of a run."""
        row = run_id, os.fsencode(key), json.dumps(record), why and _storable(why)
        self._db.tell("INSERT INTO outcomes VALUES (?, ?, ?, ?)", *row)

    def end(self, run_id: str, ended: str, totals: Mapping[str, Any]) -> None:
        """A run ended, with what `totals` says of it."""
        with self.together():
            self._db.tell(
                "UPDATE runs SET ended = ?, status = ?, exit_code = ?, seconds = ?, files = ?, "
                "features = ? WHERE run_id = ?",
                ended,
                *(totals[name] for name in ("status", "exit_code", "seconds")),
                *(json.dumps(totals[name]) for name in ("files", "features")),
                run_id,
            )

    def runs(self) -> list[dict[str, Any]]:
        """Past runs, the last one first whatever the clock said; no end: killed, or going on."""
        names = "run_id", "started", "ended", "status", "exit_code", "seconds", "files", "features"
        rows = self._db.ask(f"SELECT {', '.join(names)}, recipe FROM runs ORDER BY rowid DESC")
        found = [dict(zip((*names, "recipe"), row, strict=True)) for row in rows]
        with self._db.told():
            for run in found:
                for name in ("files", "features"):
                    run[name] = json.loads(run[name]) if run[name] else None
        return found

    def outcomes(self, run_id: str) -> list[dict[str, Any]]:
        """Outcomes of a run, in the order they came in."""
        rows = self._db.ask(
            "SELECT key, record, why FROM outcomes WHERE run_id = ? ORDER BY rowid", run_id
        )
        with self._db.told():
            return [{"key": os.fsdecode(k), "why": why, **json.loads(r)} for k, r, why in rows]

    def stamp(self) -> str:
        """Changes whenever a run begins, does a file, or ends; empty where none ever did."""
        runs = "SELECT max(rowid), max(started), count(ended) FROM runs"
        done = "SELECT max(rowid), 0, 0 FROM outcomes"
        rows = self._db.ask(f"{runs} UNION ALL {done}")
        return "" if rows[0][0] is None else str(rows)


_SYNC = {"full": "FULL", "fast": "OFF" if os.name == "nt" else "NORMAL"}


def _storable(text: str) -> str:
    """Text for people; a file name that is no UTF-8 is shown, not kept."""
    return text.encode("utf-8", "backslashreplace").decode()


def key_of(dst: str, sink: str) -> str:
    """Name of an output in the ledger: its path below the destination."""
    inside = os.path.join(dst, "")
    below = sink[len(inside) :] if sink.startswith(inside) else os.path.relpath(sink, dst)
    return below.replace(os.sep, "/")
