"""The door to DuckDB: one locked connection a process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

__all__ = ["ask", "connection"]

MEMORY_LIMIT = "1GB"


@lru_cache(maxsize=1)
def connection() -> duckdb.DuckDBPyConnection:
    """One connection a process, locked before an expression is seen."""
    import duckdb

    opened = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": MEMORY_LIMIT})
    for setting in (
        "temp_directory = ''",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        opened.execute(f"SET {setting}")
    return opened


def ask(query: str, *values: str) -> Any:
    """One value from the locked connection."""
    return connection().execute(query, list(values)).fetchall()[0][0]
