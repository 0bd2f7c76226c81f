"""Values wider than their field: refused, cut at a character, or whole in a table beside."""

from __future__ import annotations

import csv
import datetime as dt
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import shapefiles as make
from hypothesis import example, given
from hypothesis import strategies as st

import shpbatch
from shpbatch.models import Field, Outcome
from shpbatch.planning import divide
from shpbatch.shapefile import reader, rows
from shpbatch.shapefile.overflow import kept
from shpbatch.shapefile.spilled import Spilled

SAMPLES = Path(__file__).parents[1] / "sample_data"
SIDS = SAMPLES / "census/sids.shp"
#: A text of 0 to 495 bytes: rows from 51 on are too long. With what CSV and spreadsheets trip on.
LONG = "rpad('=1+\"a\",' || chr || 'é', CAST(FID * 5 AS INTEGER), 'abé')".replace("chr", "NAME")
NOTES = ("calculate", {"field": "notes", "expression": LONG})
WIDE = ("calculate", {"field": "n", "expression": "BIR74", "type": "integer", "width": 4})


def run(path: Any, dst: Path, recipe: Any, **options: Any) -> Outcome:
    given = {"workers": 1, "method": "inline", **options}
    (outcome,) = shpbatch.run(path, dst, recipe, **given).outcomes
    return outcome


def table(path: Path) -> list[tuple[int, str, str]]:
    """The whole values, as any reader of CSV sees them."""
    with open(path, encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, strict=True))
    return [(int(r["row"]), r["field"], r["value"]) for r in found]


def restored(sink: Path, field: str) -> list[Any]:
    """A column of an output, with its whole values put back by row."""
    _, read = pyogrio.read_arrow(sink, read_geometry=False)
    values = read.column(field).to_pylist()
    for row, name, value in table(sink.with_suffix(".overflow.csv")):
        if name == field:
            assert values[row] is None or value.startswith(values[row].rstrip())
            values[row] = value
    return values


def texts() -> list[str | None]:
    """What the expression gives."""
    names = pyogrio.read_dataframe(SIDS, read_geometry=False).NAME.tolist()
    made = [f'=1+"a",{name}é' for name in names]
    padded = [(t + "abé" * 200)[: 5 * i] for i, t in enumerate(made)]
    return [t or None for t in padded]


# --- policies -----------------------------------------------------------------


def test_a_text_that_is_too_long_fails_its_layer(tmp_path: Path) -> None:
    outcome = run(SIDS, tmp_path, [NOTES])
    assert (outcome.status, outcome.code) == ("failed", "text-too-long")
    assert "--on-overflow cut or sidecar" in str(outcome.reason)
    assert not list(tmp_path.glob("*.*"))[1:]  # but for .shpbatch


def test_it_is_cut_at_a_character_and_counted(tmp_path: Path) -> None:
    outcome = run(SIDS, tmp_path, [NOTES], on_overflow="cut")
    found = pyogrio.read_dataframe(tmp_path / "sids.shp", read_geometry=False).notes
    meant = [t and t.encode("cp1252")[:254].decode("cp1252").rstrip() for t in texts()]
    assert [None if pd.isna(t) else t for t in found] == meant
    told = [n for n in outcome.notes if "cut" in n]
    count = sum(len(t.encode("cp1252")) > 254 for t in texts() if t)
    assert told[0].startswith(f"field notes: texts are cut to 254 bytes ({count}, the first '=1+")
    assert not (tmp_path / "sids.overflow.csv").exists()


def test_it_is_whole_in_the_table_beside(tmp_path: Path) -> None:
    outcome = run(SIDS, tmp_path, [NOTES], on_overflow="sidecar")
    assert restored(tmp_path / "sids.shp", "notes") == texts()
    count = len(table(tmp_path / "sids.overflow.csv"))
    note = f"field notes: texts are cut to 254 bytes, and whole in .overflow.csv ({count})"
    assert note in outcome.notes


def test_what_is_whole_beside_is_no_loss(tmp_path: Path) -> None:
    recipe = ["filter --where 'FID > 0'", NOTES]
    assert run(SIDS, tmp_path, [NOTES], on_overflow="cut", on_loss="fail").code == "values-lost"
    recipe = [("filter", {"where": "FID > 0"}), NOTES]  # the first is empty text, which is one
    done = run(SIDS, tmp_path, recipe, on_overflow="sidecar", on_loss="fail")
    assert done.status == "done", done.reason


def test_the_table_goes_away_with_the_values(tmp_path: Path) -> None:
    run(SIDS, tmp_path, [NOTES], on_overflow="sidecar")
    assert (tmp_path / "sids.overflow.csv").exists()
    assert run(SIDS, tmp_path, [NOTES], on_overflow="cut").status == "done"
    assert not (tmp_path / "sids.overflow.csv").exists()


def test_a_table_that_is_gone_is_made_again(tmp_path: Path) -> None:
    run(SIDS, tmp_path, [NOTES], on_overflow="sidecar")
    (tmp_path / "sids.overflow.csv").unlink()
    assert "output is gone" in run(SIDS, tmp_path, [NOTES], on_overflow="sidecar").why
    assert (tmp_path / "sids.overflow.csv").exists()


def test_it_is_in_the_one_file_of_a_container(tmp_path: Path) -> None:
    run(SIDS, tmp_path / "files", [NOTES], on_overflow="sidecar")
    run(SIDS, tmp_path / "shz", [NOTES], on_overflow="sidecar", container="shz")
    assert {p.name for p in (tmp_path / "shz").iterdir()} == {".shpbatch", "sids.shz"}
    with zipfile.ZipFile(tmp_path / "shz/sids.shz") as archive:
        inside = archive.read("sids.overflow.csv")
    assert inside == (tmp_path / "files/sids.overflow.csv").read_bytes()
    assert len(pyogrio.read_dataframe(tmp_path / "shz/sids.shz")) == 100


# --- rows ---------------------------------------------------------------------


@pytest.fixture(params=["windows", "parts", "slabs"])
def divided(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A layer is done in bits of several kinds."""
    if request.param == "windows":
        monkeypatch.setattr(reader, "WINDOW_ROWS", 7)
    elif request.param == "slabs":
        monkeypatch.setattr(rows, "ROWS", 7)
    else:
        monkeypatch.setattr(divide, "LARGE", 1)
        monkeypatch.setattr(divide, "PART", 10_000)
    return str(request.param)


RECIPE = [("filter", {"where": "FID % 3 <> 1"}), NOTES, WIDE]


def test_rows_are_those_of_the_output_however_it_was_made(divided: str, tmp_path: Path) -> None:
    run(SIDS, tmp_path / "out", RECIPE, on_overflow="sidecar")
    sink = tmp_path / "out/sids.shp"
    assert restored(sink, "notes") == [t for i, t in enumerate(texts()) if i % 3 != 1]
    births = pyogrio.read_dataframe(SIDS, read_geometry=False).BIR74.astype(int)
    wide = [str(n) for i, n in enumerate(births) if i % 3 != 1 and n > 9999]
    assert [v for _, name, v in table(sink.with_suffix(".overflow.csv")) if name == "n"] == wide


def test_it_is_the_same_file_in_bits_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(SIDS, tmp_path / "whole", RECIPE, on_overflow="sidecar")
    whole = (tmp_path / "whole/sids.overflow.csv").read_bytes()
    monkeypatch.setattr(reader, "WINDOW_ROWS", 7)
    run(SIDS, tmp_path / "bits", RECIPE, on_overflow="sidecar")
    assert (tmp_path / "bits/sids.overflow.csv").read_bytes() == whole


def test_a_window_of_which_no_row_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = [("filter", {"where": "FID >= 50"}), NOTES]
    monkeypatch.setattr(reader, "WINDOW_ROWS", 7)
    run(SIDS, tmp_path, recipe, on_overflow="sidecar")
    assert restored(tmp_path / "sids.shp", "notes") == texts()[50:]


def test_each_sink_of_a_partition_has_its_own(tmp_path: Path) -> None:
    recipe = [
        NOTES,
        ("calculate", {"field": "third", "expression": "FID % 3"}),
        ("partition", {"field": "third"}),
    ]
    outcome = run(SIDS, tmp_path, recipe, on_overflow="sidecar")
    assert len(outcome.sinks) == 3
    for third in range(3):
        sink = tmp_path / f"sids/{third}.shp"
        assert restored(sink, "notes") == [t for i, t in enumerate(texts()) if i % 3 == third]


def test_rows_of_a_merge_go_on(divided: str, tmp_path: Path) -> None:
    for name in "ab":
        for extension in ("shp", "shx", "dbf"):
            data = SIDS.with_suffix(f".{extension}").read_bytes()
            (tmp_path / "src").mkdir(exist_ok=True)
            (tmp_path / f"src/{name}.{extension}").write_bytes(data)
    run(tmp_path / "src", tmp_path / "out", [NOTES], on_overflow="sidecar", merge="all")
    assert restored(tmp_path / "out/all.shp", "notes") == 2 * texts()


def test_text_of_a_merge_that_another_encoding_makes_longer(tmp_path: Path) -> None:
    """254 bytes of Latin-1 are 508 of UTF-8, to which the two are united."""
    column = (b"V", "C", 254, 0)
    first = make.dbf_bytes([column], [(b"\xe9" * 254,), (b"short",), (b"\xe9" * 128,)])
    second = make.dbf_bytes([column], [("漢".encode("gbk") * 127,)] * 3)
    paths = [
        make.write(tmp_path / "src", "a", dbf=first, cpg="1252"),
        make.write(tmp_path / "src", "b", dbf=second, cpg="GBK"),
    ]
    outcome = run(paths, tmp_path / "out", [], on_overflow="sidecar", merge="all")
    assert outcome.status == "done", outcome.reason
    sink = tmp_path / "out/all.shp"
    meant = ["é" * 254, "short", "é" * 128, *["漢" * 127] * 3]
    assert restored(sink, "V") == meant
    assert pyogrio.read_dataframe(sink).V.tolist()[0] == "é" * 127
    assert [r for r, _, _ in table(sink.with_suffix(".overflow.csv"))] == [0, 2, 3, 4, 5]


# --- types --------------------------------------------------------------------


def columns(**given: Any) -> list[Any]:
    """A user's function that gives columns to a frame."""

    def give(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        for name, values in given.items():
            gdf[name] = values
        return gdf

    return [give]


TIMES = pd.to_datetime(["2020-01-02 03:04:05", None, "1969-12-31 23:59:59.5"], format="ISO8601")
ZONED = pd.to_datetime(["2020-01-02 23:30:00+00:00"] * 3).tz_convert("Asia/Tokyo")
DAY = dt.date(2020, 1, 2)


def objects(*values: Any) -> Any:
    return pd.Series(values, dtype=object)


#: What a function gives, what is read of it, and what the table beside has.
TYPES: dict[str, tuple[Any, list[Any], list[str]]] = {
    "times": (
        TIMES,
        [DAY, None, dt.date(1969, 12, 31)],
        ["2020-01-02T03:04:05", "1969-12-31T23:59:59.5"],
    ),
    "times-with-zone": (ZONED, [dt.date(2020, 1, 3)] * 3, ["2020-01-03T08:30:00+0900"] * 3),
    "midnights": (pd.to_datetime(["2020-01-02"] * 3), [DAY] * 3, []),
    "decimals": (
        objects(Decimal("1.10"), None, Decimal("12345678901234567.89")),
        [1.1, None, 12345678901234568.0],
        ["12345678901234567.89"],
    ),
    "beyond-63-bits": (
        np.array([2**64 - 1, 2**63, 5], "uint64"),
        [2.0**64, 2.0**63, 5.0],
        [str(2**64 - 1)],
    ),
    "lists": (
        objects([1, 2], None, list(range(200))),
        ["[1, 2]", None, str(list(range(200)))[:254].rstrip()],
        [str(list(range(200)))],
    ),
    "dicts": (
        objects({"a": "é"}, None, {"a": None}),
        ['{"a": "é"}', None, '{"a": null}'],
        [],
    ),
    "bytes": (objects(b"\0\1", b"\xff", None), ["0001", "ff", None], []),
    "clock": ([dt.time(1, 2, 3)] * 3, ["01:02:03"] * 3, []),
    "bool-with-null": (pd.array([True, None, False], "boolean"), [True, None, False], []),
}


@pytest.mark.parametrize("policy", ["cut", "sidecar"])
@pytest.mark.parametrize("name", TYPES)
def test_types_that_dbase_has_not(name: str, policy: str, tmp_path: Path) -> None:
    values, meant, beside = TYPES[name]
    path = make.write(tmp_path / "src")
    outcome = run(path, tmp_path / "out", columns(x=values), on_overflow=policy)
    assert outcome.status == "done", outcome.reason
    sink = tmp_path / "out/a.shp"
    _, read = pyogrio.read_arrow(sink, read_geometry=False)
    assert read.column("x").to_pylist() == meant
    there = sink.with_suffix(".overflow.csv")
    found = [v for _, _, v in table(there)] if there.exists() else []
    assert found == (beside if policy == "sidecar" else [])
    if beside:
        assert any(n.startswith("field x: ") for n in outcome.notes)


def test_times_go_with_their_rows_through_later_steps(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")

    def look(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return gdf

    recipe: list[Any] = [*columns(x=TIMES), look, ("filter", {"where": "FID > 0"})]
    outcome = run(path, tmp_path / "out", recipe, on_overflow="sidecar")
    assert outcome.status == "done", outcome.reason
    found = table(tmp_path / "out/a.overflow.csv")
    assert found == [(1, "x", "1969-12-31T23:59:59.5")]


# --- declared widths ----------------------------------------------------------


def calculated(expression: str, **given: Any) -> list[Any]:
    return [("calculate", {"field": "x", "expression": expression, **given})]


def field_of(sink: Path) -> Field:
    from shpbatch.engine.reading import read_layer

    return read_layer(make.source(sink)).header.fields[-1]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        pytest.param({"type": "text", "width": 80}, Field("x", "C", 80), id="text"),
        pytest.param({"type": "integer", "width": 9}, Field("x", "N", 9), id="integer"),
        pytest.param(
            {"type": "real", "width": 12, "decimals": 3}, Field("x", "N", 12, 3), id="real"
        ),
        pytest.param({"type": "real", "decimals": 3}, Field("x", "N", 5, 3), id="decimals"),
        pytest.param({"type": "real", "width": 11}, Field("x", "N", 11, 5), id="half"),
    ],
)
def test_declared_widths_are_those_of_the_file(
    given: dict[str, Any], meant: Field, tmp_path: Path
) -> None:
    outcome = run(make.write(tmp_path / "src"), tmp_path / "out", calculated("N", **given))
    assert outcome.status == "done", outcome.reason
    assert field_of(tmp_path / "out/a.shp") == meant
    found = pyogrio.read_dataframe(tmp_path / "out/a.shp").x.tolist()
    assert [float(v) for v in found] == [0, 1, 2]


@pytest.mark.parametrize(
    "given",
    [
        {"type": "text", "width": 255},
        {"type": "text", "width": 0},
        {"type": "integer", "width": 19},
        {"type": "integer", "width": 5, "decimals": 2},
        {"type": "real", "width": 5, "decimals": 4},
        {"type": "real", "width": 25, "decimals": 4},
        {"type": "real", "decimals": 23},
        {"type": "date", "width": 8},
    ],
)
def test_widths_that_no_field_has(given: dict[str, Any], tmp_path: Path) -> None:
    expression = "DATE '2020-01-01'" if given["type"] == "date" else "N"
    with pytest.raises(shpbatch.errors.PlanError) as error:
        run(make.write(tmp_path / "src"), tmp_path / "out", calculated(expression, **given))
    assert error.value.code == "bad-width"


@pytest.mark.parametrize(
    ("expression", "given", "code", "meant"),
    [
        ("'abcdé' || N", {"type": "text", "width": 5}, "text-too-long", ["abcdé"] * 3),
        ("998 + N", {"type": "integer", "width": 3}, "number-too-wide", [998, 999, None]),
        ("-8 - N", {"type": "integer", "width": 2}, "number-too-wide", [-8, -9, None]),
        (
            "99.94 + N / 100",
            {"type": "real", "width": 4, "decimals": 1},
            "number-too-wide",
            [99.9, None, None],
        ),
        (
            "-9.94 - N / 100",
            {"type": "real", "width": 4, "decimals": 1},
            "number-too-wide",
            [-9.9, -9.9, None],
        ),
        (
            "1e300 * N + 1",
            {"type": "real", "width": 4, "decimals": 1},
            "number-too-wide",
            [1.0, None, None],
        ),
    ],
)
def test_values_wider_than_declared(
    expression: str, given: dict[str, Any], code: str, meant: list[Any], tmp_path: Path
) -> None:
    path = make.write(tmp_path / "src", cpg="1252")
    recipe = calculated(expression, **given)
    assert run(path, tmp_path / "fail", recipe).code == code
    for policy in ("cut", "sidecar"):
        outcome = run(path, tmp_path / policy, recipe, on_overflow=policy)
        assert outcome.status == "done", outcome.reason
        _, read = pyogrio.read_arrow(tmp_path / policy / "a.shp", read_geometry=False)
        assert read.column("x").to_pylist() == meant
    beside = {r: v for r, _, v in table(tmp_path / "sidecar/a.overflow.csv")}
    wide = [i for i, v in enumerate(meant) if v is None or isinstance(v, str)]
    assert sorted(beside) == wide


def test_the_width_of_a_field_that_was_there_may_be_declared_anew(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src")
    recipe = [("calculate", {"field": "NAME", "expression": "NAME", "width": 4})]
    assert run(path, tmp_path / "no", recipe).code == "text-too-long"
    run(path, tmp_path / "out", recipe, on_overflow="sidecar")
    found = pyogrio.read_dataframe(tmp_path / "out/a.shp")
    assert found.NAME.tolist() == ["one", "two", "thre"]
    assert table(tmp_path / "out/a.overflow.csv") == [(2, "NAME", "three")]


# --- proof --------------------------------------------------------------------


def _less(self: Spilled, found: Iterator[Any]) -> None:
    whole(self, list(found)[1:])


def _other(self: Spilled, found: Iterator[Any]) -> None:
    whole(self, [(row, i, name, value + "!") for row, i, name, value in found])


def _elsewhere(self: Spilled, found: Iterator[Any]) -> None:
    whole(self, [(row - 1, i, name, value) for row, i, name, value in found])


def _none(self: Spilled, found: Iterator[Any]) -> None:
    self.count += len(list(found))


whole = Spilled.add


@pytest.mark.parametrize("wrong", [_less, _other, _elsewhere, _none])
def test_a_wrong_table_is_found_out(
    wrong: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spilled, "add", wrong)
    outcome = run(SIDS, tmp_path, [NOTES], on_overflow="sidecar")
    assert outcome.status == "failed"
    assert outcome.code in ("write-incomplete", "write-differs"), outcome.reason


# --- cutting ------------------------------------------------------------------

ENCODINGS = ["utf-8", "cp1252", "gbk", "gb18030", "shift_jis", "euc_jp", "big5", "cp932", "koi8-r"]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5),
    st.integers(1, 20),
    st.sampled_from(ENCODINGS),
)
@example(["a" + "é" * 10], 4, "utf-8")
@example(["漢字漢字"], 3, "gbk")
@example(["\u0301" * 9], 3, "utf-8")
def test_a_cut_text_is_the_longest_beginning_that_fits(
    values: list[str], width: int, encoding: str
) -> None:
    values = [v.encode(encoding, "ignore").decode(encoding) for v in values]
    field = Field("x", "C", width, fixed=True)
    found, over = kept(pa.array([*values, None], pa.string()), field, encoding)
    assert found[-1].as_py() is None
    for row, (before, after) in enumerate(zip(values, found.to_pylist(), strict=False)):
        size = len(before.encode(encoding))
        assert (row in over) == (size > width)
        assert before.startswith(after)
        assert len(after.encode(encoding)) <= width
        if size > width:  # what is missing is less than a character with its accents
            more = before[: len(after) + 1]
            joined = before[len(after) : len(after) + 40]
            assert len(more.encode(encoding)) > width or len(joined) > 1


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abe\u0301f", 4, "ab"),  # e with an accent of its own
        ("ab👨\u200d👩\u200d👧", 14, "ab"),  # a family is one character to its reader
        ("ab\u2764\ufe0f", 5, "ab"),
        ("👨\u200d👩", 5, "👨"),  # rather a part than nothing
    ],
)
def test_what_is_one_character_to_its_reader_is_not_parted(text: str, width: int, cut: str) -> None:
    found, over = kept(pa.array([text]), Field("x", "C", width, fixed=True), "utf-8")
    assert (found.to_pylist(), over.tolist()) == ([cut], [0])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8), st.integers(3, 12))
def test_numbers_that_are_kept_fit_and_others_are_told(values: list[float], width: int) -> None:
    from shpbatch.shapefile.cells import encode_cells

    field = Field("x", "N", width, 1, fixed=True)
    found, over = kept(pa.array(values, pa.float64()), field, "ascii")
    cells, _ = encode_cells(found, field, "ascii")
    assert cells.shape == (len(values), width)
    assert over.tolist() == np.flatnonzero(found.is_null().to_numpy(zero_copy_only=False)).tolist()
    for i, cell in enumerate(cells):
        if i not in over:
            near = float(bytes(cell))
            assert abs(near - values[i]) <= 0.0500001 + 1e-9 * abs(values[i])
