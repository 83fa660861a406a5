"""Answers about pipelines, and what is pushed into them."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, RootModel

from millrace.api.schemas.base import JsonObject, Listing, Page, Shape
from millrace.domain.pipelines import PipelineState


class JsonSchema(RootModel[JsonObject]):
    """A JSON Schema."""


class Pipeline(Shape):
    """A pipeline: the fields of its definition (see `PipelineDefinition`), and what became of it."""

    model_config = ConfigDict(extra="allow")

    id: str
    state: PipelineState
    version: int = Field(description="counts the definitions that it has had")
    created_at: str
    updated_at: str
    state_since: str
    name: str
    source: JsonObject


class DefinitionWarning(Shape):
    """Something about a definition that may not be what its author means."""

    code: str
    path: str
    message: str


class WrittenPipeline(Pipeline):
    """A pipeline as the answer to its author."""

    warnings: list[DefinitionWarning]


class PipelinePage(Page[Pipeline]):
    """A page of pipelines, the oldest first."""


class StoredDefinition(RootModel[JsonObject]):
    """A definition as its author wrote it (see `PipelineDefinition`)."""


class PipelineVersion(Shape):
    """A definition that a pipeline has or had."""

    version: int
    created_at: str | None = Field(description="null where an earlier release made it")
    definition: JsonObject


class PipelineVersionPage(Page[PipelineVersion]):
    """A page of versions, the newest first."""


class DefinitionChange(Shape):
    """A part of a definition that differs. `path` is written with dots, places of lists as numbers."""

    path: str
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


class PipelineDifferences(Shape):
    """The differences between two versions."""

    since: int = Field(alias="from")
    until: int = Field(alias="to")
    changes: list[DefinitionChange]


class RecordedEvent(Shape):
    """An event that the pipeline accepted, as it came in."""

    id: str
    type: str
    source: str
    time: str
    accepted_at: str
    payload: JsonObject


class RecordedEventPage(Page[RecordedEvent]):
    """A page of recorded events, the newest first; it may hold fewer than asked for, or none."""


class PipelineChanges(RootModel[JsonObject]):
    """The fields of a definition that are to change; null takes one away."""


class PipelineItem(RootModel[JsonObject]):
    """An event: its payload, or `{payload, id?, type?, time?}`."""


class PipelineItems(RootModel[list[JsonObject] | JsonObject]):
    """1 to 1,000 events, as a list or as `{items}`."""


class PushedItems(Shape):
    """The ids of the events that were accepted."""

    accepted: int
    ids: list[str]


class PushedItem(PushedItems):
    """The id of the event that was accepted."""

    id: str


class WebhookBody(RootModel[JsonObject | list[JsonObject]]):
    """A JSON object, a list of up to 1,000, JSON lines, or a form."""


class WebhookChallenge(Shape):
    """The answer to Slack's question whether this address is meant for it."""

    challenge: str


class Latency(Shape):
    """Milliseconds from an event's acceptance to its output; null where nothing was measured."""

    avg: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class Deliveries(Shape):
    """Counts of deliveries."""

    attempts: int
    delivered: int
    failed: int
    retried: int
    throttled: int


class PipelineCounts(Shape):
    """Counts of the last 24 hours, and the throughput of the last two minutes in events a second."""

    items_processed: int
    items_filtered: int
    items_out: int
    items_delivered: int
    items_failed: int
    late_events: int
    dead_letters: int
    deliveries: Deliveries
    throughput: float
    latency: Latency


class StepCounts(Shape):
    """Counts of a step in the last 24 hours."""

    step: int
    type: str
    received: int
    passed: int
    dropped: int
    failed: int
    held: int
    late: int


class PipelineMetrics(PipelineCounts):
    """A pipeline's metrics. `lag` is in milliseconds, `backpressure` goes from 0 to 1."""

    pipeline_id: str
    lag: float
    backpressure: float
    steps: list[StepCounts]


class MetricsPoint(Shape):
    """The metrics of a step of time: counts are 0 where nothing happened, null is what nobody measured."""

    time: str = Field(description="its start")
    items_processed: int
    items_filtered: int
    items_out: int
    items_delivered: int
    items_failed: int
    late_events: int
    dead_letters: int
    throughput: float = Field(description="events a second")
    queue_depth: int = Field(description="pushed messages and deliveries that wait at its end")
    latency: Latency
    backpressure: float | None = Field(description="the highest, from 0 to 1")


class MetricsSeries(Shape):
    """A pipeline's metrics over time; `step` is in seconds, and the last point may be of a part of it."""

    pipeline_id: str
    since: str = Field(alias="from")
    until: str = Field(alias="to")
    step: int
    points: list[MetricsPoint]


class PipelineTotals(Shape):
    """Numbers of pipelines, in all and by state."""

    total: int
    created: int | None = None
    running: int | None = None
    paused: int | None = None
    stopped: int | None = None


class PipelineStats(PipelineCounts):
    """All pipelines together."""

    pipelines: PipelineTotals


class PipelineHealth(Shape):
    """A pipeline's health, with its reasons and the time since when it holds."""

    pipeline_id: str
    status: Literal["healthy", "degraded", "unhealthy"]
    state: PipelineState
    reasons: list[str]
    since: str
    checked_at: str


class TemplateParameter(Shape):
    """A parameter of a template; one without `default` must be given."""

    name: str
    description: str
    type: Literal["text", "number", "texts", "secret"]
    required: bool | None = None
    default: Any = None


class PipelineTemplate(Shape):
    """A definition for a common case; `$(name)` stands for a parameter."""

    id: str
    name: str
    description: str
    parameters: list[TemplateParameter]
    definition: JsonObject


class PipelineTemplatePage(Listing[PipelineTemplate]):
    """All templates."""
