"""Dead letters over HTTP: read, sent again, thrown away."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import ValidationError

from millrace.api.cursors import from_cursor, to_cursor
from millrace.domain.redrives import DeadLetterSelection, DeletionRequest, RedriveRequest
from millrace.errors import InvalidRequest
from millrace.services.pipelines.operations.dead_letters import DeadLetters
from millrace.services.pipelines.operations.dead_letters import to_public as shown_dead_letter
from millrace.services.pipelines.operations.redrives import Redrives

Json = dict[str, Any]
Text = Annotated[str | None, Query(max_length=100)]
_DEAD_LETTERS = "/pipelines/{pipeline_id}/dead-letters"


def _choice(
    place: Text = None,
    code: Text = None,
    since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
) -> DeadLetterSelection:
    given = {"place": place, "code": code, "from": since, "to": until}
    try:
        return DeadLetterSelection.model_validate(given)
    except ValidationError as error:
        raise InvalidRequest("place: `step:<n>` or `destination:<n>`.", code="invalid_place") from error


Choice = Annotated[DeadLetterSelection, Depends(_choice)]


def add_dead_letters(router: APIRouter, dead_letters: DeadLetters, Caller: Any) -> None:
    """Dead letters; paths with words come before those with ids."""

    @router.get(_DEAD_LETTERS, summary="List dead letters, the oldest first")
    async def list_dead_letters(
        who: Caller,
        pipeline_id: str,
        choice: Choice,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await dead_letters.page(who, pipeline_id, choice, after["id"], limit)
        next_cursor = to_cursor({"id": more}) if more else None
        return {"items": [shown_dead_letter(one) for one in found], "nextCursor": next_cursor}

    @router.get(f"{_DEAD_LETTERS}/count", summary="Count dead letters, by place and by code")
    async def count_dead_letters(who: Caller, pipeline_id: str, choice: Choice) -> Json:
        return await dead_letters.count(who, pipeline_id, choice)

    @router.post(f"{_DEAD_LETTERS}/delete", summary="Throw dead letters away, 1,000 in one call")
    async def delete_dead_letters(who: Caller, pipeline_id: str, request: DeletionRequest) -> Json:
        return await dead_letters.remove_chosen(who, pipeline_id, request)


def add_redrives(router: APIRouter, redrives: Redrives, Caller: Any) -> None:
    """Redrives of dead letters."""

    @router.post(f"{_DEAD_LETTERS}/redrive", status_code=202, summary="Send dead letters again")
    async def redrive(who: Caller, pipeline_id: str, request: RedriveRequest | None = None) -> Json:
        return (await redrives.create(who, pipeline_id, request or RedriveRequest())).to_public()

    @router.get(f"{_DEAD_LETTERS}/redrives", summary="List redrives, the newest first")
    async def list_redrives(who: Caller, pipeline_id: str) -> Json:
        return {"items": [one.to_public() for one in await redrives.all(who, pipeline_id)]}

    @router.get(f"{_DEAD_LETTERS}/redrives/{{redrive_id}}", summary="How far a redrive has come")
    async def get_redrive(who: Caller, pipeline_id: str, redrive_id: str) -> Json:
        return await redrives.get(who, pipeline_id, redrive_id)

    @router.post(f"{_DEAD_LETTERS}/redrives/{{redrive_id}}/cancel", summary="Send no more of them")
    async def cancel_redrive(who: Caller, pipeline_id: str, redrive_id: str) -> Json:
        return (await redrives.cancel(who, pipeline_id, redrive_id)).to_public()


def add_dead_letter(router: APIRouter, dead_letters: DeadLetters, Caller: Any) -> None:
    """One dead letter."""

    @router.get(f"{_DEAD_LETTERS}/{{dead_letter_id}}", summary="Read a dead letter")
    async def get_dead_letter(who: Caller, pipeline_id: str, dead_letter_id: str) -> Json:
        return shown_dead_letter(await dead_letters.get(who, pipeline_id, dead_letter_id))

    @router.delete(f"{_DEAD_LETTERS}/{{dead_letter_id}}", status_code=204, summary="Throw a dead letter away")
    async def delete_dead_letter(who: Caller, pipeline_id: str, dead_letter_id: str) -> None:
        await dead_letters.remove(who, pipeline_id, dead_letter_id)
