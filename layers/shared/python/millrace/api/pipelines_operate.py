"""Operating pipelines over HTTP: checkpoints, replays, destinations, secrets."""

from typing import Annotated, Any

from fastapi import Body, Query
from pydantic import BaseModel, ConfigDict

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.json_route import Caller, JsonRouter
from millrace.api.operation import EMPTY
from millrace.api.pipelines_errors import NOT_FOUND
from millrace.services.pipelines.operations.checkpoints import Recovery
from millrace.services.pipelines.operations.destinations import Destinations
from millrace.services.pipelines.registry.secrets import Secrets
from millrace.services.pipelines.registry.secrets import to_public as shown_secret

Json = dict[str, Any]
Object = Annotated[dict[str, Any], Body()]
Limit = Annotated[int, Query(ge=1, le=100)]
_PIPELINE = "/pipelines/{pipeline_id}"
REPLAY_ERRORS = (*NOT_FOUND, "pipeline_not_running")
DESTINATION_ERRORS = (*NOT_FOUND, "destination_not_found")


class DestinationTest(BaseModel):
    """The event to send; without `payload`, an event that says that it is a test."""

    model_config = ConfigDict(extra="forbid")
    payload: dict[str, Any] | None = None


def add_recovery(router: JsonRouter, recovery: Recovery) -> None:
    """Add the routes of checkpoints and replays."""

    @router.operation(
        "POST",
        f"{_PIPELINE}/checkpoints",
        "Create a checkpoint, to replay from later",
        "pipelines:write",
        answers={201: "Checkpoint"},
        errors=NOT_FOUND,
    )
    async def create_checkpoint(caller: Caller, pipeline_id: str) -> Json:
        return await recovery.checkpoint(caller, pipeline_id)

    @router.operation(
        "GET",
        f"{_PIPELINE}/checkpoints",
        "List checkpoints, newest first",
        "pipelines:read",
        answers={200: "CheckpointPage"},
        errors=NOT_FOUND,
    )
    async def list_checkpoints(caller: Caller, pipeline_id: str) -> Json:
        return {"items": await recovery.checkpoints(caller, pipeline_id)}

    @router.operation(
        "POST",
        f"{_PIPELINE}/checkpoints/{{checkpoint_id}}/restore",
        "Restore a checkpoint: process again what was accepted since then",
        "pipelines:write",
        answers={202: "Replay"},
        errors=(*REPLAY_ERRORS, "checkpoint_not_found"),
    )
    async def restore_checkpoint(caller: Caller, pipeline_id: str, checkpoint_id: str) -> Json:
        return await recovery.restore(caller, pipeline_id, checkpoint_id)

    @router.operation(
        "POST",
        f"{_PIPELINE}/replay",
        "Replay: process again what was accepted in a period",
        "pipelines:write",
        answers={202: "Replay"},
        errors=(*REPLAY_ERRORS, "invalid_time", "invalid_version", "version_not_found"),
        body="ReplayRequest",
    )
    async def replay(caller: Caller, pipeline_id: str, request: Object) -> Json:
        return await recovery.replay(caller, pipeline_id, request)


def add_destinations(router: JsonRouter, destinations: Destinations) -> None:
    """Add the routes of destinations."""

    @router.operation(
        "GET",
        f"{_PIPELINE}/destinations",
        "List destinations with their states, and why some receive nothing",
        "pipelines:read",
        answers={200: "DestinationPage"},
        errors=NOT_FOUND,
    )
    async def list_destinations(caller: Caller, pipeline_id: str) -> Json:
        return {"items": await destinations.all(caller, pipeline_id)}

    @router.operation(
        "POST",
        f"{_PIPELINE}/destinations/{{number}}/enable",
        "Enable a destination, so that events are sent to it again",
        "pipelines:write",
        answers={200: "Destination"},
        errors=DESTINATION_ERRORS,
    )
    async def enable_destination(caller: Caller, pipeline_id: str, number: int) -> Json:
        return await destinations.enable(caller, pipeline_id, number)

    @router.operation(
        "POST",
        f"{_PIPELINE}/destinations/{{number}}/disable",
        "Disable a destination, so that nothing is sent to it",
        "pipelines:write",
        answers={200: "Destination"},
        errors=DESTINATION_ERRORS,
    )
    async def disable_destination(caller: Caller, pipeline_id: str, number: int) -> Json:
        return await destinations.disable(caller, pipeline_id, number)

    @router.operation(
        "POST",
        f"{_PIPELINE}/destinations/{{number}}/test",
        "Send a marked test event to a destination",
        "pipelines:write",
        answers={200: "DestinationTestResult"},
        errors=(*DESTINATION_ERRORS, "no_deliveries", "not_configured"),
        body=DestinationTest,
        body_required=False,
    )
    async def send_test_event(
        caller: Caller, pipeline_id: str, number: int, request: DestinationTest | None = None
    ) -> Json:
        payload = request.payload if request else None
        return await destinations.test(caller, pipeline_id, number, payload)


def add_secrets(router: JsonRouter, secrets: Secrets) -> None:
    """Add the routes of secrets, whose values are never returned."""

    @router.operation(
        "GET",
        "/secrets",
        "List the names of secrets",
        "pipelines:read",
        answers={200: "SecretPage"},
    )
    async def list_secrets(caller: Caller, limit: Limit = 50, cursor: str | None = None) -> Json:
        after = from_cursor(cursor, "name") or {"name": ""}
        found, more = await secrets.page(caller, after["name"], limit)
        next_cursor = to_cursor({"name": more}) if more else None
        return {"items": [shown_secret(one) for one in found], "nextCursor": next_cursor}

    @router.operation(
        "PUT",
        "/secrets/{name}",
        "Store a secret, bound to hosts",
        "pipelines:write",
        answers={200: "Secret"},
        errors=("invalid_secret", "limit_reached", "not_configured"),
        body="NewSecret",
    )
    async def put_secret(caller: Caller, name: str, given: Object) -> Json:
        return shown_secret(await secrets.put(caller, name, given))

    @router.operation(
        "DELETE",
        "/secrets/{name}",
        "Delete a secret",
        "pipelines:write",
        answers={204: EMPTY},
        errors=("secret_not_found",),
    )
    async def delete_secret(caller: Caller, name: str) -> None:
        await secrets.delete(caller, name)
