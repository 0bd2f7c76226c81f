"""An SQLite file whose errors are ours: a sentence with the remedy, whatever call they come of."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from ..durable import is_there
from ..errors import PlanError, ShpbatchError, WriteError

__all__ = ["Database"]

#: Seconds that a call waits for another program to let the file go.
PATIENCE = 10


class Database:
    """An SQLite file; a context manager.

    Parameters
    ----------
    path : Path
    read_only : bool
        Look only; one that does not exist is empty.

    Raises
    ------
    PlanError
        ``ledger-broken``, ``ledger-unusable``.
    WriteError
        ``disk-full``.
    """

    def __init__(self, path: Path, read_only: bool) -> None:
        self.path = path
        self._begun = False
        with self.told():
            self._connection = self._open(read_only)
            self.version = int(self.ask("PRAGMA user_version")[0][0])
            if read_only and not self.version:  # none, or of a run that ended before it was one
                self._connection.close()
                self._connection = sqlite3.connect(":memory:")

    def _open(self, read_only: bool) -> sqlite3.Connection:
        if read_only:
            if not is_there(self.path):
                return sqlite3.connect(":memory:")
            # What a killed run was writing is rolled back by its reader, which must write for that.
            uri = f"{_uri(self.path)}?mode=rw"
            reader = sqlite3.connect(uri, uri=True, timeout=PATIENCE)
            reader.execute("PRAGMA query_only = ON")
            return reader
        # The thread that publishes writes it, one call at a time.
        return sqlite3.connect(
            self.path, check_same_thread=False, timeout=PATIENCE, isolation_level=None
        )

    def prepare(self, version: int, synchronous: str, tables: str) -> None:
        """Make the tables that are not there yet."""
        with self.told():
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._connection.executescript(f"BEGIN;{tables}PRAGMA user_version = {version};COMMIT;")
        self._begun = True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of an answer: one that is read bit by bit would hold up who writes meanwhile."""
        with self.told():
            return self._connection.execute(query, values).fetchall()

    def ask_json(self, query: str, *values: Any) -> list[list[Any]]:
        """The same where all columns hold JSON."""
        with self.told():
            return [[json.loads(text) for text in row] for row in self.ask(query, *values)]

    def tell(self, statement: str, *values: Any) -> None:
        """Change rows."""
        with self.told():
            self._connection.execute(statement, values)

    def tell_each(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change rows, once for each of some values."""
        with self.told():
            self._connection.executemany(statement, rows)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All of it or nothing.

        Raises
        ------
        WriteError
            ``disk-full``, ``write-failed``, ``ledger-broken``.
        """
        try:
            self.tell("BEGIN IMMEDIATE")
            yield
            self.tell("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends it by itself where the disk is full
                self.tell("ROLLBACK")
            raise

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of SQLite and of the file as ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._error(error) from error
        except ValueError as error:  # pages that were overwritten hold no JSON
            raise self._broken(error) from error
        except OSError as error:
            raise _unusable(self.path, str(error.strerror)) from error

    def _error(self, error: sqlite3.DatabaseError) -> ShpbatchError:
        """What happened: to its disk or folder, to who else uses it, or to what is in it."""
        number = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the kind, without the detail
        if number == sqlite3.SQLITE_FULL:
            reason = f"{self.path}: cannot be written: {error}; free some space and run again"
            return WriteError(reason, "disk-full")
        if not isinstance(error, sqlite3.OperationalError):
            return self._broken(error)
        if self._begun:
            return WriteError(f"{self.path}: cannot be written: {error}; run again", "write-failed")
        if number in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            reason = f"{self.path}: another program holds the ledger; run again when it let go"
            return PlanError(reason, "ledger-busy")
        return _unusable(self.path, str(error))

    def _broken(self, error: Exception) -> ShpbatchError:
        reason = (
            f"{self.path}: the ledger cannot be read ({error}); move it away and run again "
            "with --overwrite, which makes every output anew"
        )
        return (WriteError if self._begun else PlanError)(reason, "ledger-broken")


def _unusable(path: Path, why: str) -> PlanError:
    return PlanError(
        f"{path}: the ledger cannot be used: {why}; check the permissions of its folder and the "
        "room on its disk",
        "ledger-unusable",
    )


def _uri(path: Path) -> str:
    """A path as SQLite takes one: a share's server (``//server/share``) is no authority to it."""
    text = path.absolute().as_posix()
    slash = "" if text.startswith("/") else "/"
    return f"file://{slash}{quote_from_bytes(os.fsencode(text), safe='/:')}"
