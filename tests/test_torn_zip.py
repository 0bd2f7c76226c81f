"""Members of a torn zip: all that is before the bad spot, and no more than an honest one holds."""

from __future__ import annotations

import random
import zipfile
import zlib
from pathlib import Path

import pytest

from shpbatch.errors import ReadError
from shpbatch.shapefile import zips
from shpbatch.shapefile.bundle import Bundle
from shpbatch.shapefile.torn_zip import CHUNK, torn_members, unpack_torn

DIGITS = bytes(random.Random(7).choices(b"0123456789", k=400_000))


def deflated(data: bytes, end: int = zlib.Z_FULL_FLUSH) -> bytes:
    """A stream that ends, or one up to where another block begins."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush(end)


def bundle(folder: Path, method: int = zipfile.ZIP_DEFLATED, /, **streams: bytes) -> Bundle:
    """A layer in a zip with members that are these packed bytes, whatever their checksums."""
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for extension, stream in streams.items():
            archive.writestr(f"a.{extension}", stream)
            archive.filelist[-1].compress_type = method
    return Bundle(str(folder / "a.zip"), {e: f"a.{e}" for e in streams}, zipped=True)


@pytest.mark.parametrize("size", [10, 1000, 131_071, 131_072, 131_073, 400_000])
@pytest.mark.parametrize("behind", [b"", b"\x07" + bytes(9), b"\x07" + bytes(200_000)])
def test_all_before_the_bad_spot_is_unpacked(size: int, behind: bytes, tmp_path: Path) -> None:
    """A call of zlib that raises gives nothing of what it unpacked; no block begins with 7."""
    torn = bundle(tmp_path, dbf=deflated(DIGITS[:size]) + behind)
    unpack_torn(torn, "dbf", tmp_path / "dbf")
    assert (tmp_path / "dbf").read_bytes() == DIGITS[:size]


@pytest.mark.parametrize("more", [0, 1, 100, 250])
def test_what_zlib_holds_back_at_the_end_is_unpacked(more: int, tmp_path: Path) -> None:
    whole = bytes(CHUNK + more)
    torn = bundle(tmp_path, dbf=deflated(whole, zlib.Z_FINISH))
    unpack_torn(torn, "dbf", tmp_path / "dbf")
    assert (tmp_path / "dbf").read_bytes() == whole


def test_no_more_is_unpacked_to_find_what_is_torn_than_an_honest_zip_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "SMALL", 1 << 20)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.shp", b"whole")
        archive.writestr("a.sbn", bytes(2 << 20))
    layer = Bundle(str(path), {"shp": "a.shp", "sbn": "a.sbn"}, zipped=True)
    assert torn_members(layer, ("shp", "dbf")) == []
    with pytest.raises(ReadError) as caught:
        torn_members(layer, ("shp", "sbn"))
    assert caught.value.code == "zip-bomb"
