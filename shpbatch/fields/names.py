"""Field names that a ``.dbf`` holds: 10 bytes in its encoding, cut at characters.

A name that fits is never touched. One that does not is shortened word by word,
so that a person still reads it and what tells two names apart stays:
``population_2020`` and ``population_2021`` become ``popul_2020`` and
``popul_2021``, not ``population`` and ``populati_1``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count, permutations

__all__ = ["LONGEST_NAME", "fits", "layer_names", "planned_names"]

#: Bytes of a name: the eleventh of its place in the header ends it.
LONGEST_NAME = 10
#: What stands between words; all else, of any script, is a word.
_BETWEEN = re.compile(r"([\s!-/:-@\[-`{-~\x00-\x1f\x7f]+)")
#: Within them: ``avgTemp2020`` is three.
_WITHIN = re.compile(r"(?<=[^\W\d_A-Zß])(?=[A-Z])|(?<=\D)(?=\d)|(?<=\d)(?=\D)")
#: Words that tell nothing, left out of names of three words or more.
_FILLERS = (
    " a an and at by for from in of on per the to "
    "da das de del den der des di die do du el en et la le les los op und van von y "
)
_VOWELS = frozenset("aeiouAEIOU")
#: A word and what stands before it.
Word = tuple[str, str]


def fits(name: str, encoding: str) -> bool:
    """Whether a ``.dbf`` holds a name as it is."""
    return 0 < _size(name, encoding) <= LONGEST_NAME


def planned_names(
    names: Iterable[str],
    encoding: str,
    taken: Mapping[str, str] | None = None,
    own: Collection[str] = (),
) -> dict[str, str]:
    """The name that each field is written under.

    The order of the names does not matter, and what is ``taken`` stays as it
    is: a field that comes later renames no other.

    Parameters
    ----------
    names : iterable of str
        Of a layer, or of all layers of a run.
    encoding : str
        Python codec of the ``.dbf``.
    taken : mapping of str to str, optional
        Written names of an earlier plan, by name; also of fields that are not
        among ``names``.
    own : collection of str
        Names that the source's own header has: they fit, whatever their size.

    Returns
    -------
    dict of str to str
        For every name one of 1 to 10 bytes, the name itself where it fits.
        Those of names that do not fit are unique, without minding case, among
        all of them and all that is taken.
    """
    asked, taken = dict.fromkeys(names), taken or {}
    plan = {n: n for n in asked if n in own or fits(n, encoding)}
    used = {n.casefold() for n in plan}
    long = sorted(n for n in asked if n not in plan)
    for name in long:
        short = taken.get(name)
        if short is not None and fits(short, encoding) and short.casefold() not in used:
            plan[name] = short
            used.add(short.casefold())
    # What was written for other names is kept for them.
    used |= {short.casefold() for name, short in taken.items() if name not in plan}
    for name in long:
        if name not in plan:
            plan[name] = _unused(name, encoding, used)
            used.add(plan[name].casefold())
    return {name: plan[name] for name in asked}


def layer_names(
    names: Sequence[str],
    encoding: str,
    taken: Mapping[str, str] | None = None,
    own: Collection[str] = (),
) -> list[str]:
    """The written name of each field of one layer, in its order; names may repeat.

    Parameters are those of `planned_names`.
    """
    if all(n in own or fits(n, encoding) for n in names):
        return list(names)
    plan = planned_names(names, encoding, taken, own)
    used: set[str] = {n.casefold() for n in plan.values()}
    written: list[str] = []
    for name in names:
        short = plan[name]
        if short != name and short in written:  # a second field of one long name
            short = _unused(name, encoding, used)
            used.add(short.casefold())
        written.append(short)
    return written


def _unused(name: str, encoding: str, used: Collection[str]) -> str:
    found = (s for s in _candidates(name, encoding) if fits(s, encoding))
    return next(s for s in found if s.casefold() not in used)


def _candidates(name: str, encoding: str) -> Iterator[str]:
    """Short forms of a name, the most readable first; without end."""
    plain = _encodable(name, encoding)
    words = _words(plain)
    first = _joined(words, encoding)
    yield first
    yield _joined([(gap, _without_vowels(word)) for gap, word in words], encoding)
    half = LONGEST_NAME // 2
    tail = _head(plain[::-1], half, encoding)[::-1]
    yield _head(plain, LONGEST_NAME - _size(tail, encoding), encoding) + tail
    for number in count(1):
        suffix = f"_{number}"
        yield _head(first, LONGEST_NAME - len(suffix), encoding) + suffix


def _encodable(name: str, encoding: str) -> str:
    """The name in characters that its encoding has: é is e, where there is no é."""
    text = "".join(
        c if c.isprintable() else "_" for c in unicodedata.normalize("NFC", name)
    )  # not so: half a character, a tab
    found = []
    for character in text:
        try:
            character.encode(encoding)
            found.append(character)
        except UnicodeEncodeError:
            base = unicodedata.normalize("NFKD", character.replace("ß", "ss"))
            found.append(base.encode("ascii", "ignore").decode() or "_")
    plain = "".join(found)
    return plain if plain.strip("_ ") else "field"


def _words(name: str) -> list[Word]:
    """The words of a name; fillers are left out where enough remain."""
    found: list[Word] = []
    gap = ""
    for at, piece in enumerate(_BETWEEN.split(name)):
        if at % 2:
            gap = "_" if piece.isspace() else piece[0]
            continue
        for word in filter(None, _WITHIN.split(piece)):
            found.append((gap if found else "", word))
            gap = ""
    kept = [w for w in found[1:-1] if f" {w[1].casefold()} " not in _FILLERS]
    return [found[0], *kept, *found[-1:]] if len(found) > 2 else found or [("", name)]


def _joined(words: list[Word], encoding: str) -> str:
    """Words shortened so that they fit together; numbers stay whole as long as they can."""
    gaps = sum(len(gap) for gap, _ in words)
    if LONGEST_NAME - gaps < 2 * len(words):  # no room for what stands between them
        words, gaps = [("", word) for _, word in words], 0
    if len(words) > LONGEST_NAME // 2:  # what a name begins and ends with tells most
        words = [*words[:3], *words[-2:]]
    texts = [word for _, word in words]
    sizes = [_size(word, encoding) for word in texts]
    room = _shares(texts, sizes, LONGEST_NAME - gaps)
    best = max(_nearby(room, sizes), key=lambda r: _readable(texts, r, encoding))
    heads = [_head(word, n, encoding) for word, n in zip(texts, best, strict=True)]
    for i, word in enumerate(texts):  # a character of three bytes may have left two
        left = LONGEST_NAME - gaps - sum(_size(head, encoding) for head in heads)
        heads[i] = _head(word, _size(heads[i], encoding) + left, encoding)
    return "".join(gap + head for (gap, _), head in zip(words, heads, strict=True) if head)


def _shares(words: Sequence[str], sizes: Sequence[int], room: int) -> list[int]:
    """Bytes for each word: the longest give first, numbers last, of equals the later."""
    shares = list(sizes)
    while sum(shares) > room:
        letters = [i for i, w in enumerate(words) if not w.isdigit() and shares[i] > 1]
        at = max(letters or range(len(shares)), key=lambda i: (shares[i], i))
        shares[at] -= 1
    return shares


def _nearby(shares: list[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """The shares, and those with one byte moved from a word to another."""
    yield shares
    for a, b in permutations(range(len(shares)), 2):
        if shares[a] > 2 and shares[b] < sizes[b]:
            moved = list(shares)
            moved[a] -= 1
            moved[b] += 1
            yield moved


def _readable(words: Sequence[str], shares: Sequence[int], encoding: str) -> float:
    """How well words read: best whole, and better when they end in a consonant."""
    score = 0.0
    for word, share in zip(words, shares, strict=True):
        head = _head(word, share, encoding)
        if head == word:
            score += 1.5
        elif word.isdigit():
            score -= 5
        elif head and head[-1] not in _VOWELS:
            score += 1
    return score


def _without_vowels(word: str) -> str:
    return word[:1] + "".join(c for c in word[1:] if c not in _VOWELS)


def _head(text: str, size: int, encoding: str) -> str:
    """As many whole characters of a text as a number of bytes holds."""
    while text and _size(text, encoding) > size:
        text = text[:-1]
    return text


def _size(text: str, encoding: str) -> int:
    """Bytes of a text; more than any where its encoding lacks a character."""
    try:
        # Names cut within a character keep their odd bytes as surrogates (see `header`).
        return len(text.encode(encoding, "surrogateescape"))
    except UnicodeEncodeError:
        return 1 << 30
