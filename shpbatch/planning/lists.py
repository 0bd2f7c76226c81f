"""What the user named: globs written out, and lists, which may be pipes, read once."""

from __future__ import annotations

import glob
import os
import sys
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from ..errors import SourceError

__all__ = ["Listed", "expanded", "read_lists", "unmatched"]

_UTF_16 = (BOM_UTF16_LE, BOM_UTF16_BE)


class Listed(tuple[str, ...]):
    """The names in a list that was read; each is a path, however it looks."""


def read_lists(src: Iterable[str | Listed]) -> list[str | Listed]:
    """Read ``@list.txt`` and ``-`` (standard input): a plan that is made again finds them there.

    Raises
    ------
    SourceError
        ``source-missing``, ``bad-list``.
    """
    return [name if isinstance(name, Listed) else _read(name) for name in src]


def _read(name: str) -> str | Listed:
    if name == "-":
        return _lines("the list on stdin", _stdin())
    if not name.startswith("@") or os.path.exists(name):
        return name
    try:
        data = Path(name[1:]).read_bytes()
    except OSError as error:
        raise SourceError(f"{name[1:]}: {error.strerror}", "source-missing") from None
    return _lines(name[1:], data)


def _stdin() -> bytes:
    """Bytes: a name need not be text."""
    raw = getattr(sys.stdin, "buffer", None)
    return raw.read() if raw is not None else os.fsencode(sys.stdin.read())


def _lines(where: str, data: bytes) -> Listed:
    """One name a line, or as ``find -print0`` writes them: these may hold a newline."""
    if b"\0" in data and not data.startswith(_UTF_16):
        names = data.split(b"\0")
    else:
        names = [line.strip() for line in data.removeprefix(BOM_UTF8).split(b"\n")]
    return Listed(_named(where, name) for name in names if name)


def _named(where: str, name: bytes) -> str:
    """A path; bytes that are no UTF-8 are one only where there is such a file."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        if os.name != "nt" and os.path.exists(name):
            return os.fsdecode(name)
        raise SourceError(f"{where}: not a list in UTF-8", "bad-list") from None


def expanded(src: Iterable[str | Listed]) -> Iterator[str]:
    """Names with lists and globs written out."""
    for name in read_lists(src):
        if isinstance(name, Listed):
            yield from name
        elif not os.path.exists(name) and glob.has_magic(name):
            yield from sorted(glob.glob(name, recursive=True))
        else:
            yield name


def unmatched(src: Iterable[str | Listed]) -> list[str]:
    """Folders of globs that match nothing: as empty as a disk that is not mounted."""
    globs = [n for n in src if isinstance(n, str) and glob.has_magic(n) and not os.path.exists(n)]
    return [_fixed(name) for name in globs if not glob.glob(name, recursive=True)]


def _fixed(name: str) -> str:
    """The part of a glob before its first sign."""
    return str(Path(*takewhile(lambda part: not glob.has_magic(part), Path(name).parts)))
