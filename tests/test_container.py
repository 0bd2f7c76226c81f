"""A layer as one file: the same bytes inside, opened by GDAL, replaced in one instant."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import fiona
import pyogrio
import pytest

import shpbatch
from shpbatch.durable import Files
from shpbatch.models import Report
from shpbatch.publishing import journal

SAMPLES = Path(__file__).parents[1] / "sample_data"
CHAIN = "filter --where 'FID < 50' ! buffer 0.1"


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """A folder with one layer, ``sids``."""
    (tmp_path / "src").mkdir()
    for extension in ("shp", "shx", "dbf"):
        shutil.copy(SAMPLES / f"census/sids.{extension}", tmp_path / "src")
    return tmp_path / "src"


def run(src: Path, out: Path, recipe: str = "", **options: object) -> Report:
    given = {"workers": 1, "method": "inline", "container": "shz", **options}
    return shpbatch.run(src, out, recipe or (), **given)


def code(report: Report) -> str | None:
    (outcome,) = report.outcomes
    return outcome.status if outcome.status == "done" else outcome.code


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def outputs(folder: Path) -> list[str]:
    return [n for n in names(folder) if not n.startswith(".shpbatch")]


@pytest.mark.parametrize("recipe", ["", CHAIN])
def test_the_files_are_the_same_inside(recipe: str, src: Path, tmp_path: Path) -> None:
    assert code(run(src, tmp_path / "shz", recipe)) == "done"
    assert code(run(src, tmp_path / "files", recipe, container="files")) == "done"
    assert outputs(tmp_path / "shz") == ["sids.shz"]
    with zipfile.ZipFile(tmp_path / "shz/sids.shz") as archive:
        inside = {n: archive.read(n) for n in archive.namelist()}
    beside = {n: (tmp_path / "files" / n).read_bytes() for n in outputs(tmp_path / "files")}
    assert inside == beside
    assert next(iter(inside)) == "sids.shp"


def test_gdal_reads_it_as_a_layer(src: Path, tmp_path: Path) -> None:
    run(src, tmp_path / "out", CHAIN)
    with fiona.open(tmp_path / "out/sids.shz") as layer:
        assert (layer.driver, len(layer)) == ("ESRI Shapefile", 50)
    assert pyogrio.read_info(tmp_path / "out/sids.shz")["features"] == 50


def test_a_run_takes_them_as_sources(src: Path, tmp_path: Path) -> None:
    run(src, tmp_path / "one", CHAIN)
    report = run(tmp_path / "one", tmp_path / "two", container="files")
    assert report.outcomes[0].features.written == 50
    assert "sids.shp" in outputs(tmp_path / "two")
    assert code(run(tmp_path / "one/sids.shz", tmp_path / "three")) == "done"
    assert outputs(tmp_path / "three") == ["sids.shz"]


def test_the_zip_does_not_depend_on_the_day(src: Path, tmp_path: Path) -> None:
    run(src, tmp_path / "one", CHAIN)
    first = (tmp_path / "one/sids.shz").read_bytes()
    os.utime(tmp_path / "one/sids.shz", (0, 0))
    run(src, tmp_path / "one", CHAIN, force=True)
    assert (tmp_path / "one/sids.shz").read_bytes() == first


def test_runs_are_incremental_and_outputs_are_guarded(src: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(src, out, CHAIN)
    assert code(run(src, out, CHAIN)) == "up-to-date"
    (out / "sids.shz").write_bytes(b"mine")
    assert code(run(src, out, CHAIN)) == "output-edited"
    assert (out / "sids.shz").read_bytes() == b"mine"
    assert code(run(src, out, CHAIN, if_exists="overwrite")) == "done"
    shutil.rmtree(src)
    src.mkdir()
    shutil.copy(SAMPLES / "soho/SohoWater.shp", src / "other.shp")
    run(src, out, prune=True)
    assert outputs(out) == ["other.shz"]


def test_partitions_and_merges(src: Path, tmp_path: Path) -> None:
    run(
        src,
        tmp_path / "parts",
        "calculate --field half --expression 'FID % 2' ! partition --field half",
    )
    assert outputs(tmp_path / "parts") == ["sids/0.shz", "sids/1.shz"]
    shutil.copytree(src, src / "again")
    run(src, tmp_path / "all", merge="all")
    assert outputs(tmp_path / "all") == ["all.shz"]
    assert pyogrio.read_info(tmp_path / "all/all.shz")["features"] == 200


def test_files_of_the_same_name_are_left_alone(src: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(src, out, container="files")
    before = outputs(out)
    assert code(run(src, out)) == "done"
    assert outputs(out) == sorted([*before, "sids.shz"])


class Failing(Files):
    """The rename of the one file fails."""

    def rename(self, source: Path, target: Path) -> None:
        if target.suffix == ".shz":
            raise OSError(5, "Input/output error")
        super().rename(source, target)


def test_the_old_one_is_there_until_the_new_one_is(
    src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a failing disk leaves a moment without any."""
    out = tmp_path / "out"
    run(src, out)
    old = (out / "sids.shz").read_bytes()
    monkeypatch.setattr("shpbatch.running.run.files_of", lambda durability: Failing())
    assert code(run(src, out, CHAIN)) == "pending"
    assert (out / "sids.shz").read_bytes() == old
    monkeypatch.undo()
    run(src, out, CHAIN)
    assert pyogrio.read_info(out / "sids.shz")["features"] == 50
    assert not list((out / ".shpbatch" / journal.JOURNAL).iterdir())


def test_a_zip_that_is_not_read_back_is_not_published(
    src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: "sids.shp")
    assert code(run(src, tmp_path / "out")) == "write-incomplete"
    assert outputs(tmp_path / "out") == []
