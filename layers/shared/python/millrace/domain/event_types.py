"""The events of runs, field by field: the types of what `domain.events` creates.

The OpenAPI document is created from them. Only that and type checkers import this module, as functions that
stream do not need it.
"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from millrace.domain.events import Detail


class TokenUsage(TypedDict):
    """Tokens as the model's server counted them; `estimated` is present, and true, if it did not. Tokens that
    were read from or written to a prompt cache are part of the input."""

    input: int
    output: int
    total: int
    estimated: NotRequired[bool]
    cacheRead: NotRequired[int]
    cacheWrite: NotRequired[int]


class Within(TypedDict):
    """The origin of an event that does not come from the run's own agent: the tool call that started a
    sub-agent, that agent, and the step of a flow."""

    parent: NotRequired[str]
    agentId: NotRequired[str]
    step: NotRequired[str]


class StartEvent(TypedDict):
    """The run has started; `messageId` is the answer's id."""

    type: Literal["start"]
    runId: str
    conversationId: str
    messageId: str
    agentId: str


class StatusEvent(Within):
    """Progress of the agent, for users."""

    type: Literal["status"]
    message: str
    icon: NotRequired[str]


class LoggedStatusEvent(StatusEvent):
    """A status in the log, with the lowest detail that shows it."""

    leastDetail: NotRequired[Detail]


class ThinkingEvent(Within):
    """A piece of reasoning. In the history it is a complete thought, with its duration if that is known."""

    type: Literal["thinking"]
    text: str
    durationMs: NotRequired[int]


class TokenEvent(Within):
    """A piece of the answer."""

    type: Literal["token"]
    token: str


class ToolCallEvent(Within):
    """The agent calls a tool. `arguments` are `{}` unless the client asks for `detail=full`. With `client`,
    the tool came with the message and the client runs it; such a call is always shown completely."""

    type: Literal["tool_call"]
    id: str
    name: str
    arguments: Any
    client: NotRequired[bool]


class ToolOutputEvent(Within):
    """A piece of a tool's result while the tool is running; only shown with `detail=full`."""

    type: Literal["tool_output"]
    id: str
    name: str
    output: str


class ToolResultEvent(Within):
    """A tool has finished. `bytes` is the size of the complete `result`, which is only shown with
    `detail=full`. The duration is null if it is not known."""

    type: Literal["tool_result"]
    id: str
    name: str
    ok: bool
    summary: str
    bytes: int
    durationMs: int | None
    result: NotRequired[str]


class AskedCall(TypedDict):
    """A call that waits for a person. `name` is null if the agent does not show it."""

    callId: str
    kind: str
    name: str | None


class ApprovalRequestedEvent(Within, AskedCall):
    """A call waits for a person: a tool that needs an approval, or a question. `arguments` are `{}` unless
    the client asks for `detail=full`; at `expiresAt` the call is rejected."""

    type: Literal["approval_requested"]
    arguments: dict[str, Any]
    expiresAt: str
    prompt: NotRequired[str]
    options: NotRequired[list[str]]
    schema: NotRequired[dict[str, Any]]


class ApprovalAnsweredEvent(Within, AskedCall):
    """A call that waited was answered; `answeredBy` is null if it expired."""

    type: Literal["approval_answered"]
    decision: str
    answeredBy: str | None
    reason: str | None


class WaitingEvent(TypedDict):
    """The run waits for answers, and its stream ends here for now."""

    type: Literal["waiting"]
    calls: list[AskedCall]
    expiresAt: str


class RewindEvent(TypedDict):
    """The events after this id are void: another process continues from there."""

    type: Literal["rewind"]
    after: str


class InjectedEvent(Within):
    """A live message was passed to the model, in this iteration (counted from 1)."""

    type: Literal["injected"]
    messageId: str
    content: str
    iteration: int


class FlowStepStartEvent(TypedDict):
    """A step of a flow has started; `index` counts from 0."""

    type: Literal["flow_step_start"]
    name: str
    kind: str
    step: str
    index: int
    total: int


class FlowStepCompleteEvent(TypedDict):
    """A step of a flow has ended; `index` counts from 0."""

    type: Literal["flow_step_complete"]
    name: str
    durationMs: int
    ok: bool
    step: str
    index: int
    total: int


class FlowStepSkippedEvent(TypedDict):
    """A step of a flow is skipped, since its `when` is not true."""

    type: Literal["flow_step_skipped"]
    name: str
    step: str
    index: int
    total: int


class WaitingFor(TypedDict):
    """The step of a flow that waits for a person."""

    step: str | None
    prompt: str | None
    choices: list[str]
    schema: dict[str, Any] | None
    expiresAt: str


class StepAnswer(TypedDict):
    """A person's answer to a step of a flow; `answeredBy` is null if nobody answered in time."""

    step: str
    decision: str
    answeredBy: str | None
    answeredAt: str
    reason: str | None


class DoneEvent(TypedDict):
    """The run has ended successfully. `cost` is in US dollars, null if the model's price is not known.
    `firstTokenMs` is the time to the first token of the answer, if known; `output` is the answer as JSON,
    if a schema was requested. Those of flows have `executionId`, `flow`, `result`, and the `answers` of
    people."""

    type: Literal["done"]
    messageId: str
    usage: TokenUsage | None
    cost: float | None
    finishReason: str
    durationMs: int | None
    firstTokenMs: NotRequired[int]
    output: NotRequired[Any]
    executionId: NotRequired[str]
    flow: NotRequired[str]
    result: NotRequired[Any]
    answers: NotRequired[list[StepAnswer]]


class ErrorEvent(TypedDict):
    """The run has failed; `retryable` says whether sending the message again may succeed."""

    type: Literal["error"]
    message: str
    code: str
    retryable: bool
    step: NotRequired[str]
    executionId: NotRequired[str]


class HeartbeatEvent(TypedDict):
    """Nothing else was sent for five seconds; with an id, it marks where the stream begins."""

    type: Literal["heartbeat"]


RunEvent = (
    StartEvent
    | StatusEvent
    | ThinkingEvent
    | TokenEvent
    | ToolCallEvent
    | ToolOutputEvent
    | ToolResultEvent
    | InjectedEvent
    | ApprovalRequestedEvent
    | ApprovalAnsweredEvent
    | WaitingEvent
    | RewindEvent
    | FlowStepStartEvent
    | FlowStepCompleteEvent
    | FlowStepSkippedEvent
    | DoneEvent
    | ErrorEvent
    | HeartbeatEvent
)
"""An event on the stream of a run or of a conversation."""
