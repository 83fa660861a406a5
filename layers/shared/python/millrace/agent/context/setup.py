"""Creates the context of an agent's loop from the agent's settings."""

from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from millrace.agent.context.compaction import Summarizer
from millrace.agent.context.context import MOST_TOKENS, Context
from millrace.agent.context.windows import window_of
from millrace.agent.emitter import Emitter
from millrace.agent.model import Provider
from millrace.agent.model_calls import ModelCalls
from millrace.domain.agents import CODE, Agent
from millrace.domain.summaries import Summary

_WITHOUT_MODEL = ("demo:", "echo:", CODE)


class Compactor(NamedTuple):
    """The model that writes summaries: its provider, its name there, and its name with the provider's
    prefix."""

    provider: Provider
    model: str
    priced: str


class KeepsSummaries(Protocol):
    """The part of `RunControl` that is needed here."""

    most_messages: int | None

    def keep_summary(self, summary: Summary) -> Awaitable[None]: ...


def context_of(
    agent: Agent, compactor: Compactor, calls: ModelCalls, emitter: Emitter, control: KeepsSummaries
) -> Context:
    """Return the context of an agent. An agent without a language model accepts a history of any length."""
    window = agent.context_tokens or window_of(agent.model)
    own = compactor.priced == agent.model
    holds = window if own else window_of(compactor.priced)
    summarizer = Summarizer(*compactor, calls, holds or MOST_TOKENS)
    unlimited = agent.model.startswith(_WITHOUT_MODEL)
    return Context(
        window, summarizer, emitter.emit, control.keep_summary, control.most_messages, own, unlimited
    )
