"""Many layers joined into one: fields united, nothing lost, nothing changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine.reading import read_layer
from shpbatch.errors import PlanError
from shpbatch.models import Field, Outcome

SAMPLES = Path(__file__).parents[1] / "sample_data"
SIDS = SAMPLES / "census/sids.shp"


def merge(sources: Any, dst: Path, recipe: Any = (), **options: Any) -> Outcome:
    report = shpbatch.run(sources, dst, list(recipe), merge="all", workers=2, **options)
    (outcome,) = report.outcomes
    assert outcome.status == "done", outcome.reason
    return outcome


def columns(path: Path) -> dict[str, list[Any]]:
    layer = read_layer(make.source(path))
    return {n: layer.column(n).to_pylist() for n in layer.header.field_names()}


def test_layers_of_one_schema_are_joined_byte_for_byte(tmp_path: Path) -> None:
    for name in "ab":
        for extension in ("shp", "shx", "dbf"):
            shutil.copy(SIDS.with_suffix(f".{extension}"), tmp_path / f"{name}.{extension}")
    outcome = merge([tmp_path / "a.shp", tmp_path / "b.shp"], tmp_path / "out")
    assert outcome.sources == (str(tmp_path / "a.shp"), str(tmp_path / "b.shp"))
    assert outcome.features.written == outcome.features.read == 200
    sink = tmp_path / "out/all.shp"
    once, twice = SIDS.with_suffix(".dbf").read_bytes(), sink.with_suffix(".dbf").read_bytes()
    start, length = (int.from_bytes(once[i : i + 2], "little") for i in (8, 10))
    rows = once[start : start + 100 * length]
    assert twice[start : start + 200 * length] == 2 * rows
    assert twice[8:start] == once[8:start]
    one, both = read_layer(make.source(SIDS)), read_layer(make.source(sink))
    assert both.bounds().tolist() == 2 * one.bounds().tolist()
    assert both.vertices().coords.tolist() == 2 * one.vertices().coords.tolist()


def two(folder: Path, first: Any, second: Any, **members: Any) -> list[Path]:
    """Two layers of points with other columns each: (columns, rows)."""
    paths = []
    for name, (described, rows) in (("a", first), ("b", second)):
        dbf = make.dbf_bytes(described, rows)
        paths.append(make.write(folder, name, dbf=dbf, **members))
    return paths


def test_fields_are_united_and_widened(tmp_path: Path) -> None:
    first = [(b"NAME", "C", 5, 0), (b"n", "N", 4, 0), (b"only_a", "L", 1, 0)]
    second = [(b"n", "N", 9, 2), (b"name", "C", 8, 0), (b"day", "D", 8, 0)]
    sources = two(
        tmp_path,
        (first, [(b"one", b"1", b"T"), (b"two", b"22", b"F"), (b"", b"", b"?")]),
        (second, [(b"1.25", b"three", b"20200229"), (b"-7.50", b"four", b""), (b"", b"x", b"")]),
    )
    merge(sources, tmp_path / "out")
    sink = tmp_path / "out/all.shp"
    assert read_layer(make.source(sink)).header.fields == (
        Field("NAME", "C", 8),
        Field("n", "N", 9, 2),
        Field("only_a", "L", 1),
        Field("day", "D", 8),
    )
    found = columns(sink)
    assert found["NAME"] == ["one", "two", None, "three", "four", "x"]
    assert found["n"] == [1.0, 22.0, None, 1.25, -7.5, None]
    assert found["only_a"] == [True, False, None, None, None, None]
    assert [str(d) if d else None for d in found["day"]] == [None] * 3 + ["2020-02-29", None, None]


def test_only_common_fields(tmp_path: Path) -> None:
    first = ([(b"a", "C", 5, 0), (b"b", "C", 5, 0)], [(b"1", b"2")] * 3)
    second = ([(b"b", "C", 5, 0), (b"c", "C", 5, 0)], [(b"3", b"4")] * 3)
    merge(two(tmp_path, first, second), tmp_path / "out", field_strategy="intersection")
    assert columns(tmp_path / "out/all.shp") == {"b": ["2"] * 3 + ["3"] * 3}


def test_only_fields_that_stay_must_go_together(tmp_path: Path) -> None:
    first = ([(b"b", "C", 5, 0), (b"m", "M", 10, 0)], [(b"1", b"")] * 3)
    second = ([(b"b", "C", 5, 0)], [(b"2",)] * 3)
    merge(two(tmp_path, first, second), tmp_path / "out", field_strategy="intersection")
    assert columns(tmp_path / "out/all.shp") == {"b": ["1"] * 3 + ["2"] * 3}


def test_a_new_field_is_the_same_in_all_layers(tmp_path: Path) -> None:
    """Though one of them has two fields that it differs from by case only."""
    first = ([(b"aa", "N", 4, 0), (b"AA", "N", 4, 0)], [(b"1", b"2")] * 3)
    second = ([(b"N", "N", 4, 0)], [(b"3",)] * 3)
    recipe = [("calculate", {"field": "Aa", "expression": "99"})]
    merge(two(tmp_path, first, second), tmp_path / "out", recipe)
    layer = read_layer(make.source(tmp_path / "out/all.shp"))
    found = {f.name: layer.values(i).to_pylist() for i, f in enumerate(layer.header.fields)}
    assert found["Aa"] == [99] * 6
    assert found["aa"] == [1] * 3 + [None] * 3
    assert len(found) == 4


@pytest.mark.parametrize(("kind", "width", "told"), [("I", 4, 1), ("B", 8, 1), ("@", 8, 0)])
def test_what_a_layer_has_not_is_zero_in_a_binary_field(
    kind: str, width: int, told: int, tmp_path: Path
) -> None:
    """Blanks would be 538976288; a number is told, as its type has no NULL."""
    first = ([(b"v", kind, width, 0)], [(b"\x07" * width,)] * 3)
    second = ([(b"N", "N", 4, 0)], [(b"3",)] * 3)
    outcome = merge(two(tmp_path, first, second), tmp_path / "out")
    found = [cell[:width] for cell in cells(tmp_path / "out/all.shp")]
    assert found == [b"\x07" * width] * 3 + [bytes(width)] * 3
    loss = "field v: NULL is written as 0, the type has none (3)"
    assert (loss in outcome.notes) == bool(told)


def test_unlike_types_become_text(tmp_path: Path) -> None:
    first = ([(b"v", "N", 6, 1)], [(b"1.5",), (b"",), (b"20.0",)])
    second = ([(b"v", "C", 4, 0)], [(b"abc",), (b"",), (b"1",)])
    merge(two(tmp_path, first, second), tmp_path / "out")
    assert columns(tmp_path / "out/all.shp") == {"v": ["1.5", None, "20.0", "abc", None, "1"]}


def test_dates_that_are_none_are_none_as_text(tmp_path: Path) -> None:
    first = ([(b"v", "D", 8, 0)], [(b"20200131",), (b"********",), (b"00000000",)])
    second = ([(b"v", "C", 4, 0)], [(b"abc",)] * 3)
    merge(two(tmp_path, first, second), tmp_path / "out")
    found = columns(tmp_path / "out/all.shp")["v"]
    assert found == ["2020-01-31", None, None, "abc", "abc", "abc"]


def cells(path: Path) -> list[bytes]:
    """Rows of the ``.dbf`` as they are."""
    data = path.with_suffix(".dbf").read_bytes()
    start, length = (int.from_bytes(data[i : i + 2], "little") for i in (8, 10))
    return [data[at + 1 : at + length] for at in range(start, len(data) - 1, length)]


@pytest.mark.parametrize(
    ("left", "right", "values", "width"),
    [
        (("N", 18, 0), ("N", 24, 15), [b"123456789012345678", b"-1.000000000000001"], 24),
        (("N", 18, 0), ("N", 19, 0), [b"-99999999999999999", b"9223372036854775807"], 19),
        (("N", 254, 0), ("N", 20, 15), [b"9" * 40, b"0.1"], 254),
        (("N", 41, 20), ("F", 9, 3), [b"0.12345678901234567890", b"1.5e+003"], 41),
        (("N", 6, 0), ("N", 6, 3), [b"******", b"n/a"], 10),
        (("N", 20, 10), ("C", 4, 0), [b"1e-300", b"abc"], 20),
        (("D", 8, 0), ("C", 4, 0), [b"2020023X", b"abc"], 10),
        (("L", 1, 0), ("C", 1, 0), [b"x", b"y"], 1),
        (("I", 4, 0), ("I", 4, 0), [b"\x01\x02\xff\x80", b"\0\0\0\x01"], 4),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_cells_keep_their_digits(
    left: Any, right: Any, values: list[bytes], width: int, tmp_path: Path
) -> None:
    """Neither a float nor a date is made of what is only carried."""
    sources = two(
        tmp_path,
        ([(b"v", *left)], [(values[0],)] * 3),
        ([(b"v", *right)], [(values[1],)] * 3),
        cpg="UTF-8",
    )
    outcome = merge(sources, tmp_path / "out", on_loss="fail")
    (f,) = read_layer(make.source(tmp_path / "out/all.shp")).header.fields
    assert f.width == width
    found = cells(tmp_path / "out/all.shp")
    stars = f.type == "N" and set(values[0]) == {ord("*")}
    expected = [b"*" * width if stars else values[0]] * 3 + [values[1]] * 3
    assert [c.strip() if f.type != "I" else c for c in found] == expected
    assert not [n for n in outcome.notes if "field" in n]


def test_fields_of_one_name_in_one_layer_stay_apart(tmp_path: Path) -> None:
    """Each goes to the one of its very name, else to one that differs by case."""
    first = [(b"Name", "C", 3, 0), (b"NAME", "C", 4, 0), (b"name", "C", 2, 0)]
    second = [(b"NAME", "C", 5, 0), (b"nAmE", "C", 3, 0)]
    rows = [(b"a", b"b", b"1")] * 3, [(b"c", b"d")] * 3
    merge(two(tmp_path, (first, rows[0]), (second, rows[1])), tmp_path / "out")
    layer = read_layer(make.source(tmp_path / "out/all.shp"))
    assert [(f.name, f.width) for f in layer.header.fields] == [
        ("Name", 3),
        ("NAME", 5),
        ("name", 2),
    ]
    assert cells(tmp_path / "out/all.shp") == [b"a  b    1 "] * 3 + [b"d  c      "] * 3


def test_a_value_that_cannot_be_read_is_a_loss(tmp_path: Path) -> None:
    described = [(b"v", "C", 90, 0)]
    many = "Köln Zürich Genève Orléans Nîmes Bâle Évreux Mâcon Sète München".encode("cp1252")
    a = make.write(
        tmp_path,
        "a",
        dbf=make.dbf_bytes(described, [(b"a\x81b",), (many,), (b"c",)]),
        cpg="1252",
    )
    b = make.write(
        tmp_path, "b", dbf=make.dbf_bytes(described, [("中".encode(),)] * 3), cpg="UTF-8"
    )
    outcome = merge([a, b], tmp_path / "out")
    assert "field v: values hold bytes that are not cp1252 (1, the first 'a\\x81b')" in " ".join(
        outcome.notes
    )
    report = shpbatch.run([a, b], tmp_path / "strict", [], merge="all", on_loss="fail")
    assert report.outcomes[0].code == "values-lost"


@pytest.mark.parametrize("width", [84, 254])
def test_text_takes_the_room_that_it_needs_in_utf_8(width: int, tmp_path: Path) -> None:
    described = [(b"v", "C", width, 0)]
    long = "é" * 84
    a = make.write(
        tmp_path, "a", dbf=make.dbf_bytes(described, [(long.encode("cp1252"),)] * 3), cpg="1252"
    )
    b = make.write(
        tmp_path, "b", dbf=make.dbf_bytes(described, [("中".encode(),)] * 3), cpg="UTF-8"
    )
    merge([a, b], tmp_path / "out")
    layer = read_layer(make.source(tmp_path / "out/all.shp"))
    assert layer.header.fields == (Field("v", "C", max(168, width)),)
    assert layer.column("v").to_pylist() == [long] * 3 + ["中"] * 3


def test_text_that_utf_8_makes_too_long_is_refused(tmp_path: Path) -> None:
    described = [(b"v", "C", 254, 0)]
    a = make.write(
        tmp_path,
        "a",
        dbf=make.dbf_bytes(described, [(("é" * 128).encode("cp1252"),)] * 3),
        cpg="1252",
    )
    b = make.write(
        tmp_path, "b", dbf=make.dbf_bytes(described, [("中".encode(),)] * 3), cpg="UTF-8"
    )
    report = shpbatch.run([a, b], tmp_path / "out", [], merge="all")
    assert report.outcomes[0].code == "text-too-long"


def test_text_of_300_bytes_is_carried(tmp_path: Path) -> None:
    """Clipper's wide fields: nobody else writes them, and nothing is cut."""
    wide = bytearray(make.dbf_bytes([(b"v", "C", 300 % 256, 300 // 256)], [(b"x" * 300,)] * 3))
    wide[10:12] = (301).to_bytes(2, "little")
    a = make.write(tmp_path, "a", dbf=bytes(wide))
    b = make.write(tmp_path, "b", dbf=make.dbf_bytes([(b"v", "C", 4, 0)], [(b"y",)] * 3))
    merge([a, b], tmp_path / "out")
    assert columns(tmp_path / "out/all.shp") == {"v": ["x" * 300] * 3 + ["y"] * 3}


def test_an_encoding_that_shows_late_is_minded(tmp_path: Path) -> None:
    """Behind the first 64 kB, and neither .cpg nor language byte tells."""
    described = [(b"v", "C", 200, 0)]
    late = [("a",)] * 400 + [("é" * 60,)]
    shp, shx = make.shp_bytes([make.point(1, 2)] * 401)
    sources = []
    for name, encoding in (("a", "utf-8"), ("b", "cp1252")):
        rows = [(v.encode(encoding),) for (v,) in late]
        dbf = make.dbf_bytes(described, rows)
        sources.append(make.write(tmp_path, name, shp=shp, shx=shx, dbf=dbf))
    merge(sources, tmp_path / "out")
    assert columns(tmp_path / "out/all.shp")["v"] == [v for (v,) in late] * 2


def test_the_language_byte_tells_the_encoding_of_the_text(tmp_path: Path) -> None:
    plain = make.write(
        tmp_path, "a", dbf=make.dbf_bytes([(b"n", "N", 4, 0)], [(b"1",)] * 3, ldid=3)
    )
    text = "ž".encode("cp1250")
    czech = make.write(
        tmp_path, "b", dbf=make.dbf_bytes([(b"v", "C", 4, 0)], [(text,)] * 3, ldid=0xC8)
    )
    merge([plain, czech], tmp_path / "out")
    assert columns(tmp_path / "out/all.shp")["v"] == [None] * 3 + ["ž"] * 3
    assert cells(tmp_path / "out/all.shp")[3] == b"    " + text + b"   "


def test_whole_numbers_of_a_step_stay_whole(tmp_path: Path) -> None:
    """2^53 + 1 has no equal among floats, which is what the step makes of the sister."""
    sources = two(
        tmp_path / "src",
        ([(b"v", "N", 24, 15)], [(b"1.5",)] * 3),
        ([(b"v", "N", 18, 0)], [(b"9007199254740993",)] * 3),
    )
    merge(sources, tmp_path / "out", [("calculate", {"field": "w", "expression": "v"})])
    found = [c[24:].strip() for c in cells(tmp_path / "out/all.shp")]
    assert found == [b"1.5"] * 3 + [b"9007199254740993"] * 3


def test_a_record_of_another_type_beside_a_layer_with_z(tmp_path: Path) -> None:
    flat = make.layer(tmp_path / "a", [make.point(1, 2), make.point_m(3, 4, 5)])
    high = make.layer(tmp_path / "b", [make.point_zm(3, 4, 5, 6)], 11)
    merge([flat, high], tmp_path / "out")
    layer = read_layer(make.source(tmp_path / "out/all.shp"))
    assert layer.vertices().coords.tolist() == [[1, 2, 0], [3, 4, 0], [3, 4, 5]]


def test_encodings_are_united_in_utf_8(tmp_path: Path) -> None:
    described = [(b"name", "C", 8, 0)]
    a = make.write(
        tmp_path, "a", dbf=make.dbf_bytes(described, [("é".encode("cp1252"),)] * 3), cpg="1252"
    )
    b = make.write(
        tmp_path, "b", dbf=make.dbf_bytes(described, [("中".encode(),)] * 3), cpg="UTF-8"
    )
    merge([a, b], tmp_path / "out")
    assert columns(tmp_path / "out/all.shp") == {"name": ["é"] * 3 + ["中"] * 3}
    assert (tmp_path / "out/all.cpg").read_text() == "UTF-8"


def test_the_source_is_told_in_a_field(tmp_path: Path) -> None:
    described = ([(b"v", "N", 3, 0)], [(b"1",)] * 3)
    merge(two(tmp_path / "src", described, described), tmp_path / "out", source_field="source")
    assert columns(tmp_path / "out/all.shp")["source"] == ["a.shp"] * 3 + ["b.shp"] * 3


def test_steps_come_before_the_merge_in_parallel(tmp_path: Path) -> None:
    described = ([(b"v", "N", 3, 0)], [(b"1",), (b"2",), (b"3",)])
    sources = two(tmp_path / "src", described, described)
    recipe = [
        ("filter", {"where": "v > 1"}),
        ("calculate", {"field": "w", "expression": "v * 0.25"}),
        ("reproject", {"dst_crs": "EPSG:3857"}),
    ]
    outcome = merge(sources, tmp_path / "out", recipe)
    assert (outcome.features.read, outcome.features.filtered) == (6, 2)
    assert columns(tmp_path / "out/all.shp") == {"v": [2, 3] * 2, "w": [0.5, 0.75] * 2}
    inline = shpbatch.run(sources, tmp_path / "one", recipe, merge="all", method="inline")
    assert inline.outcomes[0].status == "done"
    for extension in ("shp", "shx", "dbf", "prj"):
        left, right = (tmp_path / d / f"all.{extension}" for d in ("out", "one"))
        assert left.read_bytes() == right.read_bytes()


def test_a_layer_with_z_beside_one_without(tmp_path: Path) -> None:
    flat = make.layer(tmp_path / "a", [make.point(1, 2)])
    high = make.layer(tmp_path / "b", [make.point_zm(3, 4, 5, 6), make.NULL], 11)
    merge([flat, high], tmp_path / "out")
    merged = read_layer(make.source(tmp_path / "out/all.shp"))
    assert merged.header.has_z
    assert merged.vertices().coords.tolist() == [[1, 2, 0], [3, 4, 5]]
    assert merged.vertices().m.tolist()[1] == 6
    assert not (tmp_path / "out/all.dbf").exists()


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"prj": make.WGS84.replace("6378137.0", "6378000.0")}, "merge-crs"),
        ({"prj": None}, "merge-crs"),
        ({"shp": make.shp_bytes([make.poly(3, [(0, 0), (1, 1)])], 3)[0]}, "merge-types"),
        ({"shp": b""}, "empty-file"),
    ],
)
def test_what_does_not_go_together_is_refused(
    members: dict[str, Any], code: str, tmp_path: Path
) -> None:
    sources = [make.write(tmp_path, "a"), make.write(tmp_path, "b", **members)]
    with pytest.raises(PlanError) as error:
        shpbatch.run(sources, tmp_path / "out", [], merge="all")
    assert error.value.code == code
    assert "b.shp" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("left", "right", "code"),
    [
        ([(b"v", "I", 4, 0)], [(b"v", "N", 4, 0)], "merge-fields"),
        ([(b"v", "B", 8, 0)], [(b"v", "B", 10, 0)], "merge-fields"),
        ([(b"v", "N", 4, 0)], [(b"v", "M", 10, 0)], "merge-fields"),
        ([(b"v", "B", 10, 0)], [(b"v", "B", 10, 0)], "merge-fields"),
        ([(b"v", "N", 4, 0)], [(b"src", "C", 9, 0)], "field-exists"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(
    left: Any, right: Any, code: str, tmp_path: Path
) -> None:
    """Before anything is written."""
    sources = two(tmp_path, (left, [(b"",)] * 3), (right, [(b"",)] * 3))
    with pytest.raises(PlanError) as error:
        shpbatch.run(sources, tmp_path / "out", [], merge="all", source_field="SRC")
    assert error.value.code == code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "../all", "/all", ".shpbatch/ledger"])
def test_a_name_outside_the_output_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        shpbatch.run(make.write(tmp_path), tmp_path / "out", [], merge=name)
    assert error.value.code == "bad-merge-name"


def test_a_merge_onto_a_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        shpbatch.run(make.write(tmp_path, "all"), tmp_path, [], merge="all")
    assert error.value.code == "source-is-sink"


def test_a_table_over_2_gb_is_refused_by_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shpbatch.shapefile.writer.LARGEST", 100)
    sources = [make.write(tmp_path, name) for name in "ab"]
    with pytest.raises(PlanError) as error:
        shpbatch.run(sources, tmp_path / "out", [], merge="all")
    assert error.value.code == "too-large"


def test_cells_that_a_function_left_alone_keep_their_bytes(tmp_path: Path) -> None:
    described = [(b"v", "N", 24, 15)]
    rows = [(b"1",), (b"123456789012345678",), (b"1.50",)]
    sources = two(tmp_path, (described, rows), (described, rows))

    def first(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
        frame.loc[frame.index[0], "v"] = 7.0
        return frame

    merge(sources, tmp_path / "out", [first])
    found = [c.strip() for c in cells(tmp_path / "out/all.shp")]
    assert found[1:3] == found[4:] == [b"123456789012345678", b"1.50"]
    assert float(found[0]) == float(found[3]) == 7


@pytest.mark.parametrize("ldid", [0x57, 3])
def test_a_language_byte_that_the_text_outvotes_late(ldid: int, tmp_path: Path) -> None:
    """Behind the first 64 kB."""
    shp, shx = make.shp_bytes([make.point(1, 2)] * 4_000)
    last = "é".encode("utf-8" if ldid == 0x57 else "cp1252")
    rows = [(b"a",)] * 3_999 + [(last,)]
    dbf = make.dbf_bytes([(b"v", "C", 20, 0)], rows, ldid=ldid)
    a = make.write(tmp_path, "a", shp=shp, shx=shx, dbf=dbf)
    b = make.write(
        tmp_path, "b", dbf=make.dbf_bytes([(b"v", "C", 20, 0)], [("ä".encode(),)] * 3), cpg="UTF-8"
    )
    merge([a, b], tmp_path / "out")
    assert columns(tmp_path / "out/all.shp")["v"][3_999:] == ["é", "ä", "ä", "ä"]


@pytest.mark.parametrize("kind", [("C", 4, 0), ("D", 12, 0)])
def test_a_date_wider_than_dates_are(kind: Any, tmp_path: Path) -> None:
    sources = two(
        tmp_path,
        ([(b"v", "D", 12, 0)], [(b"20200229",)] * 3),
        ([(b"v", *kind)], [(b"x",)] * 3),
    )
    merge(sources, tmp_path / "out")
    assert cells(tmp_path / "out/all.shp")[0].strip() in (b"2020-02-29", b"20200229")


def test_a_source_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    sources = [make.write(tmp_path / "src", name) for name in ("a", os.fsdecode(b"b\xff"))]
    merge(sources, tmp_path / "out", source_field="src")
    assert columns(tmp_path / "out/all.shp")["src"][3:] == ["b\\udcff.shp"] * 3
