"""How much text is like a language: letters in their places, and how common they are in it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["ALPHABETS", "SIGNS", "letters_score"]

#: Letters beside a to z that languages write, the common ones first.
ALPHABETS = {
    "de": "üäößÜÖÄ", "fr": "éèêàôçâîïûëùœÉÈÀÂÎÇŒ", "es": "óíáñéúÁÑÍÓÉÚü¿¡",
    "pt": "ãáçéíóõêâúôàÁÉÍÓÂ", "it": "àèòùéìÀÈ", "nordic": "øåäöæØÅÄÖÆéü",
    "is": "áðéíóúýþæöÁÍÓÚÞÖÆ", "fo": "øáíðúýóæØÁÍÐÚÝÓÆ", "sq": "çëÇË",
    "nl": "éèöüïáçëâË", "pl": "łóąśężćńźŁŚŻĆÓŹ", "cs": "áíéěřčžýšůúňťďóŘČŠŽÚÁ",
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


def letters_score(texts: list[str]) -> float:
    """-4 to 1: how much words of an alphabet are like those of one language."""
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
