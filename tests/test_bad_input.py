"""Bad input, end to end: a clear sentence, a stable code, nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyogrio
import pytest

import shpbatch
from shpbatch import Outcome, Report
from shpbatch.api import RunOptions, execute
from shpbatch.errors import PlanError, ReadError
from shpbatch.header import read_header
from shpbatch.models import Source

SAMPLE = Path(__file__).parents[1] / "sample_data"
COPY = "! assign-crs EPSG:3857"
FAST = {"workers": 1, "method": "inline"}
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to drop or mount"
)


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """A folder with one good layer, ``pumps``."""
    folder = tmp_path / "src"
    folder.mkdir()
    for member in (SAMPLE / "soho").glob("SohoWater.*"):
        shutil.copy(member, folder / f"pumps{member.suffix}")
    return folder


def run(src: Path, tmp_path: Path, recipe: object = COPY) -> tuple[Outcome, Report]:
    """Outcome of ``bad.shp`` beside ``pumps.shp``, which must be done."""
    report = shpbatch.run(src, tmp_path / "out", recipe, **FAST)
    by_name = {Path(o.sources[0]).stem: o for o in report.outcomes}
    if "pumps" in by_name:
        assert by_name["pumps"].status == "done", by_name["pumps"].reason
    return by_name["bad"], report


def copy_as(src: Path, layer: str, name: str = "bad", without: tuple[str, ...] = ()) -> Path:
    for member in SAMPLE.glob(layer + ".*"):
        if member.suffix not in without:
            shutil.copy(member, src / f"{name}{member.suffix}")
    return src / f"{name}.shp"


def failed(outcome: Outcome, code: str, tmp_path: Path, *words: str) -> None:
    assert outcome.status == "failed"
    assert outcome.code == code, outcome.reason
    assert outcome.reason is not None and "bad" in outcome.reason
    assert "Traceback" not in outcome.reason and "\n" not in outcome.reason
    for word in words:
        assert word in outcome.reason
    assert not list((tmp_path / "out").glob("bad.*"))
    assert not list((tmp_path / "out/.shpbatch").glob("stage/*"))


def broken(make: Callable[[Path], None], code: str, *words: str) -> object:
    return pytest.param(make, code, words, id=code)


def write(data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "bad.shp").write_bytes(data) and None


def cut_shp(folder: Path) -> None:
    path = copy_as(folder, "census/sids")
    path.write_bytes(path.read_bytes()[:5000])


def cut_dbf(folder: Path) -> None:
    path = copy_as(folder, "census/sids").with_suffix(".dbf")
    path.write_bytes(path.read_bytes()[:2000])


def cut_without_index(folder: Path) -> None:
    path = copy_as(folder, "census/sids", without=(".shx",))
    path.write_bytes(path.read_bytes()[:5000])


def other_dbf(folder: Path) -> None:
    copy_as(folder, "census/sids")
    shutil.copy(SAMPLE / "soho/SohoPeople.dbf", folder / "bad.dbf")


def no_layer_type(folder: Path) -> None:
    path = copy_as(folder, "soho/SohoWater")
    data = bytearray(path.read_bytes())
    data[32:36] = (77).to_bytes(4, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        broken(write(b""), "empty-file", "0 bytes"),
        broken(write(b"<html>not found</html>"), "bad-magic", "text file"),
        broken(write(b"PK\3\4" + bytes(200)), "bad-magic", "rename it to .zip"),
        broken(cut_shp, "shp-truncated", "record"),
        broken(cut_without_index, "chain-broken", "byte"),
        broken(cut_dbf, "dbf-truncated", "row 3 of 100 should end at byte"),
        broken(other_dbf, "count-mismatch", "324 rows"),
        broken(no_layer_type, "unknown-type", "77"),
    ],
)
def test_broken_files(
    make: Callable[[Path], None], code: str, words: tuple[str, ...], src: Path, tmp_path: Path
) -> None:
    make(src)
    outcome, _ = run(src, tmp_path)
    failed(outcome, code, tmp_path, *words)


def test_a_vrt_named_shp_reaches_no_file(src: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("id,word\n1,TOPSECRET\n")
    vrt = f"<OGRVRTDataSource><OGRVRTLayer name='secret'><SrcDataSource>{secret}</SrcDataSource>"
    (src / "bad.shp").write_text(vrt + "</OGRVRTLayer></OGRVRTDataSource>")
    outcome, _ = run(src, tmp_path)
    failed(outcome, "bad-magic", tmp_path)


def test_a_bad_zip(src: Path, tmp_path: Path) -> None:
    (src / "bad.zip").write_bytes(b"no zip")
    outcome, _ = run(src, tmp_path)
    failed(outcome, "bad-zip", tmp_path)


def test_missing_shx_is_rebuilt_elsewhere(src: Path, tmp_path: Path) -> None:
    copy_as(src, "census/sids", without=(".shx",))
    outcome, _ = run(src, tmp_path)
    assert outcome.status == "done"
    assert outcome.features.written == 100
    assert any("shx" in note for note in outcome.notes)
    assert not (src / "bad.shx").exists()
    assert pyogrio.read_info(tmp_path / "out/bad.shp")["features"] == 100


def test_missing_dbf_is_a_layer_without_fields(src: Path, tmp_path: Path) -> None:
    copy_as(src, "census/sids", without=(".dbf",))
    outcome, _ = run(src, tmp_path)
    assert outcome.status == "done"
    assert not (tmp_path / "out/bad.dbf").exists()
    assert pyogrio.read_info(tmp_path / "out/bad.shp")["features"] == 100


def test_missing_prj_works_until_a_step_needs_it(src: Path, tmp_path: Path) -> None:
    copy_as(src, "census/sids")
    outcome, _ = run(src, tmp_path, "! simplify 0.01")
    assert outcome.status == "done"
    assert not (tmp_path / "out/bad.prj").exists()
    shutil.rmtree(tmp_path / "out")
    outcome, _ = run(src, tmp_path, "! reproject EPSG:4326")
    failed(outcome, "crs-missing", tmp_path, "--src-crs-default")


def test_a_web_page_as_prj(src: Path, tmp_path: Path) -> None:
    copy_as(src, "census/sids").with_suffix(".prj").write_text("<html>404</html>")
    outcome, _ = run(src, tmp_path, "! reproject EPSG:4326")
    failed(outcome, "crs-missing", tmp_path)


def test_an_unknown_encoding_is_said_not_garbled(src: Path, tmp_path: Path) -> None:
    copy_as(src, "awkward/latin1")
    (src / "bad.cpg").write_text("klingon")
    outcome, _ = run(src, tmp_path)
    assert outcome.status == "done"
    assert any("cp1252 is assumed" in note or "klingon" in note for note in outcome.notes)
    table = pyogrio.raw.read_arrow(tmp_path / "out/bad.shp", encoding="cp1252")[1]
    assert table.column("Name").to_pylist() == ["Ñandú"]


def test_text_that_the_encoding_lacks_fails_that_file(src: Path, tmp_path: Path) -> None:
    copy_as(src, "awkward/latin1")
    (src / "bad.cpg").write_text("88591")
    for pump in src.glob("pumps.*"):
        pump.unlink()
    outcome, _ = run(src, tmp_path, "! calculate --field x --expression \"Name || '漢'\"")
    failed(outcome, "text-unencodable", tmp_path, "漢")


@pytest.mark.parametrize(
    "name", ["a!b", "with space", "線路", "a'b", "new\nline", "tab\tbed", "vsimem", "a.b"]
)
def test_names_that_gdal_misreads(name: str, src: Path, tmp_path: Path) -> None:
    copy_as(src, "soho/SohoPeople", name)
    report = shpbatch.run(src, tmp_path / "out", COPY, **FAST)
    assert {o.status for o in report.outcomes} == {"done"}
    assert (tmp_path / f"out/{name}.shp").stat().st_size == (src / f"{name}.shp").stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src"]


def test_mixed_case_members(src: Path, tmp_path: Path) -> None:
    for member in (SAMPLE / "soho").glob("SohoPeople.*"):
        shutil.copy(member, src / f"BAD{member.suffix.title()}")
    report = shpbatch.run(src, tmp_path / "out", COPY, **FAST)
    assert {o.status for o in report.outcomes} == {"done"}
    assert pyogrio.read_info(tmp_path / "out/BAD.shp")["features"] == 324


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Without root's rights over files, which see no permission."""
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == 0 and "pytest" in str(parent):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@root
def test_a_destination_that_cannot_be_written(src: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    planned = shpbatch.plan(src, out, COPY)
    with as_nobody(tmp_path), pytest.raises(PlanError, match="cannot be written to") as error:
        execute(planned, RunOptions(**FAST))
    assert error.value.code == "dst-unwritable"
    assert not list(out.iterdir())


@root
def test_a_source_that_cannot_be_read(src: Path, tmp_path: Path) -> None:
    path = copy_as(src, "census/sids")
    path.chmod(0)
    with as_nobody(src), pytest.raises(ReadError, match="Permission denied") as error:
        read_header(Source(str(path), "bad.shp"))
    assert error.value.code == "source-unreadable"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(line, capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@root
def test_a_full_disk_fails_the_file_and_leaves_nothing(small_disk: Path, tmp_path: Path) -> None:
    report = shpbatch.run(SAMPLE / "census", small_disk / "out", "! make-valid", **FAST)
    # Sets that wait to be published together take room, too: perhaps none finds any.
    assert "failed" in {o.status for o in report.outcomes} <= {"done", "failed"}
    untold = any("ledger.db" in (o.reason or "") for o in report.outcomes)
    for outcome in report.outcomes:
        if outcome.status == "failed":
            assert outcome.code in ("disk-full", "write-failed", "write-incomplete")
            if not untold:
                assert not list((small_disk / "out").glob(Path(outcome.sources[0]).stem + ".*"))
        for sink in outcome.sinks:
            assert pyogrio.read_info(sink.path)["features"] == sink.features
    # What the ledger found no room for stays in the journal: the next run tells it.
    left = [*(small_disk / "out/.shpbatch").glob("stage/*")]
    assert not left or (untold and [*(small_disk / "out/.shpbatch").glob("journal/*")])


def test_output_path_below_a_file(src: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for dst in (tmp_path / "file", tmp_path / "file/out"):
        with pytest.raises(PlanError) as error:
            shpbatch.run(src, dst, COPY, **FAST)
        assert error.value.code in ("dst-is-file", "dst-unwritable")


def test_a_hanging_step_times_out_alone(src: Path, tmp_path: Path) -> None:
    copy_as(src, "soho/SohoPeople")

    def sleepy(gdf):  # type: ignore[no-untyped-def]
        import time

        if len(gdf) > 100:
            time.sleep(60)
        return gdf

    report = shpbatch.run(src, tmp_path / "out", [sleepy], workers=2, timeout=8)
    assert [o.status for o in report.outcomes] == ["timeout", "done"]
    assert report.outcomes[0].code == "timeout"
    assert not list((tmp_path / "out").glob("bad.*"))


def test_the_account_counts_deleted_rows(src: Path, tmp_path: Path) -> None:
    dbf = copy_as(src, "soho/SohoPeople").with_suffix(".dbf")
    data = bytearray(dbf.read_bytes())
    start, length = int.from_bytes(data[8:10], "little"), int.from_bytes(data[10:12], "little")
    for row in (0, 7, 100):
        data[start + row * length] = ord("*")
    dbf.write_bytes(data)
    outcome, _ = run(src, tmp_path)
    assert outcome.status == "done"
    assert (outcome.features.declared, outcome.features.read) == (324, 321)
    assert outcome.features.deleted == 3
    assert any("flagged as deleted" in note for note in outcome.notes)


def test_sidecars_travel_and_stale_indexes_do_not(src: Path, tmp_path: Path) -> None:
    copy_as(src, "soho/SohoPeople")
    for extension in ("qml", "sld", "qmd", "shp.xml", "lyr", "qix", "sbn", "sbx"):
        (src / f"bad.{extension}").write_text(extension)
    out = tmp_path / "out"
    out.mkdir()
    (out / "bad.qix").write_text("stale")
    run(src, tmp_path, "! centroid")
    assert sorted(p.name for p in out.glob("bad.*")) == sorted(
        f"bad.{e}" for e in ("shp", "shx", "dbf", "prj", "qml", "sld", "qmd", "shp.xml", "lyr")
    )
    assert (out / "bad.prj").read_bytes() == (src / "bad.prj").read_bytes()
