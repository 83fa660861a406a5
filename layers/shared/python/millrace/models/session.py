"""One model under test: asks it, and keeps what the server sent together with the result."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from millrace.agent.accepts import media_rules
from millrace.agent.dialects import dialect_of
from millrace.agent.emitter import Emitter
from millrace.agent.model import Delta, Message, ModelRequest, Provider, Text, Thinking, ToolSpec
from millrace.agent.turn import Turn
from millrace.domain.agents import Agent

SECONDS = 180.0
OUTPUT_TOKENS = 2048


@dataclass
class Asked:
    """An answer: the resulting turn, the deltas from the reader, and the events that a user would see."""

    turn: Turn
    deltas: list[Delta] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text that the user sees."""
        return "".join(event["token"] for event in self.events if event["type"] == "token")

    @property
    def raw(self) -> str:
        """The text as the server sent it."""
        return "".join(delta.text for delta in self.deltas if isinstance(delta, Text))

    @property
    def thought(self) -> str:
        """The thinking, from wherever it came."""
        return "".join(event["text"] for event in self.events if event["type"] == "thinking")

    @property
    def thinks_apart(self) -> bool:
        """Return whether the server itself separates thinking and text."""
        return any(isinstance(delta, Thinking) for delta in self.deltas)


class _Recorder:
    """A provider that records the deltas of another one."""

    def __init__(self, provider: Provider, deltas: list[Delta]) -> None:
        self._provider = provider
        self._deltas = deltas

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        async with aclosing(self._provider.stream(request)) as deltas:
            async for delta in deltas:
                self._deltas.append(delta)
                yield delta


class ModelSession:
    """Asks one model. `agent` has the settings of a real one; `name` is without the provider's prefix."""

    def __init__(self, provider: Provider, name: str, agent: Agent) -> None:
        self.agent = agent
        self._provider = provider
        self._name = name
        self.media = media_rules(provider)

    async def ask(self, messages: list[Message], tools: list[ToolSpec] | None = None, **more: Any) -> Asked:
        """Make one call, whose answer is in `turn`. Raises `ProviderError`, `TimeoutError`."""
        request = ModelRequest(
            self._name, self.agent.instructions, messages, tools or [], OUTPUT_TOKENS, **more
        )
        events: list[dict[str, Any]] = []
        turn = Turn(Emitter(events.append), False, dialect_of(self.agent), bool(tools))
        asked = Asked(turn, events=events)
        async with asyncio.timeout(SECONDS):
            await turn.stream(_Recorder(self._provider, asked.deltas), request)
        return asked


def user(text: str) -> Message:
    """Return a user's turn."""
    return {"role": "user", "content": [{"text": text}]}
