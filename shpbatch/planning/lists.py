"""What the user named: globs written out, and lists, which may be pipes, read once."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import SourceError

__all__ = ["Listed", "expanded", "read_lists"]


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
        return _lines(sys.stdin.read())
    if not name.startswith("@") or os.path.exists(name):
        return name
    try:
        return _lines(Path(name[1:]).read_text("utf-8-sig"))
    except OSError as error:
        raise SourceError(f"{name[1:]}: {error.strerror}", "source-missing") from None
    except UnicodeDecodeError:
        raise SourceError(f"{name[1:]}: not a list in UTF-8", "bad-list") from None


def _lines(text: str) -> Listed:
    return Listed(line.strip() for line in text.splitlines() if line.strip())


def expanded(src: Iterable[str | Listed]) -> Iterator[str]:
    """Names with lists and globs written out."""
    for name in read_lists(src):
        if isinstance(name, Listed):
            yield from name
        elif not os.path.exists(name) and glob.has_magic(name):
            yield from sorted(glob.glob(name, recursive=True))
        else:
            yield name
