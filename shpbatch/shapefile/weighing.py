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

from .letters import SIGNS, letters_score

__all__ = [
    "CANDIDATES",
    "COMMONEST",
    "DOUBLE_BYTE",
    "Rival",
    "Weighed",
    "readable_share",
    "rival_of",
    "tokens_of",
    "weigh",
    "words_decode",
]

#: Words that are weighed; a place name more or less decides nothing after that.
WORDS = 600
#: Share of words that must be readable: a text may be cut within its last character.
READABLE = 0.9
#: Score from which on nothing else can be much better, and one of characters that are pairs.
PLAIN, PLAIN_PAIRS = 0.8, 0.65
#: Words after which encodings are left out that are this far behind.
GLANCE, NEAR = 8, 0.5
#: By how much another encoding must score higher than that of a label, if many words tell it, how
#: much more if one does, and if one byte does. Of 200 texts that are labelled rightly, less than
#: one is beyond.
LEAD, LEAD_OF_WORD, LEAD_OF_SIGN = 0.08, 0.3, 0.75
#: Bytes above 127 from which on less speaks against a label that says little.
FEW = 3

#: Encodings of shapefiles, the likelier of two that give the same text first.
CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874",
    "gbk", "big5", "cp932", "cp949", "euc_jp", "iso8859-2", "iso8859-5", "iso8859-7", "koi8-r",
    "cp866", "cp850", "cp852", "cp437", "cp857", "cp737", "cp775", "mac-roman", "koi8-u", "cp862",
    "cp860", "cp861", "cp863", "cp865", "mac-cyrillic",
)  # fmt: skip
#: What most files without a hint are in.
COMMONEST = "cp1252"
#: Encodings that DOS wrote, and others that few write: something must speak for them, and most for
#: those of one country, whose neighbours' have the same letters.
RARE = dict.fromkeys(
    ("cp437", "cp850", "cp852", "cp857", "cp737", "cp775", "mac-roman", "iso8859-5", "koi8-r"), 0.12
) | dict.fromkeys(("koi8-u", "cp862", "cp860", "cp861", "cp863", "cp865", "mac-cyrillic"), 0.18)
#: Encodings of two bytes a character, and which of those below they are like.
DOUBLE_BYTE = {
    "gbk": "gbk", "gb2312": "gbk", "gb18030": "gbk", "hz": "gbk",
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


@dataclass(frozen=True, slots=True)
class Rival:
    """An encoding that text is more like than like what a label says.

    Attributes
    ----------
    codec : str
    clear : bool
        By so much that hardly any text is rightly labelled.
    implausible : bool
        What the label says is hardly text at all.
    """

    codec: str
    clear: bool
    implausible: bool


def rival_of(words: list[bytes], said: str, doubted: bool = False) -> Rival | None:
    """The encoding that speaks against a label; None where the label is plausible.

    Parameters
    ----------
    words : list of bytes
    said : str
        What the label says.
    doubted : bool
        The label says little, so that a quarter of a clear lead speaks against it.
    """
    own = _weighed(words, said)
    # That few write an encoding says nothing where a label names it.
    score = -4.0 if own is None else own.score - min(0.0, _prior(said))
    if score >= (PLAIN_PAIRS if said in DOUBLE_BYTE else PLAIN) and not doubted:
        return None
    best = _likest(words, said)
    if best is None or (own and own.text == best.text):
        return None
    lead, clear = best.score - score, _clear_lead(words)
    if lead <= (clear / 4 if doubted and _signs(words) >= FEW else clear):
        return None
    return Rival(best.codec, lead > clear, score < 0)


def _likest(words: list[bytes], said: str) -> Weighed | None:
    """The encoding beside a label's that scores best: of those that do after a glance."""
    others = [c for c in CANDIDATES if c != said]
    glanced = [w for c in others if (w := _weighed(words[:GLANCE], c))]
    least = max((w.score for w in glanced), default=0.0) - NEAR
    found = [w for g in glanced if g.score >= least and (w := _weighed(words, g.codec))]
    return max(found, key=lambda w: w.score, default=None)


def _clear_lead(words: list[bytes]) -> float:
    """By how much another encoding must score higher: one letter says little, two say more."""
    of_signs = LEAD_OF_SIGN / max(1, _signs(words)) ** 2
    return LEAD + max(LEAD_OF_WORD / max(1, len(words)), of_signs)


def _signs(words: list[bytes]) -> int:
    return sum(byte > 0x7F for word in words for byte in word)


def _weighed(words: list[bytes], codec: str) -> Weighed | None:
    decoded = [_decoded(word, codec) for word in words]
    texts = [t for t in decoded if t is not None]
    if len(texts) < READABLE * len(words) or not texts:
        return None
    text = " ".join(texts)
    if codec in DOUBLE_BYTE:
        score = _double_byte(words, text, DOUBLE_BYTE[codec]) - _cut(words, codec)
    else:
        score = letters_score(texts)
    return Weighed(codec, score + _prior(codec), text)


def _prior(codec: str) -> float:
    return 0.05 * (codec == COMMONEST) - RARE.get(codec, 0.0)


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
