"""What encoding bytes are in, where nothing tells: each that can be is read and weighed.

A text in the wrong encoding betrays itself: letters of two scripts in one
word, capitals inside of words, symbols and box drawing between letters,
letters that no language has together. Letters that a language writes are
weighed by how common they are in it; of double-byte encodings the common
characters stand in blocks of their own (GB 2312 level 1, Big5 level 1, JIS
X 0208 level 1 and kana, KS X 1001 Hangul).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import exp

__all__ = [
    "CANDIDATES",
    "DOUBLE_BYTE",
    "Weighed",
    "is_implausible",
    "tokens_of",
    "weigh",
    "words_decode",
]

#: Words that are weighed; a place name more or less decides nothing after that.
WORDS = 600
#: Share of words that must be readable: a text may be cut within its last character.
READABLE = 0.9

#: Letters beside a to z that languages write, the common ones first.
ALPHABETS = {
    "de": "üäößÜÖÄ", "fr": "éèêàôçâîïûëùœÉÈÀÂÎÇŒ", "es": "óíáñéúÁÑÍÓÉÚü¿¡",
    "pt": "ãáçéíóõêâúôàÁÉÍÓÂ", "it": "àèòùéìÀÈ", "nordic": "øåäöæØÅÄÖÆéü",
    "is": "áðéíóúýþæöÁÍÓÚÞÖÆ", "pl": "łóąśężćńźŁŚŻĆÓŹ", "cs": "áíéěřčžýšůúňťďóŘČŠŽÚÁ",
    "sk": "áíéčľžýšúôäňťďóĽČŠŽÚ",
    "hu": "áéöóőüíúűÁÉÖÓŐÜÍÚŰ", "ro": "ăâîşţșțÂÎŞŢȘȚ", "hr": "čćžšđČĆŽŠĐ",
    "tr": "ıüşçöğİŞÇÖĞÜâ", "lt": "ėšžūųčįąęŠŽČĖŪ", "lv": "āīēšļņūžķģčĀĪĒŠŪŽĶĢ", "et": "äõöüšžÕÄÖÜ",
    "vi": "àáâãèéêìíòóôõùúýăđĩũơưĐ",
    "ru": "оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "uk": "оаниівтеркслумдпзьбягйчєхїцжшюфщґ",
    "bg": "аоиентрсвлкдпмзгбуъчщхцйшжяюфь", "sr": "аоиенрсјтвкудмлпзгбчшжљњхцћђфџ",
    "el": "ασοιτεηρνκλπμυγχθωδφάίόέβςήύξζώψϊΐ",
    "he": "יולהמאתרבנקשגחעדזסטפכםןץףך", "ar": "البيرومنةتدسعهحقكجفشخطىصزغذضئآإأثظؤء",
    "fa": "یکپچگاندرسهمو", "th": "านรงกอมลวเดยทบสตหพคแจปขไศชผใโณถซธญภฝฟฉฐฎฏฑฒฬฤฮฆ่้์็ีัิุูืะำโ",
}  # fmt: skip
#: Signs that stand between or around words of any language.
SIGNS = "–—‘’“”„‚«»‹›°…·•№§®©™€£´`ºª²³¼½¾×±¡¿，。、（）「」：；－・　〜～々／"

#: Encodings of shapefiles, the likelier of two that give the same text first.
CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874",
    "gbk", "big5", "cp932", "cp949", "euc_jp", "iso8859-2", "iso8859-5", "iso8859-7", "koi8-r",
    "cp866", "cp850", "cp852", "cp437", "cp857", "cp737", "cp775", "mac_roman",
)  # fmt: skip
#: What most files without a hint are in.
COMMONEST = "cp1252"
#: Encodings that DOS wrote, and others that few write: something must speak for them.
RARE = {
    "cp437", "cp850", "cp852", "cp857", "cp737", "cp775", "mac_roman", "iso8859-5", "koi8-r",
}  # fmt: skip
#: Encodings of two bytes a character, and which of those below they are like.
DOUBLE_BYTE = {
    "gbk": "gbk", "gb2312": "gbk", "gb18030": "gbk", "cp936": "gbk", "hz": "gbk",
    "big5": "big5", "cp950": "big5", "big5hkscs": "big5", "cp932": "cp932", "shift_jis": "cp932",
    "cp949": "cp949", "euc_kr": "cp949", "euc_jp": "euc_jp",
}  # fmt: skip
#: Bytes of the first half of the common characters of an encoding.
_COMMON = {
    "gbk": re.compile(rb"[\xb0-\xd7][\xa1-\xfe]"),
    "big5": re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]"),
    "cp932": re.compile(rb"[\x82\x83][\x40-\xfc]|[\x88-\x97][\x40-\xfc]"),
    "cp949": re.compile(rb"[\xb0-\xc8][\xa1-\xfe]"),
    "euc_jp": re.compile(rb"[\xa4\xa5][\xa1-\xfe]|[\xb0-\xcf][\xa1-\xfe]"),
}
#: What codecs call bytes that end within a character.
_CUT = ("incomplete multibyte sequence", "unexpected end of data")
_TORN = re.compile("[^\x00-\x7f][a-z]|[a-z][^\x00-\x7f]")
#: Control characters stand between words, as blanks do.
_BLANK = bytes.maketrans(bytes(range(0x20)), b" " * 0x20)


@dataclass(frozen=True, slots=True)
class Weighed:
    """An encoding that the bytes can be in.

    Attributes
    ----------
    codec : str
    score : float
        -4 to 1: how much the text is like one.
    text : str
        The words, decoded.
    """

    codec: str
    score: float
    text: str


def tokens_of(parts: Iterable[bytes]) -> list[bytes]:
    """Different words with bytes above 127, the first of them; parts end where words end."""
    found: dict[bytes, None] = {}
    for part in parts:
        if part.isascii():
            continue
        words = dict.fromkeys(part.translate(_BLANK).split())
        found |= dict.fromkeys(word for word in words if not word.isascii())
        if len(found) >= WORDS:
            break
    return [*found][:WORDS]


def words_decode(words: list[bytes], codec: str) -> bool:
    """Whether words can be in an encoding, all but a few that are broken."""
    return not words or readable_share(words, codec) >= READABLE


def readable_share(words: list[bytes], codec: str) -> float:
    """Share of words that can be in an encoding; 0 where no character of one is in it.

    A word that is cut within its last character counts where it has another
    beside ASCII: one accent at its end is a cut character in many encodings.
    """
    decoded = [_decoded(word, codec) for word in words]
    good = sum(text is not None and not text.isascii() for text in decoded)
    return good / max(1, good + decoded.count(None))


def weigh(words: list[bytes], codecs: Iterable[str] = CANDIDATES) -> list[tuple[str, float]]:
    """Encodings that words can be in, likeliest first, each with its share of the likelihood.

    Two encodings that give the same text are one, under the first name.
    """
    weighed: dict[str, Weighed] = {}
    for codec in codecs:
        found = _weighed(words, codec)
        if found is not None and found.text not in weighed:
            weighed[found.text] = found
    ranked = sorted(weighed.values(), key=lambda w: -w.score)
    if not ranked:
        return []
    # Ten different words tell about as much as there is to tell.
    sharpness = 3.0 + 9.0 * min(1.0, len(words) / 10)
    odds = [exp(sharpness * (w.score - ranked[0].score)) for w in ranked]
    # Words that look like nothing are sure of nothing, however much worse all others are.
    faith = 1 / (1 + exp(-6 * (ranked[0].score - 0.1)))
    return [(w.codec, faith * o / sum(odds)) for w, o in zip(ranked, odds, strict=True)]


def is_implausible(words: list[bytes], codec: str) -> bool:
    """Whether words, read in an encoding, are hardly text."""
    found = _weighed(words, codec)
    return found is None or found.score < 0


def _weighed(words: list[bytes], codec: str) -> Weighed | None:
    decoded = [_decoded(word, codec) for word in words]
    texts = [t for t in decoded if t is not None]
    if len(texts) < READABLE * len(words) or not texts:
        return None
    text = " ".join(texts)
    if codec in DOUBLE_BYTE:
        score = _double_byte(words, text, DOUBLE_BYTE[codec]) - _cut(words, codec)
    else:
        score = _single_byte(texts)
    return Weighed(codec, score - 0.12 * (codec in RARE) + 0.05 * (codec == COMMONEST), text)


@lru_cache(maxsize=1 << 15)
def _decoded(word: bytes, codec: str) -> str | None:
    """A word, without a character that was cut at its end; None where it cannot be read."""
    try:
        return word.decode(codec)
    except UnicodeDecodeError as error:
        cut = error.start >= len(word) - 3 and error.start > 0 and error.reason in _CUT
        return word[: error.start].decode(codec) if cut else None
    except UnicodeError:
        return None


def _double_byte(words: list[bytes], text: str, codec: str) -> float:
    """Share of common characters; kana and Hangul speak for their own."""
    wide = [c for c in text if ord(c) > 0x7F]
    if not wide:
        return -1.0
    common = sum(len(_COMMON[codec].findall(word)) for word in words)
    half = sum("\uff61" <= c <= "\uff9f" for c in wide)  # half-width kana: any byte is one
    strange = sum(unicodedata.category(c) in ("Co", "Cn", "Cc") for c in wide)
    signs = sum(c in SIGNS for c in wide)
    # A letter that was taken for half of a character leaves the rest of its word behind.
    torn = len(_TORN.findall(text))
    share = (min(common + signs, len(wide)) - half - torn - 3 * strange) / len(wide)
    # Hangul stands in the first half of what are common characters of Chinese.
    hangul = codec == "cp949" and all("가" <= c <= "힣" for c in wide)
    return share * 1.6 - 0.75 + 0.15 * hangul


def _cut(words: list[bytes], codec: str) -> float:
    """Share of words that end within a character: half of them, where bytes are no pairs."""
    return sum(len((_decoded(w, codec) or "").encode(codec)) < len(w) for w in words) / len(words)


def _single_byte(texts: list[str]) -> float:
    total, count = 0.0, 0
    letters: dict[str, int] = {}
    for text in texts:
        # Cyrillic of KOI8 is that of Windows with small and capital letters exchanged.
        total -= 0.7 * len(text) * (text[:1].islower() and text[1:].isupper())
        for i, c in enumerate(text):
            if c < "\x80":
                continue
            before = text[i - 1] if i else " "
            after = text[i + 1] if i + 1 < len(text) else " "
            count += 1
            total += _in_its_place(c, before, after)
            if c.isalpha() or unicodedata.category(c) == "Mn":
                letters[c] = letters.get(c, 0) + 1
    if not count:
        return 0.0
    return (total + _language(letters)) / count


def _in_its_place(c: str, before: str, after: str) -> float:
    """What speaks against a character between its neighbours."""
    kind = unicodedata.category(c)
    if kind in ("Cc", "Cn", "Co") or c == "\xad":
        return -4.0
    if kind[0] in "LM":
        return _letter(c, before, after)
    if c in SIGNS:
        joined = before.isalpha() and after.isalpha() and c not in "’‘´`·–-"
        return -1.0 if joined else 0.35
    return -2.0 if before.isalpha() or after.isalpha() else -1.0


def _letter(c: str, before: str, after: str) -> float:
    script = _script(c)
    against = 0.0
    for other in (before, after):
        if other.isalpha() and _script(other) != script:
            against -= 1.5
    if before.isdigit() and not after.isalpha():
        against -= 1.0
    if c.isupper() and before.islower():
        against -= 1.2
    if c.islower() and before.isupper() and after.isupper():
        against -= 0.5
    return against


@lru_cache(maxsize=4096)
def _script(c: str) -> str:
    return "LATIN" if c.isascii() else unicodedata.name(c, "?").partition(" ")[0]


def _language(letters: dict[str, int]) -> float:
    """How well letters fit the one language that they fit best."""
    return max(
        sum(count * _weights(language).get(c, _strange(c)) for c, count in letters.items())
        for language in ALPHABETS
    )


@lru_cache(maxsize=4096)
def _strange(c: str) -> float:
    """What a letter says that a language has not; of other scripts nothing is known."""
    known = ("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI")
    return -1.0 if _script(c) in known else 0.0


@lru_cache(maxsize=64)
def _weights(language: str) -> dict[str, float]:
    """1 for the most common letter of a language, down to 0.35; capitals like their small ones."""
    alphabet = ALPHABETS[language]
    found: dict[str, float] = {}
    for i, c in enumerate(alphabet):
        weight = 1.0 - 0.65 * i / len(alphabet)
        for letter in (c, c.upper() if len(c.upper()) == 1 else c):
            found.setdefault(letter, weight)
    return found
