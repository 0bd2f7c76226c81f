"""Labels that are right, wrong or say little: text is read right, or it is told that it may not be.

Draws of place names of 35 languages and encodings, by the number of words.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyogrio
import pytest
import shapefiles as make
from test_encoding_doctor import PLACES, cpg_of, layer

import shpbatch
from shpbatch.doctors.encoding import examine_encoding
from shpbatch.header import read_header
from shpbatch.shapefile.codec_names import LDID_OF, codec_of_cpg
from shpbatch.shapefile.encoding import DOUBTFUL, detect

ANSI = 0x57
WRONG = ("cp1252", "cp1250", "cp1251", "cp437", "936", "UTF-8")


def draws(size: int) -> Iterator[tuple[str, bytes]]:
    """An encoding, and some words in it, twice each: as they are and in capitals."""
    rng = random.Random(size)
    for _, codec, places in PLACES:
        for capitals in (False, True):
            words = rng.sample(places.split(), min(size, len(places.split())))
            text = b"".join(
                (w.upper() if capitals else w).encode(codec, "ignore") + b" " for w in words
            )
            if not text.isascii():
                yield codec, text


def kind(codec: str, text: bytes, cpg: str | None, ldid: int) -> str:
    found = detect(cpg, ldid, lambda: [text])
    if text.decode(found.codec, "replace") == text.decode(codec):
        return "right, but warned" if found.doubt and found.confidence < DOUBTFUL else "right"
    return "warned" if found.doubt and found.unsure else "silent"


@cache
def counted(label: str, size: int) -> dict[str, float]:
    """Shares of what comes of draws under a label."""
    found: Counter[str] = Counter()
    for codec, text in draws(size):
        if label == "right":
            found[kind(codec, text, codec, 0)] += 1
            found[kind(codec, text, None, LDID_OF.get(codec, 0))] += codec in LDID_OF
        elif label == "ansi":
            found[kind(codec, text, None, ANSI)] += codec.startswith("cp12")
        else:
            for wrong in WRONG:
                found[kind(codec, text, wrong, 0)] += codec_of_cpg(wrong) != codec
    return {k: v / found.total() for k, v in found.items()}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 15])
def test_right_labels_are_always_right_and_hardly_doubted(size: int) -> None:
    found = counted("right", size)
    assert found.get("warned", 0) + found.get("silent", 0) == 0
    assert found.get("right, but warned", 0) <= (0.02 if size < 3 else 0.01)


@pytest.mark.parametrize(("size", "silent"), [(2, 0.15), (5, 0.03), (15, 0.05)])
def test_ansi_is_silently_wrong_of_relatives_only(size: int, silent: float) -> None:
    """Of 2, 5 and 15 words 14, 2 and 5 % (64, 41 and 14 % where only a sure guess is heard)."""
    assert counted("ansi", size).get("silent", 0) <= silent


@pytest.mark.parametrize(("size", "silent"), [(2, 0.07), (5, 0.04), (15, 0.03)])
def test_wrong_labels_are_seldom_believed_silently(size: int, silent: float) -> None:
    """Of 2, 5 and 15 words 6, 3 and 2 %: relatives, which have the same letters of a language."""
    assert counted("wrong", size).get("silent", 0) <= silent


# --- a label that the bytes contradict ---------------------------------------


@pytest.mark.parametrize(
    ("cpg", "codec", "places"),
    [
        ("UTF-8", "cp1252", "Orléans Nîmes Besançon Évreux Béziers Angoulême Mâcon"),
        ("UTF-8", "gbk", "北京市 上海市 广州市 深圳市 成都市 杭州市"),
        ("936", "cp1251", "Москва Казань Самара Омск Уфа Пермь Саратов"),
        ("ASCII", "cp1252", "Köln Zürich Genève Málaga"),
        ("ASCII", "cp1251", "Москва Казань Самара Омск Уфа Пермь Саратов"),
    ],
)
def test_what_the_bytes_refute_is_guessed(
    tmp_path: Path, cpg: str, codec: str, places: str
) -> None:
    source = layer(tmp_path / "in", places, codec, cpg=cpg.encode())
    report = shpbatch.run(source, tmp_path / "out", "! recode --encoding UTF-8", method="inline")
    (outcome,) = report.outcomes
    read = pyogrio.read_dataframe(outcome.sinks[0].path)["NAME"]
    assert [*read] == places.split()
    assert any(".cpg says" in note for note in outcome.notes)


def test_a_remedy_labels_text_and_changes_no_byte(tmp_path: Path) -> None:
    places = "Orléans Nîmes Besançon Évreux Béziers Angoulême Mâcon"
    source = make.source(layer(tmp_path / "in", places, "cp1252", cpg=b"UTF-8"))
    (finding,) = examine_encoding(source, read_header(source)).findings
    assert finding.remedy == "--encoding cp1252"


def test_a_few_broken_words_leave_the_label_and_are_told() -> None:
    text = "Ñandú Malmö Łódź Zürich ".encode() + b"K\xf6ln "
    found = detect("UTF-8", 0, lambda: [text * 2 + b"Z\xfcrich "])
    assert (found.codec, found.told, found.unsure) == ("utf-8", "cpg", True)


def test_policies_are_asked_where_ansi_is_in_doubt(tmp_path: Path) -> None:
    rows = [(w.encode("cp1251"),) for w in ("Москва", "Казань", "Уфа")]
    dbf = make.dbf_bytes([(b"NAME", "C", 20, 0)], rows, ldid=ANSI)
    path = make.write(tmp_path / "in", dbf=dbf, cpg=None)

    def of(**options: object) -> object:
        report = shpbatch.run(path, tmp_path / str(len(options)), "", method="inline", **options)
        return report.outcomes[0]

    assert of(on_encoding="fail").code == "encoding-unknown"
    assert cpg_of(of(encoding_fallback="1251")) == "cp1251"
    assert any("ANSI" in note for note in of().notes)


def test_a_label_in_doubt_stands_where_the_fallback_cannot_be(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "Москва Казань", "cp1251", cpg=b"1252")
    report = shpbatch.run(path, tmp_path / "a", "", method="inline", encoding_fallback="UTF-8")
    assert cpg_of(report.outcomes[0]) == "1252"
    report = shpbatch.run(path, tmp_path / "b", "", method="inline", encoding_fallback="1251")
    assert cpg_of(report.outcomes[0]) == "cp1251"


def test_ascii_that_is_none_is_labelled_with_what_it_is(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "Köln Zürich Genève Málaga", "cp1252", cpg=b"ASCII")
    report = shpbatch.run(path, tmp_path / "out", "", method="inline")
    assert cpg_of(report.outcomes[0]) == "cp1252"


# --- labels that mean more than they say -------------------------------------

SUPERSETS = [
    ("shiftjis", "cp932", "東京都 ①丁目 髙島町 ㈱山田 大阪府～京都"),
    ("GB2312", "gb18030", "北京市 朱镕基路 李堃大厦 广州市"),
    ("GBK", "gb18030", "北京㐀 上海市 𠮷野 广州市"),
    ("EUC-KR", "cp949", "서울 똠방각하 펲시 부산"),
    ("TIS-620", "cp874", "กรุงเทพ “เอ” เชียงใหม่–ภูเก็ต ขอนแก่น"),
    ("ISO-8859-1", "cp1252", "Baden–Württemberg Münster O’Higgins Köln"),
    ("ISO-8859-9", "cp1254", "İzmir Muğla–Aydın Şırnak Iğdır"),
]


@pytest.mark.parametrize(("label", "codec", "text"), SUPERSETS)
def test_a_label_that_is_short_for_more_of_windows(label: str, codec: str, text: str) -> None:
    raw = text.encode(codec)
    found = detect(label, 0, lambda: [raw + b" "])
    assert raw.decode(found.codec) == text
    assert found.told == "bytes"  # so that the output is labelled with what it is
    assert codec in str(found.doubt)


@pytest.mark.parametrize(("label", "codec", "text"), SUPERSETS)
def test_a_label_that_says_all_is_kept(label: str, codec: str, text: str) -> None:
    strict = str(codec_of_cpg(label))
    raw = text.encode(strict, "ignore")
    assert detect(label, 0, lambda: [raw + b" "])[:3] == (strict, "cpg", None)


def test_what_the_user_says_may_be_cut_at_the_ends_of_cells(tmp_path: Path) -> None:
    rows = [("ü" * 10).encode()[:19], "Köln".encode(), "Malmö".encode()]
    dbf = make.dbf_bytes([(b"NAME", "C", 19, 0)], [(r,) for r in rows])
    path = make.write(tmp_path / "in", dbf=dbf, cpg=None)
    report = shpbatch.run(path, tmp_path / "out", "", method="inline", encoding="UTF-8")
    assert report.outcomes[0].status == "done"
    assert any("cut" in note for note in report.outcomes[0].notes)
