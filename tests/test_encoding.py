"""Which encoding a .dbf is in; text is right, or a note says that it may not be."""

from __future__ import annotations

import codecs
from pathlib import Path

import pyogrio
import pytest
import shapefiles as make

from shpbatch.doctors.encoding import examine_encoding
from shpbatch.header import read_header
from shpbatch.models import Outcome
from shpbatch.parser import shp_parser
from shpbatch.shapefile.codec_names import LDID, LDID_OF, SUPERSET, codec_of_cpg, cpg_of_codec
from shpbatch.shapefile.encoding import detect
from shpbatch.shapefile.weighing import CANDIDATES, DOUBLE_BYTE

#: Every spelling that real .cpg files had (real-shapefiles.md, point 17), and some near ones.
SPELLINGS = {
    "936": "gbk", "852": "cp852", "1251": "cp1251", "1252": "cp1252", "874": "cp874",
    "88591": "iso8859-1", "latin1": "iso8859-1", "latin2": "iso8859-2",
    "EUC-KR": "euc_kr", "Big-5": "big5", "UTF-8": "utf-8", "Windows-1251": "cp1251",
    "shiftjis": "shift_jis", "ANSI 1250": "cp1250",
    "utf8": "utf-8", "65001": "utf-8", "cp65001": "utf-8", "UTF-8\r\n": "utf-8",
    "ISO-8859-15": "iso8859-15", "ISO 8859-1": "iso8859-1", "8859_2": "iso8859-2",
    "ISO88591": "iso8859-1", "88592": "iso8859-2", "8859-9": "iso8859-9",
    "OEM 850": "cp850", "IBM437": "cp437", "CP932": "cp932", "GB18030": "gb18030",
    "LDID/87": "cp1252", "LDID/77": "gbk", "win1251": "cp1251", "win-1251": "cp1251",
    "windows-31j": "cp932", "MS1252": "cp1252", "MS_932": "cp932", "x-sjis": "cp932",
    "KSC_5601": "cp949", "DOS852": "cp852", "dos-866": "cp866", "x-windows-874": "cp874",
    "ISO-8859-8-I": "iso8859-8", "20866": "koi8-r", "28591": "iso8859-1", "28592": "iso8859-2",
    "51932": "euc_jp", "51949": "euc_kr", "54936": "gb18030", "10000": "mac-roman",
    "10007": "mac-cyrillic", "CP1251\r\nsecond": "cp1251",
    "KOI8-R": "koi8-r", "US-ASCII": "ascii", "\0UTF-8\0": "utf-8", " 1252 ": "cp1252",
}  # fmt: skip
NOT_AN_ENCODING = (
    "", " ", "UTF-16", "utf-16-le", "UTF-32", "utf-7", "<!DOCTYPE html><html>404</html>", "System",
    "hex", "base64", "rot13", "zip", "99999", "1", "../../etc/passwd", "a\0b", "日本", "x" * 5000,
)  # fmt: skip


def three(*names: bytes, ldid: int = 0) -> bytes:
    return make.dbf_bytes(make.NAMES, make.rows_of(*names, b"b", b"c")[:3], ldid)


def run(folder: Path, recipe: str = "", **members: bytes | None) -> Outcome:
    path = make.write(folder / "src", **members)
    return shp_parser(path, recipe=recipe or [], dst=folder / "out")


def text_of(outcome: Outcome) -> str:
    """The first name in the output, as GDAL reads it."""
    return str(pyogrio.read_dataframe(outcome.sinks[0].path).iloc[0, 0])


# --- what names no encoding --------------------------------------------------


@pytest.mark.parametrize("text", NOT_AN_ENCODING)
def test_what_names_no_encoding(text: str) -> None:
    assert codec_of_cpg(text) is None


@pytest.mark.parametrize("text", ["undefined", "idna", "punycode", "unicode_escape"])
def test_codecs_that_are_no_character_sets(text: str) -> None:
    assert codec_of_cpg(text) is None


def test_a_cpg_can_break_nothing(tmp_path: Path) -> None:
    header = read_header(make.source(make.write(tmp_path, cpg=b"undefined")))
    assert header.encoding == "utf-8"


@pytest.mark.parametrize("cpg", [b"UTF-16", b"<html>\r\n<body>404", b"\xff\xfe", b"nonsense"])
def test_a_nonsense_cpg_is_told_and_the_bytes_decide(tmp_path: Path, cpg: bytes) -> None:
    outcome = run(tmp_path, cpg=cpg, dbf=three("Ñandú".encode()))
    assert outcome.status == "done"
    assert text_of(outcome) == "Ñandú"
    assert any("names no encoding" in note for note in outcome.notes)


# --- what does ---------------------------------------------------------------


@pytest.mark.parametrize(("text", "codec"), SPELLINGS.items())
def test_every_spelling(text: str, codec: str) -> None:
    assert codec_of_cpg(text) == codec


@pytest.mark.parametrize("text", ["koi8r", "KOI8R", "koi8u"])
def test_koi8_without_a_hyphen(text: str) -> None:
    assert codec_of_cpg(text) == f"koi8-{text[-1].lower()}"


def test_every_language_byte_is_a_codec() -> None:
    for ldid, codec in LDID.items():
        assert codecs.lookup(codec).name == codec, ldid
        assert LDID[LDID_OF[codec]] == codec


def test_a_codec_has_one_name_wherever_it_comes_from() -> None:
    for codec in (*CANDIDATES, *DOUBLE_BYTE, *SUPERSET, *SUPERSET.values()):
        assert codecs.lookup(codec).name == codec
    for codec in (*CANDIDATES, *LDID.values(), "euc_kr", "euc_jisx0213", "kz1048", "mac-turkish"):
        assert codec_of_cpg(cpg_of_codec(codec)) == codec


@pytest.mark.parametrize(
    ("ldid", "text", "codec"),
    [
        (0x01, "é", "cp437"),
        (0x02, "é", "cp850"),
        (0x03, "€", "cp1252"),
        (0x04, "é", "mac-roman"),
        (0x13, "日本", "cp932"),
        (0x1F, "ł", "cp852"),
        (0x26, "Ж", "cp866"),
        (0x4D, "中国", "gbk"),
        (0x4E, "한국", "cp949"),
        (0x4F, "台灣", "cp950"),
        (0x50, "ไทย", "cp874"),
        (0x57, "–", "cp1252"),
        (0x65, "Ж", "cp866"),
        (0x7D, "א", "cp1255"),
        (0xC8, "ł", "cp1250"),
        (0xC9, "Ж", "cp1251"),
        (0xCC, "ē", "cp1257"),
    ],
)
def test_a_language_byte_is_believed_and_kept(
    tmp_path: Path, ldid: int, text: str, codec: str
) -> None:
    outcome = run(tmp_path, dbf=three(text.encode(codec), ldid=ldid))
    assert outcome.status == "done", outcome.reason
    assert outcome.notes == ()
    out = Path(outcome.sinks[0].path)
    header = read_header(make.source(out))
    assert header.encoding == codec
    assert text.encode(codec) in out.with_suffix(".dbf").read_bytes()
    assert not out.with_suffix(".cpg").exists()


@pytest.mark.parametrize(
    ("cpg", "ldid", "raw", "expected"),
    [
        # the .cpg, where the bytes can be that
        ("GBK", 0, "中".encode("gbk"), ("gbk", "cpg", False)),
        ("UTF-8", 0x57, "–".encode(), ("utf-8", "cpg", False)),
        ("1252", 0xC9, "é".encode("cp1252"), ("cp1252", "cpg", False)),
        # a .cpg that cannot be: the language byte, else the bytes, else a guess, and told
        ("UTF-8", 0x4D, "中国".encode("gbk"), ("gbk", "ldid", True)),
        ("1252", 0, "Ícaro".encode(), ("utf-8", "bytes", True)),
        ("UTF-8", 0, b"\xd1and\xfa", ("cp1252", "guess", True)),
        ("UTF-8", 0x57, b"\xd1and\xfa", ("cp1252", "ldid", True)),
        # no .cpg
        (None, 0x4D, "中国".encode("gbk"), ("gbk", "ldid", False)),
        (None, 0x57, "–".encode("cp1252"), ("cp1252", "ldid", False)),
        (None, 0x57, "–".encode(), ("utf-8", "bytes", False)),
        (None, 0, "é".encode(), ("utf-8", "bytes", False)),
        (None, 0, b"\xd1and\xfa", ("cp1252", "guess", True)),
        (None, 0, b"plain", ("utf-8", "default", False)),
        (None, 0x57, b"plain", ("cp1252", "ldid", False)),
        (None, 0xEE, b"plain", ("utf-8", "default", False)),
        (None, 0, b"", ("utf-8", "default", False)),
    ],
)
def test_who_decides(
    cpg: str | None, ldid: int, raw: bytes, expected: tuple[str, str, bool]
) -> None:
    codec, told, doubt, _ = detect(cpg, ldid, lambda: [raw])
    assert (codec, told, doubt is not None) == expected


def test_a_sample_may_end_within_a_character() -> None:
    assert detect("UTF-8", 0, lambda: ["é".encode()[:1]])[:3] == ("utf-8", "cpg", None)
    assert detect(None, 0, lambda: [b"a" + "中".encode()[:2]])[0] == "utf-8"


@pytest.mark.parametrize(
    ("codec", "text"),
    [("utf-8", "a中😀"), ("gbk", "中国"), ("shift_jis", "日本"), ("cp1252", "–é")],
)
def test_a_character_may_stand_in_two_parts(codec: str, text: str) -> None:
    raw = text.encode(codec)
    for at in range(len(raw) + 1):
        assert detect(codec, 0, lambda at=at: [raw[:at], raw[at:]])[:2] == (codec, "cpg")


def test_every_part_decides() -> None:
    parts = [b"plain"] * 9 + [b"\xd1and\xfa"]
    assert detect("UTF-8", 0x57, lambda: parts)[2] is not None
    assert detect(None, 0, lambda: parts)[:2] == ("cp1252", "guess")
    assert detect(None, 0, lambda: parts[:-1])[:3] == ("utf-8", "default", None)
    assert detect(None, 0, list)[:3] == ("utf-8", "default", None)


#: A number in binary, of which each byte is above 127 or a control character.
BINARY = [(b"NAME", "C", 10, 0), (b"N", "I", 4, 0), (b"X", "B", 8, 2)]


@pytest.mark.parametrize(
    ("names", "ldid", "expected"),
    [
        (("Rome", "Oslo", "Bern"), 0, ("utf-8", "default")),
        (("Köln", "Zürich", "Łódź"), 0, ("utf-8", "bytes")),
        (("Köln", "Zürich", "Malmö"), 3, ("cp1252", "ldid")),
    ],
)
def test_numbers_in_binary_are_no_text(
    tmp_path: Path, names: tuple[str, ...], ldid: int, expected: tuple[str, str]
) -> None:
    codec = "cp1252" if ldid else "utf-8"
    rows = [
        (n.encode(codec), b"\xe9\xd1\xff\xfe", b"\x00\x81\xea\xfb\xc1\xd2\xe3\x41") for n in names
    ]
    header = read_header(make.source(make.write(tmp_path, dbf=make.dbf_bytes(BINARY, rows, ldid))))
    assert (header.encoding, header.encoding_from) == expected
    assert "encoding-doubtful" not in [p.code for p in header.problems]


def test_bytes_behind_the_last_row_are_no_text(tmp_path: Path) -> None:
    path = make.write(tmp_path, dbf=three(b"Rome") + b"\xd1and\xfa" * 20)
    assert read_header(make.source(path)).encoding_from == "default"


def test_a_cell_does_not_go_on_in_the_next(tmp_path: Path) -> None:
    """Which would make one word of a cut character and of what stands behind it."""
    columns = [(b"A", "C", 5, 0), (b"B", "C", 5, 0)]
    rows = [("Zürich".encode()[:5], "éèàü".encode()[:5])] * 3
    for whole in (False, True):
        path = make.write(tmp_path, dbf=make.dbf_bytes(columns, rows))
        assert read_header(make.source(path), whole).encoding == "utf-8"


def test_plain_text_is_only_likely_where_not_all_was_looked_at(tmp_path: Path) -> None:
    source = make.source(make.write(tmp_path, **long_layer(5000)))
    assert read_header(source).encoding_confidence < 0.8
    assert read_header(source, whole=True).encoding == "cp1252"
    report = examine_encoding(source, read_header(source))
    assert (report.samples, report.findings) == ((), ())
    deep = examine_encoding(source, read_header(source, whole=True), whole=True)
    assert deep.samples == ("Ñandú",)


# --- text is kept, or told ---------------------------------------------------


@pytest.mark.parametrize(
    ("cpg", "text", "codec"),
    [
        (b"936", "中国", "gbk"),
        (b"Big-5", "台灣", "big5"),
        (b"shiftjis", "日本", "shift_jis"),
        (b"EUC-KR", "한국", "euc_kr"),
        (b"88591", "Ñandú", "latin-1"),
        (b"latin2", "łódź", "iso8859-2"),
        (b"Windows-1251", "Жук", "cp1251"),
        (b"874", "ไทย", "cp874"),
        (b"UTF-8", "Ñ中Ж😀", "utf-8"),
    ],
)
def test_text_and_cpg_are_kept_byte_for_byte(
    tmp_path: Path, cpg: bytes, text: str, codec: str
) -> None:
    outcome = run(tmp_path, cpg=cpg, dbf=three(text.encode(codec)))
    assert outcome.status == "done", outcome.reason
    assert outcome.notes == ()
    out = Path(outcome.sinks[0].path)
    assert out.with_suffix(".cpg").read_bytes() == cpg
    assert text.encode(codec) in out.with_suffix(".dbf").read_bytes()


@pytest.mark.parametrize(
    ("name", "cpg", "codec"),
    [("中文名称字", b"GBK", "gbk"), ("名中文", b"UTF-8", "utf-8"), ("größe", b"1252", "cp1252")],
)
def test_field_names_keep_their_bytes(tmp_path: Path, name: str, cpg: bytes, codec: str) -> None:
    raw = name.encode(codec)
    outcome = run(tmp_path, cpg=cpg, dbf=make.dbf_bytes([(raw, "C", 9, 0)], [(b"x",)] * 3))
    assert outcome.status == "done", outcome.reason
    dbf = Path(outcome.sinks[0].path).with_suffix(".dbf").read_bytes()
    assert dbf[32:43] == raw.ljust(11, b"\0")


@pytest.mark.parametrize(("codec", "cpg"), [("gbk", b"936"), ("utf-8", b"UTF-8")])
def test_a_field_name_cut_within_a_character_keeps_its_bytes(
    tmp_path: Path, codec: str, cpg: bytes
) -> None:
    raw = "a中国人民你好".encode(codec)[:10] if codec == "gbk" else "中国人民".encode()[:10]
    outcome = run(tmp_path, cpg=cpg, dbf=make.dbf_bytes([(raw, "C", 9, 0)], [(b"x",)] * 3))
    assert outcome.status == "done", outcome.reason
    dbf = Path(outcome.sinks[0].path).with_suffix(".dbf").read_bytes()
    assert dbf[32:43] == raw.ljust(11, b"\0")


def test_a_guess_is_told_and_written_down(tmp_path: Path) -> None:
    outcome = run(tmp_path, dbf=three(b"\xd1and\xfa"))
    assert text_of(outcome) == "Ñandú"
    assert Path(outcome.sinks[0].path).with_suffix(".cpg").read_text() == "cp1252"
    assert any("cp1252 is assumed" in note for note in outcome.notes)


READ = "filter --where \"NAME <> 'nothing'\""


def test_bytes_that_the_encoding_cannot_read_are_told_where_they_are_read(tmp_path: Path) -> None:
    dbf = three("Ñandú".encode(), b"\xd1and\xfa")
    outcome = run(tmp_path, recipe=READ, cpg=b"UTF-8", dbf=dbf)
    assert outcome.status == "done"
    assert any(
        "NAME: values hold bytes that are not utf-8 (1, the first" in note for note in outcome.notes
    )


def test_bytes_that_are_not_what_the_cpg_says_are_told(tmp_path: Path) -> None:
    outcome = run(tmp_path, cpg=b"UTF-8", dbf=three("Ñandú".encode(), b"\xd1and\xfa"))
    assert outcome.status == "done"
    assert any("some of the text is not utf-8" in note for note in outcome.notes)


#: Of rows of plain text before the first that is not: more than are looked at, and fewer.
FILLERS = pytest.mark.parametrize("filler", [100, 5000])


def long_layer(filler: int) -> dict[str, bytes | None]:
    names = [b"plain"] * filler + [b"\xd1and\xfa"]
    shp, shx = make.shp_bytes([make.point(1, 2)] * len(names))
    return {"shp": shp, "shx": shx, "dbf": make.dbf_bytes(make.NAMES, make.rows_of(*names))}


@FILLERS
def test_text_that_is_read_is_right_and_told_wherever_it_stands(
    tmp_path: Path, filler: int
) -> None:
    outcome = run(tmp_path, recipe=READ, **long_layer(filler))
    assert outcome.status == "done"
    assert any("cp1252 is assumed" in note for note in outcome.notes)
    assert pyogrio.read_dataframe(outcome.sinks[0].path)["NAME"].iloc[-1] == "Ñandú"


@FILLERS
def test_text_that_no_step_reads_is_given_no_wrong_encoding(tmp_path: Path, filler: int) -> None:
    """A reader that believes the .cpg beside it would fail."""
    outcome = run(tmp_path, **long_layer(filler))
    assert outcome.status == "done"
    out = Path(outcome.sinks[0].path)
    assert out.with_suffix(".dbf").read_bytes().count(b"\xd1and\xfa") == 1
    assert pyogrio.read_dataframe(out)["NAME"].iloc[-1] == "Ñandú"
