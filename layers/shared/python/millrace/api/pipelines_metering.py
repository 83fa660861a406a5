"""Counts and health of pipelines over HTTP."""

from typing import Annotated, Any

from fastapi import Query

from millrace.api.json_route import Caller, JsonRouter
from millrace.api.pipelines_errors import NOT_FOUND
from millrace.services.pipelines.operations.health import Metering
from millrace.services.pipelines.operations.series import Series

Json = dict[str, Any]


def add_metering(router: JsonRouter, metering: Metering, series: Series) -> None:
    """Add the routes of metrics, health, and the statistics of all pipelines."""

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/metrics/series",
        "Read a pipeline's metrics over time: the last hour, or a period of up to 7 days",
        "pipelines:read",
        answers={200: "MetricsSeries"},
        errors=(*NOT_FOUND, "invalid_time", "invalid_query"),
    )
    async def get_metrics_series(
        caller: Caller,
        pipeline_id: str,
        since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
        until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
        step: Annotated[int | None, Query(description="seconds: 60, 300, 900 or 3600")] = None,
    ) -> Json:
        return await series.of(caller, pipeline_id, since, until, step)

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/metrics",
        "Read a pipeline's counts, throughput, latency and backpressure",
        "pipelines:read",
        answers={200: "PipelineMetrics"},
        errors=NOT_FOUND,
    )
    async def get_metrics(caller: Caller, pipeline_id: str) -> Json:
        return await metering.metrics(caller, pipeline_id)

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/health",
        "Read a pipeline's health, with reasons in words",
        "pipelines:read",
        answers={200: "PipelineHealth"},
        errors=NOT_FOUND,
    )
    async def get_health(caller: Caller, pipeline_id: str) -> Json:
        return await metering.health(caller, pipeline_id)

    @router.operation(
        "GET",
        "/stats",
        "Read the statistics of all pipelines together",
        "pipelines:read",
        answers={200: "PipelineStats"},
    )
    async def get_stats(caller: Caller) -> Json:
        return await metering.stats(caller)
