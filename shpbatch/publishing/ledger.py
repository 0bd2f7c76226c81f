"""What was made, of what, when, and what failed: the memory of a destination.

SQLite in the private folder, written by the parent alone. The journal stands
in for what is not yet in it, so nothing that was published is unknown.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..durable import Durability
from ..errors import PlanError, WriteError

__all__ = ["LEDGER", "Ledger", "Made", "Quarantined", "is_there"]

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
#: Past runs whose outcomes are kept.
KEPT_RUNS = 400


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
        try:
            self._db = self._open(read_only)
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if read_only and not found:  # none, or of a run that ended before it was one
                self._db.close()
                self._db = sqlite3.connect(":memory:")
            if found > VERSION:
                raise PlanError(
                    f"{path}: was written by a newer shpbatch; update this one", "ledger-newer"
                )
            if not read_only or not found:
                self._db.execute(f"PRAGMA synchronous = {_SYNC[durability]}")
                self._db.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
        except sqlite3.OperationalError as error:  # its disk or its folder, not what is in it
            if _is_full(error):
                raise _refused(path, error) from error
            raise _unusable(path, str(error)) from error
        except OSError as error:
            raise _unusable(path, str(error.strerror)) from error
        except sqlite3.DatabaseError as error:
            raise PlanError(
                f"{path}: the ledger cannot be read ({error}); move it away and run again with "
                "--overwrite, which makes every output anew",
                "ledger-broken",
            ) from error

    def _open(self, read_only: bool) -> sqlite3.Connection:
        if read_only:
            if not is_there(self.path):
                return sqlite3.connect(":memory:")
            # What a killed run was writing is rolled back by its reader, which must write for that.
            uri = f"{self.path.absolute().as_uri()}?mode=rw"
            reader = sqlite3.connect(uri, uri=True, timeout=10)
            reader.execute("PRAGMA query_only = ON")
            return reader
        # The thread that publishes writes it, one call at a time.
        return sqlite3.connect(self.path, check_same_thread=False, timeout=10, isolation_level=None)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All of it or nothing.

        Raises
        ------
        WriteError
            ``disk-full``, ``write-failed``.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:  # SQLite ends it by itself where the disk is full
                self._db.execute("ROLLBACK")
            if not isinstance(error, sqlite3.OperationalError):
                raise
            raise _refused(self.path, error) from error

    # -- outputs -------------------------------------------------------------

    def made(self) -> Iterator[tuple[str, Made]]:
        """All outputs with their keys: the path of the first sink below the destination."""
        for key, *texts in self._db.execute("SELECT key, provenance, members FROM outputs"):
            yield os.fsdecode(key), Made(*map(json.loads, texts))

    def made_of(self, key: str) -> Made | None:
        """One output, None where it is not known."""
        query = "SELECT provenance, members FROM outputs WHERE key = ?"
        row = self._db.execute(query, (os.fsencode(key),)).fetchone()
        return None if row is None else Made(*map(json.loads, row))

    def keys(self) -> list[str]:
        """Keys of all outputs."""
        return [os.fsdecode(row[0]) for row in self._db.execute("SELECT key FROM outputs")]

    def put_made(self, key: str, run_id: str, made: Made) -> None:
        """Remember an output; what was wrong with it before is settled."""
        texts = json.dumps(made.provenance), json.dumps(made.members)
        self._db.execute(
            "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?)", (os.fsencode(key), run_id, *texts)
        )
        self._db.execute("DELETE FROM troubles WHERE key = ?", (os.fsencode(key),))

    def forget_made(self, keys: Iterable[str]) -> None:
        """Outputs that were removed."""
        self._db.executemany("DELETE FROM outputs WHERE key = ?", [(os.fsencode(k),) for k in keys])

    # -- failures ------------------------------------------------------------

    def trouble_of(self, key: str) -> Quarantined | None:
        """How an output failed last time, unless it was made since."""
        query = "SELECT status, reason, provenance FROM troubles WHERE key = ?"
        row = self._db.execute(query, (os.fsencode(key),)).fetchone()
        return None if row is None else Quarantined(row[0], row[1], json.loads(row[2]))

    def put_trouble(self, key: str, run_id: str, trouble: Quarantined) -> None:
        """Remember a failure."""
        reason, made_of = _storable(trouble.reason), json.dumps(trouble.provenance)
        row = os.fsencode(key), run_id, trouble.status, reason, made_of
        self._db.execute("INSERT OR REPLACE INTO troubles VALUES (?, ?, ?, ?, ?)", row)

    # -- runs ----------------------------------------------------------------

    def begin(self, run_id: str, started: str, recipe: str) -> None:
        """A run begins; outcomes of runs long past are dropped."""
        with self.together():
            self._db.execute(
                "INSERT INTO runs (run_id, started, recipe) VALUES (?, ?, ?)",
                (run_id, started, recipe),
            )
            self._db.execute(
                "DELETE FROM outcomes WHERE run_id NOT IN "
                "(SELECT run_id FROM runs ORDER BY rowid DESC LIMIT ?)",
                (KEPT_RUNS,),
            )

    def put_outcome(
        self, run_id: str, key: str, record: Mapping[str, Any], why: str | None
    ) -> None:
        """What became of one file of a run."""
        row = run_id, os.fsencode(key), json.dumps(record), why and _storable(why)
        self._db.execute("INSERT INTO outcomes VALUES (?, ?, ?, ?)", row)

    def end(self, run_id: str, ended: str, totals: Mapping[str, Any]) -> None:
        """A run ended, with what `totals` says of it."""
        with self.together():
            self._db.execute(
                "UPDATE runs SET ended = ?, status = ?, exit_code = ?, seconds = ?, files = ?, "
                "features = ? WHERE run_id = ?",
                (
                    ended,
                    totals["status"],
                    totals["exit_code"],
                    totals["seconds"],
                    json.dumps(totals["files"]),
                    json.dumps(totals["features"]),
                    run_id,
                ),
            )

    def runs(self) -> list[dict[str, Any]]:
        """Past runs, the last one first whatever the clock said; no end: killed, or going on."""
        names = "run_id", "started", "ended", "status", "exit_code", "seconds", "files", "features"
        rows = self._db.execute(f"SELECT {', '.join(names)}, recipe FROM runs ORDER BY rowid DESC")
        found = [dict(zip((*names, "recipe"), row, strict=True)) for row in rows]
        for run in found:
            for name in ("files", "features"):
                run[name] = json.loads(run[name]) if run[name] else None
        return found

    def outcomes(self, run_id: str) -> list[dict[str, Any]]:
        """Outcomes of a run, in the order they came in."""
        rows = self._db.execute(
            "SELECT key, record, why FROM outcomes WHERE run_id = ? ORDER BY rowid", (run_id,)
        )
        return [{"key": os.fsdecode(k), "why": why, **json.loads(r)} for k, r, why in rows]

    def stamp(self) -> str:
        """Changes whenever a run begins, does a file, or ends; empty where none ever did."""
        runs = "SELECT max(rowid), max(started), count(ended) FROM runs"
        done = "SELECT max(rowid), 0, 0 FROM outcomes"
        rows = self._db.execute(f"{runs} UNION ALL {done}").fetchall()
        return "" if rows[0][0] is None else str(rows)


_SYNC = {"full": "FULL", "fast": "OFF" if os.name == "nt" else "NORMAL"}


def is_there(path: Path) -> bool:
    """Whether a file exists; ``Path.exists`` does not tell that from one that may not be seen."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _unusable(path: Path, why: str) -> PlanError:
    return PlanError(
        f"{path}: the ledger cannot be used: {why}; check the permissions of its folder and the "
        "room on its disk",
        "ledger-unusable",
    )


def _is_full(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode == sqlite3.SQLITE_FULL


def _refused(path: Path, error: sqlite3.OperationalError) -> WriteError:
    """What SQLite could not write, with the remedy."""
    full = _is_full(error)
    remedy = "free some space and run again" if full else "run again"
    code = "disk-full" if full else "write-failed"
    return WriteError(f"{path}: cannot be written: {error}; {remedy}", code)


def _storable(text: str) -> str:
    """Text for people; a file name that is no UTF-8 is shown, not kept."""
    return text.encode("utf-8", "backslashreplace").decode()
