"""A scripted model, and conversations with it on the emulated AWS."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.agent.model import Delta, Finish, ModelRequest, Provider, Text, ToolCall, Usage
from millrace.domain.access import Principal
from millrace.domain.agents import CODE, Agent
from millrace.domain.content import Content
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import LogEntry
from millrace.services.mcp_secrets import McpSecrets
from millrace.services.runs.launch import send_and_launch
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import HttpClients, Platform
from millrace.services.runs.run_session import RunSession
from millrace.settings import Settings
from millrace.stores.connect import Stores

Turn = Sequence[Delta | Callable[[], Awaitable[None]]]
"""What a model says, and what happens meanwhile."""


class Scripted(Models):
    """Every agent's model, but for agents in code: its calls get these turns, one each, then a word."""

    def __init__(self, settings: Settings, turns: Sequence[Turn]) -> None:
        super().__init__(settings, lambda: None)  # type: ignore[arg-type,return-value]
        self.turns = list(turns)
        self.requests: list[ModelRequest] = []

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        return super().provider_for(agent) if agent.model.startswith(CODE) else (self, "scripted")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        turn = self.turns.pop(0) if self.turns else says("ok")
        for delta in turn:
            if callable(delta):
                await delta()
            else:
                yield delta
        calls = any(isinstance(delta, ToolCall) for delta in turn)
        yield Finish("tool_use" if calls else "stop", Usage(1, 1))


def says(*tokens: str) -> list[Delta]:
    """A turn that answers with these tokens."""
    return [Text(token) for token in tokens]


def calls(*texts: str) -> list[Delta]:
    """A turn that calls the echo tool once for each text, which is what it gives back."""
    return [ToolCall(f"call_{uuid.uuid4().hex[:8]}", "echo_tool", {"text": text}) for text in texts]


@dataclass
class Talk:
    """One conversation of an organization of its own."""

    settings: Settings
    stores: Stores
    turns: Sequence[Turn] = ()
    models: Scripted = field(init=False)
    slot: Slot = field(init=False)
    begun: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.models = Scripted(self.settings, self.turns)
        self.slot = Slot(f"org-{uuid.uuid4().hex[:12]}", "c1")
        secrets = McpSecrets(self.stores.sealer)
        self.platform = Platform(self.settings, self.stores, self.models, HttpClients(self.settings), secrets)

    @property
    def caller(self) -> Principal:
        """The user whose conversation it is."""
        return Principal(self.slot.organization, "user")

    async def start(self, content: Content, **more: Any) -> RunSession:
        self.begun.clear()
        message = NewMessage(content, **{"agent_id": "echo"} | more)
        session = await send_and_launch(self.platform, self.caller, "c1", message, None)
        self.begun.set()
        assert isinstance(session, RunSession)
        return session

    async def until_begun(self) -> None:
        """Wait until `start` has its session: the model is asked while the message is still being stored."""
        await self.begun.wait()

    async def say(self, content: Content, **more: Any) -> list[LogEntry]:
        """Send a message; the events that its client sees."""
        session = await self.start(content, **more)
        seen = [event async for batch in session.event_feed for event in batch]
        await session.over()
        return seen

    async def messages(self) -> list[StoredMessage]:
        """The whole history, page by page."""
        found: list[StoredMessage] = []
        after, more = 0, True
        while more:
            page, more = await self.stores.messages.page(self.slot, after, 50)
            found += [message for _, message in page]
            after = page[-1][0] if page else after
        return found


def text_of(message: StoredMessage) -> str:
    return "".join(block.get("text", "") for block in message.content)


def results_of(message: StoredMessage) -> list[str]:
    return [block["toolResult"]["content"][0]["text"] for block in message.content if "toolResult" in block]
