"""The members of a layer: without minding case, in a folder or in a zip."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest
import shapefiles as make

from shpbatch import api
from shpbatch.errors import ReadError, ShpbatchError, SourceError
from shpbatch.header import read_header
from shpbatch.models import Source
from shpbatch.planning.discover import discover
from shpbatch.shapefile.bundle import Bundle
from shpbatch.shapefile.names import Names


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())


def bundle(path: Path) -> Bundle:
    return Bundle.of(make.source(path))


# --- bad input ---------------------------------------------------------------


def test_a_member_that_goes_away_is_an_error_of_ours(tmp_path: Path) -> None:
    found = bundle(make.write(tmp_path))
    (tmp_path / "a.dbf").unlink()
    with pytest.raises(ReadError, match=r"a\.dbf: cannot be read") as error:
        found.read("dbf")
    assert error.value.code == "source-unreadable"


def test_a_folder_named_shp_is_no_layer(tmp_path: Path) -> None:
    (tmp_path / "a.shp").mkdir()
    with pytest.raises(SourceError) as error:
        bundle(tmp_path / "a.shp")
    assert error.value.code == "source-missing"


def test_a_member_that_may_not_be_read(tmp_path: Path) -> None:
    path = make.write(tmp_path)
    (tmp_path / "a.prj").unlink()
    (tmp_path / "a.prj").mkdir()
    with pytest.raises(ReadError) as error:
        read_header(make.source(path))
    assert error.value.code == "source-unreadable"


def _damaged(folder: Path) -> Path:
    """A zip whose .shp is damaged within its compressed bytes."""
    archive = make.zipped(folder / "z.zip", make.write(folder / "in").parent)
    data = bytearray(archive.read_bytes())
    at = data.find(b"a.shp") + len(b"a.shp")
    data[at : at + 20] = bytes(b ^ 0xFF for b in data[at : at + 20])
    archive.write_bytes(data)
    return archive


def test_a_damaged_zip_member_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ReadError) as error:
        read_header(Source(str(_damaged(tmp_path)), "z.zip/a.shp", "a.shp"))
    assert error.value.code == "source-unreadable"


def test_a_damaged_zip_does_not_stop_the_others(tmp_path: Path) -> None:
    good = make.write(tmp_path / "good")
    planned = api.plan([str(good), str(_damaged(tmp_path))], tmp_path / "out", [])
    assert [t.problem.code if t.problem else None for t in planned.tasks] == [
        None,
        "source-unreadable",
    ]


def test_a_zip_that_goes_away_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        Bundle.of(Source(str(tmp_path / "gone.zip"), "gone.zip/a.shp", "a.shp"))
    assert error.value.code == "source-missing"


def test_a_zip_that_is_none_any_more(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(b"no zip")
    with pytest.raises(SourceError) as error:
        Bundle.of(Source(str(tmp_path / "z.zip"), "z.zip/a.shp", "a.shp"))
    assert error.value.code == "bad-zip"


def test_an_encrypted_zip_member(tmp_path: Path) -> None:
    archive = make.zipped(tmp_path / "z.zip", make.write(tmp_path / "in").parent)
    data = bytearray(archive.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(magic)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(magic, place + 1)
    archive.write_bytes(data)
    (found,) = discover([str(archive)]).sources
    with pytest.raises(ShpbatchError) as error:
        read_header(found)
    assert error.value.code == "source-unreadable"


# --- members -----------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that minds case")
class TestCase:
    def test_upper_and_mixed_case(self, tmp_path: Path) -> None:
        touch(tmp_path, "x.Shp", "X.SHX", "x.Dbf", "X.prj", "x.QML")
        found = bundle(tmp_path / "x.Shp")
        assert found.members == {
            "shp": "x.Shp",
            "shx": "X.SHX",
            "dbf": "x.Dbf",
            "prj": "X.prj",
            "qml": "x.QML",
        }
        assert "dbf" in found
        assert "cpg" not in found
        assert found.read("dbf") == b"x.Dbf"

    def test_two_layers_that_differ_by_case_keep_their_own(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.shp", "A.shp", "a.dbf", "A.dbf", "a.shx", "A.shx")
        assert bundle(tmp_path / "a.shp").members == {
            "shp": "a.shp",
            "shx": "a.shx",
            "dbf": "a.dbf",
        }
        assert bundle(tmp_path / "A.shp").members == {
            "shp": "A.shp",
            "shx": "A.shx",
            "dbf": "A.dbf",
        }

    def test_an_upper_case_layer_is_read_whole(self, tmp_path: Path) -> None:
        for extension, data in zip(("SHP", "SHX"), make.shp_bytes(), strict=True):
            (tmp_path / f"ROADS.{extension}").write_bytes(data)
        (tmp_path / "Roads.Dbf").write_bytes(
            make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c"))
        )
        header = read_header(make.source(tmp_path / "ROADS.SHP"))
        assert (header.count, header.field_names()) == (3, ["NAME", "N"])


def test_only_members_of_the_same_stem(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp", "a.b.shp", "a.b.dbf", "ab.dbf", "a.shp.xml", "a", "b.dbf", "a..prj")
    assert bundle(tmp_path / "a.shp").members.keys() >= {"shp", "shp.xml"}
    assert "dbf" not in bundle(tmp_path / "a.shp")
    assert bundle(tmp_path / "a.b.shp").members == {"shp": "a.b.shp", "dbf": "a.b.dbf"}


def test_odd_names(tmp_path: Path) -> None:
    for stem in ("ein Weg", "道路", "a!b\nc", "-x", "50%"):
        path = make.write(tmp_path / "odd", stem)
        assert read_header(make.source(path)).count == 3


def test_a_missing_member_is_empty(tmp_path: Path) -> None:
    found = bundle(make.write(tmp_path, dbf=None))
    assert found.read("dbf") == b""
    assert found.size("dbf") == 0


@pytest.mark.parametrize("below", ["", "sub/", "deep/er/"])
def test_a_zip_is_read_as_a_folder_is(tmp_path: Path, below: str) -> None:
    path = make.write(tmp_path / "in", cpg=b"UTF-8")
    archive = make.zipped(tmp_path / "z.zip", path.parent, below)
    plain, inside = bundle(path), Bundle.of(Source(str(archive), "z.zip/a.shp", f"{below}a.shp"))
    assert inside.zipped
    assert set(inside.members) == {"shp", "shx", "dbf", "prj", "cpg"}
    for extension in inside.members:
        assert inside.read(extension) == plain.read(extension)
        assert inside.read(extension, 10) == plain.read(extension)[:10]
        assert inside.size(extension) == plain.size(extension)
    inside.lend("shp", tmp_path / "lent.shp")
    assert (tmp_path / "lent.shp").read_bytes() == path.read_bytes()


def test_members_in_other_folders_of_a_zip_are_not_ours(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("one/a.shp", "one/a.dbf", "two/a.shp", "a.prj", "__MACOSX/one/._a.shp"):
            archive.writestr(name, name)
    found = Bundle.of(Source(str(tmp_path / "z.zip"), "z.zip/two/a.shp", "two/a.shp"))
    assert found.members == {"shp": "two/a.shp"}
    found = Bundle.of(Source(str(tmp_path / "z.zip"), "z.zip/one/a.shp", "one/a.shp"))
    assert found.members == {"shp": "one/a.shp", "dbf": "one/a.dbf"}


def test_a_lent_member_does_not_copy(tmp_path: Path) -> None:
    found = bundle(make.write(tmp_path / "in"))
    found.lend("shp", tmp_path / "lent.shp")
    assert (tmp_path / "lent.shp").read_bytes() == make.shp_bytes()[0]
    if os.name == "posix":
        assert (tmp_path / "lent.shp").is_symlink()


def test_a_copy_is_the_same_bytes(tmp_path: Path) -> None:
    found = bundle(make.write(tmp_path / "in", qml=bytes(range(256))))
    found.copy("qml", tmp_path / "b.qml")
    assert (tmp_path / "b.qml").read_bytes() == bytes(range(256))


def test_names_are_found_by_their_stem_among_many() -> None:
    """Whatever stands before and after them, in any case, with points of their own."""
    listed = [f"l{i:05}.{e}" for i in range(5_000) for e in ("shp", "dbf", "prj")]
    odd = [
        "Ä.SHP",
        "ä.dbf",
        "a.b.shp",
        "a.shp",
        "A.shp",
        "a.shp.xml",
        "a",
        "ab.shp",
        "z" * 255 + ".shp",
    ]
    names = Names([*listed, *odd])
    for i in (0, 1, 777, 2_500, 4_998, 4_999):
        assert sorted(names.of(f"L{i:05}")) == [f"l{i:05}.{e}" for e in ("dbf", "prj", "shp")]
    assert sorted(names.of("a")) == ["A.shp", "a.b.shp", "a.shp", "a.shp.xml"]
    assert sorted(names.of("a.b")) == ["a.b.shp"]
    assert sorted(names.of("ä")) == ["Ä.SHP", "ä.dbf"]
    assert names.of("z" * 255) == ["z" * 255 + ".shp"]
    for missing in ("l5000", "l00001.s", "", "l", "zz", "b"):
        assert names.of(missing) == []
    assert Names([]).of("a") == []
