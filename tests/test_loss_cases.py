"""No silent loss: each thing a shapefile cannot hold is kept, refused, or counted with an example.

A case says what goes in, by which way, and what must come of it. With
``on_loss="fail"`` whatever is counted is refused as ``values-lost``.
"""

from __future__ import annotations

import datetime as dt
import decimal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapefiles as make
import shapely
from shapely.geometry import (
    GeometryCollection,
    LinearRing,
    LineString,
    MultiPoint,
    MultiPolygon,
    Point,
    Polygon,
)

import shpbatch
from shpbatch.engine.aspects import Fields, Geometry
from shpbatch.engine.registry import step
from shpbatch.errors import PlanError
from shpbatch.models import Outcome
from shpbatch.shapefile import writer

pytestmark = [
    pytest.mark.filterwarnings("ignore:Measured:UserWarning"),  # of pyogrio
    pytest.mark.filterwarnings("ignore:Value:RuntimeWarning"),
]
POLICIES = ("warn", "fail")
RULES = pytest.mark.parametrize("policy", POLICIES)
#: Columns that a source has, beside those that a case gives.
KNOWN: list[make.Column] = [
    (b"D", "D", 8, 0),
    (b"I", "N", 5, 0),
    (b"R", "N", 8, 2),
    (b"L", "L", 1, 0),
    (b"T", "C", 6, 0),
]
ROW = (b"20200102", b"1", b"1.25", b"T", b"abc")


@dataclass(frozen=True)
class Kept:
    """All of it is there; ``values`` are what pyogrio reads of the column, or the WKT."""

    values: Any = None
    field: str = "x"


@dataclass(frozen=True)
class Refused:
    """An error with this code, and nothing published."""

    code: str


@dataclass(frozen=True)
class Counted:
    """Written, with a note that has this text, how often, and the first example."""

    text: str
    count: int
    first: str
    values: Any = None
    field: str = "x"


@dataclass(frozen=True)
class Aside:
    """So many features are rejected, for this reason; the others are written."""

    count: int
    reason: str


@dataclass(frozen=True)
class Renamed:
    """Written under other names: name, written name, and what pyogrio reads of it."""

    names: tuple[tuple[str, str], ...]
    values: Any


Outcomes = Kept | Refused | Counted | Aside | Renamed


def run(path: Any, dst: Path, recipe: Any, **options: Any) -> Outcome:
    (outcome,) = shpbatch.run(path, dst, recipe, workers=1, method="inline", **options).outcomes
    return outcome


def read(path: Path | str) -> pa.Table:
    """What pyogrio reads, geometry as WKT under the name ``wkt``."""
    meta, table = pyogrio.read_arrow(path)
    wkb = meta["geometry_name"] or "wkb_geometry"
    shapes = shapely.from_wkb(table.column(wkb).to_pylist())
    texts = [None if s is None else s.wkt for s in shapes]
    return table.drop_columns([wkb]).append_column("wkt", pa.array(texts, pa.string()))


def published(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*") if p.name != ".shpbatch")


def holds(outcome: Outcome, meant: Outcomes, policy: str, out: Path) -> None:
    """Whether a run did as it should."""
    if isinstance(meant, Refused) or (isinstance(meant, Counted | Renamed) and policy == "fail"):
        code = meant.code if isinstance(meant, Refused) else "values-lost"
        assert (outcome.status, outcome.code) == ("failed", code), outcome.reason
        assert published(out) == []
        if isinstance(meant, Counted):
            assert f"{meant.text} ({meant.count}, the first {meant.first}" in str(outcome.reason)
        if isinstance(meant, Renamed):
            assert all(
                f"field {a} is written as {b}" in str(outcome.reason) for a, b in meant.names
            )
        return
    assert outcome.status == "done", outcome.reason
    assert outcome.features.balances()
    if isinstance(meant, Aside):
        assert outcome.features.rejected == meant.count
        assert any(meant.reason in note for note in outcome.notes)
        assert len((out / "a.rejects.geojsonl").read_text().splitlines()) == meant.count
        return
    lost = [n for n in outcome.notes if "(" in n and "widened" not in n]
    if isinstance(meant, Renamed):
        assert lost == [f"field {a} is written as {b} (1)" for a, b in meant.names]
        table = read(outcome.sinks[0].path)
        assert [table.column(b).to_pylist() for _, b in meant.names] == meant.values
        return
    if isinstance(meant, Counted):
        (told,) = lost
        assert told.startswith(f"{meant.text} ({meant.count}, the first {meant.first}")
    else:
        assert lost == []
    if meant.values is not None:
        assert read(outcome.sinks[0].path).column(meant.field).to_pylist() == meant.values


def known(folder: Path, **members: Any) -> Path:
    """Three points with a field of each type."""
    return make.write(folder, **({"dbf": make.dbf_bytes(KNOWN, [ROW] * 3)} | members))


def columns(**given: Any) -> list[Any]:
    """A user's function that gives columns to a frame."""

    def give(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        for name, values in given.items():
            gdf[name] = values
        return gdf

    return [give]


# --- values by a frame --------------------------------------------------------

FINITE = "field x: numbers that are not finite are written as NULL"
WIDE = "field x: whole numbers of more than 53 bits are in a field that is read as real"
BLANKS = "field x: text has blanks around it, which readers take off"
TOKYO = pd.to_datetime(["2020-01-02 23:30:00+00:00"] * 3).tz_convert("Asia/Tokyo")
DAYS = [dt.date(2020, 1, 2), None, dt.date(1, 1, 1)]


def objects(*values: Any) -> Any:
    return pd.Series(values, dtype=object)


FRAME_CASES: dict[str, tuple[Any, Outcomes]] = {
    "text-of-300-bytes": (["x" * 300, "b", "c"], Refused("text-too-long")),
    "text-of-200-cjk": (["漢" * 200, "b", "c"], Refused("text-too-long")),
    "text-cut-within-a-character": (["a" + "é" * 130, "b", "c"], Refused("text-too-long")),
    "text-of-254-bytes": (["é" * 127, "b", "c"], Kept(["é" * 127, "b", "c"])),
    "text-cjk-and-emoji": (["漢字", "😀", "é"], Kept(["漢字", "😀", "é"])),
    "text-surrogate": (["\ud800", "b", "c"], Refused("step-failed")),
    "text-blanks-behind": (
        ["a", "b ", " "],
        Counted(BLANKS, 2, "'b '", ["a", "b", None]),
    ),
    "text-blanks-before": (
        ["  a", "b", "c"],
        Counted(BLANKS, 1, "'  a'", ["a", "b", "c"]),
    ),
    "text-empty": (
        ["", None, "x"],
        Counted("field x: empty text is NULL to a reader", 1, "''", [None, None, "x"]),
    ),
    "text-nul": (["a\0b", "c", "d"], Refused("text-nul")),
    "text-newline": (["c\nd", "x", "y"], Kept(["c\nd", "x", "y"])),
    "text-categories": (pd.Categorical(["u", "v", "u"]), Kept(["u", "v", "u"])),
    "int32-limits": (
        np.array([2**31 - 1, -(2**31), 0], "int32"),
        Kept([2**31 - 1, -(2**31), 0]),
    ),
    "int64-of-18-digits": ([10**18 - 1, 2**53 + 1, 0], Kept([10**18 - 1, 2**53 + 1, 0])),
    "int64-of-19-digits": (
        [2**63 - 1, -(2**63), 10**18],
        Counted(WIDE, 1, str(2**63 - 1)),
    ),
    "int64-beside-19-digits": ([2**53 + 1, -(10**18), 0], Counted(WIDE, 1, str(2**53 + 1))),
    "uint64-beyond-63-bits": (np.array([2**64 - 1, 1, 2], "uint64"), Refused("field-type")),
    "int-of-31-digits": (objects(10**30, 1, 2), Refused("field-type")),
    "int64-with-na": (pd.array([2**53 + 1, None, 0], "Int64"), Kept([2**53 + 1, None, 0])),
    "real-tiny-and-huge": ([np.pi, 1e-20, 1e300], Kept([np.pi, 1e-20, 1e300])),
    "real-of-17-digits": (
        [0.1 + 0.2, 1 / 3, 1e15 + 0.3],
        Kept([0.1 + 0.2, 1 / 3, 1e15 + 0.3]),
    ),
    "real-below-15-decimals": ([1e-16, 1.5, None], Kept([1e-16, 1.5, None])),
    "real-float32": (
        np.array([0.1, 16777217, 3.4e38], "float32"),
        Kept([float(np.float32(v)) for v in (0.1, 16777217, 3.4e38)]),
    ),
    "real-infinite": ([1.5, np.inf, -np.inf], Counted(FINITE, 2, "'inf'", [1.5, None, None])),
    "real-na": ([1.5, None, np.nan], Kept([1.5, None, None])),
    "decimal": (objects(decimal.Decimal("1.10"), None, None), Refused("field-type")),
    "complex": ([1j, 2, 3], Refused("field-type")),
    "date": (DAYS, Kept(DAYS)),
    "datetime": (pd.to_datetime(["2020-01-02 03:04:05"] * 3), Refused("field-type")),
    "datetime-with-zone": (TOKYO, Refused("field-type")),
    "time": ([dt.time(1, 2, 3)] * 3, Refused("field-type")),
    "timedelta": (pd.to_timedelta([1, 2, 3], unit="s"), Refused("field-type")),
    "bool": ([True, False, True], Kept([True, False, True])),
    "bool-with-na": (pd.array([True, None, False], "boolean"), Kept([True, None, False])),
    "bool-object": (objects(True, None, False), Kept([True, None, False])),
    "list": (objects([1, 2], [3], []), Refused("field-type")),
    "dict": (objects({"a": 1}, {}, None), Refused("field-type")),
    "bytes": (objects(b"\0\1", b"", None), Refused("field-type")),
    "mixed": (objects(1, "a", 2.5), Refused("field-type")),
    "all-null": ([None, None, None], Kept([None, None, None])),
    "second-geometry": ([Point(0, 0)] * 3, Refused("field-type")),
}


@RULES
@pytest.mark.parametrize("name", FRAME_CASES)
def test_a_column_of_a_frame(name: str, policy: str, tmp_path: Path) -> None:
    values, meant = FRAME_CASES[name]
    outcome = run(known(tmp_path / "src"), tmp_path / "out", columns(x=values), on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")


MIDNIGHT = pd.to_datetime(["2020-01-03"] * 3)
ROUNDED = "field R: numbers were rounded to 8 characters, 2 decimals"

#: Fields that were there, given other values.
KNOWN_CASES: dict[str, tuple[dict[str, Any], Outcomes]] = {
    "date-at-midnight": ({"D": MIDNIGHT}, Kept([dt.date(2020, 1, 3)] * 3, "D")),
    "date-with-time": (
        {"D": pd.to_datetime(["2020-01-02 03:04:05"] * 3)},
        Refused("field-type"),
    ),
    "date-object-with-time": (
        {"D": objects(*[dt.datetime(2020, 1, 2, 3, 4, 5)] * 3)},
        Refused("field-type"),
    ),
    "date-becomes-number": ({"D": [1, 2, 3]}, Kept([1, 2, 3], "D")),
    "integer-becomes-real": ({"I": [1.5, 2, 3]}, Kept([1.5, 2, 3], "I")),
    "integer-with-na": ({"I": [1.0, np.nan, 3]}, Kept([1, None, 3], "I")),
    "integer-wider": ({"I": [2**40, 2, 3]}, Kept([2**40, 2, 3], "I")),
    "integer-leading-zeros": ({"I": ["01", "2", "3"]}, Kept(["01", "2", "3"], "I")),
    "real-rounded": ({"R": [1.255, 2.0, 3.0]}, Counted(ROUNDED, 1, "1.255", None, "R")),
    "real-becomes-0": ({"R": [2.0, 3.0, 0.001]}, Counted(ROUNDED, 1, "0.001", [2, 3, 0], "R")),
    "real-huge": ({"R": [1e300, 1, 2]}, Kept([1e300, 1, 2], "R")),
    "real-becomes-integer": ({"R": [2**53 + 1, 2, 3]}, Kept([2**53 + 1, 2, 3], "R")),
    "logical-of-0-and-1": ({"L": [0, 1, 1]}, Kept([False, True, True], "L")),
    "logical-of-2": ({"L": [0, 1, 2]}, Kept([0, 1, 2], "L")),
    "logical-of-a-half": ({"L": [0.5, 1, 0]}, Kept([0.5, 1, 0], "L")),
    "text-wider": ({"T": ["abcdefghij"] * 3}, Kept(["abcdefghij"] * 3, "T")),
    "text-becomes-number": ({"T": [1, 2, 3]}, Kept([1, 2, 3], "T")),
}


@RULES
@pytest.mark.parametrize("name", KNOWN_CASES)
def test_a_field_that_was_there(name: str, policy: str, tmp_path: Path) -> None:
    given, meant = KNOWN_CASES[name]
    outcome = run(known(tmp_path / "src"), tmp_path / "out", columns(**given), on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")


@RULES
@pytest.mark.parametrize(
    ("cpg", "values", "meant"),
    [
        pytest.param("88591", ["é", "漢", "c"], Refused("text-unencodable"), id="latin1-cjk"),
        pytest.param("GBK", ["漢字", "b", "c"], Kept(["漢字", "b", "c"]), id="gbk"),
        pytest.param("GBK", ["😀", "b", "c"], Refused("text-unencodable"), id="gbk-emoji"),
    ],
)
def test_text_in_the_encoding_of_the_source(
    cpg: str, values: list[str], meant: Outcomes, policy: str, tmp_path: Path
) -> None:
    path = known(tmp_path / "src", cpg=cpg)
    outcome = run(path, tmp_path / "out", columns(x=values), on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")
    if isinstance(meant, Kept):
        assert (tmp_path / "out/a.cpg").read_text() == cpg


def test_cells_that_did_not_change_keep_their_bytes_beside_wider_ones(tmp_path: Path) -> None:
    """Written anew, ``1.23456`` would be rounded and ``1e2`` would be 100.00."""
    cells = [(b"1.23456",), (b"1e2",), (b"1.5",)]
    path = make.write(tmp_path / "src", dbf=make.dbf_bytes([(b"R", "N", 8, 2)], cells))
    given = columns(R=[1.23456, 100.0, 123456789.25])
    assert run(path, tmp_path / "out", given, on_loss="fail").status == "done"
    data = (tmp_path / "out/a.dbf").read_bytes()
    assert b"     1.23456" in data
    assert b"         1e2" in data
    assert b"123456789.25" in data


# --- names and sizes ----------------------------------------------------------


def wide(count: int, value: Any) -> list[Any]:
    """A function that gives many columns, all at once."""

    def give(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        names = [f"f{i}" for i in range(count)]
        many = pd.DataFrame(np.full((len(gdf), count), value), gdf.index, names)
        return pd.concat([gdf, many], axis=1)

    return [give]


def twice(gdf: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    gdf.insert(0, "T", "again", allow_duplicates=True)
    return gdf


def two_fields(fields: Fields) -> Fields:
    return pa.table({"abc": pa.array([1, 2, 3]), "ABC": pa.array([4, 5, 6])})


ONES = [1, 1, 1]
NAME_CASES: dict[str, tuple[Any, Outcomes]] = {
    "of-16-bytes": (
        columns(population_total=1),
        Renamed((("population_total", "popu_total"),), [ONES]),
    ),
    "alike-after-a-cut": (
        columns(population_2019=1, population_2020=2),
        Renamed(
            (("population_2019", "popul_2019"), ("population_2020", "popul_2020")),
            [ONES, [2, 2, 2]],
        ),
    ),
    "of-15-cjk-bytes": (columns(人口総数計=1), Renamed((("人口総数計", "人口総"),), [ONES])),
    "of-9-cjk-bytes": (columns(人口総=1), Kept(ONES, "人口総")),
    "differs-by-case-from-a-field": (columns(t=1), Refused("names-collide")),
    "differ-by-case": (columns(abc=1, ABC=2), Refused("names-collide")),
    "fields-differ-by-case": ([step(two_fields)], Refused("names-collide")),
    "twice": ([twice], Refused("names-collide")),
    "odd": (columns(**{"a b-c/é": 1}), Kept(ONES, "a b-c/é")),
    "empty": (columns(**{"": 1}), Refused("bad-name")),
    "with-nul": (columns(**{"a\0b": 1}), Refused("bad-name")),
    "a-number": ([lambda gdf: gdf.rename(columns={"I": 7})], Kept(ONES, "7")),
    "fid": (columns(FID=[5, 6, 7]), Kept([5, 6, 7], "FID")),
    "256-fields": (wide(256, 1), Kept(ONES, "f255")),
    "2100-fields": (wide(2100, 1), Refused("row-too-wide")),
    "300-fields-of-254": (wide(300, "x" * 254), Refused("row-too-wide")),
}


@RULES
@pytest.mark.parametrize("name", NAME_CASES)
def test_names_and_numbers_of_fields(name: str, policy: str, tmp_path: Path) -> None:
    recipe, meant = NAME_CASES[name]
    outcome = run(known(tmp_path / "src"), tmp_path / "out", recipe, on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")


@pytest.mark.parametrize("component", ["shp", "dbf"])
def test_more_than_a_component_may_have(
    component: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 GB, here some hundred bytes."""
    monkeypatch.setattr(writer, "LARGEST", 150 if component == "shp" else 400)
    recipe: Any = "filter --where 'FID < 2'" if component == "shp" else columns(x=["y" * 200] * 3)
    outcome = run(known(tmp_path / "src"), tmp_path / "out", recipe)
    assert outcome.code == "too-large"
    assert f".{component} " in str(outcome.reason)
    assert published(tmp_path / "out") == []


# --- expressions --------------------------------------------------------------


def calculated(expression: str, kind: str | None = None, field: str = "x") -> list[Any]:
    given = {"field": field, "expression": expression}
    return [("calculate", given | ({"type": kind} if kind else {}))]


#: 2**53 + 1, to which no real is equal.
ODD = 9007199254740993
REALS = "numbers were rounded to reals"
EXPRESSION_CASES: dict[str, tuple[list[Any], Outcomes]] = {
    "divided-by-0": (calculated("R / 0"), Counted(FINITE, 3, "'inf'", [None] * 3)),
    "divided-by-0-to-integer": (calculated("R / 0", "integer"), Counted(FINITE, 3, "'inf'")),
    "overflow": (calculated("1e308 * 10"), Counted(FINITE, 3, "'inf'")),
    "integer-to-real": (
        calculated(str(ODD), "real"),
        Counted(f"field x: whole {REALS}", 3, str(ODD)),
    ),
    "integer-of-53-bits-to-real": (calculated("9007199254740992", "real"), Kept([2.0**53] * 3)),
    "hugeint": (
        calculated(f"CAST({ODD} AS HUGEINT)"),
        Counted(f"'CAST({ODD} AS HUGEINT)': {REALS}", 3, f"'{ODD}'"),
    ),
    "decimal-of-22-digits": (
        calculated("CAST('1234567890123456789.123' AS DECIMAL(38, 3))"),
        Counted(
            f"'CAST('1234567890123456789.123' AS DECIMAL(38, 3))': {REALS}",
            3,
            "'1234567890123456789.123'",
        ),
    ),
    "decimal-of-2-digits": (calculated("CAST('1.1' AS DECIMAL(3, 1))"), Kept([1.1] * 3)),
    "real-to-integer": (calculated("R", "integer"), Refused("expression-type")),
    "2-to-logical": (calculated("I + 1", "logical"), Refused("expression-type")),
    "1-to-logical": (calculated("I", "logical"), Kept([True] * 3)),
    "blanks-behind": (calculated("T || ' '"), Counted(BLANKS, 3, "'abc '", ["abc"] * 3)),
    "rounded-to-its-field": (
        calculated("R / 3", field="R"),
        Counted(ROUNDED, 3, "0.4166666666666667", [0.42] * 3, "R"),
    ),
    "dates-beyond-9999": (
        calculated("CAST(DATE '9999-12-31' + 1 AS DATE)"),
        Counted(
            "field x: dates outside the years 1 to 9999 are written as NULL",
            3,
            "'10000-01-01'",
            [None] * 3,
        ),
    ),
    "exponent": (calculated("1e-20"), Kept([1e-20] * 3)),
}


@RULES
@pytest.mark.parametrize("name", EXPRESSION_CASES)
def test_an_expression(name: str, policy: str, tmp_path: Path) -> None:
    recipe, meant = EXPRESSION_CASES[name]
    outcome = run(known(tmp_path / "src"), tmp_path / "out", recipe, on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")


@RULES
def test_a_time_of_day_is_refused_before_a_file_is_opened(policy: str, tmp_path: Path) -> None:
    recipe = calculated("TIMESTAMP '2020-01-02 03:04:05'")
    with pytest.raises(PlanError) as error:
        run(known(tmp_path / "src"), tmp_path / "out", recipe, on_loss=policy)
    assert error.value.code == "expression-type"


# --- geometry -----------------------------------------------------------------

P = [Point(1, 1), Point(2, 2), Point(3, 3)]
SQUARE = Polygon([(0, 0), (0, 1), (1, 1), (1, 0)])
HOLED = Polygon([(0, 0), (0, 4), (4, 4), (4, 0)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
PAIR = MultiPolygon([SQUARE, shapely.affinity.translate(SQUARE, 3)])
NESTED = MultiPolygon(
    [
        Polygon([(0, 0), (0, 9), (9, 9), (9, 0)]),
        Polygon([(2, 2), (2, 3), (3, 3), (3, 2)]),
    ]
)
BOWTIE = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
RING = LinearRing([(0, 0), (1, 0), (1, 1)])
NAN, INF = float("nan"), float("inf")
MEASURED = list(shapely.from_wkt(["POINT M (1 2 3)", "POINT M (2 3 4)", "POINT M (3 4 5)"]))
HIGH = [Point(1, 1, 5), Point(2, 2, 6), Point(3, 3, 7)]
EMPTY = "geometries became empty and are written as null"
NO_Z = "geometries have no Z in a layer that has, and are written with 0"


def framed(*shapes: Any) -> list[Any]:
    """A function that gives a frame these geometries."""
    return [lambda gdf: gdf.set_geometry(gpd.GeoSeries([*shapes], index=gdf.index, crs=gdf.crs))]


def plain(*shapes: Any) -> list[Any]:
    """A step on geometries alone that gives these."""

    def give(geometry: Geometry) -> Geometry:
        made = np.empty(len(shapes), dtype=object)
        made[:] = shapes
        return made

    return [step(give)]


def wkts(*shapes: Any) -> Kept:
    return Kept([None if s is None else s.wkt for s in shapes], "wkt")


SHAPE_CASES: dict[str, tuple[list[Any], Outcomes]] = {
    "point-and-line": (
        framed(P[0], LineString([(0, 0), (1, 1)]), P[2]),
        Aside(1, "a LineString does not fit a Point layer"),
    ),
    "point-and-multipoint": (
        framed(P[0], MultiPoint([(0, 0), (1, 1)]), P[2]),
        wkts(MultiPoint(P[:1]), MultiPoint([(0, 0), (1, 1)]), MultiPoint(P[2:])),
    ),
    "multipoint-among-points-of-a-step": (
        plain(P[0], MultiPoint([(0, 0), (1, 1)]), P[2]),
        Aside(1, "a MultiPoint does not fit a Point layer"),
    ),
    "polygon-and-multipolygon": (framed(SQUARE, PAIR, HOLED), wkts(SQUARE, PAIR, HOLED)),
    "collection": (
        framed(GeometryCollection([SQUARE]), None, None),
        Aside(1, "a GeometryCollection does not fit"),
    ),
    "linear-ring": (framed(RING, RING, RING), wkts(*[LineString(RING)] * 3)),
    "rings-turned-around": (
        framed(SQUARE.reverse(), HOLED.reverse(), SQUARE),
        Kept(None),
    ),
    "bowtie": (framed(BOWTIE, BOWTIE, BOWTIE), wkts(BOWTIE, BOWTIE, BOWTIE)),
    "nested-shells": (framed(NESTED, NESTED, NESTED), wkts(NESTED, NESTED, NESTED)),
    "infinite-coordinates": (
        framed(Point(INF, 0), Point(1, NAN), P[2]),
        Aside(2, "a coordinate is not finite"),
    ),
    "nan-for-z": (framed(Point(0, 0, NAN), *HIGH[1:]), Aside(1, "a coordinate is not finite")),
    "null": (framed(P[0], None, P[2]), wkts(P[0], None, P[2])),
    "all-null": (framed(None, None, None), wkts(None, None, None)),
    "empty-point": (
        framed(P[0], Point(), P[2]),
        Counted(EMPTY, 1, "'FID 1'", [P[0].wkt, None, P[2].wkt], "wkt"),
    ),
    "empty-polygon": (
        framed(SQUARE, SQUARE, Polygon()),
        Counted(EMPTY, 1, "'FID 2'", [SQUARE.wkt, SQUARE.wkt, None], "wkt"),
    ),
    "z-of-a-frame": (framed(*HIGH), wkts(*HIGH)),
    "z-of-some": (
        framed(P[0], HIGH[1], P[2]),
        Counted(NO_Z, 2, "'FID 0'", ["POINT Z (1 1 0)", HIGH[1].wkt, "POINT Z (3 3 0)"], "wkt"),
    ),
    "z-of-a-step": (
        plain(*HIGH),
        Counted("Z values of geometries are dropped, as the layer has none", 3, "'FID 0'"),
    ),
    "m-of-a-frame": (framed(*MEASURED), wkts(*MEASURED)),
    "m-of-a-step": (
        plain(*MEASURED),
        Counted("M values of geometries are dropped, as the layer has none", 3, "'FID 0'"),
    ),
}


@RULES
@pytest.mark.parametrize("name", SHAPE_CASES)
def test_geometries(name: str, policy: str, tmp_path: Path) -> None:
    recipe, meant = SHAPE_CASES[name]
    outcome = run(known(tmp_path / "src"), tmp_path / "out", recipe, on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")


@pytest.mark.parametrize("name", [n for n, (_, m) in SHAPE_CASES.items() if isinstance(m, Aside)])
def test_geometries_where_none_may_be_rejected(name: str, tmp_path: Path) -> None:
    outcome = run(
        known(tmp_path / "src"), tmp_path / "out", SHAPE_CASES[name][0], on_bad_feature="fail"
    )
    holds(outcome, Refused("features-rejected"), "fail", tmp_path / "out")


def test_turned_rings_are_the_same_areas(tmp_path: Path) -> None:
    run(known(tmp_path / "src"), tmp_path / "out", SHAPE_CASES["rings-turned-around"][0])
    found = read(tmp_path / "out/a.shp").column("wkt").to_pylist()
    for text, meant in zip(found, (SQUARE, HOLED, SQUARE), strict=True):
        assert shapely.normalize(shapely.from_wkt(text)) == shapely.normalize(meant)


#: Sources with Z or M, and steps that make geometry of their own.
MEASURES: dict[str, tuple[str, Any, list[tuple[str, str]]]] = {
    "buffer-drops-m": ("m", "buffer 1", [("buffer", "M")]),
    "buffer-drops-z-and-m": ("zm", "buffer 1", [("buffer", "Z"), ("buffer", "M")]),
    "centroid-drops-z": ("zm", "centroid", [("centroid", "Z"), ("centroid", "M")]),
    "frame-drops-m": ("m", framed(*P), [("<lambda>", "M")]),
    "frame-drops-z-and-m": ("zm", framed(*P), [("<lambda>", "Z"), ("<lambda>", "M")]),
    "step-drops-m": ("m", plain(*P), [("give", "M")]),
    "reproject-keeps-m": ("m", "reproject EPSG:3857", []),
    "filter-keeps-z-and-m": ("zm", "filter --where 'FID < 9'", []),
    "frame-keeps-m": ("m", [lambda gdf: gdf], []),
    "frame-without-rows": ("zm", [lambda gdf: gdf.iloc[:0]], []),
}


@RULES
@pytest.mark.parametrize("name", MEASURES)
def test_z_and_m(name: str, policy: str, tmp_path: Path) -> None:
    kind, recipe, lost = MEASURES[name]
    record, code = (make.point_m(1, 2, 7), 21) if kind == "m" else (make.point_zm(1, 2, 5, 7), 11)
    shp, shx = make.shp_bytes([record] * 3, code)
    path = make.write(tmp_path / "src", shp=shp, shx=shx)
    outcome = run(path, tmp_path / "out", recipe, on_loss=policy)
    if lost and policy == "fail":
        holds(outcome, Refused("values-lost"), policy, tmp_path / "out")
        return
    assert outcome.status == "done", outcome.reason
    assert [n for n in outcome.notes if "dropped" in n] == [
        f"{who} dropped the {what} values of features (3, the first 'FID 0')" for who, what in lost
    ]
    if not lost:
        found = shapely.from_wkt(read(tmp_path / "out/a.shp").column("wkt").to_pylist())
        assert len(found) == outcome.features.written
        assert (shapely.get_coordinates(found, include_m=True)[:, 2] == 7).all()
        assert shapely.has_z(found).all() == (kind == "zm")


# --- CRS ----------------------------------------------------------------------

SHIFTED = "+proj=tmerc +lat_0=0 +lon_0=9 +k=1 +x_0=0 +y_0=0 +ellps=bessel +units=m "
SHIFTED += "+towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7"
ROTATED = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=40 +lon_0=10"
SHIFT = "the datum shift of the CRS is not in its .prj"
WAYS: dict[str, Callable[[str], list[Any]]] = {
    "frame": lambda crs: [lambda gdf: gdf.set_crs(crs, allow_override=True)],
    "assign-crs": lambda crs: [("assign-crs", {"crs": crs})],
    "reproject": lambda crs: [("reproject", {"dst_crs": crs})],
}


@RULES
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("crs", "meant"),
    [
        pytest.param("EPSG:3857", Kept(), id="web-mercator"),
        pytest.param("EPSG:2193", Kept(), id="north-east"),
        pytest.param("EPSG:31468", Kept(), id="east-north"),
        pytest.param("EPSG:7415", Kept(), id="compound"),
        pytest.param(SHIFTED, Counted(SHIFT, 1, "'"), id="towgs84"),
        pytest.param(ROTATED, Refused("crs-unwritable"), id="rotated-pole"),
    ],
)
def test_crs(way: str, crs: str, meant: Outcomes, policy: str, tmp_path: Path) -> None:
    outcome = run(known(tmp_path / "src"), tmp_path / "out", WAYS[way](crs), on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")
    if isinstance(meant, Kept):
        found = pyogrio.read_info(tmp_path / "out/a.shp")["crs"]
        assert pyproj.CRS(found).to_2d().name == pyproj.CRS(crs).to_2d().name


@RULES
def test_a_frame_without_crs(policy: str, tmp_path: Path) -> None:
    recipe = [lambda gdf: gpd.GeoDataFrame(gdf[["T"]], geometry=[*gdf.geometry], crs=None)]
    outcome = run(known(tmp_path / "src"), tmp_path / "out", recipe, on_loss=policy)
    if policy == "fail":
        holds(outcome, Refused("values-lost"), policy, tmp_path / "out")
    else:
        told = "the function gave a frame without CRS, and the .prj is left out (1)"
        assert told in outcome.notes


@pytest.mark.parametrize("on_bad_feature", ["reject", "fail"])
def test_coordinates_outside_the_domain(on_bad_feature: str, tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(1, 2), make.point(500, 95), make.point(0, 0)])
    path = make.write(tmp_path / "src", shp=shp, shx=shx)
    recipe = "reproject EPSG:3857"
    outcome = run(path, tmp_path / "out", recipe, on_bad_feature=on_bad_feature)
    rejected = Aside(1, "a coordinate left the range")
    meant = rejected if on_bad_feature == "reject" else Refused("features-rejected")
    holds(outcome, meant, "warn", tmp_path / "out")


# --- carried as bytes ---------------------------------------------------------

CARRIED: dict[str, tuple[make.Column, bytes, dict[str, Any]]] = {
    "date": ((b"V", "D", 8, 0), b"20200102", {}),
    "text-width": ((b"V", "C", 5, 0), b"ab", {}),
    "integer-width": ((b"V", "N", 5, 0), b"12", {}),
    "real-width": ((b"V", "N", 12, 2), b"1.50", {}),
    "real-of-many-digits": ((b"V", "N", 33, 15), b"0.300000000000000044", {}),
    "exponent": ((b"V", "F", 19, 11), b"1.00000000000e-020", {}),
    "20-digits": ((b"V", "N", 20, 0), b"18446744073709551615", {}),
    "no-number": ((b"V", "N", 6, 0), b"abc", {}),
    "infinite": ((b"V", "N", 6, 2), b"inf", {}),
    "logical": ((b"V", "L", 1, 0), b"?", {}),
    "leading-blanks": ((b"V", "C", 9, 0), b"  a b", {}),
    "nul-in-text": ((b"V", "C", 9, 0), b"a\0b", {}),
    "no-utf-8": ((b"V", "C", 9, 0), b"\xe9\xff", {"cpg": "UTF-8"}),
    "cjk-name": (("人口総".encode(), "N", 5, 0), b"7", {"cpg": "UTF-8"}),
    "cjk-name-cut-in-a-character": (("人口総数".encode()[:10], "N", 5, 0), b"7", {"cpg": "UTF-8"}),
    "gbk": ((b"V", "C", 9, 0), "漢字".encode("gbk"), {"cpg": "GBK"}),
    "language-byte": ((b"V", "C", 9, 0), "é".encode("cp850"), {"ldid": 2}),
}


@pytest.mark.parametrize(
    "chain", ["", "filter --where 'FID < 9'", "reproject EPSG:3857", "simplify 0.1"]
)
@pytest.mark.parametrize("name", CARRIED)
def test_what_no_step_reads_keeps_its_bytes(name: str, chain: str, tmp_path: Path) -> None:
    described, cell, members = CARRIED[name]
    ldid = members.get("ldid", 0)
    dbf = make.dbf_bytes([described], [(cell,)] * 3, ldid)
    cpg = {"cpg": members["cpg"]} if "cpg" in members else {}
    path = make.write(tmp_path / "src", dbf=dbf, **cpg)
    outcome = run(path, tmp_path / "out", chain, on_loss="fail", on_bad_feature="fail")
    assert outcome.status == "done", outcome.reason
    assert (tmp_path / "out/a.dbf").read_bytes()[4:] == dbf[4:]
    if cpg and name != "no-utf-8":  # a label that the bytes refute is not passed on
        assert (tmp_path / "out/a.cpg").read_text() == cpg["cpg"]


@pytest.mark.parametrize("policy", ["null", "reject"])
def test_what_is_no_number_where_it_is_read(policy: str, tmp_path: Path) -> None:
    dbf = make.dbf_bytes([(b"V", "N", 6, 0)], [(b"abc",), (b"1",), (b"2",)])
    path = make.write(tmp_path / "src", dbf=dbf)
    outcome = run(path, tmp_path / "out", calculated("V + 1"), on_bad_value=policy)
    if policy == "reject":
        holds(
            outcome, Aside(1, "field V holds what is not whole numbers"), "warn", tmp_path / "out"
        )
    else:
        text = "field V: values are not whole numbers, and are read as NULL"
        holds(outcome, Counted(text, 1, "'abc'", [None, 2, 3]), "warn", tmp_path / "out")
        assert (tmp_path / "out/a.dbf").read_bytes().count(b"   abc") == 1


# --- merges -------------------------------------------------------------------

V: make.Column = (b"V", "C", 10, 0)


def one(column: make.Column, *cells: bytes, **members: Any) -> dict[str, Any]:
    return {"dbf": make.dbf_bytes([column], [(c,) for c in cells])} | members


def shapes(record: bytes, code: int) -> dict[str, Any]:
    shp, shx = make.shp_bytes([record] * 3, code)
    return {"shp": shp, "shx": shx}


LONG = make.dbf_bytes([(b"V", "C", 254, 0)], [(b"\xe9" * 254,)] * 3)
MERGE_CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Outcomes]] = {
    "text-and-number": (
        one(V, b"a", b"b", b"c"),
        one((b"V", "N", 5, 0), b"1", b"2", b"3"),
        Kept(["a", "b", "c", "1", "2", "3"], "V"),
    ),
    "date-and-number": (
        one((b"V", "D", 8, 0), b"20200102", b"", b""),
        one((b"V", "N", 5, 0), b"1", b"", b"2"),
        Kept(["2020-01-02", None, None, "1", None, "2"], "V"),
    ),
    "two-encodings": (
        one(V, b"\xe9", b"b", b"c", cpg="1252"),
        one(V, "漢".encode("gbk"), b"", b"x", cpg="GBK"),
        Kept(["é", "b", "c", "漢", None, "x"], "V"),
    ),
    "254-bytes-become-508": (
        {"dbf": LONG, "cpg": "1252"},
        one(V, "漢".encode("gbk"), b"", b"x", cpg="GBK"),
        Refused("text-too-long"),
    ),
    "z-and-none": (shapes(make.point_zm(1, 2, 5, 7), 11), {}, Counted(NO_Z, 3, "'FID 0'")),
    "m-and-none": (shapes(make.point_m(1, 2, 7), 21), {}, Kept()),
    "no-geometry-and-points": (shapes(make.NULL, 0), {}, Kept()),
}


@RULES
@pytest.mark.parametrize("name", MERGE_CASES)
def test_merges(name: str, policy: str, tmp_path: Path) -> None:
    first, second, meant = MERGE_CASES[name]
    paths = [make.write(tmp_path / "src", stem, **m) for stem, m in (("a", first), ("b", second))]
    outcome = run(paths, tmp_path / "out", [], merge="all", on_loss=policy)
    holds(outcome, meant, policy, tmp_path / "out")


@pytest.mark.parametrize(
    ("second", "code"),
    [
        pytest.param(shapes(make.poly(3, [(0, 0), (1, 1)]), 3), "merge-types", id="types"),
        pytest.param({"prj": None}, "merge-crs", id="crs"),
    ],
)
def test_merges_of_what_is_not_alike(second: Any, code: str, tmp_path: Path) -> None:
    paths = [make.write(tmp_path / "src", "a"), make.write(tmp_path / "src", "b", **second)]
    with pytest.raises(PlanError) as error:
        run(paths, tmp_path / "out", [], merge="all")
    assert error.value.code == code


def test_the_ranges_of_measures_that_merged_layers_have(tmp_path: Path) -> None:
    """Points without M have "no data", which is in no range."""
    paths = [
        make.write(tmp_path / "src", "a", **shapes(make.point_m(1, 2, 7), 21)),
        make.write(tmp_path / "src", "b"),
    ]
    run(paths, tmp_path / "out", [], merge="all", on_loss="fail")
    assert struct.unpack_from("<2d", (tmp_path / "out/all.shp").read_bytes(), 84) == (7, 7)
