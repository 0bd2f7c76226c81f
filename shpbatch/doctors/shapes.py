"""The ``.shp`` and ``.shx`` of a layer: whole, to be put right, or to be salvaged."""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ReadError
from ..findings import runs_of
from ..header import check_head
from ..models import Source
from ..shapefile.bundle import Bundle
from ..shapefile.found import Places, heads, places
from ..shapefile.index import HEADER_BYTES, MAGIC
from ..shapefile.reader import Reader
from ..shapefile.records import HEAD
from ..shapefile.types import KNOWN, has_m, has_z
from ..shapefile.witnesses import beside_damage, ordered, out_of_turn
from ..shapefile.writer import VERSION, ranges_of
from .diagnosis import Diagnosis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["add_doubts", "as_they_are", "diagnose_shapes"]

#: The header's extent may be off by this share of its size: writers round.
SLACK = 1e-5
#: The flaw that makes doubtful which of the two is right.
DISAGREE = "record lengths and the .shx did not agree"
#: What is said of rows whose record has the number of another one.
OUT_OF_TURN = "its record has the number of another row"


@dataclass
class _Strict:
    """What reading all records by the rules tells."""

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    flaws: dict[str, None]
    types: set[int]
    ranges: NDArray[np.float64]
    numbers: NDArray[np.int64]
    indexed: bool


def diagnose_shapes(source: Source, bundle: Bundle) -> Diagnosis:
    """Look at all records, and find them where they are not where they should be.

    Raises
    ------
    ReadError
        ``empty-file``, ``bad-magic``, ``unknown-type``.
    """
    head = bundle.read("shp", HEADER_BYTES)
    try:
        check_head(head, source.name)
    except ReadError as error:
        return _salvaged(source, bundle, _first_type(bundle, error), error)
    code = struct.unpack_from("<i", head, 32)[0]
    try:
        strict = _strictly(source, bundle, code)
    except ReadError as error:
        return _salvaged(source, bundle, code, None, error)
    if DISAGREE in strict.flaws or _goes_on(strict, head, bundle):
        return _salvaged(source, bundle, code, None)
    found = Diagnosis(source, code, count=len(strict.starts), repairs=Counter(strict.flaws.keys()))
    types = strict.types - {0}
    wrong: list[str] = []
    if len(types) == 1 and code not in types:
        found.code = types.pop()
        wrong.append(f"the .shp header says shape type {code}, the records are {found.code}")
    wrong += _wrong_head(head, strict.ranges if not wrong else None, code)
    found.repairs.update(wrong)
    order = ordered(strict.starts, strict.numbers, strict.indexed)
    found.lost += runs_of(order.doubtful, OUT_OF_TURN)
    moved = bool((np.diff(order.places) != 1).any())
    if moved:
        found.repairs["records stood in another order than their numbers"] += 1
    if wrong or moved:
        starts = np.where(strict.starts >= HEADER_BYTES, strict.starts, 0)
        found.places = Places(starts[order.places], strict.sizes[order.places], [], Counter())
    return found


def _goes_on(strict: _Strict, head: bytes, bundle: Bundle) -> bool:
    """Whether records repeat their numbers behind the end that the header tells.

    What was appended twice, or is of an older state; not where the ``.dbf`` has rows of them.
    """
    after = np.flatnonzero(strict.starts == 2 * struct.unpack_from(">i", head, 24)[0])
    if strict.indexed or not len(after) or not after[0]:
        return False
    row = int(after[0])
    goes_on = strict.numbers[row] == strict.numbers[row - 1] + 1
    rows = (
        struct.unpack("<I", bundle.read("dbf", 8)[4:].ljust(4, b"\0"))[0] if "dbf" in bundle else 0
    )
    return not goes_on and rows != len(strict.starts)


def _strictly(source: Source, bundle: Bundle, code: int) -> _Strict:
    """Read the structure of all records as a run does, the ``.dbf`` left alone.

    Raises
    ------
    ReadError
        Where a run would refuse the ``.shp`` or the ``.shx``.
    """
    flaws: dict[str, None] = {}
    types: set[int] = set()
    ranges = []
    numbers = [np.empty(0, np.int64)]
    with _without_table(source, bundle) as reader:
        flaws |= dict.fromkeys(reader.file_flaws())
        for window in reader.windows():
            flaws |= dict.fromkeys(window.flaws)
            if len(window.records):
                types.update(np.unique(window.records.words(HEAD, "<i4")).tolist())
                ranges.append(ranges_of(window.records, code))
                numbers.append(window.records.words(0, ">i4").astype(np.int64))
        starts, sizes = reader.index.window(0, len(reader.index))
        indexed = not reader.index.rebuilt
    total = np.full(8, np.nan)
    if ranges:
        low, high = np.fmin.reduce(ranges, axis=0), np.fmax.reduce(ranges, axis=0)
        total = np.array([*low[:2], *high[2:4], low[4], high[5], low[6], high[7]])
    return _Strict(starts, sizes, flaws, types, total, np.concatenate(numbers), indexed)


def _wrong_head(head: bytes, ranges: NDArray[np.float64] | None, code: int) -> list[str]:
    """What the header of a ``.shp`` says that its records do not."""
    wrong = []
    if struct.unpack_from("<i", head, 28)[0] != VERSION:
        wrong.append("the version in the .shp header was none")
    if ranges is None:
        return wrong
    told = np.frombuffer(head, "<f8", 8, 36)
    for name, at, there in (
        ("extent", slice(0, 4), True),
        ("Z range", slice(4, 6), has_z(code)),
        ("M range", slice(6, 8), has_m(code)),
    ):
        if there and _differ(told[at], ranges[at]):
            wrong.append(f"the {name} in the .shp header was wrong")
    return wrong


def _differ(told: NDArray[np.float64], true: NDArray[np.float64]) -> bool:
    if not np.isfinite(true).all():
        return False
    size = max(float(np.ptp(true)), float(np.abs(true).max()), 1e-9)
    with np.errstate(invalid="ignore", over="ignore"):
        return not bool((np.abs(told - true) <= SLACK * size).all())


def _first_type(bundle: Bundle, error: ReadError) -> int:
    """Shape type by the header, else by that of the ``.shx``, else by the first record."""
    data = bundle.read("shp", HEADER_BYTES + HEAD + 4)
    shx = bundle.read("shx", HEADER_BYTES)
    for said, at in ((data, 32), (shx, 32), (data, HEADER_BYTES + HEAD)):
        if len(data) > HEADER_BYTES + HEAD and len(said) >= max(HEADER_BYTES, at + 4):
            code: int = struct.unpack_from("<i", said, at)[0]
            if code in KNOWN and code:
                return code
    raise error


def _salvaged(
    source: Source,
    bundle: Bundle,
    code: int,
    proof: ReadError | None,
    error: ReadError | None = None,
) -> Diagnosis:
    """Search for records; with ``proof`` only a file that is whole but for its header counts.

    Raises
    ------
    ReadError
        ``proof`` itself.
    """
    with bundle.file("shp") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    entries = _entries(bundle)
    found = places(data, code, entries)
    if proof is not None:
        told = entries is not None and len(entries) == found.whole
        if found.gone or not found.whole or (found.repairs and not told):
            raise proof
        head = bytes(data[:HEADER_BYTES])
        if struct.unpack_from(">i", head)[0] != MAGIC:
            found.repairs["the magic number of the .shp was wrong"] += 1
        if struct.unpack_from("<i", head, 32)[0] != code:
            found.repairs["the shape type in the .shp header was none"] += 1
    cut = found.is_cut or _is_short(data)
    if _is_short(data):
        found.spread(data, len(data))
    if entries is not None and cut and _agree(entries, found):
        found.extend(len(entries), len(data), "no record is where the .shx has it")
    if not found.gone and not found.repairs:
        found.repairs["the .shx was stale, short or wrong: it is made anew"] += 1
    return Diagnosis(source, code, found, True, count=len(found.starts), repairs=found.repairs)


def add_doubts(found: Diagnosis, bundle: Bundle) -> None:
    """Note which of the records that were searched for may be hit, or be of another row."""
    assert found.places is not None
    entries = _entries(bundle)
    rows = np.flatnonzero(found.places.starts)
    starts, sizes = found.places.starts[rows], found.places.sizes[rows]
    with bundle.file("shp") as file:
        data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    none = np.empty((0, 2), np.int64)
    found.beside = rows[beside_damage(data, starts, sizes, none if entries is None else entries)]
    found.lost += runs_of(out_of_turn(rows, heads(data, starts)[:, 0]), OUT_OF_TURN)


def _is_short(data: mmap.mmap) -> bool:
    """Whether the header declares more bytes than there are."""
    declared: int = 2 * struct.unpack_from(">i", data, 24)[0]
    return declared > len(data)


def _agree(entries: NDArray[np.int64], found: Places) -> bool:
    """Whether the ``.shx`` is of this file: most of the records found are where it says."""
    both = min(len(entries), len(found.starts))
    same = (entries[:both, 0] == found.starts[:both]).sum()
    return bool(2 * same >= found.whole) and bool(entries[0, 0] == HEADER_BYTES)


def _entries(bundle: Bundle) -> NDArray[np.int64] | None:
    """Entries of the ``.shx`` as bytes, whatever its header says."""
    if "shx" not in bundle:
        return None
    data = bundle.read("shx")
    n = max(0, len(data) - HEADER_BYTES) // 8
    if not n:
        return None
    return 2 * np.frombuffer(data, ">i4", 2 * n, HEADER_BYTES).astype(np.int64).reshape(n, 2)


def as_they_are(source: Source, bundle: Bundle) -> Places:
    """Places of the records of a ``.shp`` that is whole."""
    with _without_table(source, bundle) as reader:
        starts, sizes = reader.index.window(0, len(reader.index))
    return Places(starts, sizes, [], Counter())


def _without_table(source: Source, bundle: Bundle) -> Reader:
    """A reader of shapes only: a ``.dbf`` that does not fit is another matter."""
    reader = Reader(source)
    kept = {e: n for e, n in bundle.members.items() if e in ("shp", "shx")}
    reader.bundle = replace(bundle, members=kept)
    return reader
