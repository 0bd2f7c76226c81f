"""Edges: no rows left, no vertices, no measures, files that end early, entries in each other."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapefiles as make
import shapely

import shpbatch
from shpbatch.engine.aspects import Coords
from shpbatch.engine.reading import read_layer
from shpbatch.models import Outcome
from shpbatch.planning import divide
from shpbatch.shapefile import reader
from shpbatch.shapefile.bundle import Bundle
from shpbatch.shapefile.encode import encode
from shpbatch.shapefile.index import load_index
from shpbatch.shapefile.ragged import Ragged
from shpbatch.shapefile.records import Records

SQUARE = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)]


def line_zm(measure: float) -> bytes:
    """Content of a PolyLineZ record of two vertices."""
    return (
        struct.pack("<i4d3i", 13, 0, 0, 1, 1, 1, 2, 0)
        + struct.pack("<4d", 0, 0, 1, 1)
        + struct.pack("<4d", 5, 7, 5, 7)
        + struct.pack("<4d", measure, measure, measure, measure)
    )


def line_m(*measures: float) -> bytes:
    """Content of a PolyLineM record of two vertices."""
    content = struct.pack("<i4d3i", 23, 0, 0, 1, 1, 1, 2, 0) + struct.pack("<4d", 0, 0, 1, 1)
    return content + struct.pack("<4d", *measures, *measures)


def run(path: Path, out: Path, recipe: Any = (), **options: Any) -> Outcome:
    report = shpbatch.run(path, out, recipe, workers=1, method="inline", **options)
    return report.outcomes[0]


def layer_of_lines(folder: Path, count: int, deleted: tuple[int, ...] = ()) -> Path:
    shp, shx = make.shp_bytes([line_zm(3.0)] * count, 13)
    rows = [(str(i).encode(),) for i in range(count)]
    dbf = make.dbf_bytes([(b"v", "N", 5, 0)], rows, deleted=deleted)
    return make.write(folder, shp=shp, shx=shx, dbf=dbf)


STEPS = [
    "buffer 1",
    "centroid",
    "simplify 1",
    "make-valid",
    "segmentize 0.1",
    "explode-collections",
    "reproject --src-crs EPSG:4326 --dst-crs EPSG:3857",
    "calculate --field x --expression v+1",
    "dissolve",
    "select v",
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("left", [0, 1])
def test_windows_without_rows(
    step: str, left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every window but one at most has none left, in a layer with Z."""
    monkeypatch.setattr(reader, "WINDOW_ROWS", 2)
    path = layer_of_lines(tmp_path / "src", 5)
    outcome = run(path, tmp_path / "out", f"filter --where 'v >= {5 - left}' ! {step}")
    assert outcome.status == "done", outcome.reason
    assert outcome.features.written == (1 if step == "dissolve" and left else left)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("rows", [0, 3])
def test_layers_without_rows(step: str, rows: int, tmp_path: Path) -> None:
    """None at all, and three that are flagged as deleted."""
    path = layer_of_lines(tmp_path / "src", rows, deleted=(0, 1, 2))
    outcome = run(path, tmp_path / "out", step)
    assert outcome.status == "done", outcome.reason
    assert (outcome.features.written, outcome.features.deleted) == (0, rows)


@pytest.mark.parametrize("left", [0, 1])
def test_a_partition_of_windows_without_rows(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WINDOW_ROWS", 2)
    path = layer_of_lines(tmp_path / "src", 5)
    chain = f"filter --where 'v >= {5 - left}' ! partition --field v"
    outcome = run(path, tmp_path / "out", chain)
    assert outcome.status == "done", outcome.reason
    assert [Path(s.path).name for s in outcome.sinks] == ["4.shp"][:left]
    again = run(path, tmp_path / "out", chain)
    assert again.status == "skipped", again.reason


def test_rings_without_vertices(tmp_path: Path) -> None:
    """A feature of one part and no vertex is empty; so is a window of such."""
    empty = struct.pack("<i4d3i", 5, 0, 0, 0, 0, 1, 0, 0)
    path = make.layer(tmp_path / "src", [empty, empty], 5)
    outcome = run(path, tmp_path / "out", "make-valid")
    assert (outcome.status, outcome.features.written) == ("done", 2)
    path = make.layer(tmp_path / "more", [empty, make.poly(5, SQUARE)], 5)
    outcome = run(path, tmp_path / "out2", "buffer 1")
    assert (outcome.status, outcome.features.written) == ("done", 2)


def test_measures_that_are_all_unknown_have_no_range(tmp_path: Path) -> None:
    unknown = -1.7976931348623157e308
    records = [line_m(5, 7), line_m(unknown, unknown)]
    path = make.layer(tmp_path / "src", records, 23)
    chain = "reproject --src-crs EPSG:4326 --dst-crs EPSG:3857"
    assert run(path, tmp_path / "out", chain).status == "done"
    data = (tmp_path / "out/a.shp").read_bytes()
    assert struct.unpack_from("<2d", data, 84) == (5, 7)
    second = 100 + 8 + len(records[0]) + 8
    low, high, *measures = struct.unpack_from("<4d", data, second + len(records[0]) - 32)
    assert max(low, high) < -1e38
    assert measures == [unknown, unknown]


def one_of_each_window(path: Path, out: Path, recipe: str, **options: Any) -> list[Outcome]:
    """Outcomes of one window, of windows of two rows and of one."""
    found = []
    for rows in (9, 2, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "WINDOW_ROWS", rows)
            found.append(run(path, out / str(rows), recipe, **options))
    return found


@pytest.mark.parametrize(
    ("chain", "with_m"),
    [
        ("explode-collections", [True, False, False, False, False, True]),
        ("clip --bbox=-1,-1,0.5,1", [True, False, False, False, True]),  # not the null
        ("simplify 0.1", [False] * 6),
    ],
)
def test_measures_of_some_rows_are_of_no_others(
    chain: str, with_m: list[bool], tmp_path: Path
) -> None:
    """A row with M, one without, one without any that is known, a null: whatever is beside them."""
    known, unknown = line_zm(3.0), line_zm(-1.8e308)
    records = [known, known[:-32], unknown, make.NULL, known[:-32], known]
    path = make.layer(tmp_path / "src", records, 13)
    whole, *others = one_of_each_window(path, tmp_path, chain)
    assert whole.status == "done", whole.reason
    assert [o.notes for o in others] == [whole.notes] * 2
    made = [(tmp_path / rows / "a.shp").read_bytes() for rows in "921"]
    assert made[1:] == made[:1] * 2
    shapes = read_layer(make.source(tmp_path / "9/a.shp")).geometry()
    assert shapely.has_m(shapes).tolist() == with_m


def polygon_m(ring: list[tuple[float, float]]) -> bytes:
    """Content of a PolygonM record."""
    content = struct.pack("<i", 25) + make.poly(5, ring)[4:]
    return content + struct.pack(f"<{2 + len(ring)}d", 0, 4, *range(len(ring)))


def test_measures_that_a_step_drops_are_counted_by_row(tmp_path: Path) -> None:
    bow = [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    records = [polygon_m(ring) for ring in (SQUARE, bow, SQUARE, bow)]
    path = make.layer(tmp_path / "src", records, 25)
    told = "make-valid dropped the M values of features (2, the first 'FID 1')"
    for outcome in one_of_each_window(path, tmp_path, "make-valid"):
        assert told in outcome.notes
    for outcome in one_of_each_window(path, tmp_path, "make-valid", on_loss="fail"):
        assert outcome.code == "values-lost"


@pytest.mark.parametrize("step", ["filter", "clip"])
def test_rows_that_do_not_stay_lose_nothing(step: str, tmp_path: Path) -> None:
    path = layer_of_lines(tmp_path / "src", 5)
    recipe = f"{step} --bbox=5,5,9,9"
    for outcome in one_of_each_window(path, tmp_path, recipe, on_loss="fail"):
        assert (outcome.status, outcome.features.filtered) == ("done", 5), outcome.reason


def test_the_proof_sees_that_measures_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_m(ragged: Ragged) -> Records:
        return encode(replace(ragged, m=None, with_m=None))

    monkeypatch.setattr("shpbatch.engine.layer.encode", without_m)
    outcome = run(layer_of_lines(tmp_path / "src", 3), tmp_path / "out", "swap-xy")
    assert (outcome.status, outcome.code) == ("failed", "write-differs")


@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_rows_without_shapes(policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 40)
    path = layer_of_lines(tmp_path / "src", 5)
    shp, shx = make.shp_bytes([], 13)
    path.write_bytes(shp)
    path.with_suffix(".shx").write_bytes(shx)
    recipe = "calculate --field x --expression v"
    outcome = run(path, tmp_path / "out", recipe, on_bad_record=policy)
    if policy == "fail":
        assert outcome.code == "count-mismatch"
    else:
        assert outcome.status == "done", outcome.reason
        assert (outcome.features.written, outcome.features.unreadable) == (0, 5)


def test_rows_that_only_the_header_has_are_no_success(tmp_path: Path) -> None:
    """Five shapes, five whole rows, and a header that counts nine."""
    path = layer_of_lines(tmp_path / "src", 5)
    data = bytearray(path.with_suffix(".dbf").read_bytes())
    struct.pack_into("<I", data, 4, 9)
    path.with_suffix(".dbf").write_bytes(data)
    assert run(path, tmp_path / "out").code == "dbf-truncated"
    outcome = run(path, tmp_path / "out2", on_bad_record="skip")
    assert (outcome.status, outcome.features.written, outcome.features.unreadable) == ("done", 5, 4)


@pytest.mark.parametrize("with_table", [True, False])
@pytest.mark.parametrize("cut", [1, 100, 150])
def test_a_file_that_ends_early_and_has_no_index(
    with_table: bool, cut: int, tmp_path: Path
) -> None:
    path = layer_of_lines(tmp_path / "src", 5)
    path.with_suffix(".shx").unlink()
    if not with_table:
        path.with_suffix(".dbf").unlink()
    path.write_bytes(path.read_bytes()[:-cut])
    assert run(path, tmp_path / "out").code == "chain-broken"
    outcome = run(path, tmp_path / "out", "buffer 1", on_bad_record="skip")
    assert outcome.status == "done", outcome.reason
    assert (outcome.features.written, outcome.features.unreadable) == (4, 1)


def test_entries_that_stand_in_each_other(tmp_path: Path) -> None:
    """Where records that cannot be read are left out, no byte is read twice."""
    records = [make.poly(5, SQUARE), make.poly(5, [(5, 5), (5, 6), (6, 6), (5, 5)]), make.NULL]
    path = make.layer(tmp_path / "src", records, 5)
    index = bytearray(path.with_suffix(".shx").read_bytes())
    index[116:124] = index[100:108]  # the third points at the first
    index[124:] = index[100:108] * 1000
    struct.pack_into(">i", index, 24, len(index) // 2)
    path.with_suffix(".shx").write_bytes(index)
    assert run(path, tmp_path / "out").code == "bad-index"
    outcome = run(path, tmp_path / "out", "buffer 1", on_bad_record="skip")
    assert outcome.status == "done", outcome.reason
    assert (outcome.features.written, outcome.features.unreadable) == (2, 1001)
    boxes = read_layer(make.source(tmp_path / "out/a.shp")).bounds()
    assert np.allclose(boxes, [[-1, -1, 2, 2], [4, 4, 7, 7]])


def test_an_entry_that_swallows_others(tmp_path: Path) -> None:
    """It is left out where the chain cannot tell it: bytes that are no record are counted in."""
    records = [make.point(i, i) for i in range(4)]
    path = make.layer(tmp_path / "src", records)
    data = bytearray(path.read_bytes() + b"garbage!")
    struct.pack_into(">i", data, 24, len(data) // 2)
    path.write_bytes(data)
    index = bytearray(path.with_suffix(".shx").read_bytes())
    struct.pack_into(">i", index, 112, 38)  # the second has the length of three
    path.with_suffix(".shx").write_bytes(index)
    entries = load_index(Bundle.of(make.source(path)), skip=True).entries
    assert entries[:, 0].tolist() == [50, 0, 78, 92]


def test_two_equal_rings_are_two_shells(tmp_path: Path) -> None:
    """As GDAL has them; one of them is no hole of the other."""
    path = make.layer(tmp_path / "src", [make.poly(5, SQUARE, SQUARE)], 5)
    shape = read_layer(make.source(path)).geometry()[0]
    assert [len(p.interiors) for p in shape.geoms] == [0, 0]
    turned = make.layer(tmp_path / "hole", [make.poly(5, SQUARE, SQUARE[::-1])], 5)
    shape = read_layer(make.source(turned)).geometry()[0]
    assert shapely.area(shape) == 0


BIG = [(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0), (0.0, 0.0)]
INNER = [(4.0, 4.0), (6.0, 4.0), (6.0, 6.0), (4.0, 6.0), (4.0, 4.0)]


@pytest.mark.parametrize(
    ("rings", "area"),
    [
        ([BIG, BIG, INNER], 196),
        ([BIG, INNER, BIG], 196),
        ([SQUARE, SQUARE, SQUARE[::-1]], 1),
    ],
)
def test_a_hole_below_a_shell_that_is_there_twice(rings: Any, area: float, tmp_path: Path) -> None:
    """It is a hole of one of them, and no island."""
    path = make.layer(tmp_path, [make.poly(5, *rings)], 5)
    assert shapely.area(read_layer(make.source(path)).geometry()[0]) == area


@pytest.mark.parametrize("step", ["buffer 1", "centroid", "buffer 1 ! centroid"])
def test_a_window_of_nulls_in_a_layer_with_z(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WINDOW_ROWS", 2)
    records = [make.NULL] * 4 + [make.point_zm(1, 2, 3, 4)]
    outcome = run(make.layer(tmp_path / "src", records, 11), tmp_path / "out", step)
    assert (outcome.status, outcome.features.written) == ("done", 5), outcome.reason


def test_a_count_that_no_file_can_hold_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divide, "LARGE", 1)
    path = layer_of_lines(tmp_path / "src", 3)
    data = bytearray(path.with_suffix(".dbf").read_bytes())
    data[4:8] = b"\xff" * 4
    path.with_suffix(".dbf").write_bytes(data)
    outcome = run(path, tmp_path / "out", "simplify 0.1", on_bad_record="skip")
    assert (outcome.status, outcome.features.declared, outcome.features.unreadable) == (
        "done",
        3,
        0,
    )


@pytest.mark.parametrize("policy", ["fail", "skip"])
@pytest.mark.parametrize("more", [4, 12, 40])
def test_bytes_behind_the_records_are_no_record(policy: str, more: int, tmp_path: Path) -> None:
    """Though the header counts them."""
    path = make.layer(tmp_path / "src", [make.point(1, 2)] * 3)
    data = bytearray(path.read_bytes() + bytes(more))
    struct.pack_into(">i", data, 24, len(data) // 2)
    path.write_bytes(data)
    outcome = run(path, tmp_path / "out", "buffer 1", on_bad_record=policy)
    assert (outcome.features.declared, outcome.features.unreadable) == (3, 0)
    assert not [n for n in outcome.notes if "shx" in n]


def test_text_for_a_memo_makes_a_field_of_text(tmp_path: Path) -> None:
    dbf = make.dbf_bytes([(b"v", "M", 10, 0)], [(b"",)] * 3)
    path = make.write(tmp_path / "src", dbf=dbf)
    outcome = run(path, tmp_path / "out", [("calculate", {"field": "v", "expression": "'x'"})])
    assert outcome.status == "done", outcome.reason
    (f,) = read_layer(make.source(tmp_path / "out/a.shp")).header.fields
    assert (f.name, f.type) == ("v", "C")


@pytest.mark.parametrize("chain", ["buffer 1", "filter --where 'FID < 9'", "centroid", ""])
def test_a_broken_record_beside_one_of_another_type(chain: str, tmp_path: Path) -> None:
    """GDAL, who is asked about the other type, would give a null for the broken one."""
    broken = bytearray(make.poly(5, SQUARE))
    struct.pack_into("<i", broken, 40, 10**6)
    records = [make.poly(5, SQUARE), bytes(broken), make.poly(3, SQUARE)]
    path = make.layer(tmp_path / "src", records, 5)
    outcome = run(path, tmp_path / "out", chain)
    assert outcome.code == "bad-record"
    byte = 100 + 8 + len(records[0])
    assert f"a.shp: record 2, byte {byte} of the .shp" in (outcome.reason or "")
    outcome = run(path, tmp_path / "out", chain, on_bad_record="skip")
    if outcome.status == "done":
        assert (outcome.features.written, outcome.features.unreadable) == (2, 1)
    else:  # a line cannot become a polygon
        assert outcome.code == "mixed-types"


@pytest.mark.parametrize("chain", ["swap-xy", "buffer 1", "make-valid"])
def test_a_record_of_another_type_with_an_open_ring(chain: str, tmp_path: Path) -> None:
    """A ring in a layer of lines is refused, or closed by steps that make areas; never a null."""
    line = make.poly(3, SQUARE[:4])
    records = [line, struct.pack("<i", 5) + line[4:], line]
    outcome = run(make.layer(tmp_path / "src", records, 3), tmp_path / "out", chain)
    if outcome.status == "done":
        made = tmp_path / "out/a.shp"
        starts, _ = load_index(Bundle.of(make.source(made))).window(0, 3)
        types = [struct.unpack_from("<i", made.read_bytes(), at + 8)[0] for at in starts.tolist()]
        assert (len(types), 0 in types) == (3, False)
    else:
        assert outcome.code == "mixed-types"


def test_memos_come_along(tmp_path: Path) -> None:
    dbf = bytearray(make.dbf_bytes([(b"note", "M", 10, 0)], [(b"1",), (b"",), (b"2",)]))
    dbf[0] = 0x83
    path = make.write(tmp_path / "src", dbf=bytes(dbf), dbt=b"the texts")
    for name, chain in {
        "same": "",
        "rows": "filter --where 'FID > 0'",
        "columns": "calculate --field x --expression FID",
    }.items():
        assert run(path, tmp_path / name, chain).status == "done"
        assert (tmp_path / name / "a.dbt").read_bytes() == b"the texts"
        assert (tmp_path / name / "a.dbf").read_bytes()[0] == 0x83
    chain = "calculate --field x --expression FID ! select x"
    assert run(path, tmp_path / "out", chain).status == "done"
    assert not (tmp_path / "out/a.dbt").exists()
    assert (tmp_path / "out/a.dbf").read_bytes()[0] == 3


def test_whole_numbers_that_no_float_holds_are_proved(tmp_path: Path) -> None:
    dbf = make.dbf_bytes([(b"big", "N", 19, 0)], [(b"1",)] * 3)
    path = make.write(tmp_path / "src", dbf=dbf)
    recipe = [("calculate", {"field": "big", "expression": "9007199254740993"})]
    assert run(path, tmp_path / "out", recipe).status == "done"
    assert (tmp_path / "out/a.dbf").read_bytes().count(b" 9007199254740993") == 3


def test_x_and_y_alone_of_a_layer_with_z_cost_no_other_row(tmp_path: Path) -> None:
    """A vertex of no place in the window: the others have lost nothing."""

    def east(coords: Coords) -> Coords:
        moved: Coords = coords[:, :2] + 1.0
        return moved

    shapes = [make.point_zm(1, 2, 3, 4), make.point_zm(float("nan"), 2, 3, 4)]
    shp, shx = make.shp_bytes([*shapes, make.point_zm(5, 6, 7, 8)], 11)
    path = make.write(tmp_path / "src", "a", shp=shp, shx=shx)
    report = shpbatch.run(path, tmp_path / "out", [east], method="inline")
    assert report.outcomes[0].features.written == 3
