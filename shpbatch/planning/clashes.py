"""What would overwrite what: sinks and sources by true path, without case."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..errors import PlanError
from ..foreign import is_foreign
from ..models import Source

__all__ = ["Clashes"]


class Clashes:
    """Sinks and sources of a plan, as they are added; names without case, by folder.

    A sink that is a link to a source is no clash: the link itself is replaced.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._true: dict[str, str] = {}
        self._sources = [s for s in sources if not s.member or is_foreign(s.path)]
        self._beside: dict[str, dict[str, str]] = {}  # by true folder; filled where sinks go there
        self._sinks: dict[str, dict[str, str]] = {}
        self._folders = {self._folder(s.path)[0] for s in self._sources}

    def check(self, source: Source, sink: str) -> None:
        """Refuse a sink that is a source, or another source's sink."""
        self.check_source(sink)
        folder, name = self._folder(sink)
        sinks = self._sinks.setdefault(folder, {})
        if other := sinks.get(name.casefold()):
            raise PlanError(
                f"{source.name} and {other} would both become {sink}; "
                "leave one out with --exclude, run without --flat, or give each its own -o",
                "sink-clash",
            )
        sinks[name.casefold()] = source.path

    def check_source(self, sink: str) -> None:
        """Refuse a sink that is a source."""
        folder, name = self._folder(sink)
        if folder not in self._folders:
            return
        if folder not in self._beside:
            here = (s.path for s in self._sources if self._folder(s.path)[0] == folder)
            self._beside[folder] = {os.path.basename(p).casefold(): p for p in here}
        if original := self._beside[folder].get(name.casefold()):
            raise PlanError(
                f"{original}: the output would replace this source; choose another folder for -o",
                "source-is-sink",
            )

    def _folder(self, path: str) -> tuple[str, str]:
        """The true path of a folder, looked up once, and a name in it."""
        folder, name = os.path.split(path)
        true = self._true.get(folder)
        if true is None:
            true = self._true[folder] = os.path.realpath(folder).casefold()
        return true, name
