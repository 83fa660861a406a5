"""The events of the command center, field by field.

The OpenAPI document is created from them, as from `event_types`; nothing else imports this module.
"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from millrace.domain.event_types import AskedCall, HeartbeatEvent, TokenUsage
from millrace.domain.runs import RunState


class CenterFacts(TypedDict):
    """The fields of every event of the command center."""

    id: str
    time: str
    organization: str


class RunFacts(CenterFacts):
    """The fields of every event of a run. `hops` is present if a pipeline's delivery caused the run,
    `traceparent` if its request was part of a trace."""

    runId: str
    agentId: str
    agentName: str
    conversationId: str
    hops: NotRequired[int]
    traceparent: NotRequired[str]


class RunView(TypedDict):
    """A run as `GET /api/runs/{run_id}` returns it."""

    id: str
    conversationId: str
    threadId: str | None
    agentId: str
    agentName: str
    model: str
    state: RunState
    messageId: str
    startedAt: str
    endedAt: str | None
    durationMs: int | None
    firstTokenMs: int | None
    finishReason: str | None
    usage: TokenUsage | None
    cost: float | None
    error: dict[str, Any] | None
    createdBy: str | None


class EndedFacts(RunFacts):
    """The fields of the last event of a run; null if something is not known."""

    run: RunView
    status: str
    tokenUsage: TokenUsage | None
    tokens: int | None
    cost: float | None
    startedAt: str
    completedAt: str | None
    durationMs: int | None
    finishReason: str | None


class RunStartedEvent(RunFacts):
    """A run has started."""

    type: Literal["run:started"]
    run: RunView
    status: Literal["running"]


RunStatusChange = TypedDict(
    "RunStatusChange", {"from": RunState, "to": RunState, "type": Literal["run:status_changed"]}
)


class RunStatusChangedEvent(RunFacts, RunStatusChange):
    """A run has changed its state."""


class RunProgressEvent(RunFacts):
    """The tokens that a run has written so far, and their cost in US dollars; at most once per second."""

    type: Literal["run:progress"]
    tokens: int
    cost: float | None


class RunToolStartedEvent(RunFacts):
    """A tool has started; its name is null if the agent does not show it. `parent` is the call of the
    sub-agent that uses it."""

    type: Literal["run:tool_started"]
    tool: str | None
    callId: str
    parent: NotRequired[str]


class RunToolCompletedEvent(RunFacts):
    """A tool, or the sub-agent in `subAgentId`, has finished. `parent` is as in `run:tool_started`."""

    type: Literal["run:tool_completed"]
    tool: str | None
    callId: str
    parent: NotRequired[str]
    subAgentId: NotRequired[str]
    ok: bool
    durationMs: int | None
    bytes: int


class ModelCallTokens(TypedDict):
    """Tokens of one model call; see `TokenUsage`."""

    input: int
    output: int
    cacheRead: NotRequired[int]
    cacheWrite: NotRequired[int]


class RunModelCallEvent(RunFacts):
    """A model call has ended. `cost` is in US dollars, null if the price is not known; `estimated` says that
    the server did not count the tokens. `parent` is the call of the sub-agent that made it."""

    type: Literal["run:llm_call"]
    parent: NotRequired[str]
    model: str
    tokens: ModelCallTokens
    estimated: bool
    cost: float | None
    latencyMs: int
    firstTokenMs: int | None
    error: str | None


class RunMemoryEvent(RunFacts):
    """The agent's memory was used: a live message (`inject`), a search of conversations (`search`), or
    memories of its user (`remember`, `recall`, `forget`). Texts are null if they are hidden."""

    type: Literal["run:memory_op"]
    op: str
    memoryId: NotRequired[str]
    messageId: NotRequired[str]
    text: NotRequired[str | None]
    query: NotRequired[str | None]
    hits: NotRequired[int]


class RunApprovalRequestedEvent(RunFacts, AskedCall):
    """A call of the run waits for a person. `arguments`, `prompt`, `options` and `schema` are present if the
    agent shows them; `requestedBy` is the user for whom the run works."""

    type: Literal["approval:requested"]
    expiresAt: str
    requestedBy: str | None
    arguments: NotRequired[dict[str, Any]]
    prompt: NotRequired[str]
    options: NotRequired[list[str]]
    schema: NotRequired[dict[str, Any]]
    step: NotRequired[str]


class RunApprovalAnsweredEvent(RunFacts, AskedCall):
    """A call that waited since `requestedAt` was answered; `answeredBy` is null if it expired."""

    type: Literal["approval:answered"]
    requestedAt: NotRequired[str]
    decision: str
    answeredBy: str | None
    reason: str | None
    requestedBy: str | None
    step: NotRequired[str]


class RunCompletedEvent(EndedFacts):
    """A run has ended successfully. `result` is its answer, at most 16,000 characters of it; null once its
    conversation was deleted."""

    type: Literal["run:completed"]
    result: str | None


class RunErrorEvent(EndedFacts):
    """A run has failed."""

    type: Literal["run:error"]
    error: dict[str, Any]


class RunDeletedEvent(RunFacts):
    """A run was deleted with its conversation."""

    type: Literal["run:deleted"]
    status: Literal["deleted"]


class AlertFacts(TypedDict):
    """An alert of a rule; `id` identifies this alert."""

    id: str
    ruleId: str
    name: str
    metric: str
    op: str
    threshold: float
    window: int
    agentIds: list[str]
    value: float | None
    state: Literal["triggered", "resolved"]
    triggeredAt: str | None
    resolvedAt: str | None


class AlertTriggeredEvent(CenterFacts):
    """An alert was triggered."""

    type: Literal["alert:triggered"]
    alert: AlertFacts


class AlertResolvedEvent(CenterFacts):
    """An alert was resolved."""

    type: Literal["alert:resolved"]
    alert: AlertFacts


class PipelineBackpressureEvent(CenterFacts):
    """The backpressure of a pipeline, from 0 (it keeps up) to 1; at most once per minute."""

    type: Literal["pipeline:backpressure"]
    pipelineId: str
    backpressure: float


class ResyncEvent(TypedDict):
    """This many events are no longer available; read a new snapshot."""

    type: Literal["resync"]
    missed: int


CommandCenterEvent = (
    RunStartedEvent
    | RunStatusChangedEvent
    | RunProgressEvent
    | RunToolStartedEvent
    | RunToolCompletedEvent
    | RunModelCallEvent
    | RunMemoryEvent
    | RunApprovalRequestedEvent
    | RunApprovalAnsweredEvent
    | RunCompletedEvent
    | RunErrorEvent
    | RunDeletedEvent
    | AlertTriggeredEvent
    | AlertResolvedEvent
    | PipelineBackpressureEvent
    | ResyncEvent
    | HeartbeatEvent
)
"""An event on the stream of the command center."""
