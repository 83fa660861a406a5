"""Limits of a speech: whatever is accepted can be finished."""

import time
from collections.abc import AsyncGenerator

import pytest

from millrace.errors import TooLarge, Unavailable
from millrace.services.speech.limits import (
    MAX_BYTES,
    check_length,
    check_size,
    check_time,
    expected_seconds,
)
from tests.speech.sound import speech_in

TEXTS = {
    "en": "Nine ships sail past the old stone bridge on a Sunday afternoon. It cost $1,234,567.89 in 2026.",
    "de": "Neun Schiffe segeln am Sonntagnachmittag an der alten Steinbrücke vorbei.",
    "zh": "今天天气很好，我们去公园散步，看到很多花。",
    "ja": "今日はとても良い天気です。公園へ散歩に行きましょう。",
    "ko": "오늘은 날씨가 아주 좋아서 공원에 산책하러 갔습니다.",
    "ar": "اليوم الطقس جميل جدا وذهبنا إلى الحديقة للتنزه.",
    "th": "วันนี้อากาศดีมากเราไปเดินเล่นในสวน",
}
PCM = 44_100


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
async def test_real_speech_is_never_longer_than_expected(language: str, speed: float) -> None:
    made = len(await speech_in(language, TEXTS[language], speed)) / PCM
    assert made <= expected_seconds(TEXTS[language], speed) <= 4 * made


def test_text_whose_pcm_would_be_cut_is_refused_with_what_fits() -> None:
    """75,000 characters were accepted as pcm, and cut by Lambda at 200 MB."""
    text = "Word by word. " * 5400
    with pytest.raises(TooLarge) as raised:
        check_length(text, 1.0, PCM, paid=False, deadline=None)
    assert raised.value.code == "speech_too_long"
    check_length(text[: raised.value.details["limit"]], 1.0, PCM, paid=False, deadline=None)
    check_length(text, 1.0, 8000, paid=False, deadline=None)  # as mp3 it fits


def test_speed_counts() -> None:
    text = "Word by word. " * 3000
    with pytest.raises(TooLarge):
        check_length(text, 0.5, PCM, paid=False, deadline=None)
    check_length(text, 2.0, PCM, paid=False, deadline=None)


def test_engine_that_speaks_as_it_is_heard_has_the_functions_time() -> None:
    text = "Word by word. " * 1000  # about 27 minutes, by the safe side
    deadline = time.monotonic() + 900
    check_length(text, 1.0, 8000, paid=False, deadline=deadline)
    with pytest.raises(TooLarge, match="Send it in parts"):
        check_length(text, 1.0, 8000, paid=True, deadline=deadline)
    check_length(text, 1.0, 8000, paid=True, deadline=None)


def test_sentences_do_not_begin_in_the_last_seconds() -> None:
    check_time(None)
    check_time(time.monotonic() + 60)
    with pytest.raises(Unavailable) as raised:
        check_time(time.monotonic() + 5)
    assert raised.value.code == "deadline"


async def test_oversized_speech_ends_with_an_error() -> None:
    size = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(50_000_000)

    async def listen() -> None:
        nonlocal size
        async for part in check_size(endless()):
            size += len(part)

    with pytest.raises(TooLarge):
        await listen()
    assert size == MAX_BYTES
