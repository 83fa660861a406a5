"""Answers about pipelines, and the items that are pushed into them."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, RootModel

from millrace.api.schemas.base import JsonObject, Listing, Page, Shape
from millrace.domain.pipelines import PipelineState


class JsonSchema(RootModel[JsonObject]):
    """A JSON Schema."""


class Pipeline(Shape):
    """A pipeline: the fields of its definition (see `PipelineDefinition`), and its state."""

    model_config = ConfigDict(extra="allow")

    id: str
    state: PipelineState
    version: int = Field(description="the number of definitions so far")
    created_at: str
    updated_at: str
    state_since: str
    name: str
    source: JsonObject


class DefinitionWarning(Shape):
    """A warning about a definition that may not mean what its author intended."""

    code: str
    path: str
    message: str


class WrittenPipeline(Pipeline):
    """A pipeline in the answer to a request that wrote it."""

    warnings: list[DefinitionWarning]


class PipelinePage(Page[Pipeline]):
    """A page of pipelines, oldest first."""


class StoredDefinition(RootModel[JsonObject]):
    """A definition as it was written (see `PipelineDefinition`)."""


class PipelineVersion(Shape):
    """A current or earlier definition of a pipeline."""

    version: int
    created_at: str | None = Field(description="null if an earlier release created it")
    definition: JsonObject


class PipelineVersionPage(Page[PipelineVersion]):
    """A page of versions, newest first."""


class DefinitionChange(Shape):
    """A part of a definition that differs. `path` is written with dots, and positions in lists as numbers."""

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
    """An event that the pipeline accepted, as it arrived."""

    id: str
    type: str
    source: str
    time: str
    accepted_at: str
    payload: JsonObject


class RecordedEventPage(Page[RecordedEvent]):
    """A page of recorded events, newest first. It may have fewer than `limit` events, or none."""


class PipelineChanges(RootModel[JsonObject]):
    """The fields of a definition to change; null removes a field."""


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
    """The answer to Slack's check of this address."""

    challenge: str


class Latency(Shape):
    """Milliseconds from the acceptance of an event to its output; null if nothing was measured."""

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
    """Counts of the last 24 hours, and the throughput of the last two minutes in events per second."""

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
    """The metrics of a period: counts are 0 if nothing happened, null if nothing was measured."""

    time: str = Field(description="its start")
    items_processed: int
    items_filtered: int
    items_out: int
    items_delivered: int
    items_failed: int
    late_events: int
    dead_letters: int
    throughput: float = Field(description="events a second")
    queue_depth: int = Field(
        description="pushed messages and deliveries that waited at the end of the period"
    )
    latency: Latency
    backpressure: float | None = Field(description="the highest, from 0 to 1")


class MetricsSeries(Shape):
    """A pipeline's metrics over time. `step` is in seconds; the last point may cover only a part of it."""

    pipeline_id: str
    since: str = Field(alias="from")
    until: str = Field(alias="to")
    step: int
    points: list[MetricsPoint]


class PipelineTotals(Shape):
    """Numbers of pipelines, in total and by state."""

    total: int
    created: int | None = None
    running: int | None = None
    paused: int | None = None
    stopped: int | None = None


class PipelineStats(PipelineCounts):
    """All pipelines together."""

    pipelines: PipelineTotals


class PipelineHealth(Shape):
    """A pipeline's health, with the reasons and the time since which it is like this."""

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
