"""Conversations: slots, messages, and their form for clients."""

from typing import Any, Literal

from msgspec import Struct, field

from millrace.domain.access import Access
from millrace.domain.events import Detail, Event
from millrace.domain.ids import valid_id
from millrace.errors import InvalidRequest

MESSAGE_BYTES = 512 * 1024
"""The maximum size of a message to an agent, in bytes of UTF-8."""
LIVE_MESSAGE_MARKER = "[Live message from the user, sent while you were working]"
"""Precedes a live message in the history that the model sees."""


class Slot(Struct, frozen=True):
    """A conversation or one of its threads, which can have one active run at a time. `key` is the partition
    of its items; no other organization can form it."""

    organization: str
    conversation_id: str
    thread_id: str | None = None

    @property
    def key(self) -> str:
        base = f"{self.organization}#{self.conversation_id}"
        return f"{base}#{self.thread_id}" if self.thread_id else base

    def root(self) -> "Slot":
        """The conversation itself, without the thread."""
        return Slot(self.organization, self.conversation_id)

    @classmethod
    def of(cls, organization: str, conversation_id: str, thread_id: str | None = None) -> "Slot":
        """Create a slot from the ids in a request. Raises `InvalidRequest`."""
        for name, value in (("conversationId", conversation_id), ("threadId", thread_id)):
            if value is not None and not valid_id(value):
                raise InvalidRequest(
                    f"{name} must have 1 to 128 of A-Z a-z 0-9 _ . : ~ - and start with a letter or digit.",
                    code="invalid_id",
                )
        return cls(organization, conversation_id, thread_id)


class WorkPosition(Struct, frozen=True):
    """The position of a message outside the history, in the work of a sub-agent or for a step of a flow: the
    `work` (the id of the call or step) and the `number` there. Up to this message, the stored messages of the
    work cover the events up to `announced`, and the agent has `used` this much."""

    work: str
    number: int
    announced: int = 0
    used: dict[str, Any] = field(default_factory=dict)


class StoredMessage(Struct):
    """A message of the history: Converse-style blocks and their origin.

    `steps` are the events of the run that led to it (see `domain.projection.kept_step`). `visibility` is the
    run's (None for messages of earlier releases). `extra` says how the run ended. `created_by` is the user
    who wrote it; empty if nobody did, and in messages of releases without authors.
    """

    id: str
    role: Literal["user", "assistant"]
    content: list[dict[str, Any]]
    created_at: str
    run_id: str | None = None
    injected: bool = False
    interrupted: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    steps: list[Event] = field(default_factory=list)
    visibility: Detail | None = None
    created_by: str = ""
    position: WorkPosition | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the whole message as JSON, without its steps. Viewers receive it through
        `domain.projection`."""
        body: dict[str, Any] = {
            "id": self.id,
            "role": self.role,
            "content": self.content,
            "createdAt": self.created_at,
        }
        body["runId"] = self.run_id
        if self.created_by:
            body["createdBy"] = self.created_by
        flags = {"injected": self.injected, "interrupted": self.interrupted}
        return body | {name: True for name, on in flags.items() if on} | self.extra


class Conversation(Struct, frozen=True):
    """A conversation. `created_by` is its owner, and `shared_with` says what others may do with it. A
    conversation that is not `listed`, such as a trial of an agent, is only missing from lists."""

    id: str
    agent_id: str
    title: str
    created_at: str
    updated_at: str
    created_by: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    active_run_id: str | None = None
    shared_with: dict[str, Access] = field(default_factory=dict)
    listed: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "id": self.id,
            "agentId": self.agent_id,
            "title": self.title,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "createdBy": self.created_by,
            "metadata": self.metadata,
            "activeRunId": self.active_run_id,
            "listed": self.listed,
        }


def title_of(text: str) -> str:
    """Return a conversation's title from its first message: the first line, at most 80 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else "New conversation"
    return first if len(first) <= 80 else first[:79].rstrip() + "…"
