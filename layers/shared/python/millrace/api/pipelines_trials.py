"""Dry runs of definitions over HTTP, and the recorded events to try them on."""

from typing import Annotated, Any

from fastapi import Body, Query

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.json_route import Caller, JsonRouter
from millrace.api.pipelines_errors import NOT_FOUND
from millrace.errors import InvalidRequest
from millrace.services.pipelines.operations.dry_runs import DryRuns
from millrace.services.pipelines.operations.recorded import Place, RecordedEvents

Json = dict[str, Any]
Object = Annotated[dict[str, Any], Body()]
MaybeObject = Annotated[dict[str, Any] | None, Body()]
_PIPELINE = "/pipelines/{pipeline_id}"
DRY_RUN_ERRORS = ("invalid_definition", "invalid_event", "invalid_items", "too_large")


def add_dry_runs(router: JsonRouter, dry_runs: DryRuns) -> None:
    """Add the routes of dry runs of pipelines, and of definitions without a pipeline."""

    @router.operation(
        "POST",
        "/dry-run",
        "Show what each step of a definition would do to events; nothing is sent or stored",
        "pipelines:write",
        answers={200: "DryRun"},
        errors=DRY_RUN_ERRORS,
        body="DefinitionDryRun",
        audited=False,
    )
    async def dry_run_definition(caller: Caller, request: Object) -> Json:
        return await dry_runs.of_definition(caller, request)

    @router.operation(
        "POST",
        f"{_PIPELINE}/dry-run",
        "Show what each step would do to events; nothing is sent",
        "pipelines:write",
        answers={200: "DryRun"},
        errors=(*NOT_FOUND, "invalid_definition", "invalid_event", "invalid_items", "no_events", "too_large"),
        body="DryRunRequest",
        body_required=False,
        audited=False,
    )
    async def dry_run(caller: Caller, pipeline_id: str, request: MaybeObject = None) -> Json:
        return await dry_runs.of_pipeline(caller, pipeline_id, request or {})


def add_recorded(router: JsonRouter, recorded: RecordedEvents) -> None:
    """Add the route of the events that a pipeline accepted."""

    @router.operation(
        "GET",
        f"{_PIPELINE}/events",
        "List the events that a pipeline accepted in the last 30 days, newest first",
        "pipelines:read",
        answers={200: "RecordedEventPage"},
        errors=NOT_FOUND,
    )
    async def list_recorded_events(
        caller: Caller,
        pipeline_id: str,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> Json:
        found, more = await recorded.page(caller, pipeline_id, _place(cursor), limit)
        next_cursor = to_cursor({"position": more.position, "skip": str(more.skip)}) if more else None
        return {"items": found, "nextCursor": next_cursor}


def _place(cursor: str | None) -> Place | None:
    key = from_cursor(cursor, "position", "skip")
    if key is None:
        return None
    skip = key["skip"]
    if not (skip.isascii() and skip.isdigit() and len(skip) <= 9):
        raise InvalidRequest("The cursor is invalid; start without one.", code="invalid_cursor")
    return Place(key["position"][:100], int(skip))
