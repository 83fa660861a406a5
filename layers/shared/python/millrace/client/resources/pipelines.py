"""Pipelines: define and operate them, push events, and monitor them."""

from collections.abc import Mapping, Sequence
from typing import Any

from millrace.api.schemas.pipelines import (
    MetricsSeries,
    Pipeline,
    PipelineDifferences,
    PipelineHealth,
    PipelineMetrics,
    PipelinePage,
    PipelineStats,
    PipelineTemplate,
    PipelineTemplatePage,
    PipelineVersion,
    PipelineVersionPage,
    PushedItem,
    PushedItems,
    RecordedEvent,
    RecordedEventPage,
    WrittenPipeline,
)
from millrace.client.answers import as_it_is, model, nothing
from millrace.client.calls import Call, Request, given, new_key, path
from millrace.client.naming import body
from millrace.client.operations import IO, Listing, listing, operation
from millrace.client.resources.recovery import Recovery
from millrace.domain.pipelines import PipelineState

BASE = "/api/streaming"
PIPELINE = BASE + "/pipelines/{}"
Definition = Mapping[str, Any] | None
"""A definition with JSON's names, as `docs/pipelines` shows it."""


def _command(pipeline_id: str, verb: str) -> Call[Pipeline]:
    request = Request("POST", path(PIPELINE + "/{}", pipeline_id, verb), repeatable=True)
    return Call(request, model(Pipeline))


class Streaming(Recovery[IO]):
    """`client.streaming`"""

    @operation
    def create_pipeline(
        self, definition: Definition = None, /, dry_run: bool | None = None, **fields: Any
    ) -> Call[WrittenPipeline]:
        """Create a pipeline: `create_pipeline(name=..., source={...}, transforms=[...], destination={...})`,
        or one mapping."""
        request = Request("POST", BASE + "/pipelines", given(dryRun=dry_run), body(definition, fields))
        return Call(request, model(WrittenPipeline))

    @listing
    def list_pipelines(
        self, *, query: str | None = None, state: PipelineState | None = None, limit: int | None = None
    ) -> Listing[Pipeline]:
        """List pipelines, oldest first; `query` has words of the name."""
        return Listing(
            Request("GET", BASE + "/pipelines", given(q=query, state=state, limit=limit)), model(PipelinePage)
        )

    @operation
    def get_pipeline(self, pipeline_id: str) -> Call[Pipeline]:
        """Read a pipeline."""
        return Call(Request("GET", path(PIPELINE, pipeline_id)), model(Pipeline))

    @operation
    def put_pipeline(
        self,
        pipeline_id: str,
        definition: Definition = None,
        /,
        unchanged_since: str | None = None,
        dry_run: bool | None = None,
        **fields: Any,
    ) -> Call[WrittenPipeline]:
        """Replace a pipeline's definition, or create it."""
        options = given(unchangedSince=unchanged_since, dryRun=dry_run)
        request = Request("PUT", path(PIPELINE, pipeline_id), options, body(definition, fields))
        return Call(request, model(WrittenPipeline))

    @operation
    def change_pipeline(
        self, pipeline_id: str, definition: Definition = None, /, **fields: Any
    ) -> Call[WrittenPipeline]:
        """Change the given fields; None removes a field."""
        where = path(PIPELINE, pipeline_id)
        request = Request("PATCH", where, body=body(definition, fields), repeatable=True)
        return Call(request, model(WrittenPipeline))

    @operation
    def delete_pipeline(self, pipeline_id: str, *, unchanged_since: str | None = None) -> Call[None]:
        """Delete a pipeline that is stopped."""
        options = given(unchangedSince=unchanged_since)
        return Call(Request("DELETE", path(PIPELINE, pipeline_id), options), nothing)

    @operation
    def start_pipeline(self, pipeline_id: str) -> Call[Pipeline]:
        """Start a pipeline, which then accepts events."""
        return _command(pipeline_id, "start")

    @operation
    def pause_pipeline(self, pipeline_id: str) -> Call[Pipeline]:
        """Pause a pipeline, which then keeps its events until it is resumed."""
        return _command(pipeline_id, "pause")

    @operation
    def resume_pipeline(self, pipeline_id: str) -> Call[Pipeline]:
        """Resume a paused pipeline, starting with the events that it has kept."""
        return _command(pipeline_id, "resume")

    @operation
    def stop_pipeline(self, pipeline_id: str) -> Call[Pipeline]:
        """Stop a pipeline, which cannot be started again."""
        return _command(pipeline_id, "stop")

    @operation
    def process(
        self, pipeline_id: str, item: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Call[PushedItem]:
        """Push an event: its payload, or `{"payload", "id"?, "type"?, "time"?}`."""
        where = path(PIPELINE + "/process", pipeline_id)
        request = Request("POST", where, body=dict(item), headers=new_key(idempotency_key))
        return Call(request, model(PushedItem))

    @operation
    def batch(
        self, pipeline_id: str, items: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Call[PushedItems]:
        """Push 1 to 1,000 events."""
        where = path(PIPELINE + "/batch", pipeline_id)
        request = Request("POST", where, body=list(items), headers=new_key(idempotency_key))
        return Call(request, model(PushedItems))

    @operation
    def get_pipeline_metrics(self, pipeline_id: str) -> Call[PipelineMetrics]:
        """Read the counts of the last 24 hours, throughput, latency, lag and backpressure."""
        return Call(Request("GET", path(PIPELINE + "/metrics", pipeline_id)), model(PipelineMetrics))

    @operation
    def get_pipeline_health(self, pipeline_id: str) -> Call[PipelineHealth]:
        """Read a pipeline's health, with the reasons for it."""
        return Call(Request("GET", path(PIPELINE + "/health", pipeline_id)), model(PipelineHealth))

    @operation
    def get_metrics_series(
        self,
        pipeline_id: str,
        *,
        since: str | None = None,
        until: str | None = None,
        step: int | None = None,
    ) -> Call[MetricsSeries]:
        """Read metrics over time: of the last hour, or of up to 7 days; `step` is in seconds."""
        query = given(**{"from": since, "to": until, "step": step})
        where = path(PIPELINE + "/metrics/series", pipeline_id)
        return Call(Request("GET", where, query), model(MetricsSeries))

    @operation
    def get_stats(self) -> Call[PipelineStats]:
        """Read the counts of all pipelines together."""
        return Call(Request("GET", BASE + "/stats"), model(PipelineStats))

    @listing
    def list_versions(self, pipeline_id: str, *, limit: int | None = None) -> Listing[PipelineVersion]:
        """List the versions of a pipeline's definition, newest first."""
        where = path(PIPELINE + "/versions", pipeline_id)
        return Listing(Request("GET", where, given(limit=limit)), model(PipelineVersionPage))

    @operation
    def get_version(self, pipeline_id: str, version: int) -> Call[dict[str, Any]]:
        """Read a definition as its author wrote it."""
        return Call(Request("GET", path(PIPELINE + "/versions/{}", pipeline_id, version)), as_it_is)

    @operation
    def compare_versions(
        self, pipeline_id: str, version: int, to: int | None = None
    ) -> Call[PipelineDifferences]:
        """Compare a definition with another one, or with the current one."""
        where = path(PIPELINE + "/versions/{}/diff", pipeline_id, version)
        return Call(Request("GET", where, given(to=to)), model(PipelineDifferences))

    @operation
    def restore_version(self, pipeline_id: str, version: int) -> Call[WrittenPipeline]:
        """Make an earlier definition the current one, as a new version."""
        where = path(PIPELINE + "/versions/{}/restore", pipeline_id, version)
        return Call(Request("POST", where), model(WrittenPipeline))

    @listing
    def list_recorded_events(self, pipeline_id: str, *, limit: int | None = None) -> Listing[RecordedEvent]:
        """List the events that a pipeline accepted in the last 30 days, newest first."""
        where = path(PIPELINE + "/events", pipeline_id)
        return Listing(Request("GET", where, given(limit=limit)), model(RecordedEventPage))

    @operation
    def get_schema(self) -> Call[dict[str, Any]]:
        """Read the JSON Schema of definitions."""
        return Call(Request("GET", BASE + "/schema"), as_it_is)

    @operation
    def list_templates(self) -> Call[PipelineTemplatePage]:
        """List the templates of common pipelines."""
        return Call(Request("GET", BASE + "/templates"), model(PipelineTemplatePage))

    @operation
    def get_template(self, template_id: str) -> Call[PipelineTemplate]:
        """Read a template with its parameters."""
        return Call(Request("GET", path(BASE + "/templates/{}", template_id)), model(PipelineTemplate))

    @operation
    def create_from_template(
        self, template_id: str, parameters: Mapping[str, Any], *, name: str | None = None
    ) -> Call[WrittenPipeline]:
        """Create a pipeline from a template."""
        where = path(BASE + "/templates/{}/pipelines", template_id)
        request = Request("POST", where, body=given(parameters=dict(parameters), name=name))
        return Call(request, model(WrittenPipeline))
