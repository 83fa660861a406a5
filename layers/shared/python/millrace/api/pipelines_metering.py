"""Counts and health of pipelines over HTTP."""

from typing import Any

from millrace.api.json_route import Caller, JsonRouter
from millrace.api.pipelines_errors import NOT_FOUND
from millrace.services.pipelines.operations.health import Metering

Json = dict[str, Any]


def add_metering(router: JsonRouter, metering: Metering) -> None:
    """Metrics, health, and the statistics of all pipelines."""

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/metrics",
        "Read a pipeline's counts, throughput, latency and backpressure",
        "pipelines:read",
        answers={200: "PipelineMetrics"},
        errors=NOT_FOUND,
    )
    async def get_metrics(who: Caller, pipeline_id: str) -> Json:
        return await metering.metrics(who, pipeline_id)

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/health",
        "Read a pipeline's health, with reasons in words",
        "pipelines:read",
        answers={200: "PipelineHealth"},
        errors=NOT_FOUND,
    )
    async def get_health(who: Caller, pipeline_id: str) -> Json:
        return await metering.health(who, pipeline_id)

    @router.operation(
        "GET",
        "/stats",
        "Read the statistics of all pipelines together",
        "pipelines:read",
        answers={200: "PipelineStats"},
    )
    async def get_stats(who: Caller) -> Json:
        return await metering.stats(who)
