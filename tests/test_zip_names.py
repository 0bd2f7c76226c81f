"""Names in zips that are not marked as UTF-8, and one layer of a zip in a command."""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path

import pytest
import shapefiles as make
from click.testing import CliRunner

import shpbatch
from shpbatch.auditing.words import command_of
from shpbatch.cli.main import cli
from shpbatch.planning.discover import discover


def zipped(path: Path, folder: Path, names: dict[str, str], codec: str = "utf-8") -> Path:
    """A zip of layers under other names, which are in an encoding and not marked."""

    class Unmarked(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return self.filename.encode(codec), self.flag_bits & ~0x800

    with zipfile.ZipFile(path, "w") as archive:
        for stem, name in names.items():
            for file in sorted(folder.glob(f"{stem}.*")):
                archive.writestr(Unmarked(name + file.suffix), file.read_bytes())
    return path


@pytest.mark.parametrize(
    ("codec", "names"),
    [
        ("utf-8", ["数据/河流", "数据/湖泊"]),  # Info-ZIP on Linux
        ("utf-8", ["Łódź"]),
        ("gbk", ["数据/河流", "数据/湖泊水系分布"]),  # Windows
        ("cp866", ["Москва/улицы", "Москва/здания"]),
        ("cp852", ["województwa/Łódź", "województwa/Gdańsk-Świnoujście"]),
        ("cp932", ["東京都/道路", "東京都/河川"]),
        ("cp949", ["서울/도로", "서울/하천"]),
        ("cp437", ["Köln/Straßen"]),
        ("cp850", ["Málaga"]),
        ("ascii", ["roads"]),
    ],
)
def test_names_are_those_that_a_person_gave(tmp_path: Path, codec: str, names: list[str]) -> None:
    for i in range(len(names)):
        make.write(tmp_path / "in", f"layer{i}")
    given = {f"layer{i}": name for i, name in enumerate(names)}
    path = zipped(tmp_path / "a.zip", tmp_path / "in", given, codec)
    found = sorted(s.relative for s in discover([str(path)]).sources)
    assert found == sorted(f"a.zip/{name}.shp" for name in names)
    report = shpbatch.run(path, tmp_path / "out", "", method="inline")
    assert {o.status for o in report.outcomes} == {"done"}
    assert all((tmp_path / f"out/a.zip/{name}.shp").exists() for name in names)


def test_a_zip_that_marks_its_names_is_as_it_says(tmp_path: Path) -> None:
    path = make.zipped(tmp_path / "z.zip", make.write(tmp_path / "in", "河流").parent)
    (source,) = discover([str(path)]).sources
    assert source.relative == "z.zip/河流.shp"


def test_the_remedy_of_one_layer_is_for_that_layer(tmp_path: Path) -> None:
    """As it is pasted: the others of the zip are left alone."""
    for name in ("a", "b", "c[1]"):
        make.write(tmp_path / "in", name, prj=None if name == "c[1]" else make.WGS84)
    path = make.zipped(tmp_path / "z.zip", tmp_path / "in", below="deep/")
    odd = [
        x for x in shpbatch.audit(tmp_path).layers if "crs-missing" in {f.code for f in x.findings}
    ]
    (layer,) = [x for x in odd if x.source.member]
    finding = next(f for f in layer.findings if f.code == "crs-missing")
    words = shlex.split(command_of(finding, layer.source))
    assert words[:3] == ["shpbatch", "run", str(path)]
    out = str(tmp_path / "out")
    # What is pasted says that a default CRS is likely, or is to be filled in.
    args = [{"OUT": out, "EPSG:…": "EPSG:4326"}.get(w, w) for w in words[1:]]
    assert CliRunner().invoke(cli, args).exit_code == 0
    assert [p.name for p in (tmp_path / "out").rglob("*.shp")] == ["c[1].shp"]


def test_an_exclusion_holds_for_a_name_with_signs_of_globs(tmp_path: Path) -> None:
    make.write(tmp_path / "in", "a[1]", shp=b"<html>")
    make.write(tmp_path / "in", "a1")
    (layer,) = [x for x in shpbatch.audit(tmp_path / "in").layers if x.header is None]
    remedy = shlex.split(layer.findings[0].remedy)
    left = discover([str(tmp_path / "in")], exclude=remedy[1:]).sources
    assert [s.relative for s in left] == ["a1.shp"]
