"""Languages: detected by the script of a text, and matched with those that an engine has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.speech.languages import closest, foreign_languages, language_of

pytestmark = pytest.mark.fast

ESPEAK = (
    "en-us",
    "en-gb",
    "cmn",
    "yue",
    "fr-fr",
    "fr-be",
    "de",
    "pt",
    "pt-br",
    "nb",
    "ar",
    "he",
    "es",
    "es-419",
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("zh", "cmn"),
        ("zh-CN", "cmn"),
        ("zh-TW", "cmn"),
        ("yue", "yue"),
        ("fr", "fr-fr"),
        ("de-DE", "de"),
        ("de_DE", None),
        ("DE", "de"),
        ("en-GB", "en-gb"),
        ("en", "en-us"),
        ("no", "nb"),
        ("iw", "he"),
        ("es-MX", "es-419"),
        ("pt-BR", "pt-br"),
        ("br", None),  # a reader of Breton may read French, but a French voice does not speak Breton
        ("km", None),
        ("xx", None),
        ("en-a", None),
        ("alloy", None),
        ("", None),
    ],
)
def test_tag_finds_the_nearest_variety_of_its_language(wanted: str, found: str | None) -> None:
    assert closest(wanted, ESPEAK) == found


@given(st.text(max_size=20))
def test_any_text_may_be_asked_for(wanted: str) -> None:
    assert closest(wanted, ESPEAK) in (None, *ESPEAK)


@pytest.mark.parametrize(
    ("text", "usual", "language"),
    [
        ("Hello there.", "en", "en"),
        ("Ça va, naïve café?", "fr", "fr"),
        ("你好，世界。", "en", "zh"),
        ("Say 你 to him.", "en", "zh"),
        ("今日は良い天気", "en", "ja"),
        ("今日", "ja", "ja"),
        ("안녕하세요", "en", "ko"),
        ("مرحبا بالعالم", "en", "ar"),
        ("سلام چطوری", "en", "fa"),
        ("Привет", "de", "ru"),
        ("Привіт, як їжак?", "de", "uk"),
        ("Здравейте", "bg", "bg"),
        ("नमस्ते", "mr", "mr"),
        ("สวัสดี", "en", "th"),
        ("It has 10 Ω and 5 μm.", "en", "en"),
        ("Καλημέρα", "en", "el"),
        ("1, 2, 3!", "de", "de"),
    ],
)
def test_script_tells_the_language(text: str, usual: str, language: str) -> None:
    assert language_of(text, usual) == language


def test_whole_text_calls_for_all_its_languages() -> None:
    assert foreign_languages("Hello.\n你好。\nمرحبا بالعالم.", "en") == {"zh", "ar"}
    assert foreign_languages("Hello.", "en") == set()
