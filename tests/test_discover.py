"""What the user names becomes a sorted list of sources; junk is passed over."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
import shapefiles as make

from shpbatch import api
from shpbatch.errors import SourceError
from shpbatch.planning.discover import discover


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder: Path, *src: str, **options: object) -> list[str]:
    """Relative names of the sources found, in order."""
    found = discover(list(src) or [str(folder)], **options)  # type: ignore[arg-type]
    return [s.relative for s in found.sources]


# --- nothing to find ---------------------------------------------------------


@pytest.mark.parametrize("name", ["nowhere", "nowhere/a.shp", "@nowhere.txt"])
def test_a_path_that_is_not_there(tmp_path: Path, name: str) -> None:
    name = "@" + str(tmp_path / name[1:]) if name[0] == "@" else str(tmp_path / name)
    with pytest.raises(SourceError) as error:
        discover([name])
    assert error.value.code == "source-missing"
    assert name.lstrip("@") in str(error.value)


def test_one_missing_path_among_good_ones(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp")
    with pytest.raises(SourceError) as error:
        discover([str(tmp_path / "a.shp"), str(tmp_path / "b.shp")])
    assert error.value.code == "source-missing"


def test_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "junk/a.dbf", "junk/a.prj", "junk/readme.txt")
    for src in (["empty"], ["junk"], ["*.nope"], ["empty", "junk"]):
        with pytest.raises(SourceError, match="no shapefile") as error:
            discover([str(tmp_path / s) for s in src])
        assert error.value.code == "no-sources"
    with pytest.raises(SourceError) as error:
        discover([])
    assert error.value.code == "no-sources"


def test_include_that_matches_nothing_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp")
    for options in ({"include": ["*.nope"]}, {"exclude": ["*"]}):
        with pytest.raises(SourceError, match="--include/--exclude") as error:
            discover([str(tmp_path)], **options)  # type: ignore[arg-type]
        assert error.value.code == "no-sources"


@pytest.mark.parametrize("name", ["a.dbf", "a.xlsx", "noext"])
def test_a_named_file_of_another_kind(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    with pytest.raises(SourceError, match=r"name the \.shp") as error:
        discover([str(tmp_path / name)])
    assert error.value.code == "source-unfit"


# --- zips --------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06", None])
def test_a_bad_zip_is_a_source_with_a_problem(tmp_path: Path, data: bytes | None) -> None:
    make.write(tmp_path / "in")
    whole = make.zipped(tmp_path / "whole.zip", tmp_path / "in").read_bytes()
    (tmp_path / "src").mkdir()
    path = tmp_path / "src" / "x.zip"
    path.write_bytes(whole[:-30] if data is None else data)
    touch(tmp_path / "src", "good.shp")
    good, bad = discover([str(tmp_path / "src")]).sources
    assert good.problem is None
    assert bad.problem is not None
    assert bad.problem.code == "bad-zip"
    assert str(path) in bad.problem.reason


@pytest.mark.parametrize("what", ["name", "version"])
def test_a_zip_with_a_damaged_directory(tmp_path: Path, what: str) -> None:
    archive = make.zipped(tmp_path / "z.zip", make.write(tmp_path / "in").parent)
    data = bytearray(archive.read_bytes())
    at = data.find(b"PK\x01\x02")
    if what == "name":  # flagged as UTF-8, and is not
        data[at + 9] |= 0x08
        data[at + 46] = 0xFF
    else:
        data[at + 6] = 200  # "version needed to extract": 20.0
    archive.write_bytes(data)
    (found,) = discover([str(archive)]).sources
    assert found.problem is not None
    assert found.problem.code == "bad-zip"


def test_the_layers_of_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in (
            "b.shp",
            "b.dbf",
            "sub/deep/A.SHP",
            "sub/Mixed.Shp",
            "__MACOSX/._b.shp",
            "__MACOSX/sub/c.shp",
            "sub/._d.shp",
            "dir.shp/",
            "inner.zip",
        ):
            archive.writestr(name, b"12345")
    found = discover([str(tmp_path)]).sources
    assert [(s.relative, s.member, s.size) for s in found] == [
        ("z.zip/b.shp", "b.shp", 5),
        ("z.zip/sub/Mixed.Shp", "sub/Mixed.Shp", 5),
        ("z.zip/sub/deep/A.SHP", "sub/deep/A.SHP", 5),
    ]
    assert found[0].name == f"{tmp_path}/z.zip/b.shp"


def test_a_zip_without_a_layer_is_passed_over_and_told(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    found = discover([str(tmp_path)])
    assert [s.relative for s in found.sources] == ["a.shp"]
    assert found.ignored == ((str(tmp_path / "z.zip"), "a zip without a .shp"),)


@pytest.mark.parametrize("member", ["../../evil.shp", "/etc/evil.shp", "./sub/../evil.shp"])
def test_a_zip_cannot_name_a_sink_outside(tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(member, b"")
    (found,) = discover([str(tmp_path / "z.zip")]).sources
    assert ".." not in found.relative.split("/")
    assert found.relative.startswith("z.zip/")
    (task,) = api.plan([str(tmp_path / "z.zip")], tmp_path / "out", []).tasks
    assert Path(os.path.normpath(task.sink)).is_relative_to(tmp_path / "out")


# --- folders -----------------------------------------------------------------


def test_a_folder_is_walked_sorted_and_junk_passed_over(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/z.shp",
        "b/a.SHP",
        "B/Mixed.Shp",
        "a.shp",
        "a.dbf",
        "._a.shp",
        "b/._z.shp",
        "__MACOSX/x.shp",
        "city.gdb/a0001.shp",
        "City.GDB/a0001.shp",
        ".shpbatch/stage/x.shp",
        "b/.shpbatch/stage/x.shp",
        "lone.dbf",
        "note.shp.xml",
        "note.shpx",
    )
    (tmp_path / "folder.shp").mkdir()
    (tmp_path / "folder.zip").mkdir()
    touch(tmp_path, "folder.shp/in.shp", "folder.zip/in.shp")
    assert names(tmp_path) == [
        "B/Mixed.Shp",
        "a.shp",
        "b/a.SHP",
        "b/z.shp",
        "folder.shp/in.shp",
        "folder.zip/in.shp",
    ]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.shp")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    assert names(tmp_path) == ["a/x.shp"]


def test_links_to_files_elsewhere_are_passed_over_and_told(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.shp", "elsewhere/y.shp")
    (tmp_path / "a/inside.shp").symlink_to(tmp_path / "a/x.shp")
    (tmp_path / "a/outside.shp").symlink_to(tmp_path / "elsewhere/y.shp")
    found = discover([str(tmp_path / "a")])
    assert [s.relative for s in found.sources] == ["inside.shp", "x.shp"]
    assert [Path(path).name for path, _ in found.ignored] == ["outside.shp"]
    assert names(tmp_path / "a/outside.shp") == ["outside.shp"]  # named, it is meant


def test_the_destination_inside_the_source_is_avoided(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp", "out/a.shp", "out/deep/b.shp", "other/out/c.shp")
    assert names(tmp_path, avoid=str(tmp_path / "out")) == ["a.shp", "other/out/c.shp"]


def test_a_folder_that_cannot_be_listed_is_a_source_with_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.shp", "closed/b.shp", "closed/c_roads.shp")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    good, bad = discover([str(tmp_path)]).sources
    assert (good.relative, good.problem) == ("a.shp", None)
    assert bad.problem is not None
    assert bad.problem.code == "folder-unreadable"
    assert str(tmp_path / "closed") in bad.problem.reason
    assert names(tmp_path, include=["*_roads.shp"]) == ["closed"]  # perhaps there are some in it
    assert names(tmp_path, exclude=["closed/*"]) == names(tmp_path, exclude=["closed"]) == ["a.shp"]
    (named,) = discover([str(tmp_path / "closed")]).sources
    assert named.problem is not None


def test_folders_that_systems_keep_are_not_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp", "$RECYCLE.BIN/$R1.shp", "lost+found/b.shp")
    touch(tmp_path, "System Volume Information/c.shp")
    assert names(tmp_path) == ["a.shp"]


def test_outputs_of_another_run_are_passed_over_and_told(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp", "old/.shpbatch/ledger.db", "old/deep/b.shp", "new/c.shp")
    src, new = str(tmp_path), str(tmp_path / "new")
    found = discover([src], avoid=new)
    assert [s.relative for s in found.sources] == ["a.shp"]
    assert [path for path, _ in found.ignored] == [str(tmp_path / "old")]
    assert names(tmp_path, str(tmp_path / "old"), avoid=new) == ["deep/b.shp"]  # it is meant
    assert names(tmp_path) == ["a.shp", "new/c.shp", "old/deep/b.shp"]  # no run: an audit
    (tmp_path / "a.shp").unlink()
    with pytest.raises(SourceError, match="outputs of another run"):
        discover([src], avoid=new)


def test_sizes_weigh_shp_and_dbf(tmp_path: Path) -> None:
    path = make.write(tmp_path)
    (found,) = discover([str(path)]).sources
    assert found.size == path.stat().st_size + path.with_suffix(".dbf").stat().st_size


# --- globs, lists, standard input --------------------------------------------


def test_globs(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp", "b.shp", "sub/c.shp", "a.dbf")
    assert names(tmp_path, str(tmp_path / "*.shp")) == ["a.shp", "b.shp"]
    assert names(tmp_path, str(tmp_path / "**" / "*.shp")) == ["a.shp", "b.shp", "c.shp"]
    assert names(tmp_path, str(tmp_path / "[b]*")) == ["b.shp"]


def test_a_name_with_glob_characters_that_is_there_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].shp", "a1.shp")
    assert names(tmp_path, str(tmp_path / "a[1].shp")) == ["a[1].shp"]


def test_a_layer_named_twice_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.shp", "b.shp")
    monkeypatch.chdir(tmp_path)
    found = discover(["a.shp", str(tmp_path), "./a.shp", "*.shp"]).sources
    assert len(found) == 2


def test_a_list_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "b.shp", "a b.shp", "道.shp", "@odd.shp")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_bytes("b.shp\r\n\r\n  a b.shp  \n道.shp".encode())
    assert names(tmp_path, "@list.txt") == ["a b.shp", "b.shp", "道.shp"]
    assert names(tmp_path, "@odd.shp") == ["@odd.shp"]


def test_a_list_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp")
    (tmp_path / "list.txt").write_text(str(tmp_path / "a.shp"), "utf-8-sig")
    assert names(tmp_path, f"@{tmp_path / 'list.txt'}") == ["a.shp"]


def test_a_list_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"stra\xdfe.shp\n")
    with pytest.raises(SourceError, match="UTF-8"):
        discover([f"@{tmp_path / 'list.txt'}"])


def test_names_in_lists_are_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As file names are: no text perhaps, with what Unicode takes for the end of a line."""
    odd = ["next\x85line.shp", "form\x0cfeed.shp", "line\u2028.shp", "a\nb.shp", " c.shp"]
    if os.name == "posix":
        odd.append(os.fsdecode(b"stra\xdfe.shp"))
    touch(tmp_path, *odd)
    monkeypatch.chdir(tmp_path)
    lines = [n for n in odd if "\n" not in n and n == n.strip()]
    Path("list").write_bytes(os.fsencode("\r\n".join(lines)))
    assert names(tmp_path, "@list") == sorted(lines)
    zeros = io.TextIOWrapper(io.BytesIO(os.fsencode("\0".join(odd) + "\0")), "utf-8")
    monkeypatch.setattr("sys.stdin", zeros)
    assert names(tmp_path, "-") == sorted(odd)


def test_a_list_of_another_program(tmp_path: Path) -> None:
    """PowerShell writes UTF-16."""
    for codec in ("utf-16-le", "utf-16-be"):
        (tmp_path / "list.txt").write_bytes("\ufeffa.shp\r\nb.shp\r\n".encode(codec))
        with pytest.raises(SourceError, match="UTF-8"):
            discover([f"@{tmp_path / 'list.txt'}"])


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "b.shp", "a.shp", "c.shp")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{tmp_path}/b.shp\n\n{tmp_path}/a.shp\n"))
    assert names(tmp_path, "-") == ["a.shp", "b.shp"]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SourceError) as error:
        discover(["-"])
    assert error.value.code == "no-sources"


@pytest.mark.parametrize("name", ["-", "@list"])
def test_a_plan_that_is_made_again_reads_no_list_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard input and pipes are empty the second time."""
    touch(tmp_path, "a.shp")
    monkeypatch.chdir(tmp_path)
    Path("list").write_text("a.shp\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("a.shp\n"))
    planner = api.planner([name], "out", [])
    assert len(planner().tasks) == 1
    Path("list").write_text("")
    assert len(planner().tasks) == 1


# --- which of them -----------------------------------------------------------


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*_roads.shp"], [], ["a/x_roads.shp", "b/y_roads.shp"]),
        (["a/*"], [], ["a/x_roads.shp", "a/z.shp"]),
        (["a/*"], ["*_roads*"], ["a/z.shp"]),
        ([], ["a/*", "b/*"], ["top.shp"]),
        (["top.shp", "z.shp"], [], ["a/z.shp", "top.shp"]),
        (["?.shp"], [], ["a/z.shp"]),
    ],
)
def test_include_and_exclude(
    tmp_path: Path, include: list[str], exclude: list[str], expected: list[str]
) -> None:
    touch(tmp_path, "a/x_roads.shp", "a/z.shp", "b/y_roads.shp", "top.shp")
    assert names(tmp_path, include=include, exclude=exclude) == expected


def test_globs_reach_into_zips(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("in/a.shp", b"")
        archive.writestr("in/b.shp", b"")
    assert names(tmp_path, include=["z.zip/in/a*"]) == ["z.zip/in/a.shp"]
    assert names(tmp_path, exclude=["a.shp"]) == ["z.zip/in/b.shp"]


def test_limit_keeps_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "c.shp", "a.shp", "b.shp")
    assert names(tmp_path, limit=2) == ["a.shp", "b.shp"]


def test_a_glob_without_a_match_names_an_empty_folder(tmp_path: Path) -> None:
    """As a disk that is not mounted: what was made of it is not gone."""
    for folder in ("here", "away"):
        (tmp_path / folder).mkdir()
    make.write(tmp_path / "here", "a")
    found = discover([str(tmp_path / "here/*.shp"), str(tmp_path / "away/*.shp")])
    assert [s.relative for s in found.sources] == ["a.shp"]
    assert found.empty == (str(tmp_path / "away"),)


def test_a_source_whose_drive_is_not_there_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from shpbatch.planning import vanished

    monkeypatch.setattr(vanished, "_there", lambda path: False)
    assert not vanished.Whereabouts().is_gone("/mnt/share/a.shp")
