"""Answers about conversations, messages and runs."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, RootModel

from millrace.api.schemas.base import JsonObject, Page, Shape
from millrace.domain.access import Access
from millrace.domain.approvals import Approvers, Decision, Kind
from millrace.domain.event_types import AskedCall, TokenUsage


class FoundMessage(Shape):
    """A message with the words of a search, and the part of its text around the first of them."""

    message_id: str
    run_id: str | None
    role: Literal["user", "assistant"]
    created_at: str
    snippet: str


class Conversation(Shape):
    """A conversation with an agent."""

    id: str
    agent_id: str
    title: str
    created_at: str
    updated_at: str
    created_by: str = Field(description="the owner of the conversation; empty if it has none")
    metadata: JsonObject
    active_run_id: str | None = Field(description="the active run, if any")
    listed: bool = Field(description="false: it is not listed")
    matches: list[FoundMessage] | None = Field(
        default=None, description="with `text`: its messages that have the words, the latest three"
    )


class RestorableDeletion(Shape):
    """A conversation that will be deleted at a time, unless it is restored before that."""

    restorable_until: str


class ConversationPage(Page[Conversation]):
    """A page of conversations, latest first."""


class ToolUseBlock(Shape):
    """A tool call; `input` is `{}` below `detail=full`."""

    tool_use_id: str
    name: str
    input: Any


class ToolResultBlock(Shape):
    """A tool's result; `content` is empty below `detail=full`."""

    tool_use_id: str
    content: list[JsonObject]
    status: str | None = None


class AttachmentBlock(Shape):
    """An image or a file, with either a `url` or a `fileId` for `GET /api/files/{fileId}`."""

    media_type: str | None = None
    name: str | None = None
    size: int | None = Field(default=None, description="in bytes")
    file_id: str | None = None
    url: str | None = None


class ContentBlock(Shape):
    """A part of a message, with exactly one of these fields, as in Amazon Bedrock's Converse API."""

    text: str | None = None
    image: AttachmentBlock | None = None
    file: AttachmentBlock | None = None
    tool_use: ToolUseBlock | None = None
    tool_result: ToolResultBlock | None = None
    reasoning_content: JsonObject | None = None


class Message(Shape):
    """A message of a conversation. `steps` are the events that led to it, as the stream showed them. The last
    message of a run also says how the run ended."""

    model_config = ConfigDict(extra="allow")

    id: str
    role: Literal["user", "assistant"]
    content: list[ContentBlock]
    created_at: str
    run_id: str | None
    parent_id: str | None = Field(description="the message that it follows; null for the first one")
    siblings: list[str] | None = Field(
        default=None, description="the ids of all messages that follow the same message, if there are several"
    )
    created_by: str | None = Field(default=None, description="the user who wrote it")
    injected: bool | None = Field(default=None, description="it was a live message")
    interrupted: bool | None = Field(default=None, description="the answer was cut off")
    steps: list[JsonObject] | None = None
    finish_reason: str | None = Field(default=None, description="the run ended with this message, and why")
    usage: TokenUsage | None = None
    cost: float | None = Field(default=None, description="in US dollars; null if the price is not known")
    duration_ms: int | None = None
    first_token_ms: int | None = Field(
        default=None, description="from the start of the run to its first token"
    )
    error: JsonObject | None = Field(default=None, description="why the run failed")


class MessagePage(Page[Message]):
    """A page of messages, oldest first."""


class SelectedBranch(Shape):
    """The active branch, identified by its last message."""

    message_id: str


class AgentAnswer(Shape):
    """An agent's answer. `cost` is in US dollars, null if the model's price is not known."""

    run_id: str
    conversation_id: str
    message_id: str
    role: Literal["assistant"]
    content: str
    tool_calls: list["ToolCallSummary"]
    usage: TokenUsage | None
    cost: float | None
    finish_reason: str
    output: Any = Field(default=None, description="the answer as JSON, with `responseSchema`")
    duration_ms: int | None


class ToolCallSummary(Shape):
    """A tool that the agent called."""

    id: str
    name: str
    ok: bool
    summary: str


class StoppedRun(Shape):
    """The run that is being stopped."""

    run_id: str
    state: Literal["stopping"]


class LiveMessage(Shape):
    """A message for a running agent, which sees it before its next model call."""

    message_id: str
    content: str = Field(description="the text, with a note for each image and file")
    attachments: list[ContentBlock] | None = Field(default=None, description="the images and files")
    created_at: str
    created_by: str | None
    expires_at: str


class AskedCalls(Shape):
    """The calls that a run waits for, and when the first of them expires."""

    calls: list[AskedCall]
    expires_at: str


class AcceptedMessage(LiveMessage):
    """The message was sent to the active run as a live message (`ifBusy: inject`)."""

    run_id: str


class WaitingAnswer(AgentAnswer):
    """The agent's answer so far, while the run waits for people. `usage`, `cost` and `durationMs` are
    null."""

    waiting: AskedCalls


class PendingAnswer(RootModel[AcceptedMessage | WaitingAnswer]):
    """The message was sent to the active run, or started a run that now waits for people."""


class LiveMessagePage(Page[LiveMessage]):
    """The waiting live messages, in order."""


class Share(Shape):
    """A user's access to a conversation."""

    user_id: str
    access: Access


class SharePage(Page[Share]):
    """The users with whom a conversation is shared."""


class CallAnswer(Shape):
    """The answer to a call; `answeredBy` is null if the call expired."""

    decision: Decision
    arguments: JsonObject | None = Field(description="the edited arguments; null if they are the agent's")
    content: Any
    reason: str | None
    answered_by: str | None
    answered_at: str


class AskingAgent(Shape):
    """An agent, or a step of a flow, on the path to a question."""

    agent_id: str | None = None
    agent_name: str | None = None
    step: str | None = None


class WaitingCall(Shape):
    """A call that waits for a person, or was answered: a tool to approve, a question, or a step of a flow.
    Callers who may not answer see only what the agent shows to users."""

    run_id: str
    call_id: str
    conversation_id: str
    thread_id: str | None
    agent_id: str
    agent_name: str
    path: list[AskingAgent] = Field(
        description="from the run's agent, or the flow's step, to the one that asks; empty for the run's"
    )
    kind: Kind
    name: str | None
    arguments: JsonObject
    prompt: str | None
    options: list[str]
    value_schema: JsonObject | None = Field(alias="schema", description="the JSON Schema of the answer")
    approvers: Approvers
    requested_by: str | None
    requested_at: str
    expires_at: str
    state: Literal["waiting", "answered", "closed"]
    answer: CallAnswer | None
    can_answer: bool


class WaitingCallPage(Page[WaitingCall]):
    """A page of waiting calls, the first to expire first."""


class Memory(Shape):
    """A memory of an agent about a user."""

    id: str
    agent_id: str
    text: str
    created_at: str
    updated_at: str


class MemoryPage(Page[Memory]):
    """A page of memories."""
