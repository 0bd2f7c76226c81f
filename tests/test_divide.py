"""Large layers as several tasks: the same bytes, whatever their number."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import shapefiles as make

import shpbatch
from shpbatch.engine import layer
from shpbatch.engine.reading import read_layer
from shpbatch.models import Recipe, Task
from shpbatch.parser import run_task
from shpbatch.planning import divide
from shpbatch.policy import Policy
from shpbatch.recipes.recipe import parse_chain
from shpbatch.shapefile import reader, rows, writer
from shpbatch.shapefile.ragged import Ragged
from shpbatch.shapefile.records import Records

SAMPLES = Path(__file__).parents[1] / "sample_data"
STREETS = SAMPLES / "transport/newhaven_nework.shp"
RECIPES = {
    "reproject": "reproject --dst-crs EPSG:3857 --src-crs EPSG:4326",
    "filter": "filter --where 'FID % 3 <> 1'",
    "columns": "calculate --field x --expression 'FID / 7' ! calculate --field t --expression "
    "\"'é' || FID\"",
    "shapes": "make-valid ! simplify 0.001 ! buffer 0.01",
    "more rows": "explode-collections ! reproject --dst-crs EPSG:3857 --src-crs EPSG:4326",
}


def outputs(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


@pytest.mark.parametrize("name", RECIPES)
def test_the_bytes_do_not_depend_on_windows_or_workers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shpbatch.run(STREETS, tmp_path / "whole", RECIPES[name], method="inline").outcomes[0]
    monkeypatch.setattr(divide, "LARGE", 1)
    for i, (part, window, workers) in enumerate([(20_000, 4_000, 3), (3_000, 1_000, 1)]):
        monkeypatch.setattr(divide, "PART", part)
        monkeypatch.setattr(reader, "WINDOW_BYTES", window)
        options = {"method": "inline"} if workers == 1 else {"workers": workers}
        again = shpbatch.run(STREETS, tmp_path / str(i), RECIPES[name], **options).outcomes[0]
        assert (again.status, again.features) == ("done", whole.features)
        assert outputs(tmp_path / str(i)) == outputs(tmp_path / "whole")
        assert again.sources == whole.sources
        assert not list((tmp_path / str(i) / ".shpbatch").glob("stage/*"))


def test_a_field_that_only_one_window_widens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the others nothing changed, and their cells are carried, narrower."""
    described = [(b"n", "N", 2, 0), (b"t", "C", 2, 0)]
    shp, shx = make.shp_bytes([make.point(1, 2)] * 6)
    path = make.write(tmp_path, shp=shp, shx=shx, dbf=make.dbf_bytes(described, [(b"7", b"x")] * 6))
    recipe = [
        ("calculate", {"field": "n", "expression": "CASE WHEN FID = 4 THEN 123456 ELSE n END"}),
        ("calculate", {"field": "t", "expression": "CASE WHEN FID = 4 THEN 'long' ELSE t END"}),
    ]
    monkeypatch.setattr(reader, "WINDOW_ROWS", 2)
    for name, large in (("windows", 1 << 40), ("parts", 1)):
        monkeypatch.setattr(divide, "LARGE", large)
        monkeypatch.setattr(divide, "PART", 1)
        shpbatch.run(path, tmp_path / name, recipe, method="inline")
        found = read_layer(make.source(tmp_path / name / "a.shp"))
        assert found.column("n").to_pylist() == [7, 7, 7, 7, 123456, 7]
        assert found.column("t").to_pylist() == ["x", "x", "x", "x", "long", "x"]
        data = (tmp_path / name / "a.dbf").read_bytes()
        assert data.count(b"      7x   ") == 5


def task(**changes: object) -> Task:
    recipe = parse_chain(RECIPES["reproject"])
    given = {"cost": 1 << 40, **changes}
    names = {"sink": "out/a.shp", "stage": "out", **given}
    return Task(make.source(STREETS), recipe, **names)  # type: ignore[arg-type]


def test_parts_cover_every_row_once_and_the_join_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(divide, "PART", 10_000)
    work = divide.divided([task(), task(cost=1)])
    *parts, join, small = work.tasks
    rows = [p.rows for p in parts]
    assert rows[0][0] == 0
    assert [a[1] for a in rows[:-1]] == [b[0] for b in rows[1:]]
    with reader.Reader(make.source(STREETS)) as streets:
        assert rows[-1][1] == streets.count
    assert join.parts == tuple(p.part for p in parts)
    assert len(set(join.parts)) == len(parts) > 3
    assert work.needs == {len(parts): list(range(len(parts)))}
    assert small.rows is None


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": 1},
        {"recipe": Recipe()},
        {"recipe": parse_chain("dissolve")},
        {"recipe": parse_chain("partition --field FID")},
        {"skip": "there already"},
        {"source": make.source(SAMPLES / "nowhere.shp")},
    ],
)
def test_what_stays_whole(changes: dict[str, object]) -> None:
    given = {name: getattr(task(), name) for name in Task.__slots__} | changes
    work = divide.divided([Task(**given)])  # type: ignore[arg-type]
    assert (len(work.tasks), work.needs) == (1, {})


def kill_once(coords, marker=""):  # type: ignore[no-untyped-def]
    """A step that kills its worker the first time."""
    if not os.path.exists(marker):
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return coords


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_worker_costs_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shpbatch.engine.aspects import Coords

    kill_once.__annotations__ = {"coords": Coords, "marker": str, "return": Coords}
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 10_000)
    recipe = [(kill_once, {"marker": str(tmp_path / "killed")})]
    report = shpbatch.run(STREETS, tmp_path / "out", recipe, workers=2)
    assert report.outcomes[0].status == "done", report.outcomes[0].reason
    whole = shpbatch.run(STREETS, tmp_path / "whole", recipe, method="inline")
    assert whole.outcomes[0].status == "done"
    assert outputs(tmp_path / "out") == outputs(tmp_path / "whole")


def test_a_join_can_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker may be killed in the middle: the parts stay until the outcome is settled."""
    monkeypatch.setattr(divide, "PART", 10_000)
    given = task(sink=str(tmp_path / "a.shp"), stage=str(tmp_path))
    *parts, join = divide.divided([given]).tasks
    assert all(run_task(part).status == "done" for part in parts)
    first, second = run_task(join), run_task(join)
    assert (first.status, second.status) == ("done", "done"), second.reason
    assert first.staged[0].members == second.staged[0].members


def test_a_part_that_fails_fails_its_layer_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 20)
    path = make.write(tmp_path / "in")
    shp = bytearray(path.read_bytes())
    shp[100 + 28 + 8] = 77  # the type of the second record
    path.write_bytes(bytes(shp))
    recipe = RECIPES["reproject"]
    report = shpbatch.run(path, tmp_path / "out", recipe, workers=2)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.code) == ("failed", "bad-record")
    assert "record 2" in outcome.reason
    assert not list((tmp_path / "out").glob("*.shp"))
    skipped = shpbatch.run(path, tmp_path / "out", recipe, workers=2, on_bad_record="skip")
    assert skipped.outcomes[0].features.unreadable == 1
    assert skipped.outcomes[0].features.written == 2
    assert Policy().on_bad_record == "fail"


@pytest.mark.parametrize("in_kernel", [True, False])
def test_parts_are_spliced_where_their_numbers_are_right(
    in_kernel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out rows move the numbers of all that follow; these are read and numbered anew."""
    spliced: list[int] = []
    splice = writer._splice
    monkeypatch.setattr(
        writer, "_splice", lambda *given: (spliced.append(given[0].first), splice(*given))
    )
    if not in_kernel:

        def refused(*_: object) -> int:
            raise OSError("no such call here")

        monkeypatch.setattr(writer.os, "copy_file_range", refused, raising=False)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    shpbatch.run(STREETS, whole, RECIPES["reproject"], method="inline")
    assert not spliced
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 10_000)
    shpbatch.run(STREETS, parts, RECIPES["reproject"], method="inline")
    assert outputs(parts) == outputs(whole)
    assert spliced[0] == 1
    assert len(spliced) > 3
    spliced.clear()
    some = "filter --where 'FID > 50 AND FID <> 60' ! " + RECIPES["reproject"]
    shpbatch.run(STREETS, parts / "some", some, method="inline")
    assert not spliced
    shpbatch.run(
        STREETS,
        parts / "last",
        "filter --where 'FID < 280' ! " + RECIPES["reproject"],
        method="inline",
    )
    assert len(spliced) > 3


def test_a_part_proves_what_it_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = layer.encode

    def wrong(ragged: Ragged) -> Records:
        records = encode(ragged)
        records.data[-8:] = 0
        return records

    monkeypatch.setattr(layer, "encode", wrong)
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 10_000)
    (outcome,) = shpbatch.run(STREETS, tmp_path, RECIPES["reproject"], method="inline").outcomes
    assert (outcome.status, outcome.code) == ("failed", "write-differs")


def test_columns_of_parts_wait_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two new columns of a layer of 2 GB are more than a worker is to hold."""
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 10_000)
    held: list[object] = []
    write = rows.TableWriter.write

    def looked_at(self: rows.TableWriter, path: Path, pieces: list[rows.Piece]) -> None:
        held.extend(c for p in pieces for c in p.columns)
        write(self, path, pieces)

    monkeypatch.setattr(rows.TableWriter, "write", looked_at)
    shpbatch.run(STREETS, tmp_path, RECIPES["columns"], method="inline")
    assert {type(c).__name__ for c in held} == {"Slice", "Stowed"}
