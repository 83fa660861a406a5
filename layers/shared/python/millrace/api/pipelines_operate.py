"""Operating pipelines over HTTP: checkpoints, replays, dry runs, dead letters, secrets."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from millrace.api.cursors import from_cursor, to_cursor
from millrace.services.pipelines.letters import Letters, read_choice
from millrace.services.pipelines.letters import shown as shown_letter
from millrace.services.pipelines.recover import Recovery
from millrace.services.pipelines.secrets import Secrets
from millrace.services.pipelines.secrets import shown as shown_secret

Json = dict[str, Any]
Object = Annotated[dict[str, Any], Body()]
MaybeObject = Annotated[dict[str, Any] | None, Body()]
Limit = Annotated[int, Query(ge=1, le=100)]
_PIPELINE = "/pipelines/{pipeline_id}"


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
    async def replay(who: Caller, pipeline_id: str, asked: Object) -> Json:
        return await recovery.replay(who, pipeline_id, asked)

    @router.post(f"{_PIPELINE}/dry-run", summary="What each step would do to events; nothing is sent")
    async def dry_run(who: Caller, pipeline_id: str, asked: MaybeObject = None) -> Json:
        return await recovery.dry_run(who, pipeline_id, asked or {})


def add_letters(router: APIRouter, letters: Letters, Caller: Any) -> None:
    """Dead letters."""

    @router.get(f"{_PIPELINE}/dead-letters", summary="List dead letters, the oldest first")
    async def list_dead_letters(
        who: Caller, pipeline_id: str, limit: Limit = 50, cursor: str | None = None
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await letters.page(who, pipeline_id, after["id"], limit)
        next_cursor = to_cursor({"id": more}) if more else None
        return {"items": [shown_letter(one) for one in found], "nextCursor": next_cursor}

    @router.post(f"{_PIPELINE}/dead-letters/redrive", status_code=202, summary="Send dead letters again")
    async def redrive(who: Caller, pipeline_id: str, asked: MaybeObject = None) -> Json:
        return {"redriven": await letters.redrive(who, pipeline_id, read_choice(asked or {}))}

    @router.delete(
        f"{_PIPELINE}/dead-letters/{{letter_id}}", status_code=204, summary="Throw a dead letter away"
    )
    async def delete_dead_letter(who: Caller, pipeline_id: str, letter_id: str) -> None:
        await letters.remove(who, pipeline_id, letter_id)


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
