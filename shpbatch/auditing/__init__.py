"""The audit: one grid of what is in a folder of shapefiles, and what is wrong with it.

``discover → look at headers → (read all, on the pool) → sisters → contract → Audit``
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace

from ..errors import SourceError
from ..planning.discover import Found, discover
from ..pool.stop import Stop
from ..reporting.progress import Mode
from .contract import Contract, hold
from .contract_file import read_contract
from .everything import read_all
from .grid import Audit, LayerAudit, Reading, Stray
from .look import look
from .sisters import settle
from .strays import find_strays

__all__ = ["Audit", "LayerAudit", "Reading", "Stray", "audit", "audit_found"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def audit(  # noqa: PLR0913 (one keyword a concern)
    src: Paths,
    *,
    deep: bool = False,
    expect: str | os.PathLike[str] | None = None,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    limit: int | None = None,
    workers: int = 16,
    progress: Mode = "none",
    stop: Stop | None = None,
) -> Audit:
    """Audit shapefiles; nothing is changed.

    Parameters
    ----------
    src : path or iterable of paths
        Files, folders, globs, zips, ``@list.txt``.
    deep : bool
        Read all features, on a pool of processes; else headers only.
    expect : path, optional
        A contract (YAML, TOML, JSON): what layers have to be. What it asks of
        features makes the audit a deep one.
    include, exclude : iterable of str
        Globs on the path below the named folder.
    limit : int, optional
        Only the first so many layers.
    workers : int
        Processes of a deep audit; 0 = the CPUs this process may use.
    progress : {"none", "auto", "bar", "lines"}
        Of a deep audit.
    stop : Stop, optional
        Set by a signal handler to end the reading early.

    Returns
    -------
    Audit
        A file that cannot be read is a row with its reason, not an exception.

    Raises
    ------
    SourceError
        ``source-missing``, ``no-sources`` where there is nothing at all.
    RecipeError
        The contract is wrong; all its mistakes are told at once.
    """
    named = [os.fspath(s) for s in ([src] if isinstance(src, str | os.PathLike) else src)]
    contract = read_contract(os.fspath(expect)) if expect is not None else None
    found, strays = _discovered(named, list(include), list(exclude), limit)
    audited = audit_found(found, contract, deep=deep, workers=workers, progress=progress, stop=stop)
    return replace(audited, strays=tuple(strays), src=tuple(named))


def audit_found(
    found: Found,
    contract: Contract | None = None,
    *,
    deep: bool = False,
    workers: int = 16,
    progress: Mode = "none",
    stop: Stop | None = None,
) -> Audit:
    """Audit layers that were found already; see `audit`."""
    start = time.monotonic()
    deep = deep or bool(contract and contract.is_deep())
    layers = settle(look(source) for source in found.sources)
    if deep:
        layers = read_all(layers, workers, progress, stop)
    done = Audit(layers, deep=deep)
    if contract is not None:
        done = hold(done, contract)
    return replace(done, seconds=time.monotonic() - start)


def _discovered(
    named: list[str], include: list[str], exclude: list[str], limit: int | None
) -> tuple[Found, list[Stray]]:
    """Layers, and what lies beside them; a folder of strays only is an audit, too.

    Raises
    ------
    SourceError
    """
    try:
        found = discover(named, include=include, exclude=exclude, limit=limit)
    except SourceError as error:
        if error.code != "no-sources" or include or exclude:
            raise
        strays = find_strays(named, [(n, "a zip without a .shp") for n in named if _is_zip(n)])
        if not strays:
            raise
        return Found(()), strays
    return found, find_strays(named, found.ignored, others=not include)


def _is_zip(name: str) -> bool:
    return os.path.isfile(name) and name.lower().endswith((".zip", ".shz"))
