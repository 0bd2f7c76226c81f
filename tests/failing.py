"""A disk of which one call fails."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from shpbatch.durable import Files

__all__ = ["Failing"]


class Failing(Files):
    """Raises an error at the n-th call of one kind, and from then on where it is to last."""

    def __init__(self, kind: str, at: int, number: int, lasting: bool = False) -> None:
        self.kind, self.at, self.number, self.lasting = kind, at, number, lasting
        self.failed = False

    def _count(self, kind: str) -> None:
        if kind == self.kind:
            self.at -= 1
            if self.at == -1 or (self.lasting and self.at < 0):
                self.failed = True
                raise OSError(self.number, os.strerror(self.number))

    def write(self, path: Path, data: bytes) -> None:
        self._count("write")
        super().write(path, data)

    def sync(self, path: Path) -> None:
        self._count("sync")

    def sync_all(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self.sync(path)

    def rename(self, source: Path, target: Path) -> None:
        self._count("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._count("unlink")
        super().unlink(path)
