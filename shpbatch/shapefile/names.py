"""Names in a folder or a zip, found by their stem without minding case."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Names"]

#: Characters among which a name is looked for at last.
NEAR = 1 << 12


class Names:
    """Sorted names in one text: a folder may hold 100,000 layers, and each worker its names.

    Parameters
    ----------
    listed : iterable of str
    """

    def __init__(self, listed: Iterable[str]) -> None:
        plain: set[str] = set()
        spelled: dict[str, list[str]] = {}
        for name in sorted(listed):
            folded = name.casefold()
            if folded == name:
                plain.add(name)
            else:
                spelled.setdefault(folded, []).append(name)
        self._spelled = {f: [*names, *({f} & plain)] for f, names in spelled.items()}
        # No name has a NUL.
        self._text = "\0".join(["", *sorted(plain | spelled.keys()), ""])

    def of(self, stem: str) -> list[str]:
        """Names that begin with a stem and a point, in their own spelling."""
        wanted = f"\0{stem.casefold()}."
        low, high = 0, len(self._text)
        while high - low > NEAR:
            start = self._text.rfind("\0", low, (low + high) // 2)
            if start <= low:
                break  # one very long name
            if self._text[start : start + len(wanted)] < wanted:
                low = start
            else:
                high = start
        found = []
        at = self._text.find(wanted, low)
        while at >= 0 and self._text.startswith(wanted, at):
            end = self._text.find("\0", at + 1)
            folded = self._text[at + 1 : end]
            found += self._spelled.get(folded, [folded])
            at = end
        return found
