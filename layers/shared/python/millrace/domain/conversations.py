"""Conversations: slots, messages, and what they look like to clients."""

from typing import Any, Literal

from msgspec import Struct, field

from millrace.domain.access import Access
from millrace.domain.events import Detail, Event
from millrace.domain.ids import valid_id
from millrace.errors import InvalidRequest

MESSAGE_BYTES = 512 * 1024
"""The most that a message to an agent may have, in bytes of UTF-8."""
LIVE_MESSAGE_MARKER = "[Live message from the user, sent while you were working]"
"""What precedes an injected message in the history that the model sees. One constant, documented."""


class Slot(Struct, frozen=True):
    """A conversation or one of its threads, in which one run at a time may be active. `key` is the
    partition of its items; no other organization can form it."""

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
        """Check ids that came from outside. Raises `InvalidRequest`."""
        for name, value in (("conversationId", conversation_id), ("threadId", thread_id)):
            if value is not None and not valid_id(value):
                raise InvalidRequest(
                    f"{name} must have 1 to 128 of A-Z a-z 0-9 _ . : ~ - and start with a letter or digit.",
                    code="invalid_id",
                )
        return cls(organization, conversation_id, thread_id)


class WorkPosition(Struct, frozen=True):
    """The position of a message outside the history, where an agent works for another one or for a step of a
    flow: the `work` (the id of the call, or of the step), and its `number` there. With it the messages of
    this work hold what the events up to `announced` have told of it, and the agent has `used` so much."""

    work: str
    number: int
    announced: int = 0
    used: dict[str, Any] = field(default_factory=dict)


class StoredMessage(Struct):
    """A message of the history: Converse-style blocks and where they came from. `steps` are the events of the
    run that led to it (see `domain.projection.kept_step`), `visibility` is the run's (None: stored before it
    was kept), `extra` tells how the run ended. `created_by` is the user who wrote it; empty where nobody
    did, and in messages that are older than authors."""

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
        """The whole message as JSON, without its steps; viewers get it by `domain.projection`."""
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
    """A conversation. `created_by` is the user whose it is, `shared_with` what others may do with it. One
    that is not `listed` is missing from lists, not from anything else: a trial of an agent, for example."""

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
        """The JSON object as clients see it."""
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
    """A conversation's title from its first message: the first line, at most 80 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else "New conversation"
    return first if len(first) <= 80 else first[:79].rstrip() + "…"
