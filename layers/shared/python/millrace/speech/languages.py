"""The language of a text, as far as its script shows, and the best match among an engine's languages.

Tags are BCP 47. Matching uses CLDR's language distances, so that `zh` finds `cmn`, `no` finds `nb` and
`de-DE` finds `de` (https://unicode.org/reports/tr35/#LanguageMatching).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,6}")
_FARTHEST_VARIETY, _FARTHEST_LANGUAGE = 60, 10
"""Maximum CLDR distances. Within one language, `zh-TW` still finds `cmn` (54).

Between languages, `no` finds `nb` (1), but Breton does not find French (20), because the distance is about
readers and not about sound.
"""

# The first word of a letter's Unicode name is its script. A script of many languages stands for the one with
# most readers; letters that only others use identify those.
_SCRIPTS = {
    "ARABIC": "ar",
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "BOPOMOFO": "zh",
    "CHEROKEE": "chr",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "bo",
}
_TELLING = {
    "ar": (("ur", "ٹڈڑںےہ"), ("fa", "پچژگکی")),
    "ru": (("uk", "іїєґІЇЄҐ"), ("be", "ўЎ"), ("sr", "ђћџЂЋЏ"), ("mk", "ѓќѕЃЌЅ")),
}
# A single character is a word in these.
_SYLLABIC = frozenset({"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "BOPOMOFO"})
# The languages of scripts that are used by more than one.
_WRITTEN_IN = {
    "ARABIC": {"ar", "fa", "ur", "ps", "sd", "ug", "ku"},
    "CJK": {"zh", "cmn", "yue", "hak", "wuu", "ja", "ko"},
    "CYRILLIC": {"ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "tt", "ba", "cv", "mn", "tg", "nog"},
    "DEVANAGARI": {"hi", "mr", "ne", "kok", "sa"},
    "BENGALI": {"bn", "as", "bpy"},
    "ETHIOPIC": {"am", "ti"},
    "GREEK": {"el", "grc"},
    "MYANMAR": {"my", "shn"},
}


def language_of(text: str, usual: str) -> str:
    """Return the language of a text: `usual`, unless it has letters of another script.

    One foreign word is enough, because a voice of its language can also read Latin letters, but not vice
    versa. Letters of a script that `usual` is written in (Kanji in Japanese) do not change it.
    """
    if text.isascii():
        return usual
    scripts = _scripts_of_words(text)
    if scripts["HIRAGANA"] or scripts["KATAKANA"]:
        del scripts["CJK"]  # Kana with Han characters is Japanese
    foreign = [script for script, _ in scripts.most_common() if not _is_written_in(usual, script)]
    return _language(foreign[0], text) if foreign else usual


def foreign_languages(text: str, usual: str) -> set[str]:
    """Return the languages other than `usual` that the scripts in a whole text require."""
    lines = [] if text.isascii() else [line for line in text.splitlines() if not line.isascii()]
    return {language_of(line, usual) for line in lines} - {usual}


def _scripts_of_words(text: str) -> Counter[str]:
    """Count the letters of each script in words.

    A single letter is a symbol, as in "10 Ω", unless the script writes words with one character.
    """
    found: Counter[str] = Counter()
    before = ""
    for character in text:
        if unicodedata.category(character)[0] == "M":
            continue  # a mark belongs to the preceding letter
        script = _script(character)
        if script and (script == before or script in _SYLLABIC):
            found[script] += 1
        before = script
    return found


def _script(character: str) -> str:
    if character.isascii() or not character.isalpha():
        return ""
    script = _script_name(character)
    return script if script in _SCRIPTS else ""


@lru_cache(4096)
def _script_name(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _is_written_in(language: str, script: str) -> bool:
    primary = language.partition("-")[0].lower()
    return primary in _WRITTEN_IN.get(script, ()) or primary == _SCRIPTS[script]


def _language(script: str, text: str) -> str:
    language = _SCRIPTS[script]
    for other, telling in _TELLING.get(language, ()):
        if not set(telling).isdisjoint(text):
            return other
    return language


def closest(wanted: str, available: Iterable[str]) -> str | None:
    """Return the tag of `available` that is closest to `wanted`, or None if none is the same language."""
    tags = tuple(available)
    exact = next((tag for tag in tags if tag.lower() == wanted.lower()), None)
    return exact or (_closest(wanted, tags) if TAG.fullmatch(wanted) else None)


@lru_cache(1024)
def _closest(wanted: str, available: tuple[str, ...]) -> str | None:
    import langcodes  # takes 40 ms, which speech in the voice's own language need not wait for

    if not (primary := _primary(wanted)):
        return None
    same = [tag for tag in available if _primary(tag) == primary]
    related = [tag for tag in available if _primary(tag)]
    for tags, farthest in ((same, _FARTHEST_VARIETY), (related, _FARTHEST_LANGUAGE)):
        found, _ = langcodes.closest_match(wanted, tags, max_distance=farthest)
        if found != "und":
            return str(found)
    return None


@lru_cache(1024)
def _primary(tag: str) -> str:
    """Return the language of a tag as CLDR groups it (`zh` for `cmn`), or "" for an invalid tag."""
    import langcodes

    try:
        return str(langcodes.standardize_tag(tag, macro=True).partition("-")[0])
    except ValueError:  # such as espeak's "piqd"
        return ""
