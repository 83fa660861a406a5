"""An agent's answer, spoken while it is written, or from the log afterwards."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from millrace.domain.events import LogEntry
from millrace.domain.projection import rewound_to, without_taken_back
from millrace.domain.runs import Run
from millrace.errors import Conflict, NotFound, ProviderError, Unavailable
from millrace.services.runs.follow import follow, has_more
from millrace.speech.prose import Prose
from millrace.speech.sentences import LONGEST, clean
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last

_PAUSES = frozenset({"tool_call", "thinking", "injected", "waiting"})
"""Events after which the rest of a sentence will not follow soon."""


async def sentences_of_run(
    stores: Stores, run: Run, deadline: float | None, language: str = "en", longest: int = LONGEST
) -> AsyncGenerator[str, None]:
    """Return the sentences of an agent's answer as it is written.

    Raises `NotFound` if the log does not have it any more.
    """
    if not await has_more(stores, run, 0):
        raise NotFound("The run's events have expired.", code="run_expired")
    return _answer(stores, run, deadline, partial(Prose, language, longest))


async def _answer(
    stores: Stores, run: Run, deadline: float | None, new_prose: Callable[[], Prose]
) -> AsyncGenerator[str, None]:
    prose, said, waits = new_prose(), Said(), False
    async with aclosing(follow(stores, run, 0, deadline)) as batches:
        async for batch in batches:
            waits = batch[-1].type == "waiting"
            for event in without_taken_back(batch):
                if event.type == "rewind":
                    prose = new_prose()
                    said.rewind(rewound_to(event))
                for sentence in _completed(prose, event):
                    if said.is_new(event.seq, sentence):
                        yield sentence
                if is_last(event):
                    _check_end(event)
                    return
    if waits:
        raise Conflict(
            "The agent is waiting for people; connect again when it continues.", code="run_waiting"
        )
    raise Unavailable(
        "The function reached its time limit before the answer was complete; connect again.", code="deadline"
    )


class Said:
    """The sentences of an answer that have been spoken.

    Speech cannot be revoked, so a repeated step is spoken only from where it differs.
    """

    def __init__(self) -> None:
        self._said: list[tuple[int, str]] = []
        self._heard: list[str] = []

    def rewind(self, after: int) -> None:
        """Void the sentences after an event, which may be repeated."""
        self._heard = [sentence for seq, sentence in self._said if seq > after]
        self._said = [(seq, sentence) for seq, sentence in self._said if seq <= after]

    def is_new(self, seq: int, sentence: str) -> bool:
        """Record a sentence, and return whether it has not been heard."""
        self._said.append((seq, sentence))
        repeated = bool(self._heard) and self._heard[0] == sentence
        self._heard = self._heard[1:] if repeated else []
        return not repeated


def _completed(prose: Prose, event: LogEntry) -> list[str]:
    if "parent" in event.event:
        return []  # a sub-agent's text is not the answer
    if event.type == "token":
        return prose.feed(clean(event.event["token"]))
    return prose.end() if event.type in _PAUSES or is_last(event) else []


def _check_end(event: LogEntry) -> None:
    if event.type == "error":
        raise ProviderError(f"The run has failed: {event.event['message']}", code=event.event["code"])
