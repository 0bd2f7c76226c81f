"""Whatever bytes come in, a layer comes out, or a sentence with a code.

A fixed number of mutations of small layers of each type; every one of them is
made from a seed, which the message of a failure names.
"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapefile as pyshp
import shapely
from conftest import write_shapefile
from oracle import same_objects
from shapefiles import WGS84, dbf_bytes, source

import shpbatch
from shpbatch.engine.layer import Layer
from shpbatch.engine.reading import read_layer
from shpbatch.errors import LayerError, PlanError, ReadError
from shpbatch.models import Outcome, Recipe, Task
from shpbatch.parser import run_alone
from shpbatch.policy import Policy
from shpbatch.recipes.recipe import as_recipe
from shpbatch.shapefile import reader

pytestmark = pytest.mark.timeout(60)

RECIPES = {
    "none": Recipe(),
    "reproject": as_recipe("reproject --dst-crs EPSG:3857 --src-crs EPSG:4326"),
    "calculate": as_recipe('calculate --field new --expression "FID + 1"'),
    "make-valid": as_recipe("make-valid"),
    "few rows": as_recipe("filter --where 'FID = 1' ! make-valid"),
}
MAIN = ("shp", "shx", "dbf")
POLICIES = (Policy(), Policy(on_bad_record="skip"), Policy("skip", "reject"))
#: Seeds of mutations, for each layer and member.
CASES = 16


def multipatch(path: Path) -> Path:
    """A strip of triangles and a ring, as no writer of shpbatch has made them."""
    with pyshp.Writer(str(path), shapeType=pyshp.MULTIPATCH) as writer:
        writer.field("NAME", "C", size=4)
        strip = [[0, 0, 0], [0, 0, 3], [5, 0, 0], [5, 0, 3], [5, 5, 0]]
        ring = [[0, 0, 3], [0, 5, 3], [5, 5, 3], [0, 0, 3]]
        for name in ("a", "b"):
            writer.multipatch([strip, ring], partTypes=[pyshp.TRIANGLE_STRIP, pyshp.OUTER_RING])
            writer.record(name)
    path.with_suffix(".prj").write_text(WGS84)
    path.with_suffix(".cpg").write_text("UTF-8")
    return path


def hand_made(name: str) -> Callable[[Path], Path]:
    return lambda path: write_shapefile(name, path)


LAYERS: dict[str, Callable[[Path], Path]] = {"multipatch": multipatch} | {
    name: hand_made(name)
    for name in (
        "points", "points_z", "points_m", "points_zm", "multipoints", "lines", "lines_z",
        "lines_m", "lines_zm", "polygons", "polygons_z", "null_rows", "no_fields", "null_type",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Victim:
    """A layer of which any member can be replaced by other bytes, and put back."""

    path: Path
    members: dict[str, bytes]

    def put(self, extension: str, data: bytes) -> None:
        self.path.with_suffix(f".{extension}").write_bytes(data)

    def restore(self) -> None:
        for extension, data in self.members.items():
            self.put(extension, data)


def victim(name: str, folder: Path) -> Victim:
    path = LAYERS[name](folder / "a.shp")
    members = {p.suffix[1:]: p.read_bytes() for p in folder.glob("a.*")}
    return Victim(path, members)


def read_whole(path: Path) -> Layer | ReadError | LayerError:
    """The layer, everything decoded and counted, or the error of ours that came instead."""
    try:
        layer = read_layer(source(path))
        assert len(layer.geometry()) == len(layer)
        for i in range(len(layer.columns)):
            assert len(layer.values(i)) == len(layer)
        assert len(layer.bounds()) == len(layer)
    except LayerError as error:
        assert error.code not in ("error", "unexpected")
        assert path.stem in str(error)
        return error
    account = layer.account
    assert account.declared == account.read + account.deleted + account.unreadable
    assert account.read == len(layer)
    return layer


def ran(path: Path, out: Path, recipe: str, policy: Policy = POLICIES[0]) -> Outcome:
    """The outcome of a task: done, proved and balanced, or failed with nothing left."""
    sink = out / "a.shp"
    sink.unlink(missing_ok=True)
    task = Task(source(path), RECIPES[recipe], str(sink), str(out), overwrite=True, policy=policy)
    outcome = run_alone(task)
    assert outcome.code != "unexpected", outcome.detail
    # Nobody else writes here, and what is written must be what was meant.
    assert outcome.code not in ("write-differs", "write-incomplete", "source-changed"), outcome
    if outcome.status == "failed":
        assert outcome.code and outcome.reason
        assert not sink.exists()
        return outcome
    assert outcome.status == "done"
    features = outcome.features
    assert features is not None and features.balances()
    with_fields = sink.with_suffix(".dbf").exists()
    assert sink.stat().st_size >= 100 + 12 * features.written
    assert sink.with_suffix(".shx").stat().st_size == 100 + 8 * features.written
    if with_fields:
        rows = struct.unpack_from("<I", sink.with_suffix(".dbf").read_bytes(), 4)[0]
        assert rows == features.written
    return outcome


# -- mutations -----------------------------------------------------------------

EXTREMES = (0, 1, -1, 2, 4, 31, 1000, 2**15, 2**24, 2**30, 2**31 - 1, -(2**31), -(2**31) + 8)
DOUBLES = (0.0, float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, -1e39, 1e-320)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to three things wrong."""
    for _ in range(rng.integers(1, 4)):
        kind = MUTATIONS[rng.integers(len(MUTATIONS))]
        data = kind(bytearray(data), rng)
    return data


def _at(data: bytes | bytearray, rng: np.random.Generator) -> int:
    """A place, as often in the header as after it, as often on a word as not."""
    most = max(1, len(data)) if rng.random() < 0.6 else min(max(1, len(data)), 112)
    at = int(rng.integers(most))
    return at - at % 4 if rng.random() < 0.7 else at


def flip(data: bytearray, rng: np.random.Generator) -> bytes:
    if data:
        data[_at(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(data)


def byte(data: bytearray, rng: np.random.Generator) -> bytes:
    if data:
        data[_at(data, rng)] = int(rng.integers(256))
    return bytes(data)


def extreme(data: bytearray, rng: np.random.Generator) -> bytes:
    at, value = _at(data, rng), EXTREMES[rng.integers(len(EXTREMES))]
    data[at : at + 4] = struct.pack("<i" if rng.random() < 0.5 else ">i", value)
    return bytes(data)


def double(data: bytearray, rng: np.random.Generator) -> bytes:
    at = _at(data, rng)
    data[at : at + 8] = struct.pack("<d", DOUBLES[rng.integers(len(DOUBLES))])
    return bytes(data)


def truncate(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: _at(data, rng)])


def extend(data: bytearray, rng: np.random.Generator) -> bytes:
    size = int(rng.integers(1, 64))
    return bytes(data) + (rng.bytes(size) if rng.random() < 0.5 else bytes(size))


def swap(data: bytearray, rng: np.random.Generator) -> bytes:
    size = int(rng.integers(1, 32))
    a, b = sorted((_at(data, rng), _at(data, rng)))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return bytes(data)


def repeat(data: bytearray, rng: np.random.Generator) -> bytes:
    at, size = _at(data, rng), int(rng.integers(1, 120))
    return bytes(data[: at + size] + data[at:])


def drop(data: bytearray, rng: np.random.Generator) -> bytes:
    at, size = _at(data, rng), int(rng.integers(1, 60))
    return bytes(data[:at] + data[at + size :])


def blank(data: bytearray, rng: np.random.Generator) -> bytes:
    at, size = _at(data, rng), int(rng.integers(1, 60))
    filler = b"\0 *\xff9"[rng.integers(5)]
    data[at : at + size] = bytes([filler]) * len(data[at : at + size])
    return bytes(data)


def noise(data: bytearray, rng: np.random.Generator) -> bytes:
    at, size = _at(data, rng), int(rng.integers(1, 40))
    return bytes(data[:at]) + rng.bytes(size) + bytes(data[at + size :])


def retype(data: bytearray, rng: np.random.Generator) -> bytes:
    """Another shape type in a record."""
    code, types = bytes(data[32:36]), (0, 1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31)
    found = [at for at in range(108, len(data) - 3, 4) if data[at : at + 4] == code]
    if found:
        at = found[rng.integers(len(found))]
        data[at : at + 4] = struct.pack("<i", types[rng.integers(len(types))])
    return bytes(data)


MUTATIONS = (
    retype,
    flip,
    byte,
    extreme,
    extreme,
    double,
    truncate,
    extend,
    swap,
    repeat,
    drop,
    blank,
    noise,
)


@pytest.mark.parametrize("rows", [2, 32_768])
@pytest.mark.parametrize("name", LAYERS)
def test_mutated_members_are_read_or_refused(
    name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And run with all recipes in turn, with and without bad records skipped."""
    monkeypatch.setattr(reader, "WINDOW_ROWS", rows)
    hurt = victim(name, tmp_path)
    out = tmp_path / "out"
    recipes = list(RECIPES)
    present = [e for e in (*MAIN, "shp", "shp") if e in hurt.members]
    for number, member in enumerate(present):
        for seed in range(CASES):
            rng = np.random.default_rng([rows, *map(ord, name), number, seed])
            hurt.restore()
            hurt.put(member, mutated(hurt.members[member], rng))
            if seed % 5 == 4:  # two members wrong
                other = present[(number + 1) % 3 % len(present)]
                hurt.put(other, mutated(hurt.members[other], rng))
            try:
                read_whole(hurt.path)
                policy = POLICIES[seed % len(POLICIES)]
                ran(hurt.path, out, recipes[(seed + number) % len(recipes)], policy)
            except Exception as error:
                raise AssertionError(
                    f"{name}: .{member} {number}, seed {seed}: {type(error).__name__}: {error}"
                ) from error


@pytest.mark.parametrize("name", [n for n in LAYERS if n != "multipatch"])
def test_a_mutated_layer_is_merged_or_refused(name: str, tmp_path: Path) -> None:
    """With one that is as it was."""
    hurt, whole = victim(name, tmp_path), LAYERS[name](tmp_path / "b.shp")
    present = [e for e in MAIN if e in hurt.members]
    bad: list[str] = []
    done = 0
    for seed in range(2 * CASES):
        member = present[seed % len(present)]
        rng = np.random.default_rng([2, *map(ord, name), seed])
        hurt.restore()
        hurt.put(member, mutated(hurt.members[member], rng))
        policy = ("fail", "skip")[seed // 3 % 2]
        options = {"merge": "all", "method": "inline", "on_bad_record": policy}
        try:
            report = shpbatch.run(
                [hurt.path, whole],
                tmp_path / "out",
                (),
                if_exists="overwrite",
                force=True,
                **options,
            )
        except PlanError:
            continue
        (outcome,) = report.outcomes
        if outcome.code in ("unexpected", "write-differs", "write-incomplete"):
            bad.append(f".{member}, seed {seed}: {outcome.reason}\n{outcome.detail}")
        elif outcome.status == "done":
            done += 1
            assert outcome.features is not None and outcome.features.balances()
    assert not bad, "\n".join(bad)
    assert done > CASES // 2


@pytest.mark.parametrize("name", LAYERS)
def test_a_header_of_any_type_is_read_or_refused(name: str, tmp_path: Path) -> None:
    """The type in the header says one thing, all records another."""
    hurt = victim(name, tmp_path)
    data = hurt.members["shp"]
    bad: list[tuple[int, str, str]] = []
    for code in (0, 1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31):
        hurt.put("shp", data[:32] + struct.pack("<i", code) + data[36:])
        for recipe in ("read", "reproject", "make-valid"):
            try:
                if recipe == "read":
                    read_whole(hurt.path)
                else:
                    ran(hurt.path, tmp_path / "out", recipe)
            except Exception as error:
                bad.append((code, recipe, f"{error!r}"[-120:]))
    assert not bad


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("vertex", range(5))
@pytest.mark.parametrize("ordinate", range(2))
def test_a_vertex_that_is_no_number_is_read_or_refused(
    value: float, vertex: int, ordinate: int, tmp_path: Path
) -> None:
    """Also the first and the last of a ring, which are the same and yet are not equal."""
    hurt = victim("polygons", tmp_path)
    at = 100 + 8 + 44 + 2 * 4 + 16 * vertex + 8 * ordinate
    data = hurt.members["shp"]
    hurt.put("shp", data[:at] + struct.pack("<d", value) + data[at + 8 :])
    read_whole(hurt.path)
    for recipe in RECIPES:
        ran(hurt.path, tmp_path / "out", recipe)


def peak_of(work: Callable[[], object]) -> int:
    """Most bytes that Python and numpy held at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["polygons", "points_zm", "multipoints", "lines_m"])
def test_an_extreme_number_anywhere_costs_no_memory(name: str, tmp_path: Path) -> None:
    """Every word of the .shp in turn: no count is believed before it is checked."""
    hurt = victim(name, tmp_path)
    data = hurt.members["shp"]
    read_whole(hurt.path)  # modules are loaded
    usual = peak_of(lambda: read_whole(hurt.path))
    for at in range(24, len(data) - 3, 4):
        for value in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff"):
            hurt.put("shp", data[:at] + value + data[at + 4 :])
            try:
                peak = peak_of(lambda: read_whole(hurt.path))
            except Exception as error:
                raise AssertionError(f"byte {at}, {value!r}: {error!r}") from error
            assert peak < usual + (1 << 20), f"byte {at}, {value!r}: {peak:,} bytes, not {usual:,}"


@pytest.mark.parametrize("value", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"])
def test_an_extreme_number_in_the_dbf_costs_no_memory(value: bytes, tmp_path: Path) -> None:
    """Counts, lengths and the first field, of which each may claim 4 GB of rows."""
    hurt = victim("points", tmp_path)
    data = hurt.members["dbf"]

    def work() -> None:
        read_whole(hurt.path)
        ran(hurt.path, tmp_path / "out", "none", Policy(on_bad_record="skip"))

    work()
    usual = peak_of(work)
    for at in (4, 8, 10, *range(32, 64, 4)):
        hurt.put("dbf", data[:at] + value + data[at + 4 :])
        peak = peak_of(work)
        assert peak < usual + (1 << 20), f"byte {at}: {peak:,} bytes, not {usual:,}"


# -- every truncation ----------------------------------------------------------

CUT = ["polygons", "points_zm", "lines_m", "multipoints"]


@pytest.mark.parametrize("name", CUT)
def test_a_cut_shp_is_refused_wherever_it_is_cut(name: str, tmp_path: Path) -> None:
    """Or, skipping, gives the records that are whole, just as they were, and counts the others."""
    hurt = victim(name, tmp_path)
    whole = read_whole(hurt.path)
    assert isinstance(whole, Layer)
    data = hurt.members["shp"]
    ends = struct.unpack(f">{2 * len(whole)}i", hurt.members["shx"][100:])
    ends = [2 * (a + b) + 8 for a, b in zip(ends[::2], ends[1::2], strict=True)]
    assert ends[-1] == len(data)
    for size in range(len(data)):
        hurt.put("shp", data[:size])
        assert isinstance(read_whole(hurt.path), ReadError), size
        if size % 7:
            continue
        outcome = ran(hurt.path, tmp_path / "out", "none", POLICIES[1])
        if size < 100:
            assert outcome.status == "failed", size
            continue
        left = sum(end <= size for end in ends)
        assert outcome.features is not None, (size, outcome.reason)
        assert (outcome.features.read, outcome.features.unreadable) == (left, len(whole) - left)
        found = read_whole(tmp_path / "out/a.shp")
        assert isinstance(found, Layer)
        assert same_objects(found.geometry(), whole.geometry()[:left]), size


@pytest.mark.parametrize("name", CUT)
def test_a_cut_shx_is_rebuilt_wherever_it_is_cut(name: str, tmp_path: Path) -> None:
    hurt = victim(name, tmp_path)
    whole = read_whole(hurt.path)
    assert isinstance(whole, Layer)
    for size in range(len(hurt.members["shx"])):
        hurt.put("shx", hurt.members["shx"][:size])
        found = read_whole(hurt.path)
        assert isinstance(found, Layer), (size, found)
        assert same_objects(found.geometry(), whole.geometry()), size
        if size % 10 == 0:
            outcome = ran(hurt.path, tmp_path / "out", "reproject")
            assert outcome.features is not None and outcome.features.written == len(whole)


@pytest.mark.parametrize("name", CUT)
def test_a_cut_dbf_is_refused_wherever_a_row_is_lost(name: str, tmp_path: Path) -> None:
    """Or, skipping, gives the rows that are whole."""
    hurt = victim(name, tmp_path)
    whole = read_whole(hurt.path)
    assert isinstance(whole, Layer)
    data = hurt.members["dbf"]
    start, length = struct.unpack_from("<2H", data, 8)
    for size in range(len(data)):
        hurt.put("dbf", data[:size])
        rows = max(0, (size - start) // length)
        found = read_whole(hurt.path)
        if rows == len(whole):  # only the end-of-file mark is gone
            assert isinstance(found, Layer)
            assert [found.values(i) for i in range(6)] == [whole.values(i) for i in range(6)]
            continue
        assert isinstance(found, ReadError), size
        if size % 7:
            continue
        outcome = ran(hurt.path, tmp_path / "out", "none", POLICIES[1])
        if size < start:
            assert outcome.status == "failed", size
            continue
        assert outcome.features is not None, (size, outcome.reason)
        assert (outcome.features.read, outcome.features.unreadable) == (rows, len(whole) - rows)


# -- sidecars ------------------------------------------------------------------


@pytest.mark.parametrize("block", range(6))
def test_a_mutated_prj_is_a_crs_or_a_reason(block: int, tmp_path: Path) -> None:
    hurt = victim("points", tmp_path)
    data = hurt.members["prj"]
    recipe = as_recipe("reproject --dst-crs EPSG:3857")
    for seed in range(block * 10, block * 10 + 10):
        rng = np.random.default_rng([1, seed])
        hurt.put("prj", mutated(data, rng) if seed % 2 else data[: seed * len(data) // 60])
        read_whole(hurt.path)
        task = Task(
            source(hurt.path), recipe, str(tmp_path / "out/a.shp"), str(tmp_path / "out"),
            overwrite=True,
        )  # fmt: skip
        outcome = run_alone(task)
        assert outcome.status in ("done", "failed"), (seed, outcome.reason)
        assert outcome.code != "unexpected", (seed, outcome.detail)


@pytest.mark.parametrize(
    "cpg",
    [
        b"", b"\0", b"\xff\xfe\0\0", b"utf-16", b"UTF-32", b"undefined", b"idna", b"rot13", b"hex",
        b"punycode", b"zlib", b"mbcs", b"oem", b"unicode_escape", b"ANSI 99999", b"8859-99", b"-1",
        b"1" * 300, b"../../etc/passwd", b"utf-8\nutf-16", "ütf-8".encode(), b"%s%n",
        b"shift_jis", b"hz", b"iso2022_jp", b"utf-7", b"utf_8_sig", b"raw_unicode_escape",
    ],
)  # fmt: skip
def test_any_cpg_gives_text(cpg: bytes, tmp_path: Path) -> None:
    """Text of bytes that no encoding has, beside it."""
    hurt = victim("points", tmp_path)
    cells = [b"plain", "é".encode(), b"\xe9\xff\x81\x8d"]
    hurt.put("dbf", dbf_bytes([(b"NAME", "C", 10, 0)], [(c,) for c in cells]))
    hurt.put("cpg", cpg)
    layer = read_whole(hurt.path)
    assert isinstance(layer, Layer)
    assert layer.values(0).to_pylist()[0] == "plain"
    outcome = ran(hurt.path, tmp_path / "out", "calculate")
    assert outcome.status == "done", outcome.reason


def test_random_bytes_are_no_layer(tmp_path: Path) -> None:
    """Of any size, in place of any member."""
    hurt = victim("polygons", tmp_path)
    rng = np.random.default_rng(7)
    for member in MAIN:
        for size in (0, 1, 3, 31, 32, 33, 99, 100, 101, 108, 200, 1000):
            hurt.restore()
            hurt.put(member, rng.bytes(size))
            found = read_whole(hurt.path)
            if member == "shx":  # the records tell where they are
                assert isinstance(found, Layer)
                assert not shapely.is_missing(found.geometry()).any()
            else:
                assert isinstance(found, LayerError), (member, size)
            outcome = ran(hurt.path, tmp_path / "out", "make-valid", POLICIES[1])
            assert (outcome.status == "done") == (member == "shx")
