"""Sentences are synthesized one ahead of the listener."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from millrace.errors import ProviderError
from millrace.speech import ahead
from millrace.speech.ahead import Pace, spoken


class Engine:
    """Says each sentence as its own bytes, when it is let; knows who was begun and who was closed."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.closed: list[str] = []
        self.sound = b""
        self.hold = asyncio.Event()
        self.hold.set()

    async def speak(self, sentence: str) -> AsyncGenerator[bytes, None]:
        self.begun.append(sentence)
        try:
            await self.hold.wait()
            if sentence == "bad":
                raise ProviderError("the engine is out")
            yield self.sound or sentence.encode()
        finally:
            self.closed.append(sentence)


class Source:
    """Sentences, and whether they were closed."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        self.closed = False

    async def __call__(self) -> AsyncGenerator[str, None]:
        try:
            for sentence in self.sentences:
                yield sentence
        finally:
            self.closed = True


async def settle() -> None:
    """Let every task run until all wait."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_next_sentence_is_made_while_one_is_heard_and_no_more_than_that() -> None:
    engine = Engine()
    audio = spoken(engine.speak, Source("s1", "s2", "s3", "s4")())
    assert await anext(audio) == b"s1"
    await settle()
    assert engine.begun == ["s1", "s2"]
    assert await anext(audio) == b"s2"
    await settle()
    assert engine.begun == ["s1", "s2", "s3"]
    assert [chunk async for chunk in audio] == [b"s3", b"s4"]


async def test_listener_who_leaves_frees_the_engine_and_the_source() -> None:
    engine, source = Engine(), Source("s1", "s2", "s3")
    audio = spoken(engine.speak, source())
    await anext(audio)
    engine.hold.clear()
    await settle()
    await audio.aclose()
    assert engine.closed == engine.begun == ["s1", "s2"]
    assert source.closed


async def test_leaving_before_the_first_byte_frees_it_as_well() -> None:
    engine = Engine()
    engine.hold.clear()
    audio = spoken(engine.speak, Source("s1", "s2", "s3")())
    first = asyncio.create_task(anext(audio))
    await settle()
    first.cancel()
    await asyncio.wait([first])
    assert engine.closed == engine.begun == ["s1", "s2"]


async def test_error_comes_in_its_place_after_what_was_good() -> None:
    engine = Engine()
    audio = spoken(engine.speak, Source("s1", "bad", "s3")())
    assert await anext(audio) == b"s1"
    await settle()
    with pytest.raises(ProviderError):
        await anext(audio)
    assert engine.closed == engine.begun


async def test_error_of_the_source_comes_after_what_it_gave() -> None:
    async def source() -> AsyncGenerator[str, None]:
        yield "s1"
        raise ProviderError("the run has failed")

    audio = spoken(Engine().speak, source())
    assert await anext(audio) == b"s1"
    with pytest.raises(ProviderError, match="the run has failed"):
        await anext(audio)


async def test_silent_sentence_is_an_error() -> None:
    with pytest.raises(ProviderError, match="no audio"):
        await anext(spoken(Engine().speak, Source("")()))


async def test_engine_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MAX_SENTENCE_BYTES", 100)

    async def speak(sentence: str) -> AsyncGenerator[bytes, None]:
        while True:
            yield b"xx"

    with pytest.raises(ProviderError, match="did not finish"):
        async for _ in spoken(speak, Source("s1")()):
            pass


async def test_sample_cut_in_two_by_the_network_is_put_together_and_never_shifts_the_next_sentence() -> None:
    async def speak(sentence: str) -> AsyncGenerator[bytes, None]:
        for byte in sentence.encode():
            yield bytes([byte])

    audio = [chunk async for chunk in spoken(speak, Source("abcde", "fg")())]
    assert all(len(chunk) % 2 == 0 for chunk in audio)
    assert b"".join(audio) == b"abcdfg"


async def test_paid_sentence_is_begun_when_most_of_the_one_before_is_heard() -> None:
    """Half a second of sound each, a fifth of a second ahead: of four sentences one is begun at first."""
    engine = Engine()
    engine.sound = bytes(8000)
    pace = Pace(8000, ahead=0.2)
    audio = spoken(engine.speak, Source("s1", "s2", "s3", "s4")(), pace)
    begun_at: list[float] = []
    started = asyncio.get_running_loop().time()
    async for _ in audio:
        begun_at.append(asyncio.get_running_loop().time() - started)
    assert engine.begun == ["s1", "s2", "s3", "s4"]
    assert [moment >= 0.3 + 0.5 * n for n, moment in enumerate(begun_at[1:])] == [True] * 3


async def test_paid_sentences_stop_with_their_listener() -> None:
    engine = Engine()
    engine.sound = bytes(160_000)  # ten seconds
    audio = spoken(engine.speak, Source(*(f"s{n}" for n in range(100)))(), Pace(8000, ahead=1.5))
    await anext(audio)
    await settle()
    await audio.aclose()
    assert engine.begun == ["s0"]


async def test_each_sentence_that_is_through_is_told_with_its_place() -> None:
    engine, places = Engine(), []
    audio = spoken(engine.speak, Source("s1", "four", "s3")(), heard=lambda *place: places.append(place))
    assert b"".join([pcm async for pcm in audio]) == b"s1fours3"
    assert places == [("s1", 0, 2), ("four", 2, 6), ("s3", 6, 8)]
