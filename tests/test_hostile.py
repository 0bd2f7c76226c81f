"""Names, links and contents that somebody hostile put there: no escape, no forged line."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "sample_data"
POSIX = pytest.mark.skipif(os.name != "posix", reason="names that only POSIX allows")
#: GDAL reads some as an archive, a URL or a connection; terminals and sheets obey others.
NAMES = [
    b"a!b", b"new\nline", b"tab\there", b"bad\xff", b"<script>alert(1)", b"=cmd|calc",
    b"\x1b[2Jesc", b" lead", b"trail ", b"http:__x", "Ünï道".encode(), b"a;b", b"%2e%2e", b"it's",
    b'quo"te', b"-dash", b"@list", b"*", b"a.b.c", b"PG:dbname", b"$(touch x)", b"&", b"{json}",
]  # fmt: skip


def shell(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shpbatch", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Layers of odd names, in a folder whose own name is odd."""
    for folder in (b"src", b"src/dir!", b"src/vsizip"):
        os.makedirs(os.fsencode(tmp_path) + b"/" + folder)
    for name in [*NAMES, b"dir!/x", b"vsizip/x"]:
        for extension in ("shp", "shx", "dbf", "prj"):
            source = SAMPLES / f"soho/SohoPeople.{extension}"
            target = os.fsencode(tmp_path) + b"/src/" + name + b"." + extension.encode()
            shutil.copy(source, target)
    return tmp_path


@POSIX
def test_odd_names_come_out_as_they_went_in(place: Path) -> None:
    before = set(place.rglob("*"))
    chain = ["!", "make-valid", "!", "buffer", "1", "!", "calculate", "--field", "x"]
    chain += ["--expression", "FID * 2"]
    done = shell(place, "run", "src", "-o", "out", "-j", "2", "--json", *chain)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["files"]["done"] == len(NAMES) + 2
    names = {os.fsencode(p.relative_to(place / "out")) for p in (place / "out").rglob("*.shp")}
    assert names == {n + b".shp" for n in [*NAMES, b"dir!/x", b"vsizip/x"]}
    strays = {p for p in place.rglob("*") if not p.is_relative_to(place / "out")} - before
    assert not strays
    again = shell(place, "run", "src", "-o", "out", "-j", "2", *chain)
    assert f"{len(NAMES) + 2} up to date" in again.stdout, again.stderr
    assert shell(place, "verify", "out").returncode == 0


@POSIX
def test_no_name_moves_the_cursor_or_forges_a_line(place: Path) -> None:
    for path in (place / "src").glob("*.dbf"):
        path.write_bytes(b"broken")
    done = shell(place, "run", "src", "-o", "out", "-j", "2", "!", "make-valid")
    assert done.returncode == 1
    listed = shell(place, "log", "out")
    for text in (done.stdout, done.stderr, listed.stdout):
        assert "\x1b" not in text
        assert "\t" not in text
        assert not any(line.startswith("line") for line in text.splitlines())
    (log,) = (place / "out/.shpbatch/log").glob("*.jsonl")
    events = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert {e["event"] for e in events} == {"start", "outcome", "end"}
    assert all(byte >= 32 or byte == 10 for byte in log.read_bytes())


TEXTS = {
    "vrt": '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{secret}</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>",
    "geojson": '{{"type":"FeatureCollection","features":[]}}',
    "xml bomb": '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
    "sqlite": "SQLite format 3\0",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_another_format_named_shp_is_no_shapefile(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x.shp").write_text(TEXTS[kind].format(secret=secret))
    done = shell(tmp_path, "run", "src", "-o", "out", "!", "make-valid")
    assert done.returncode in (1, 2)
    assert (
        "bad-magic" in done.stdout + done.stderr or "not a shapefile" in done.stdout + done.stderr
    )
    assert not list((tmp_path / "out").rglob("*.shp"))


@POSIX
def test_an_output_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "out").mkdir()
    for extension in ("shp", "dbf"):
        (tmp_path / f"out/SohoPeople.{extension}").symlink_to(target)
    source = SAMPLES / "soho/SohoPeople.shp"
    assert shell(tmp_path, "run", source, "-o", "out", "!", "make-valid").returncode == 2
    done = shell(tmp_path, "run", source, "-o", "out", "--overwrite", "!", "make-valid")
    assert done.returncode == 0, done.stderr
    assert target.read_text() == "precious"
    assert not (tmp_path / "out/SohoPeople.shp").is_symlink()


@POSIX
def test_the_state_is_private_and_the_outputs_are_not(tmp_path: Path) -> None:
    source = SAMPLES / "soho/SohoPeople.shp"
    assert shell(tmp_path, "run", source, "-o", "out").returncode == 0
    assert (tmp_path / "out/.shpbatch").stat().st_mode & 0o777 == 0o700
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "out/SohoPeople.shp").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_local_run_opens_no_network(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    chain = ["!", "make-valid", "!", "reproject", "--dst-crs", "EPSG:3857"]
    chain += ["!", "filter", "--where", "FID >= 0"]
    run = ["run", SAMPLES / "transport", "-o", tmp_path / "out", "-j", "2", *chain]
    command = ["strace", "-f", "-qq", "-e", "trace=connect,socket", "-o", trace]
    command += [sys.executable, "-m", "shpbatch", *run]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("processes may not be traced here")
    assert done.returncode == 0, done.stderr
    opened = [line for line in trace.read_text().splitlines() if "AF_INET" in line]
    assert not opened


# -- zips ------------------------------------------------------------------------


def zipped(path: Path, **names: str) -> Path:
    """A zip of one layer; ``names`` are those of its members by extension."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for extension, name in names.items():
            archive.write(SAMPLES / f"soho/SohoPeople.{extension}", name)
    return path


def outcomes(tmp_path: Path, path: Path) -> list[tuple[str, str | None]]:
    done = shell(tmp_path, "run", path, "-o", "out", "-j", "1", "--json", "!", "make-valid")
    return [(o["status"], o["code"]) for o in json.loads(done.stdout)["outcomes"]]


@pytest.mark.parametrize("climb", ["../../up", "/etc/abs", "..\\..\\up", "C:\\x\\up", "a/../../up"])
def test_a_member_that_climbs_stays_below(climb: str, tmp_path: Path) -> None:
    names = {e: f"{climb}.{e}" for e in ("shp", "shx", "dbf", "prj")}
    path = zipped(tmp_path / "a.zip", **names)
    before = {p for p in tmp_path.parent.rglob("*.shp") if tmp_path not in p.parents}
    assert outcomes(tmp_path, path) == [("done", None)]
    assert len(list((tmp_path / "out").rglob("*.shp"))) == 1
    assert {p for p in tmp_path.parent.rglob("*.shp") if tmp_path not in p.parents} == before


def test_a_zip_bomb_fails_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    shp = (SAMPLES / "soho/SohoPeople.shp").read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for extension in ("shx", "prj"):
            archive.write(SAMPLES / f"soho/SohoPeople.{extension}", f"a.{extension}")
        archive.writestr("a.shp", shp)
        with archive.open("a.dbf", "w") as member:
            member.write((SAMPLES / "soho/SohoPeople.dbf").read_bytes())
            for _ in range(200):
                member.write(bytes(1 << 20))
    assert outcomes(tmp_path, path) == [("failed", "zip-bomb")]
    assert not list((tmp_path / "out").rglob("*.shp"))


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", shp="a.shp", shx="a.shx", dbf="a.dbf")
    data = bytearray(path.read_bytes())
    at = [m.start() for m in re.finditer(b"PK\x01\x02", data)]
    data[at[1] + 42 : at[1] + 46] = data[at[0] + 42 : at[0] + 46]  # where its header is said to be
    path.write_bytes(data)
    assert outcomes(tmp_path, path) == [("failed", "bad-zip")]


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", shx="a.shx", dbf="a.dbf", prj="a.prj")
    link = zipfile.ZipInfo("a.shp")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, str(SAMPLES / "soho/SohoPeople.shp"))
    assert shell(tmp_path, "run", path, "-o", "out").returncode == 2
    assert not list((tmp_path / "out").rglob("*.shp"))


def test_a_zip_of_too_many_members_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", shp="a.shp", shx="a.shx", dbf="a.dbf")
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(10_000):
            archive.writestr(f"{number}.txt", "")
    assert outcomes(tmp_path, path) == [("failed", "bad-zip")]
