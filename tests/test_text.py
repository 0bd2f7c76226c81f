"""Text passes GDAL byte for byte; what an encoding cannot hold is said."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shpbatch.account import Account
from shpbatch.errors import WriteError
from shpbatch.formats.text import decode, encode, name_bytes
from shpbatch.models import Field, Header

FIELD = Field("NAME", "C", 80)


def tunnelled(*values: bytes | None) -> Any:
    """Bytes as GDAL hands them over: every byte a Latin-1 character."""
    return pa.array([None if v is None else v.decode("latin-1") for v in values], pa.string())


def header(encoding: str) -> Header:
    return Header("Point", encoding=encoding)


@pytest.mark.parametrize(
    ("text", "encoding"), [("名", "ascii"), ("Ж", "cp1252"), ("😀", "gbk"), ("é", "cp1251")]
)
def test_text_that_the_encoding_lacks(text: str, encoding: str) -> None:
    with pytest.raises(WriteError, match=f"field NAME: 'a{text}' has characters that") as error:
        encode(pa.array([None, "a", "a" + text]), FIELD, header(encoding))
    assert error.value.code == "text-unencodable"
    with pytest.raises(WriteError) as error:
        name_bytes(text, encoding)
    assert error.value.code == "text-unencodable"


@pytest.mark.parametrize(("text", "size"), [("x" * 255, 255), ("é" * 128, 256), ("名" * 85, 255)])
def test_text_that_a_dbf_cannot_hold(text: str, size: int) -> None:
    with pytest.raises(WriteError, match=f"a text of {size} bytes, a .dbf holds 254") as error:
        encode(pa.array(["short", text]), FIELD, header("utf-8"))
    assert error.value.code == "text-too-long"


@pytest.mark.parametrize("name", ["ELEVENBYTES", "名前名前", "größegröß"])
def test_a_name_that_is_too_long(name: str) -> None:
    with pytest.raises(WriteError, match=r"a \.dbf holds 10") as error:
        name_bytes(name, "utf-8")
    assert error.value.code == "name-too-long"


def test_names_are_bytes_of_the_encoding() -> None:
    assert name_bytes("中文名称字", "gbk") == "中文名称字".encode("gbk")
    assert name_bytes("a:b", "utf-8") == b"a:b"


def test_the_longest_text_that_fits() -> None:
    for text in ("x" * 254, "é" * 127):
        (value,) = encode(pa.array([text]), FIELD, header("utf-8")).to_pylist()
        assert value.encode("latin-1") == text.encode()


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "cp1252", "iso8859-1", "shift_jis"])
def test_there_and_back(encoding: str) -> None:
    texts = ["plain", None, "", "plain", {"cp1252": "–é", "iso8859-1": "éÿ"}.get(encoding, "漢字")]
    raw = [None if t is None else t.encode(encoding) for t in texts]
    account = Account()
    column = decode(tunnelled(*raw), FIELD, encoding, account)
    assert column.to_pylist() == texts
    assert account.notes == {}
    back = encode(column, FIELD, header(encoding)).to_pylist()
    assert [None if b is None else b.encode("latin-1") for b in back] == raw


def test_bytes_that_the_encoding_cannot_read_are_counted() -> None:
    account = Account()
    column = decode(tunnelled(b"ok", b"\xd1o", b"\xd1o", b"\xff", None), FIELD, "utf-8", account)
    assert column.to_pylist() == ["ok", "�o", "�o", "�", None]
    assert account.notes == {"field NAME: values hold bytes that are not utf-8": 2}


def test_what_is_no_text_passes() -> None:
    numbers = pa.array([1, None], pa.int32())
    assert decode(numbers, FIELD, "gbk", Account()) is numbers
    assert encode(numbers, FIELD, header("gbk")) is numbers


@pytest.mark.parametrize("values", [[], [None], [None, None], [""]])
def test_columns_of_nothing(values: list[str | None]) -> None:
    column = pa.array(values, pa.string())
    assert decode(column, FIELD, "gbk", Account()).to_pylist() == values
    assert encode(column, FIELD, header("gbk")).to_pylist() == values


def test_chunks_are_one_column() -> None:
    chunked = pa.chunked_array([pa.array(["é"]), pa.array(["ü", "é"])])
    assert encode(chunked, FIELD, header("utf-8")).to_pylist() == ["Ã©", "Ã¼", "Ã©"]
