"""Names of encodings: what a ``.cpg`` may say, the language bytes of dBASE."""

from __future__ import annotations

import codecs
import re

__all__ = ["LDID", "LDID_OF", "SUPERSET", "codec_of_cpg", "cpg_of_codec"]

#: dBASE language driver identifiers (header byte 29) and codecs, by their names in Python.
LDID = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x04: "mac-roman", 0x08: "cp865",
    0x09: "cp437", 0x0A: "cp850", 0x0B: "cp437", 0x0D: "cp437", 0x0E: "cp850",
    0x0F: "cp437", 0x10: "cp850", 0x11: "cp437", 0x12: "cp850", 0x13: "cp932",
    0x14: "cp850", 0x15: "cp437", 0x16: "cp850", 0x17: "cp865", 0x18: "cp437",
    0x19: "cp437", 0x1A: "cp850", 0x1B: "cp437", 0x1C: "cp863", 0x1D: "cp850",
    0x1F: "cp852", 0x22: "cp852", 0x23: "cp852", 0x24: "cp860", 0x25: "cp850",
    0x26: "cp866", 0x37: "cp850", 0x40: "cp852", 0x4D: "gbk", 0x4E: "cp949",
    0x4F: "cp950", 0x50: "cp874", 0x57: "cp1252", 0x58: "cp1252", 0x59: "cp1252",
    0x64: "cp852", 0x65: "cp866", 0x66: "cp865", 0x67: "cp861", 0x6A: "cp737",
    0x6B: "cp857", 0x78: "cp950", 0x79: "cp949", 0x7A: "gbk", 0x7B: "cp932",
    0x7C: "cp874", 0x7D: "cp1255", 0x7E: "cp1256", 0x86: "cp737", 0x87: "cp852",
    0x88: "cp857", 0x96: "mac-cyrillic", 0x97: "mac-latin2", 0x98: "mac-greek",
    0xC8: "cp1250", 0xC9: "cp1251", 0xCA: "cp1254", 0xCB: "cp1253", 0xCC: "cp1257",
}  # fmt: skip

#: Codecs of Python that no .dbf is in.
_UNFIT = {
    "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "undefined",
    "idna", "punycode", "unicode_escape", "unicode-escape", "raw_unicode_escape",
    "raw-unicode-escape",
}  # fmt: skip

#: The other way round: the first byte that names a codec, 0x57 for cp1252.
LDID_OF = {codec: ldid for ldid, codec in reversed(LDID.items())} | {"cp1252": 0x57}

#: What every browser, iconv of GDAL's and ESRI take a label for: the encoding of Windows that has
#: more characters (WHATWG Encoding Standard).
SUPERSET = {
    "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030",
    "euc_kr": "cp949", "big5": "cp950", "iso8859-1": "cp1252", "iso8859-9": "cp1254",
    "tis-620": "cp874", "iso8859-11": "cp874", "ascii": "cp1252",
}  # fmt: skip
#: Code pages of Windows that Python has under another name.
_PAGES = {
    "65001": "utf-8", "20866": "koi8-r", "21866": "koi8-u", "51932": "euc_jp", "51949": "euc_kr",
    "20936": "gb2312", "54936": "gb18030", "1361": "johab", "10000": "mac-roman",
    "10006": "mac-greek", "10007": "mac-cyrillic", "10029": "mac-latin2", "10081": "mac-turkish",
    "20127": "ascii", "28600": "iso8859-10",
} | {str(28590 + n): f"iso8859-{n}" for n in (*range(1, 10), 13, 15)}  # fmt: skip
#: Spellings that no rule gives.
_SPELLINGS = {
    "windows-31j": "cp932", "x-sjis": "cp932", "ksc_5601": "cp949", "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso8859-8", "macintosh": "mac-roman", "x-mac-cyrillic": "mac-cyrillic",
}  # fmt: skip
#: What iconv, through which GDAL reads text, calls codecs whose names in Python it does not know.
_ICONV = {
    "utf-8": "UTF-8", "euc_kr": "EUC-KR", "euc_jp": "EUC-JP", "euc_jisx0213": "EUC-JISX0213",
    "iso2022_jp": "ISO-2022-JP", "iso2022_jp_2": "ISO-2022-JP-2", "iso2022_kr": "ISO-2022-KR",
    "kz1048": "RK1048", "ptcp154": "PT154", "mac-roman": "MACINTOSH",
    "mac-cyrillic": "MACCYRILLIC", "mac-greek": "MACGREEK", "mac-turkish": "MACTURKISH",
    "mac-iceland": "MACICELAND", "mac-latin2": "MAC-CENTRALEUROPE",
}  # fmt: skip
_PAGE = re.compile(r"(?:ansi|(?:x-)?windows|win|cp|oem|ibm|ms|dos)?[-_ ]?(\d{3,5})")


def codec_of_cpg(text: str) -> str | None:
    """Python codec of a ``.cpg``: ``936``, ``88591``, ``Big-5``, ``ANSI 1250``, ``LDID/87``….

    Returns None for what names no encoding of bytes (a web page, UTF-16).
    """
    lines = text.strip().strip("\ufeff\0").splitlines()
    name = lines[0].strip().lower() if lines else ""
    if not name or len(name) > 40:
        return None
    if ldid := re.fullmatch(r"ldid/(\d{1,3})", name):
        return LDID.get(int(ldid[1]))
    name = re.sub(r"^koi8[-_ ]?([ru])$", r"koi8-\1", _SPELLINGS.get(name, name))
    if iso := re.fullmatch(r"(?:iso)?[-_ ]?8859[-_ ]?(\d{1,2})", name):
        name = f"iso8859-{iso[1]}"
    elif page := _PAGE.fullmatch(name):
        name = _PAGES.get(page[1], f"cp{page[1]}")
    for spelling in (name, name.replace("-", ""), name.replace(" ", "")):
        try:
            codec = codecs.lookup(spelling)
        except (LookupError, ValueError):
            continue
        if codec.name == "utf-8-sig":  # its mark begins a file, not each text
            return "utf-8"
        unfit = codec.name in _UNFIT or not codec._is_text_encoding
        return None if unfit else codec.name
    return None


def cpg_of_codec(codec: str) -> str:
    """What a ``.cpg`` says of a codec, for GDAL to understand it."""
    return _ICONV.get(codec, codec)
