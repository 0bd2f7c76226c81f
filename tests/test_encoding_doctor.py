"""Encodings that nothing tells: hits and misses on place names, doubts, and what the user says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import shapefiles as make

import shpbatch
from shpbatch.doctors.encoding import examine_encoding
from shpbatch.header import read_header
from shpbatch.models import Outcome
from shpbatch.shapefile.encoding import detect
from shpbatch.shapefile.weighing import rival_of, tokens_of, weigh

#: Places of a language, and an encoding that its shapefiles were written in.
PLACES = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "data/places.tsv").read_text("utf-8").splitlines()
]


def picks(size: int) -> list[tuple[str, str, list[bytes]]]:
    """Ten samples of some words of each."""
    rng = random.Random(1)
    found = []
    for language, codec, places in PLACES:
        for _ in range(10):
            words = rng.sample(places.split(), min(size, len(places.split())))
            tokens = tokens_of([b" ".join(w.encode(codec, "ignore") for w in words)])
            if tokens:
                found.append((language, codec, tokens))
    return found


@pytest.mark.parametrize(("size", "hits"), [(3, 0.93), (5, 0.96), (15, 1.0)])
def test_hits_and_misses(size: int, hits: float) -> None:
    """Read right: 94, 97 and 100 %; charset-normalizer 3.4: 54, 64 and 75 % of the same."""
    found = picks(size)
    right = 0
    for language, codec, words in found:
        best, share = weigh(words)[0]
        text = b" ".join(words)
        same = text.decode(best, "replace") == text.decode(codec)
        assert same or share < 0.8, f"{language} in {codec}: {best} for sure"
        right += same
    assert right >= hits * len(found)


def test_few_bytes_are_not_sure() -> None:
    for text in (b"\xe9", b"\xe1\xe1", b"\xd1and\xfa", b"\xfe"):
        assert weigh([text])[0][1] < 0.8


@pytest.mark.parametrize(
    ("said", "ldid", "is_in", "places", "told"),
    [
        ("852", 0, "cp1250", "Łódź Kraków Wrocław Poznań Gdańsk Częstochowa", ("cp1250", "guess")),
        ("1252", 0, "utf-8", "Orléans Besançon", ("utf-8", "bytes")),
        (None, 0x01, "cp1252", "Orléans Besançon Nîmes Béziers", ("cp1252", "guess")),
        (None, 0x57, "cp1250", "Łódź Kraków Wrocław Poznań Gdańsk", ("cp1250", "guess")),
        (None, 0x57, "cp1251", "Москва Казань Самара Омск", ("cp1251", "guess")),
        ("1251", 0, "koi8-r", "Москва Казань Самара Омск Челябинск", ("koi8-r", "guess")),
    ],
)
def test_what_a_file_says_of_itself_may_be_wrong(
    said: str | None, ldid: int, is_in: str, places: str, told: tuple[str, str]
) -> None:
    found = detect(said, ldid, lambda: [places.encode(is_in)])
    assert (found.codec, found.told) == told
    assert found.doubt


@pytest.mark.parametrize(("language", "codec", "places"), PLACES)
def test_what_a_file_rightly_says_is_believed(language: str, codec: str, places: str) -> None:
    raw = places.encode(codec, "ignore")
    found = detect(codec, 0, lambda: [raw])
    assert found.told == "cpg"
    assert raw.decode(found.codec) == raw.decode(codec)
    assert rival_of(tokens_of([raw]), codec) is None


def test_text_cut_within_a_character_is_still_utf8() -> None:
    names = [f"{place}é".encode()[:-1] for place in ["Orléans", "Besançon", "Nîmes"]]
    whole = ["Évreux".encode()] * 1 + [f"Béziers-{n}".encode() for n in range(30)]
    assert detect(None, 0, lambda: [b" ".join([*names, *whole])])[:2] == ("utf-8", "bytes")


@pytest.mark.parametrize(
    "word", [("ü" * 20).encode()[:29], "名称长度".encode()[:10], "Łódź-Łódź".encode()[:-1]]
)
def test_one_word_cut_within_a_character_is_utf8(word: bytes) -> None:
    assert detect(None, 0, lambda: [word + b" "])[:2] == ("utf-8", "bytes")


def test_an_accent_at_the_end_of_words_is_no_cut_character() -> None:
    words = "Paraná Panamá Bogotá Perú".encode("cp1252")
    assert detect(None, 0, lambda: [words + b" "])[:2] == ("cp1252", "guess")


# --- what the user says ------------------------------------------------------

POLISH = "Łódź Kraków Wrocław Poznań Gdańsk Białystok Częstochowa Toruń"


def layer(folder: Path, places: str, codec: str, **members: object) -> Path:
    rows = [(place.encode(codec),) for place in places.split()]
    dbf = make.dbf_bytes([(b"NAME", "C", 20, 0)], rows)
    shp, shx = make.shp_bytes([make.point(1, 2)] * len(rows))
    folder.mkdir(exist_ok=True)
    return make.write(folder, shp=shp, shx=shx, dbf=dbf, **{"cpg": None, **members})


def copied(path: Path, **options: object) -> Outcome:
    return shpbatch.run(path, path.parent / "out", "", method="inline", **options).outcomes[0]


def cpg_of(outcome: Outcome) -> str:
    return Path(outcome.sinks[0].path).with_suffix(".cpg").read_text()


def test_a_guess_says_how_sure_it_is(tmp_path: Path) -> None:
    outcome = copied(layer(tmp_path / "in", POLISH, "cp1250"))
    assert cpg_of(outcome) == "cp1250"
    assert any("cp1250 is assumed (9" in note and "% sure)" in note for note in outcome.notes)


def test_the_user_knows_better(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", POLISH, "cp1250", cpg=b"852")
    outcome = copied(path, encoding="1250")
    assert (outcome.status, cpg_of(outcome), outcome.notes) == ("done", "cp1250", ())
    sink = Path(outcome.sinks[0].path)
    assert sink.with_suffix(".dbf").read_bytes() == path.with_suffix(".dbf").read_bytes()


def test_a_fallback_is_for_what_nothing_tells(tmp_path: Path) -> None:
    options = {"encoding_fallback": "iso8859-2"}
    assert cpg_of(copied(layer(tmp_path / "a", POLISH, "cp1250"), **options)) == "iso8859-2"
    assert cpg_of(copied(layer(tmp_path / "b", POLISH, "utf-8"), **options)) == "UTF-8"


def test_what_is_not_sure_may_fail_or_be_latin1(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", POLISH, "cp1250")
    failed = copied(path, on_encoding="fail")
    assert (failed.status, failed.code) == ("failed", "encoding-unknown")
    assert "likely cp1250 (" in str(failed.reason)
    assert cpg_of(copied(path, on_encoding="latin1")) == "iso8859-1"
    sure = copied(layer(tmp_path / "sure", POLISH, "cp1250", cpg=b"1250"), on_encoding="fail")
    assert sure.status == "done"


@pytest.mark.parametrize(("option", "name"), [("encoding", "klingon"), ("encoding", "utf-16")])
def test_an_encoding_that_is_none_is_refused(tmp_path: Path, option: str, name: str) -> None:
    path = layer(tmp_path / "in", POLISH, "cp1250")
    with pytest.raises(shpbatch.ShpbatchError, match="there is no such encoding"):
        copied(path, **{option: name})


def test_an_encoding_that_the_text_cannot_be_fails(tmp_path: Path) -> None:
    outcome = copied(layer(tmp_path / "in", POLISH, "cp1250"), encoding="UTF-8")
    assert (outcome.status, outcome.code) == ("failed", "encoding-mismatch")


def test_the_report(tmp_path: Path) -> None:
    source = make.source(layer(tmp_path / "in", "Þ Ñandú", "cp1252"))
    report = examine_encoding(source, read_header(source))
    assert report.told == "guess"
    assert report.confidence < 0.8
    assert "Ñandú" in report.samples
    (finding,) = report.findings
    assert (finding.code, finding.severity) == ("encoding-doubtful", "warning")
    assert finding.remedy.startswith("--encoding ")
    plain = make.source(layer(tmp_path / "plain", "Rome", "ascii"))
    assert examine_encoding(plain, read_header(plain)).findings == ()
