"""The main job over a folder of real shapefiles, where one is at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shpbatch.planning.discover import discover

CORPUS = Path(os.environ.get("SHPBATCH_CORPUS", Path(__file__).parents[2] / "shared/data/open"))
pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}"),
    pytest.mark.xdist_group("corpus"),
]
CHAIN = [
    "!",
    "make-valid",
    "!",
    "reproject",
    "--dst-crs",
    "EPSG:4326",
    "--src-crs-default",
    "EPSG:4326",
]

#: Every source that cannot be done, with its code; all others must be done.
#: The Wagner VII layers have no way back to degrees in PROJ.
WAGNER = "naturalearth-wagnerVII-f3aca89/"
FAILED = {
    "mbostock-shapefile-ffe6088/ne_10m_time_zones.shp": "chain-broken",
    "represent-boundaries-0.10.2/fixtures/bad.zip": "bad-zip",
}


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


def run(out: Path, *options: str) -> tuple[int, dict, str]:
    line = [sys.executable, "-m", "shpbatch", "run", str(CORPUS), "-o", str(out), "--json"]
    done = subprocess.run([*line, *options, *CHAIN], capture_output=True, text=True, timeout=280)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, str]:
    out = tmp_path_factory.mktemp("corpus") / "out"
    before = snapshot(CORPUS)
    code, record, err = run(out, "-j", "4")
    assert code == 1
    assert snapshot(CORPUS) == before, "a file was left or changed in the source folder"
    return out, record, err


def test_every_source_is_accounted_for(first: tuple[Path, dict, str]) -> None:
    _, record, err = first
    found = discover([str(CORPUS)])
    assert [o["sources"] for o in record["outcomes"]] == [[s.name] for s in found.sources]
    assert "Traceback" not in err


def test_each_layer_is_done_or_failed_as_known(first: tuple[Path, dict, str]) -> None:
    _, record, _ = first
    failed = {}
    for outcome in record["outcomes"]:
        name = str(Path(outcome["sources"][0]).relative_to(CORPUS))
        if outcome["status"] != "done":
            failed[name] = outcome["code"]
            assert name in outcome["reason"]
    wagner = {n for n in failed if n.startswith(WAGNER)}
    assert {failed.pop(n) for n in wagner} == {"crs-no-operation"}
    assert len(wagner) == 37
    assert failed == FAILED


def test_records_that_a_lying_shx_hides_are_found(first: tuple[Path, dict, str]) -> None:
    """Its .shx header says 8 entries (what GDAL reads); the .shp and the .dbf have 22."""
    _, record, _ = first
    (outcome,) = [o for o in record["outcomes"] if o["sources"][0].endswith("3dpoints.shp")]
    assert outcome["features"]["written"] == 22
    assert any(".shx" in note for note in outcome["notes"])


def test_outputs_are_complete_and_read_back(first: tuple[Path, dict, str]) -> None:
    import pyogrio

    out, record, _ = first
    sinks = [s for o in record["outcomes"] for s in o["sinks"]]
    assert {s["path"] for s in sinks} == {str(p) for p in out.rglob("*.shp")}
    for sink in sinks:
        path = Path(sink["path"])
        assert path.with_suffix(".shx").exists()
        info = pyogrio.read_info(path, force_feature_count=True)
        assert info["features"] == sink["features"], path
        assert info["crs"] == "EPSG:4326", path


def test_a_second_run_finds_all_up_to_date(first: tuple[Path, dict, str]) -> None:
    out, record, _ = first
    for options in ((), ("--if-exists", "skip")):
        code, again, _ = run(out, *options)
        assert code == 1
        assert again["files"]["done"] == 0
        assert again["files"]["skipped"] == record["files"]["done"]
        assert again["files"]["failed"] == record["files"]["failed"]


def test_force_redoes(first: tuple[Path, dict, str]) -> None:
    out, record, _ = first
    some = ("--include", "r-spData-2.2.1/*", "--include", "mbostock-shapefile-ffe6088/*")
    code, again, _ = run(out, "--force", "-j", "4", *some)
    assert code == 1
    told = {o["sources"][0]: (o["status"], o["features"]) for o in record["outcomes"]}
    assert {o["status"] for o in again["outcomes"]} == {"done", "failed"}
    for outcome in again["outcomes"]:
        assert told[outcome["sources"][0]] == (outcome["status"], outcome["features"])


def test_the_audit_counts_what_gdal_counts() -> None:
    import pyogrio

    import shpbatch

    #: The .shx has 8 of the 22 records, and GDAL believes it.
    lies = {"shapelib-a2ad7b3/3dpoints.shp"}
    checked = 0
    for layer in shpbatch.audit(CORPUS).layers:
        source, name = layer.source, layer.source.relative
        if source.member or layer.severity == "error" or "shx" not in layer.members:
            continue
        if name not in lies and source.path.endswith(".shp"):
            info = pyogrio.read_info(source.path)
            assert layer.count == info["features"], name
            assert (layer.header is not None) and (
                len(layer.header.fields) == len(info["fields"]) or "dbf" not in layer.members
            ), name
            checked += 1
    assert checked > 150


def test_a_deep_audit_reads_all_that_is_declared() -> None:
    import shpbatch

    audit = shpbatch.audit(CORPUS, deep=True, workers=2)
    unread = {
        layer.source.relative: layer.findings[0].code
        for layer in audit.layers
        if layer.reading is None or layer.reading.read != layer.count
    }
    assert unread == {
        "mbostock-shapefile-ffe6088/ne_10m_time_zones.shp": "chain-broken",
        "represent-boundaries-0.10.2/fixtures/bad.zip/bad": "bad-zip",
    }
    assert set(unread) <= {x.source.relative for x in audit.layers if x.severity == "error"}
