"""The requests of the AI SDK's clients: a chat with all of its messages, of which the last one is new."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, field_validator

from millrace.domain.approvals import REASON_CHARACTERS, Decision
from millrace.domain.branches import BranchPoint
from millrace.domain.content import Part, TextPart, attachment
from millrace.domain.wire import to_camel
from millrace.errors import InvalidRequest
from millrace.protocols.ai_sdk.tool_parts import call_of

MOST_MESSAGES = 2000


class _Open(BaseModel):
    """Base of requests that may also have fields of the application, which are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class UiMessage(_Open):
    """A message of the chat."""

    id: str = Field(min_length=1, max_length=200)
    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]] = Field(max_length=5000, fail_fast=True)


class ChatRequest(_Open):
    """A chat as `useChat` sends it; `agentId`, `threadId`, `ifBusy` and `responseSchema` come from its
    `body`. A chat without an `id` is identified by its first message."""

    id: str | None = Field(default=None, min_length=1, max_length=128)
    messages: list[UiMessage] = Field(min_length=1, max_length=MOST_MESSAGES)
    trigger: Literal["submit-message", "regenerate-message"] | None = None
    message_id: str | None = Field(default=None, max_length=200)
    agent_id: str | None = Field(default=None, max_length=128)
    thread_id: str | None = Field(default=None, max_length=128)
    if_busy: Literal["reject", "inject", "interrupt"] = "reject"
    response_schema: dict[str, Any] | None = None

    @field_validator("messages")
    @classmethod
    def _ends_with_what_is_new(cls, messages: list[UiMessage]) -> list[UiMessage]:
        if messages[-1].role == "system":
            raise ValueError(
                "the last message must be from the user, or from the assistant with answers to its calls"
            )
        return messages

    @property
    def last(self) -> UiMessage:
        """Return the message that is new or has new answers."""
        return self.messages[-1]

    @property
    def chat_id(self) -> str:
        """Return the conversation id. Some transports send no id; their chats are identified by the first
        message."""
        return self.id or f"chat-{_digest(self.messages[0].id)}"

    def branch(self) -> BranchPoint | None:
        """Return the position of the answer or message. An edited message follows the one before it: the ids
        of user messages are the client's, those of answers are ours."""
        if self.trigger == "regenerate-message":
            return BranchPoint(self.message_id or "", again=True)
        if self.trigger is None or self.message_id is None or self.message_id != self.last.id:
            return None
        if len(self.messages) == 1:
            return BranchPoint()
        before = self.messages[-2]
        return BranchPoint(before.id) if before.role == "assistant" else None

    @property
    def is_edit(self) -> bool:
        """True if the last message replaces an earlier one with the same id."""
        return self.trigger == "submit-message" and self.message_id is not None

    @property
    def counted(self) -> bool:
        """True for a client that resumes by counting chunks (`WorkflowChatTransport`). It is sent only what
        is in the log, since a count cannot tell what was lost with a process."""
        return self.trigger is None

    @property
    def idempotency_key(self) -> str | None:
        """Return the idempotency key. The same message sent again is the same run. An edited message is a new
        run, even if it is edited back (see `NewMessage.is_edit`), and so is a regenerated answer, which is
        identified by the answer that it replaces."""
        if self.trigger == "regenerate-message":
            return f"ai-sdk:again:{_digest(self.last.id, self.message_id)}" if self.message_id else None
        parts = orjson.dumps(self.last.parts, option=orjson.OPT_SORT_KEYS).decode()
        branch = self.branch()
        place = ["edited", branch.message_id] if branch else []
        return f"ai-sdk:{_digest(self.last.id, parts, *place)}"


class ClientAnswer(Struct, frozen=True):
    """An answer to a call, from the parts of an assistant's message."""

    call_id: str
    decision: Decision
    content: Any = None
    reason: str | None = None


def content_of(message: UiMessage) -> str | Sequence[Part]:
    """Return the content of a user's message. Raises `InvalidRequest` or `UnsupportedMedia`."""
    parts = [part for given in message.parts if (part := _part(given))]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) < len(parts):
        return parts
    text = "\n".join(texts)
    if not text.strip():
        raise InvalidRequest("The last message has no text and no files.", code="empty_message")
    return text


def _part(given: dict[str, Any]) -> Part | None:
    kind = given.get("type")
    if kind == "text":
        text = _text(given, "text")
        return TextPart(text=text) if text else None
    if kind == "file":
        name = given.get("filename")
        return attachment(
            _text(given, "mediaType"), url=_text(given, "url"), name=name if isinstance(name, str) else None
        )
    return None  # data parts and the like belong to the application


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"A part of type {given['type']} must have {name} as a string.")
    return value


def answers_in(message: UiMessage) -> Iterator[ClientAnswer]:
    """Yield the answers of an assistant's message to calls that waited: to approvals, and the outputs of
    questions and of tools that the client runs."""
    for part in message.parts:
        kind, call_id = part.get("type"), part.get("toolCallId")
        if not isinstance(kind, str) or not isinstance(call_id, str):
            continue
        if kind == "dynamic-tool" or kind.startswith("tool-"):
            yield from _answer(part, call_id)


def _answer(part: dict[str, Any], call_id: str) -> Iterator[ClientAnswer]:
    approval = part.get("approval")
    if isinstance(approval, dict) and isinstance(approval.get("approved"), bool):
        reason = approval.get("reason")
        yield ClientAnswer(
            call_of(str(approval.get("id", ""))),
            "approve" if approval["approved"] else "reject",
            reason=_reason(reason) if not approval["approved"] else None,
        )
    elif not part.get("providerExecuted") and part.get("state") == "output-available":
        yield ClientAnswer(call_id, "answer", content=part.get("output"))
    elif not part.get("providerExecuted") and part.get("state") == "output-error":
        yield ClientAnswer(call_id, "reject", reason=_reason(part.get("errorText")))


def _reason(given: Any) -> str | None:
    return given[:REASON_CHARACTERS] or None if isinstance(given, str) else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
