"""Operating pipelines over HTTP: checkpoints, replays, dry runs, destinations, secrets."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict

from millrace.api.cursors import from_cursor, to_cursor
from millrace.services.pipelines.operations.checkpoints import Recovery
from millrace.services.pipelines.operations.destinations import Destinations
from millrace.services.pipelines.registry.secrets import Secrets
from millrace.services.pipelines.registry.secrets import to_public as shown_secret

Json = dict[str, Any]
Object = Annotated[dict[str, Any], Body()]
MaybeObject = Annotated[dict[str, Any] | None, Body()]
Limit = Annotated[int, Query(ge=1, le=100)]
_PIPELINE = "/pipelines/{pipeline_id}"


class DestinationTest(BaseModel):
    """The event to send; without `payload` an event of ours that says it is a test."""

    model_config = ConfigDict(extra="forbid")
    payload: dict[str, Any] | None = None


def add_recovery(router: APIRouter, recovery: Recovery, Caller: Any) -> None:
    """Checkpoints, replays and dry runs."""

    @router.post(f"{_PIPELINE}/checkpoints", status_code=201, summary="Mark a place to go back to")
    async def create_checkpoint(who: Caller, pipeline_id: str) -> Json:
        return await recovery.checkpoint(who, pipeline_id)

    @router.get(f"{_PIPELINE}/checkpoints", summary="List checkpoints, the newest first")
    async def list_checkpoints(who: Caller, pipeline_id: str) -> Json:
        return {"items": await recovery.checkpoints(who, pipeline_id)}

    @router.post(
        f"{_PIPELINE}/checkpoints/{{checkpoint_id}}/restore",
        status_code=202,
        summary="Process again what was accepted since",
    )
    async def restore_checkpoint(who: Caller, pipeline_id: str, checkpoint_id: str) -> Json:
        return await recovery.restore(who, pipeline_id, checkpoint_id)

    @router.post(f"{_PIPELINE}/replay", status_code=202, summary="Process a time of the past again")
    async def replay(who: Caller, pipeline_id: str, request: Object) -> Json:
        return await recovery.replay(who, pipeline_id, request)

    @router.post(f"{_PIPELINE}/dry-run", summary="What each step would do to events; nothing is sent")
    async def dry_run(who: Caller, pipeline_id: str, request: MaybeObject = None) -> Json:
        return await recovery.dry_run(who, pipeline_id, request or {})


def add_destinations(router: APIRouter, destinations: Destinations, Caller: Any) -> None:
    """Add the routes of destinations."""

    @router.get(f"{_PIPELINE}/destinations", summary="List destinations: which get nothing now, and why")
    async def list_destinations(who: Caller, pipeline_id: str) -> Json:
        return {"items": await destinations.all(who, pipeline_id)}

    @router.post(f"{_PIPELINE}/destinations/{{number}}/enable", summary="Send to a destination again")
    async def enable_destination(who: Caller, pipeline_id: str, number: int) -> Json:
        return await destinations.enable(who, pipeline_id, number)

    @router.post(f"{_PIPELINE}/destinations/{{number}}/disable", summary="Send nothing to a destination")
    async def disable_destination(who: Caller, pipeline_id: str, number: int) -> Json:
        return await destinations.disable(who, pipeline_id, number)

    @router.post(f"{_PIPELINE}/destinations/{{number}}/test", summary="Send a marked test event")
    async def send_test_event(
        who: Caller, pipeline_id: str, number: int, request: DestinationTest | None = None
    ) -> Json:
        payload = request.payload if request else None
        return await destinations.test(who, pipeline_id, number, payload)


def add_secrets(router: APIRouter, secrets: Secrets, Caller: Any) -> None:
    """Secrets, which are never shown."""

    @router.get("/secrets", summary="List secrets' names")
    async def list_secrets(who: Caller, limit: Limit = 50, cursor: str | None = None) -> Json:
        after = from_cursor(cursor, "name") or {"name": ""}
        found, more = await secrets.page(who, after["name"], limit)
        next_cursor = to_cursor({"name": more}) if more else None
        return {"items": [shown_secret(one) for one in found], "nextCursor": next_cursor}

    @router.put("/secrets/{name}", summary="Store a secret, bound to hosts")
    async def put_secret(who: Caller, name: str, given: Object) -> Json:
        return shown_secret(await secrets.put(who, name, given))

    @router.delete("/secrets/{name}", status_code=204, summary="Delete a secret")
    async def delete_secret(who: Caller, name: str) -> None:
        await secrets.delete(who, name)
