"""recode: text in another encoding, wide enough, with a .cpg and a language byte that say so."""

from __future__ import annotations

from pathlib import Path

import oracle
import pyogrio
import pytest
import shapefiles as make

import shpbatch
from shpbatch.errors import PlanError
from shpbatch.header import read_header
from shpbatch.models import Outcome

EXAMPLES = ["", "--encoding cp1252"]
TOKYO = oracle.SAMPLES / "census/tokyomet262.shp"  # cp932, by its language byte


def recoded(path: Path, chain: str = "! recode", **options: object) -> Outcome:
    out = path.parent / "out"
    report = shpbatch.run(path, out, chain, method="inline", **options)
    return report.outcomes[0]


def layer(folder: Path, encoding: str, *texts: str, name: str = "NAME", **members: object) -> Path:
    rows = [(t.encode(encoding),) for t in texts]
    width = max(len(raw) for (raw,) in rows)
    dbf = make.dbf_bytes([(name.encode(encoding), "C", width, 0)], rows)
    shp, shx = make.shp_bytes([make.point(1, 2)] * len(texts))
    folder.mkdir(exist_ok=True)
    return make.write(folder, shp=shp, shx=shx, dbf=dbf, **members)


def test_worked_case(tmp_path: Path) -> None:
    report = shpbatch.run(TOKYO, tmp_path, "! recode --encoding UTF-8", method="inline")
    sink = Path(report.outcomes[0].sinks[0].path)
    assert sink.with_suffix(".cpg").read_text() == "UTF-8"
    assert sink.with_suffix(".dbf").read_bytes()[29] == 0
    was, now = (pyogrio.read_dataframe(p, encoding=e) for p, e in ((TOKYO, "cp932"), (sink, None)))
    assert was.drop(columns="geometry").equals(now.drop(columns="geometry"))
    assert sink.with_suffix(".shp").read_bytes() == TOKYO.read_bytes()


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [("cp1251", "UTF-8", "Жуковский"), ("gbk", "UTF-8", "中华人民"), ("utf-8", "GBK", "中华人民"),
     ("cp1252", "850", "Ñandú"), ("utf-8", "1252", "Ñandú"), ("utf-8", "EUC-KR", "한국"),
     ("utf-8", "EUC-JP", "日本"), ("utf-8", "macroman", "é"), ("utf-8", "mac_cyrillic", "Жук"),
     ("utf-8", "mac_latin2", "žluť")],
)  # fmt: skip
def test_text_is_the_same_and_as_wide_as_it_needs(
    tmp_path: Path, source: str, target: str, text: str
) -> None:
    path = layer(tmp_path / "in", source, text, "a", cpg=source.encode())
    outcome = recoded(path, f"! recode --encoding {target}")
    assert outcome.status == "done", outcome.reason
    sink = Path(outcome.sinks[0].path)
    header = read_header(make.source(sink))
    assert header.encoding_from in ("cpg", "ldid")
    assert header.fields[0].width >= len(text.encode(header.encoding))
    assert list(pyogrio.read_dataframe(sink).iloc[:, 0]) == [text, "a"]


def test_a_layer_without_text_gets_names_in_the_encoding(tmp_path: Path) -> None:
    dbf = make.dbf_bytes([("größe".encode("cp1252"), "N", 4, 0)], [(b"   1",)] * 3, ldid=0x57)
    path = make.write(tmp_path, dbf=dbf, cpg=None)
    sink = Path(recoded(path).sinks[0].path)
    assert sink.with_suffix(".dbf").read_bytes()[32:43] == "größe".encode().ljust(11, b"\0")
    assert list(pyogrio.read_dataframe(sink).columns) == ["größe", "geometry"]


def test_a_name_that_becomes_too_long_is_cut_at_a_character_and_told(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "gbk", "中国", name="人口总数量", cpg=b"GBK")
    outcome = recoded(path)
    assert outcome.status == "done", outcome.reason
    (name,) = read_header(make.source(Path(outcome.sinks[0].path))).field_names()
    assert "人口总数量".startswith(name)
    assert any("人口总数量" in note for note in outcome.notes)


def test_steps_after_it_read_the_text(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "cp1251", "Жук", "Лев", cpg=b"1251")
    outcome = recoded(path, "! recode ! filter --where \"NAME = 'Жук'\"")
    assert list(pyogrio.read_dataframe(outcome.sinks[0].path)["NAME"]) == ["Жук"]


def test_text_that_the_encoding_lacks_fails(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "utf-8", "中国", cpg=b"UTF-8")
    outcome = recoded(path, "! recode --encoding cp1252")
    assert outcome.status == "failed"
    assert "中国" in str(outcome.reason)


def test_refusals(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "utf-8", "a")
    with pytest.raises(PlanError, match="there is no encoding 'klingon'"):
        recoded(path, "! recode --encoding klingon")


def test_the_same_encoding_changes_nothing(tmp_path: Path) -> None:
    path = layer(tmp_path / "in", "utf-8", "é", cpg=b"UTF-8")
    sink = Path(recoded(path).sinks[0].path)
    assert sink.with_suffix(".dbf").read_bytes() == path.with_suffix(".dbf").read_bytes()
