"""Summaries are requested like any answer: a busy server is asked again."""

from collections.abc import AsyncGenerator

import pytest

from millrace.agent.budget import Budget
from millrace.agent.context import compaction
from millrace.agent.context.compaction import Summarizer
from millrace.agent.model import Delta, Finish, ModelRequest, Text, Usage
from millrace.agent.model_calls import ModelCalls
from millrace.domain.agents import AgentLimits
from millrace.domain.conversations import StoredMessage
from millrace.errors import ProviderError

HISTORY = [StoredMessage("m", "user", [{"text": "My dog is called Bello."}], "")]


class Busy:
    """A model that refuses its first calls."""

    def __init__(self, *errors: ProviderError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        yield Text("The dog is called Bello.")
        yield Finish("stop", Usage(10, 5))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "wait_before_retry", lambda error, attempt: 0.0)


def summarizer(model: Busy) -> Summarizer:
    calls = ModelCalls(Budget(AgentLimits()), lambda kind, data: None)
    return Summarizer(model, "m", "openai:m", calls, 8_000)


def throttled() -> ProviderError:
    return ProviderError("Too many requests.", retryable=True, http_status=429)


async def test_throttled_summary_is_asked_for_again() -> None:
    model = Busy(throttled(), throttled())
    assert await summarizer(model).summarize("", HISTORY, 1.0) == "The dog is called Bello."
    assert model.calls == 3


async def test_summary_gives_up_after_its_tries_and_at_once_where_none_can_help() -> None:
    model = Busy(*(throttled() for _ in range(5)))
    with pytest.raises(ProviderError, match="Too many"):
        await summarizer(model).summarize("", HISTORY, 1.0)
    assert model.calls == 3
    refused = Busy(ProviderError("Bad key.", http_status=401))
    with pytest.raises(ProviderError, match="Bad key"):
        await summarizer(refused).summarize("", HISTORY, 1.0)
    assert refused.calls == 1
