"""Options of a message for its own run, in addition to the agent's settings."""

from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct, field
from msgspec.structs import asdict
from pydantic import BaseModel

from millrace.domain.agents import Agent
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.ids import new_id
from millrace.domain.run_definitions import ClientTool, EarlierMessage
from millrace.errors import TooLarge
from millrace.services.runs.attachments import kept_blocks
from millrace.services.runs.client_tools import check_client_tools
from millrace.stores.connect import Stores

REQUEST_BYTES = 256 * 1024
"""The maximum size of the stored request as JSON.

The run's item in DynamoDB is limited to 400 KB and still grows.
"""
MOST_EARLIER = 60
"""The number of earlier messages that are stored separately; those before them become one text.

DynamoDB accepts 100 items in the transaction that begins a run.
"""


class RunOptions(Struct, frozen=True):
    """Options of a run.

    `run_id` is the run's id if the client's own determines it (empty: a new one). `instructions` follow the
    agent's, and `max_tokens` may lower its limit. `earlier` begins the history of a new conversation, and
    `request` is stored with the run for its client.
    """

    run_id: str = ""
    instructions: str = ""
    max_tokens: int | None = None
    client_tools: Sequence[ClientTool] = ()
    earlier: Sequence[EarlierMessage] = ()
    request: dict[str, Any] = field(default_factory=dict)

    def check(self, agent: Agent) -> None:
        """Raise `InvalidRequest` for what this agent cannot do, and `TooLarge` for what a run cannot
        store."""
        check_client_tools(agent, self.client_tools)
        size = len(orjson.dumps(self.request)) if self.request else 0
        if size > REQUEST_BYTES:
            raise TooLarge(
                f"{', '.join(self.request)} have {size:,} bytes as JSON; they must not exceed "
                f"{REQUEST_BYTES:,} bytes.",
                limit=REQUEST_BYTES,
            )

    def apply(self, agent: Agent) -> Agent:
        """Return the agent as adapted for this run."""
        changes: dict[str, Any] = {}
        if self.instructions:
            changes["instructions"] = "\n\n".join(filter(None, (agent.instructions, self.instructions)))
        if self.max_tokens is not None:
            fewer = min(agent.limits.max_tokens, self.max_tokens)
            changes["limits"] = agent.limits.model_copy(update={"max_tokens": fewer})
        return agent.model_copy(update=changes) if changes else agent

    async def earlier_messages(
        self, stores: Stores, slot: Slot, now: str, author: str
    ) -> list[StoredMessage]:
        """Return the earlier messages as the conversation stores them, after storing their images and
        files."""
        cut = max(0, len(self.earlier) - MOST_EARLIER)
        kept = self.earlier[cut:]
        if cut:
            kept = [EarlierMessage("user", [{"text": _transcript(self.earlier[:cut])}]), *kept]
        return [
            StoredMessage(
                new_id("msg"),
                one.role,
                [*one.content, *await kept_blocks(stores, slot, author, one.attached)],
                now,
                created_by=author if one.role == "user" else "",
            )
            for one in kept
        ]

    def fingerprint(self) -> str:
        """Return the options' part of a message's fingerprint; empty for a message without options."""
        if self == RunOptions(self.run_id):
            return ""
        return orjson.dumps(asdict(self), default=_dumped, option=orjson.OPT_SORT_KEYS).decode()


def _dumped(part: BaseModel | Struct) -> dict[str, Any]:
    return asdict(part) if isinstance(part, Struct) else part.model_dump(exclude_none=True)


def _transcript(messages: Sequence[EarlierMessage]) -> str:
    said = [f"{one.role}: {''.join(_said(block) for block in one.content)}" for one in messages]
    return "\n\n".join(["[The conversation before]", *said])


def _said(block: dict[str, Any]) -> str:
    return block["text"] if "text" in block else orjson.dumps(block).decode()
