"""Headers: what a layer declares, and every way in which a file is no layer."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import shapefiles as make

from shpbatch.errors import ReadError, ShpbatchError, SourceError
from shpbatch.header import read_header, shape_code
from shpbatch.models import Field, Header, Source
from shpbatch.parser import shp_parser
from shpbatch.shapefile.dbf import parse_table

SHP, SHX = make.shp_bytes()


def header(path: Path) -> Header:
    return read_header(make.source(path))


def codes(found: Header) -> set[str]:
    return {p.code for p in found.problems}


# --- no layer at all ---------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "empty-file", "0 bytes"),
        (b"hello\n", "bad-magic", "a text file"),
        (b"<html><body>Not found</body></html>" * 9, "bad-magic", "a text file"),
        (b"PK\x03\x04" + bytes(200), "bad-magic", "a zip named .shp; rename"),
        (b"\x7fELF" + bytes(200), "bad-magic", "something else"),
        (SHP[:99], "bad-magic", "not a shapefile"),
        (SHP[:3], "bad-magic", "not a shapefile"),
        (SHP[:32] + struct.pack("<i", 7) + SHP[36:], "unknown-type", "type 7 at byte 32"),
        (SHP[:32] + struct.pack("<i", -5) + SHP[36:], "unknown-type", "type -5"),
        (SHP[:32] + struct.pack("<i", 30) + SHP[36:], "unknown-type", "type 30"),
    ],
)
def test_what_is_no_shapefile_is_refused(
    tmp_path: Path, data: bytes, code: str, words: str
) -> None:
    path = make.write(tmp_path, shp=data)
    with pytest.raises(ReadError, match=words) as error:
        header(path)
    assert error.value.code == code
    assert str(path) in str(error.value)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "no.shp", tmp_path / "no" / "no.shp"):
        with pytest.raises(SourceError) as error:
            header(path)
        assert error.value.code == "source-missing"


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_dbf_cut_within_its_first_bytes(tmp_path: Path, size: int) -> None:
    with pytest.raises(ReadError, match="cut within its header") as error:
        header(make.write(tmp_path, dbf=make.dbf_bytes(make.NAMES, [])[:size]))
    assert error.value.code == "bad-dbf"


@pytest.mark.parametrize("size", [33, 60, 80])
def test_a_dbf_cut_within_its_field_descriptors(tmp_path: Path, size: int) -> None:
    with pytest.raises(ReadError, match="cut within its header") as error:
        header(make.write(tmp_path, dbf=make.dbf_bytes(make.NAMES, [])[:size]))
    assert error.value.code == "bad-dbf"


def test_a_cut_dbf_fails_with_a_code_of_ours(tmp_path: Path) -> None:
    path = make.write(
        tmp_path / "src", dbf=make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c"))[:60]
    )
    outcome = shp_parser(path, recipe=[], dst=tmp_path / "out")
    assert (outcome.status, outcome.code) == ("failed", "bad-dbf")


# --- what a layer declares ---------------------------------------------------


def test_a_whole_layer(tmp_path: Path) -> None:
    found = header(make.write(tmp_path))
    assert found == Header(
        geometry_type="Point",
        count=3,
        fields=(Field("NAME", "C", 20), Field("N", "N", 5)),
        crs=make.WGS84,
        encoding="utf-8",
        encoding_from="default",
        bounds=(1, 2, 5, 6),
    )


@pytest.mark.parametrize(
    ("code", "name", "z", "m"),
    [
        (0, "Null", False, False),
        (1, "Point", False, False),
        (3, "PolyLine", False, False),
        (5, "Polygon", False, False),
        (8, "MultiPoint", False, False),
        (11, "Point", True, False),
        (13, "PolyLine", True, False),
        (15, "Polygon", True, False),
        (18, "MultiPoint", True, False),
        (21, "Point", False, True),
        (23, "PolyLine", False, True),
        (25, "Polygon", False, True),
        (28, "MultiPoint", False, True),
        (31, "MultiPatch", True, False),
    ],
)
def test_every_shape_type(tmp_path: Path, code: int, name: str, z: bool, m: bool) -> None:
    found = header(make.layer(tmp_path, [], code))
    assert (found.geometry_type, found.has_z, found.has_m, found.count) == (name, z, m, 0)
    assert shape_code(found) == code


@pytest.mark.parametrize(
    "bounds", [(0, 0, 0, 0), (1e301, 0, 1, 1), (float("nan"), 0, 1, 1), (-1.8e308, 0, 1, 1)]
)
def test_bounds_that_say_nothing(tmp_path: Path, bounds: tuple[float, float, float, float]) -> None:
    shp, shx = make.shp_bytes(bounds=bounds)
    assert header(make.write(tmp_path, shp=shp, shx=shx)).bounds is None


def test_missing_members_are_problems_not_errors(tmp_path: Path) -> None:
    found = header(make.write(tmp_path, shx=None, dbf=None, prj=None))
    assert codes(found) == {"shx-missing", "dbf-missing", "prj-missing"}
    assert (found.count, found.fields, found.crs) == (3, (), None)


@pytest.mark.parametrize("shx", [b"", SHX[:99]])
def test_a_useless_shx_is_a_missing_one(tmp_path: Path, shx: bytes) -> None:
    found = header(make.write(tmp_path, shx=shx))
    assert codes(found) == {"shx-missing"}
    assert found.count == 3


def test_a_text_file_named_shx_is_a_missing_one(tmp_path: Path) -> None:
    found = header(make.write(tmp_path, shx=b"<html>" + b"x" * 300))
    assert found.count == 3
    assert codes(found) == {"shx-missing"}


def test_a_header_length_that_lies_is_told(tmp_path: Path) -> None:
    lying = SHP[:24] + struct.pack(">i", 5000) + SHP[28:]
    found = header(make.write(tmp_path, shp=lying))
    assert codes(found) == {"length-lies"}
    assert found.problems[0].reason == "header says 10000 bytes, the file has 184"


@pytest.mark.parametrize(
    ("prj", "code"),
    [
        (b"", "prj-missing"),
        (b"\xef\xbb\xbf \r\n\0", "prj-missing"),
        (b"<html>[404]</html>", "prj-unreadable"),
        (b"EPSG 4326", "prj-unreadable"),
    ],
)
def test_a_prj_without_a_crs(tmp_path: Path, prj: bytes, code: str) -> None:
    found = header(make.write(tmp_path, prj=prj))
    assert found.crs is None
    assert codes(found) == {code}


def test_the_prj_is_read_past_a_byte_order_mark(tmp_path: Path) -> None:
    path = make.write(tmp_path, prj=b"\xef\xbb\xbf" + make.WGS84.encode() + b"\r\n")
    assert header(path).crs == make.WGS84


# --- fields ------------------------------------------------------------------


def declared(data: bytes | bytearray) -> list[tuple[bytes, str, int, int]]:
    return [
        (d.name, d.kind, d.width, d.decimals) for d in parse_table(bytes(data), "x").descriptors
    ]


def test_field_names_are_bytes_until_the_encoding_is_known() -> None:
    data = make.dbf_bytes([(b"a:b", "C", 3, 0), (b"A", "N", 9, 2), (b"A", "D", 8, 0)], [])
    assert declared(data) == [(b"a:b", "C", 3, 0), (b"A", "N", 9, 2), (b"A", "D", 8, 0)]


def test_clipper_text_wider_than_255_uses_the_decimals() -> None:
    data = bytearray(make.dbf_bytes([(b"LONG", "C", 44, 1)], []))
    data[10:12] = (301).to_bytes(2, "little")
    assert declared(data) == [(b"LONG", "C", 300, 0)]


def test_a_field_name_ends_at_its_first_nul() -> None:
    data = make.dbf_bytes([(b"AB\0junk", "C", 3, 0)], [])
    assert declared(data)[0][0] == b"AB"


@pytest.mark.parametrize(
    ("kind", "width", "decimals", "arrow"),
    [
        ("C", 10, 0, "string"),
        ("N", 9, 0, "int32"),
        ("N", 10, 0, "int64"),
        ("N", 18, 0, "int64"),
        ("N", 19, 0, "float64"),
        ("N", 5, 1, "float64"),
        ("F", 5, 0, "float64"),
        ("D", 8, 0, "date32"),
        ("L", 1, 0, "bool"),
        ("M", 10, 0, "string"),
    ],
)
def test_the_type_of_a_column(kind: str, width: int, decimals: int, arrow: str) -> None:
    assert Field("x", kind, width, decimals).arrow == arrow


def test_field_names_in_gbk(tmp_path: Path) -> None:
    dbf = make.dbf_bytes([("中文名".encode("gbk"), "C", 10, 0)], [(b"x",)] * 3)
    found = header(make.write(tmp_path, cpg=b"GBK", dbf=dbf))
    assert found.field_names() == ["中文名"]
    assert (found.encoding, found.encoding_from) == ("gbk", "cpg")


def test_a_wrong_cpg_is_told(tmp_path: Path) -> None:
    dbf = make.dbf_bytes(make.NAMES, make.rows_of("Ñandú".encode("latin-1"), b"b", b"c"))
    found = header(make.write(tmp_path, cpg=b"UTF-8", dbf=dbf))
    assert codes(found) == {"encoding-doubtful"}


def test_any_bytes_are_a_header_or_an_error_of_ours(tmp_path: Path) -> None:
    """No byte of a header may raise anything but our own errors."""
    dbf = make.dbf_bytes(make.NAMES, make.rows_of(b"a", b"b", b"c"))
    for at in range(0, 100, 3):
        for value in (0x00, 0x7F, 0xFF):
            shp = SHP[:at] + bytes([value]) + SHP[at + 1 :]
            cut = dbf[:at] + bytes([value]) + dbf[at + 1 :]
            path = make.write(tmp_path, f"l{at}v{value}", shp=shp, dbf=cut)
            try:
                found = read_header(Source(str(path), path.name))
            except ShpbatchError as error:
                assert error.code in {"bad-magic", "unknown-type", "chain-broken", "bad-dbf"}
            else:
                assert found.count == 3
