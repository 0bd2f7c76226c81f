"""What no step touched comes out byte for byte; what is not well-formed is normalised and told."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine.aspects import Coords
from shpbatch.engine.reading import read_layer
from shpbatch.engine.registry import step
from shpbatch.models import Outcome, Recipe, Task
from shpbatch.parser import run_alone
from shpbatch.policy import Policy
from shpbatch.recipes.recipe import parse_chain
from shpbatch.shapefile.ragged import signed_areas

SAMPLES = Path(__file__).parents[1] / "sample_data"
SIDS = SAMPLES / "census/sids.shp"
SQUARE = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)]
HOLE = [(0.2, 0.2), (0.4, 0.2), (0.4, 0.4), (0.2, 0.4), (0.2, 0.2)]


def run(path: Path, folder: Path, chain: str = "", policy: Policy | None = None) -> Outcome:
    """Run a chain on one layer into ``folder/a.shp``."""
    recipe = parse_chain(chain) if chain else Recipe()
    task = Task(make.source(path), recipe, str(folder / "a.shp"), str(folder))
    outcome = run_alone(task if policy is None else Task(**{**fields(task), "policy": policy}))
    assert outcome.status == "done", outcome.reason
    return outcome


def fields(task: Task) -> dict[str, object]:
    return {name: getattr(task, name) for name in task.__slots__}


def same(left: Path, right: Path, extension: str) -> bool:
    return (
        left.with_suffix(f".{extension}").read_bytes()
        == right.with_suffix(f".{extension}").read_bytes()
    )


@pytest.mark.parametrize(
    ("chain", "identical"),
    [
        ("", {"shp", "shx", "dbf"}),
        ("assign-crs EPSG:4326", {"shp", "shx", "dbf"}),
        ("select NAME,AREA", {"shp", "shx"}),
        ("calculate --field x --expression 'AREA * 2'", {"shp", "shx"}),
        ("simplify 0.1", {"dbf"}),
        ("reproject --dst-crs EPSG:3857 --src-crs EPSG:4326", {"dbf"}),
        ("buffer 0.1", {"dbf"}),
        ("make-valid", {"shp", "shx", "dbf"}),  # all are valid: every record is carried
        ("filter --where 'AREA >= 0'", {"dbf"}),  # all rows stay
    ],
)
def test_files_that_no_step_touches_are_identical(
    chain: str, identical: set[str], tmp_path: Path
) -> None:
    run(SIDS, tmp_path, chain)
    found = {e for e in ("shp", "shx", "dbf") if same(SIDS, tmp_path / "a.shp", e)}
    assert found >= identical


def test_carried_cells_keep_their_bytes_whatever_they_hold(tmp_path: Path) -> None:
    described = [(b"num", "N", 9, 2), (b"day", "D", 8, 0), (b"ok", "L", 1, 0), (b"t", "C", 4, 0)]
    odd = [
        (b"1,5", b"99999999", b"X", b"\xff\0a"),
        (b"nan", b"0000", b" ", b""),
        (b"*" * 9, b"", b"?", b"b"),
    ]
    path = make.write(tmp_path / "in", dbf=make.dbf_bytes(described, odd))
    run(
        path,
        tmp_path / "out",
        "calculate --field new --expression 'FID' ! filter --where 'FID <> 1'",
    )
    before, after = (p.with_suffix(".dbf").read_bytes() for p in (path, tmp_path / "out/a.shp"))
    start, length = (struct.unpack_from("<2H", before, 8), struct.unpack_from("<2H", after, 8))
    rows = [before[start[0] + i * start[1] :][: start[1]] for i in (0, 2)]
    kept = [after[length[0] + i * length[1] :][: start[1]] for i in (0, 1)]
    assert kept == rows


def test_the_header_of_an_unchanged_schema_stays(tmp_path: Path) -> None:
    described = [(b"A", "C", 3, 0)]
    dbf = bytearray(make.dbf_bytes(described, [(b"a",), (b"b",), (b"c",)], ldid=0xC8))
    dbf[12:28] = bytes(range(1, 17))  # reserved bytes
    dbf[32 + 20 : 32 + 30] = b"reserved.."
    path = make.write(tmp_path / "in", dbf=bytes(dbf))
    run(path, tmp_path / "out", "filter --where \"A <> 'b'\"")
    after = (tmp_path / "out/a.dbf").read_bytes()
    assert after[8:65] == bytes(dbf[8:65])
    assert struct.unpack_from("<I", after, 4) == (2,)


def test_measures_survive_every_step_that_carries_or_moves_a_row(tmp_path: Path) -> None:
    path = make.layer(tmp_path / "in", [make.point_zm(1, 2, 3, 4), make.point_zm(5, 6, 7, 8)], 11)
    chain = "make-valid ! reproject --dst-crs EPSG:3857 --src-crs EPSG:4326 ! explode-collections"
    outcome = run(path, tmp_path / "out", chain)
    after = read_layer(make.source(tmp_path / "out/a.shp")).vertices()
    assert after.m.tolist() == [4, 8]
    assert after.coords[:, 2].tolist() == [3, 7]
    assert not [n for n in outcome.notes if "M values" in n]


@pytest.mark.parametrize("crs", ["EPSG:5513", "EPSG:2065"])
def test_rings_are_reversed_where_the_move_mirrors(crs: str, tmp_path: Path) -> None:
    """Krovak's axes point south and west, so a shell would come out as a hole."""
    square = [(14 + x, 50 + y) for x, y in SQUARE]
    hole = [(14 + x, 50 + y) for x, y in HOLE]
    path = make.layer(tmp_path / "in", [make.poly(5, square, hole), make.NULL], 5)
    run(path, tmp_path / "out", f"reproject --dst-crs {crs} --src-crs EPSG:4326")
    after = read_layer(make.source(tmp_path / "out/a.shp")).vertices()
    assert np.sign(signed_areas(after.coords, after.part_offsets)).tolist() == [-1, 1]


def test_a_step_that_swaps_the_axes_reverses_the_rings(tmp_path: Path) -> None:
    @step
    def swap_xy(coords: Coords) -> Coords:
        return coords[:, ::-1]

    path = make.layer(tmp_path / "in", [make.poly(5, SQUARE, HOLE)], 5)
    report = shpbatch.run(path, tmp_path / "out", [swap_xy], method="inline")
    assert report.outcomes[0].status == "done", report.outcomes[0].reason
    after = read_layer(make.source(tmp_path / "out/a.shp")).vertices()
    assert np.sign(signed_areas(after.coords, after.part_offsets)).tolist() == [-1, 1]
    assert after.coords[:5].tolist() == [[y, x] for x, y in SQUARE[::-1]]


def test_the_prj_is_identical_while_the_crs_is(tmp_path: Path) -> None:
    prj = b"\xef\xbb\xbf" + make.WGS84.encode() + b" \r\n"
    path = make.write(tmp_path / "in", prj=prj)
    run(path, tmp_path / "out", "buffer 1")
    assert (tmp_path / "out/a.prj").read_bytes() == prj


def test_a_multipatch_is_carried_and_moved(tmp_path: Path) -> None:
    corners = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    xy = b"".join(struct.pack("<2d", *c) for c in corners)
    record = (
        struct.pack("<i4d2i", 31, 0, 0, 1, 1, 1, 4)
        + struct.pack("<2i", 0, 0)  # one part, a triangle strip
        + xy
        + struct.pack("<6d", 5, 5, 5, 5, 5, 5)
    )
    path = make.layer(tmp_path / "in", [record], 31)
    run(path, tmp_path / "copy")
    assert same(path, tmp_path / "copy/a.shp", "shp")
    outcome = run(path, tmp_path / "out", "make-valid ! reproject EPSG:3857 --src-crs EPSG:4326")
    after = read_layer(make.source(tmp_path / "out/a.shp"))
    assert after.header.geometry_type == "MultiPatch"
    assert after.vertices().kinds.tolist() == [0]
    assert after.vertices().coords[:, 2].tolist() == [5] * 4
    assert any("read with GDAL" in note for note in outcome.notes)


NOT_WELL_FORMED = {
    "record numbers": (lambda shp: shp[:100] + b"\0\0\0\7" + shp[104:], "record numbers were not"),
    "length": (lambda shp: shp[:24] + b"\0\0\0\7" + shp[28:], "header says"),
    "record length": (lambda shp: shp[:104] + b"\0\0\0\7" + shp[108:], "did not agree"),
    "trailing bytes": (lambda shp: shp + bytes(40), "header says"),
}


@pytest.mark.parametrize("name", NOT_WELL_FORMED)
def test_what_is_not_well_formed_is_normalised_and_told(name: str, tmp_path: Path) -> None:
    damage, told = NOT_WELL_FORMED[name]
    shp, shx = make.shp_bytes()
    path = make.write(tmp_path / "in", shp=damage(shp), shx=shx)
    outcome = run(path, tmp_path / "out")
    assert (tmp_path / "out/a.shp").read_bytes() == shp
    assert (tmp_path / "out/a.shx").read_bytes() == shx
    assert any(told in note for note in outcome.notes), outcome.notes


def test_deleted_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"one", b"two", b"three"), deleted=[1])
    path = make.write(tmp_path / "in", dbf=dbf)
    outcome = run(path, tmp_path / "out")
    assert (outcome.features.declared, outcome.features.read, outcome.features.deleted) == (3, 2, 1)
    after = read_layer(make.source(tmp_path / "out/a.shp"))
    assert after.column("NAME").to_pylist() == ["one", "three"]
    assert after.vertices().coords.tolist() == [[1, 2], [5, 6]]


def test_no_dbf_in_none_out_unless_a_field_is_added(tmp_path: Path) -> None:
    path = make.write(tmp_path / "in", dbf=None)
    run(path, tmp_path / "out")
    assert not (tmp_path / "out/a.dbf").exists()
    run(path, tmp_path / "new", "calculate --field n --expression FID")
    assert read_layer(make.source(tmp_path / "new/a.shp")).column("n").to_pylist() == [0, 1, 2]


def test_the_shape_type_stays_where_there_is_no_row(tmp_path: Path) -> None:
    path = make.layer(tmp_path / "in", [make.point_zm(1, 2, 3, 4)], 11)
    outcome = run(path, tmp_path / "out", "filter --where 'FID > 5'")
    assert outcome.features.filtered == 1
    assert read_layer(make.source(tmp_path / "out/a.shp")).code == 11
    assert len((tmp_path / "out/a.shp").read_bytes()) == 100


def test_bad_values_become_null_or_reject_their_row_by_policy(tmp_path: Path) -> None:
    dbf = make.dbf_bytes([(b"n", "N", 9, 2)], [(b"1.50",), (b"1,50",), (b"nan",)])
    path = make.write(tmp_path / "in", dbf=dbf)
    chain = "calculate --field twice --expression 'n * 2'"
    outcome = run(path, tmp_path / "null", chain)
    assert any("field n" in n and "(2," in n for n in outcome.notes), outcome.notes
    after = read_layer(make.source(tmp_path / "null/a.shp"))
    assert after.column("twice").to_pylist() == [3.0, None, None]
    outcome = run(path, tmp_path / "reject", chain, Policy(on_bad_value="reject"))
    assert (outcome.features.rejected, outcome.features.written) == (2, 1)
    assert outcome.features.balances()


def test_more_than_2_gb_is_refused_before_anything_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shpbatch.shapefile.writer.LARGEST", 20_000)
    task = Task(make.source(SIDS), parse_chain("buffer 1"), str(tmp_path / "a.shp"), str(tmp_path))
    outcome = run_alone(task)
    assert (outcome.status, outcome.code) == ("failed", "too-large")
    assert not (tmp_path / "a.shp").exists()
