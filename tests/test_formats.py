"""The two doors to GDAL: they say the same of every layer, and keep what a shapefile holds."""

from __future__ import annotations

import datetime
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapefiles as make
import shapely

from shpbatch.discover import discover
from shpbatch.errors import ReadError, ShpbatchError, WriteError
from shpbatch.formats import arrow, records
from shpbatch.header import read_header
from shpbatch.layer import Layer
from shpbatch.models import Header, Outcome, Source
from shpbatch.parser import shp_parser

CORPUS = Path(os.environ.get("SHPBATCH_CORPUS") or Path(__file__).parents[2] / "shared/data/open")
#: Fiona needs seconds for the few layers above this; with SHPBATCH_CORPUS set all are read.
LARGEST = None if os.environ.get("SHPBATCH_CORPUS") else 3_000_000
FOLDERS = sorted(p.name for p in CORPUS.iterdir() if p.is_dir()) if CORPUS.is_dir() else []

EVERY_TYPE: list[make.Column] = [
    (b"TEXT", "C", 10, 0),
    (b"SMALL", "N", 9, 0),
    (b"LARGE", "N", 18, 0),
    (b"REAL", "N", 12, 3),
    (b"FLOAT", "F", 19, 11),
    (b"DAY", "D", 8, 0),
    (b"YES", "L", 1, 0),
]
ROWS = [
    (b"one", b"1", b"123456789012345678", b"1.500", b"2.25000000000", b"20200131", b"T"),
    (b"", b"", b"", b"", b"", b"", b"?"),
    (b"three", b"-3", b"-4", b"-0.001", b"1e10", b"19000101", b"F"),
]


def silent(fraction: float) -> None:
    """Progress that nobody watches."""


def run(path: Path, out: Path, recipe: Any = ()) -> Outcome:
    return shp_parser(path, recipe=recipe if isinstance(recipe, str) else list(recipe), dst=out)


def read(path: Path) -> Layer:
    return arrow.read_layer(make.source(path))


# --- what cannot be read or written -------------------------------------------


def test_fiona_would_drop_one_of_two_fields(tmp_path: Path) -> None:
    path = make.write(
        tmp_path, dbf=make.dbf_bytes([(b"A", "C", 3, 0), (b"a", "C", 3, 0)], [(b"x", b"y")] * 3)
    )
    with arrow.lent(make.source(path)) as lent, pytest.raises(ReadError) as error:
        records.read_table(lent, read_header(make.source(path)), silent)
    assert error.value.code == "duplicate-fields"


def test_what_neither_can_read(tmp_path: Path) -> None:
    (tmp_path / "a.shp").write_bytes(b"no shapefile")
    with pytest.raises(ReadError) as error:
        records.read_table(tmp_path / "a.shp", Header("Point"), silent)
    assert error.value.code == "gdal-failed"


def test_a_multipatch_cannot_be_written(tmp_path: Path) -> None:
    layer = Layer(Header("MultiPatch", has_z=True), (), np.arange(0))
    with pytest.raises(WriteError) as error:
        arrow.write_layer(layer, tmp_path)
    assert error.value.code == "multipatch-unsupported"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    layer = Layer(Header("Point"), (), np.arange(0))
    with pytest.raises(WriteError) as error:
        arrow.write_layer(layer, tmp_path / "no")
    assert error.value.code == "write-failed"


# --- lending -----------------------------------------------------------------


def test_lending_leaves_no_trace(tmp_path: Path) -> None:
    path = make.write(tmp_path / "src", "odd !\nname", shx=None)
    before = make.snapshot(path.parent)
    with arrow.lent(make.source(path)) as lent:
        assert sorted(p.name for p in lent.parent.iterdir()) == [
            "layer.dbf",
            "layer.shp",
            "layer.shx",
        ]
        assert lent.with_suffix(".shx").read_bytes() == make.shp_bytes()[1]
    assert not lent.parent.exists()
    assert make.snapshot(path.parent) == before


def test_lending_leaves_no_trace_after_an_error(tmp_path: Path) -> None:
    path = make.write(tmp_path)
    with pytest.raises(ZeroDivisionError), arrow.lent(make.source(path)) as lent:
        raise ZeroDivisionError
    assert not lent.parent.exists()
    assert path.exists()


def test_a_layer_in_a_zip_is_read_like_one_in_a_folder(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in", dbf=make.dbf_bytes(EVERY_TYPE, ROWS))
    archive = make.zipped(tmp_path / "z.zip", path.parent, "sub/")
    plain = read(path)
    zipped = arrow.read_layer(Source(str(archive), "z.zip/sub/a.shp", "sub/a.shp"))
    assert [c.to_pylist() for c in zipped.columns] == [c.to_pylist() for c in plain.columns]
    assert zipped.wkb.equals(plain.wkb)


# --- what is read ------------------------------------------------------------


def test_values_of_every_type(tmp_path: Path) -> None:
    layer = read(make.write(tmp_path, dbf=make.dbf_bytes(EVERY_TYPE, ROWS)))
    found = {f.name: c for f, c in zip(layer.header.fields, layer.columns, strict=True)}
    assert {n: str(c.type) for n, c in found.items()} == {
        "TEXT": "string",
        "SMALL": "int32",
        "LARGE": "int64",
        "REAL": "double",
        "FLOAT": "double",
        "DAY": "date32[day]",
        "YES": "bool",
    }
    assert {n: c.to_pylist() for n, c in found.items()} == {
        "TEXT": ["one", None, "three"],
        "SMALL": [1, None, -3],
        "LARGE": [123456789012345678, None, -4],
        "REAL": [1.5, None, -0.001],
        "FLOAT": [2.25, None, 1e10],
        "DAY": [datetime.date(2020, 1, 31), None, datetime.date(1900, 1, 1)],
        "YES": [True, None, False],
    }


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[float] = []
    path = make.write(tmp_path)
    arrow.read_layer(make.source(path), told.append)
    assert told[-1] == 1.0
    with arrow.lent(make.source(path)) as lent:
        records.read_table(lent, read_header(make.source(path)), told.append)
    assert told[-1] == 1.0


# --- what is written ---------------------------------------------------------


def test_types_and_nulls_survive(tmp_path: Path) -> None:
    """Dates stay dates and integers with a null stay integers."""
    path = make.write(tmp_path / "src", dbf=make.dbf_bytes(EVERY_TYPE, ROWS))
    outcome = run(path, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    before, after = read(path), read(Path(outcome.sinks[0].path))
    assert [c.to_pylist() for c in after.columns] == [c.to_pylist() for c in before.columns]
    assert [c.type for c in after.columns] == [c.type for c in before.columns]
    assert [f.type for f in after.header.fields] == ["C", "N", "N", "N", "N", "D", "L"]


@pytest.mark.parametrize(
    ("code", "name"),
    [(1, "Point"), (3, "PolyLine"), (5, "Polygon"), (8, "MultiPoint"), (15, "Polygon"),
     (11, "Point"), (23, "PolyLine"), (21, "Point"), (28, "MultiPoint")],
)  # fmt: skip
def test_an_empty_layer_keeps_its_type(tmp_path: Path, code: int, name: str) -> None:
    path = make.layer(tmp_path / "src", [], code, dbf=make.dbf_bytes(EVERY_TYPE, []))
    outcome = run(path, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    out = Path(outcome.sinks[0].path)
    assert struct.unpack("<i", out.read_bytes()[32:36])[0] == code
    assert read_header(make.source(out)).geometry_type == name
    assert [(f.name, f.type) for f in read_header(make.source(out)).fields] == [
        (n.decode(), "N" if t == "F" else t) for n, t, _, _ in EVERY_TYPE
    ]


def test_an_empty_result_keeps_type_and_fields(tmp_path: Path) -> None:
    records_ = [make.poly(5, [(0, 0), (0, 1), (1, 1), (0, 0)])]
    path = make.layer(
        tmp_path / "src", records_, 5, dbf=make.dbf_bytes(make.NAMES, make.rows_of(b"x"))
    )
    outcome = run(path, tmp_path / "out", "filter --where \"NAME = 'y'\"")
    assert outcome.status == "done", outcome.reason
    info = pyogrio.read_info(outcome.sinks[0].path)
    assert (info["geometry_type"], info["features"]) == ("Polygon", 0)
    assert list(info["fields"]) == ["NAME", "N"]


@pytest.mark.parametrize("code", [1, 3, 5])
def test_a_layer_of_nulls_keeps_its_type(tmp_path: Path, code: int) -> None:
    outcome = run(make.layer(tmp_path / "src", [make.NULL] * 2, code), tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    out = Path(outcome.sinks[0].path)
    assert struct.unpack("<i", out.read_bytes()[32:36])[0] == code
    assert read(out).wkb.null_count == 2


def test_names_are_kept_byte_for_byte(tmp_path: Path) -> None:
    """The same name twice, names that differ by case, with ':', a space, a blank, a quote."""
    names = [b"A", b"A", b"a", b"addr:city", b"two words", b'"q"', b"1st", b"x%y!"]
    rows = [[bytes([97 + i]) for i in range(len(names))]] * 3
    path = make.write(tmp_path / "src", dbf=make.dbf_bytes([(n, "C", 5, 0) for n in names], rows))
    outcome = run(path, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    out = Path(outcome.sinks[0].path)
    dbf = out.with_suffix(".dbf").read_bytes()
    assert [dbf[32 + 32 * i : 43 + 32 * i] for i in range(len(names))] == [
        n.ljust(11, b"\0") for n in names
    ]
    assert [c.to_pylist()[0] for c in read(out).columns] == [r.decode() for r in rows[0]]


@pytest.mark.parametrize(
    ("code", "record"),
    [
        (21, make.point_m(1, 2, 7.5)),
        (11, make.point_zm(1, 2, 3, 7.5)),
        (11, make.point_zm(1, 2, 3, -sys.float_info.max)),
        (1, make.point(1, 2)),
        (3, make.poly(3, [(0, 0), (1, 1)], [(2, 2), (3, 3), (4, 5)])),
        (5, make.poly(5, [(0, 0), (0, 9), (9, 9), (0, 0)], [(2, 3), (3, 7), (2, 7), (2, 3)])),
    ],
)
def test_geometry_that_no_step_touches_is_kept_byte_for_byte(
    tmp_path: Path, code: int, record: bytes
) -> None:
    """M values too, which GDAL's readers in Python drop."""
    path = make.layer(
        tmp_path / "src",
        [record, make.NULL, record],
        code,
        dbf=make.dbf_bytes(make.NAMES, make.rows_of(b"x", b"y", b"z")),
    )
    outcome = run(path, tmp_path / "out", "select N")
    assert outcome.status == "done", outcome.reason
    assert Path(outcome.sinks[0].path).read_bytes()[100:] == path.read_bytes()[100:]


def test_a_filter_keeps_the_m_values_of_its_rows(tmp_path: Path) -> None:
    path = make.layer(
        tmp_path / "src",
        [make.point_m(i, i, i + 0.5) for i in range(4)],
        21,
        dbf=make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c", b"d")),
    )
    outcome = run(path, tmp_path / "out", 'filter --where "N >= 2"')
    body = Path(outcome.sinks[0].path).read_bytes()[100:]
    assert [struct.unpack("<d", body[i + 28 : i + 36])[0] for i in (0, 36)] == [2.5, 3.5]


def test_sidecars_travel_and_stale_indexes_do_not(tmp_path: Path) -> None:
    prj = make.WGS84.replace("GCS_WGS_1984", "my own name")
    path = make.write(
        tmp_path / "src", prj=prj, cpg=b"UTF-8", qml=b"<q/>", sbn=b"x", sbx=b"x", qix=b"x", txt=b"x"
    )
    outcome = run(path, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert sorted(p.name for p in (tmp_path / "out").glob("a.*")) == [
        "a.cpg",
        "a.dbf",
        "a.prj",
        "a.qml",
        "a.shp",
        "a.shx",
    ]
    assert (tmp_path / "out" / "a.prj").read_text() == prj


# --- the two doors -----------------------------------------------------------


def decoded(wkb: Any) -> Any:
    """Geometries; fiona closes rings that are not."""
    return shapely.from_wkb(np.array(wkb.to_pylist(), dtype=object), on_invalid="fix")


def assert_same(source: Source) -> None:
    """Attributes and geometry are the same through both doors; M does not pass fiona."""
    header = read_header(source)
    with arrow.lent(source) as path, arrow._quiet():
        one = arrow.read_table(path, header, silent)
        two = records.read_table(path, header, silent)
    assert one.num_rows == two.num_rows, source.name
    assert one.num_columns == two.num_columns == len(header.fields) + 1
    for i, field in enumerate(header.fields):
        left = arrow._typed(one.column(i).combine_chunks(), field.arrow)
        right = two.column(i).combine_chunks()
        assert left.type.equals(right.type), (source.name, field)
        assert left.equals(right), (source.name, field)
    assert one.column(-1).null_count == two.column(-1).null_count, source.name
    left, right = decoded(one.column(-1)), decoded(two.column(-1))
    if header.geometry_type == "MultiPatch":  # GEOS has no TIN; fiona makes polygons of it
        right[shapely.is_missing(left)] = None
    assert (shapely.get_type_id(left) == shapely.get_type_id(right)).all(), source.name
    for z in (False, True):
        a, in_a = shapely.get_coordinates(left, include_z=z, return_index=True)
        b, in_b = shapely.get_coordinates(right, include_z=z, return_index=True)
        assert np.array_equal(in_a, in_b), source.name
        assert np.array_equal(a, b, equal_nan=True), source.name


def test_both_doors_read_the_same_of_every_type(tmp_path: Path) -> None:
    path = make.write(tmp_path, dbf=make.dbf_bytes(EVERY_TYPE, ROWS))
    assert_same(make.source(path))


def test_the_comparison_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make.write(tmp_path, dbf=make.dbf_bytes(EVERY_TYPE, ROWS))
    read_table = records.read_table

    def swapped(*args: Any) -> Any:
        return read_table(*args).take([1, 0, 2])

    monkeypatch.setattr(records, "read_table", swapped)
    with pytest.raises(AssertionError):
        assert_same(make.source(path))


@pytest.mark.skipif(not FOLDERS, reason=f"no corpus at {CORPUS} (SHPBATCH_CORPUS)")
@pytest.mark.parametrize("folder", FOLDERS)
def test_both_doors_read_the_same_of_real_layers(folder: str) -> None:
    compared, declined = 0, []
    try:
        sources = discover([str(CORPUS / folder)]).sources
    except ShpbatchError:
        pytest.skip("no layer in it")
    for source in sources:
        if source.problem or (LARGEST and source.size > LARGEST):
            continue
        try:
            assert_same(source)
        except ReadError as error:
            declined.append((source.name, error.code))
        else:
            compared += 1
    if not compared and not declined:
        pytest.skip("only large layers in it; set SHPBATCH_CORPUS to compare them too")
    assert {code for _, code in declined} <= {"chain-broken", "gdal-failed", "duplicate-fields"}, (
        declined
    )
