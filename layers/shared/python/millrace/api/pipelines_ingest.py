"""Events pushed into a pipeline over HTTP."""

from typing import Annotated, Any

from fastapi import Body, Header

from millrace.api.json_route import JSON_OR_LINES, Caller, JsonRouter
from millrace.api.pipelines_errors import PUSH_ERRORS
from millrace.services.pipelines.intake.push import Ingest

Given = Annotated[Any, Body()]
Key = Annotated[str, Header(max_length=200, description="Requests with the same key are one push")]
Json = dict[str, Any]


def add_ingest(router: JsonRouter, ingest: Ingest) -> None:
    """Add the routes that push single items and batches."""

    @router.operation(
        "POST",
        "/pipelines/{pipeline_id}/process",
        "Push an item",
        "pipelines:write",
        answers={202: "PushedItem"},
        errors=(*PUSH_ERRORS, "idempotency_key_reused"),
        body="PipelineItem",
        audited=False,
    )
    async def process(caller: Caller, pipeline_id: str, item: Given, idempotency_key: Key = "") -> Json:
        (id,) = await ingest.push(caller, pipeline_id, [item], idempotency_key)
        return {"accepted": 1, "id": id, "ids": [id]}

    @router.operation(
        "POST",
        "/pipelines/{pipeline_id}/batch",
        "Push up to 1,000 items, as a list or as JSON lines",
        "pipelines:write",
        answers={202: "PushedItems"},
        errors=(*PUSH_ERRORS, "idempotency_key_reused"),
        body="PipelineItems",
        body_media=JSON_OR_LINES,
        audited=False,
    )
    async def batch(caller: Caller, pipeline_id: str, items: Given, idempotency_key: Key = "") -> Json:
        given = items.get("items", items) if isinstance(items, dict) else items
        ids = await ingest.push(caller, pipeline_id, given, idempotency_key)
        return {"accepted": len(ids), "ids": ids}
