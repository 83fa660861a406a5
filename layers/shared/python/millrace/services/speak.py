"""Speaking: a text, or an agent's answer while it is written, as a stream of audio."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from millrace.domain.events import LogEntry
from millrace.domain.projection import rewound_to, without_taken_back
from millrace.domain.runs import Run
from millrace.errors import InvalidRequest, NotFound, ProviderError, Unavailable
from millrace.services.runs.follow import follow, has_more
from millrace.speech.ahead import spoken
from millrace.speech.encoders import Format, encoded, format_named
from millrace.speech.engine import Engine, Voice
from millrace.speech.engines import Engines
from millrace.speech.prose import Prose
from millrace.speech.resample import Resampler, resampled
from millrace.speech.sentences import Sentences, clean, says_something, sentences_of
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last

_PAUSES = frozenset({"tool_call", "thinking", "injected"})
"""Events after which no more of the sentence is to be expected soon."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A request to speak. An empty engine selects the deployment's default. `sample_rate` (Hz) asks for
    another rate than the engine's own."""

    voice: str
    format: str
    speed: float = 1.0
    engine: str = ""
    sample_rate: int = 0


@dataclass(frozen=True, slots=True)
class Speaking:
    """An order that can be met."""

    engine: Engine
    voice: Voice
    format: Format
    speed: float
    sample_rate: int

    @property
    def language(self) -> str:
        """Of the sentences; English where the engine hears it from the text."""
        return self.voice.language or "en"

    async def audio(self, sentences: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
        """The file's bytes as they become ready. Raises `ProviderError`; closing frees the engine."""
        pcm = spoken(self._speak, sentences)
        if self.sample_rate != self.engine.sample_rate:
            pcm = resampled(pcm, Resampler(self.engine.sample_rate, self.sample_rate))
        encoder = await asyncio.to_thread(self.format.make, self.sample_rate)  # may import for half a second
        async with aclosing(encoded(pcm, encoder)) as made:
            async for part in made:
                yield part

    def _speak(self, sentence: str) -> AsyncGenerator[bytes, None]:
        return self.engine.speak(sentence, self.voice, self.speed)


async def prepare(engines: Engines, request: SpeechRequest) -> Speaking:
    """Check the whole order. Raises `InvalidRequest`, `NotImplementedHere` or `Unavailable`."""
    found = format_named(request.format)
    engine = engines.get(request.engine)
    if not engine.slowest <= request.speed <= engine.fastest:
        raise InvalidRequest(
            f"The engine {engine.name} takes a speed from {engine.slowest} to {engine.fastest}.",
            code="unsupported_speed",
        )
    voice = await engine.voice(request.voice)
    return Speaking(engine, voice, found, request.speed, request.sample_rate or engine.sample_rate)


def speak_text(speaking: Speaking, text: str) -> AsyncGenerator[bytes, None]:
    """A whole text. Raises `InvalidRequest` for one without anything to say."""
    said = clean(text)
    if not says_something(said):
        raise InvalidRequest("The text contains nothing to speak.", code="empty_text")
    return speaking.audio(_each(said, speaking.language))


async def speak_run(
    speaking: Speaking, stores: Stores, run: Run, deadline: float | None
) -> AsyncGenerator[bytes, None]:
    """An agent's answer, sentence by sentence while it is written, or from the log afterwards. Raises
    `NotFound` when the log no longer has it."""
    if not await has_more(stores, run, 0):
        raise NotFound("The run's events are no longer kept.", code="run_expired")
    return speaking.audio(_answer(stores, run, deadline, speaking.language))


async def _each(text: str, language: str) -> AsyncGenerator[str, None]:
    for sentence in sentences_of(text, language):
        yield sentence


async def _answer(
    stores: Stores, run: Run, deadline: float | None, language: str
) -> AsyncGenerator[str, None]:
    sentences, prose = Sentences(language), Prose()
    said = Said()
    async with aclosing(follow(stores, run, 0, deadline)) as batches:
        async for batch in batches:
            for event in without_taken_back(batch):
                if event.type == "rewind":
                    sentences, prose = Sentences(language), Prose()
                    said.rewind(rewound_to(event))
                for sentence in _completed(sentences, event):
                    if said.is_new(event.seq, sentence) and says_something(heard := prose.spoken(sentence)):
                        yield heard
                if is_last(event):
                    _check_end(event)
                    return
    raise Unavailable(
        "The function reached its time limit before the answer was complete; connect again.", code="deadline"
    )


class Said:
    """The sentences of an answer that have been spoken. What was said cannot be taken back, so that a step
    that is asked again is heard from where it says something else."""

    def __init__(self) -> None:
        self._said: list[tuple[int, str]] = []
        self._heard: list[str] = []

    def rewind(self, after: int) -> None:
        """The sentences after an event are void, and may come again."""
        self._heard = [sentence for seq, sentence in self._said if seq > after]
        self._said = [(seq, sentence) for seq, sentence in self._said if seq <= after]

    def is_new(self, seq: int, sentence: str) -> bool:
        """Return whether a sentence has not been heard, and note it."""
        self._said.append((seq, sentence))
        repeated = bool(self._heard) and self._heard[0] == sentence
        self._heard = self._heard[1:] if repeated else []
        return not repeated


def _completed(sentences: Sentences, event: LogEntry) -> list[str]:
    if "parent" in event.event:
        return []  # a sub-agent's words are not the answer
    if event.type == "token":
        return sentences.feed(clean(event.event["token"]))
    return sentences.end() if event.type in _PAUSES or is_last(event) else []


def _check_end(event: LogEntry) -> None:
    if event.type == "error":
        raise ProviderError(f"The run has failed: {event.event['message']}", code=event.event["code"])
