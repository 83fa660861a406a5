"""Dead letters over HTTP: read, sent again, thrown away."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import ValidationError

from millrace.api.cursors import from_cursor, to_cursor
from millrace.domain.redrives import DeletionAsked, LetterChoice, RedriveAsked
from millrace.errors import InvalidRequest
from millrace.services.pipelines.letters import Letters
from millrace.services.pipelines.letters import shown as shown_letter
from millrace.services.pipelines.redrive import Redrives

Json = dict[str, Any]
Text = Annotated[str | None, Query(max_length=100)]
_LETTERS = "/pipelines/{pipeline_id}/dead-letters"


def _choice(
    place: Text = None,
    code: Text = None,
    since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
) -> LetterChoice:
    given = {"place": place, "code": code, "from": since, "to": until}
    try:
        return LetterChoice.model_validate(given)
    except ValidationError as problem:
        raise InvalidRequest("place: `step:<n>` or `destination:<n>`.", code="invalid_place") from problem


Choice = Annotated[LetterChoice, Depends(_choice)]


def add_letters(router: APIRouter, letters: Letters, Caller: Any) -> None:
    """Dead letters; paths with words come before those with ids."""

    @router.get(_LETTERS, summary="List dead letters, the oldest first")
    async def list_dead_letters(
        who: Caller,
        pipeline_id: str,
        choice: Choice,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await letters.page(who, pipeline_id, choice, after["id"], limit)
        next_cursor = to_cursor({"id": more}) if more else None
        return {"items": [shown_letter(one) for one in found], "nextCursor": next_cursor}

    @router.get(f"{_LETTERS}/count", summary="Count dead letters, by place and by code")
    async def count_dead_letters(who: Caller, pipeline_id: str, choice: Choice) -> Json:
        return await letters.count(who, pipeline_id, choice)

    @router.post(f"{_LETTERS}/delete", summary="Throw dead letters away, 1,000 in one call")
    async def delete_dead_letters(who: Caller, pipeline_id: str, asked: DeletionAsked) -> Json:
        return await letters.remove_chosen(who, pipeline_id, asked)


def add_redrives(router: APIRouter, redrives: Redrives, Caller: Any) -> None:
    """Redrives of dead letters."""

    @router.post(f"{_LETTERS}/redrive", status_code=202, summary="Send dead letters again")
    async def redrive(who: Caller, pipeline_id: str, asked: RedriveAsked | None = None) -> Json:
        return (await redrives.create(who, pipeline_id, asked or RedriveAsked())).shown()

    @router.get(f"{_LETTERS}/redrives", summary="List redrives, the newest first")
    async def list_redrives(who: Caller, pipeline_id: str) -> Json:
        return {"items": [one.shown() for one in await redrives.all(who, pipeline_id)]}

    @router.get(f"{_LETTERS}/redrives/{{redrive_id}}", summary="How far a redrive has come")
    async def get_redrive(who: Caller, pipeline_id: str, redrive_id: str) -> Json:
        return await redrives.get(who, pipeline_id, redrive_id)

    @router.post(f"{_LETTERS}/redrives/{{redrive_id}}/cancel", summary="Send no more of them")
    async def cancel_redrive(who: Caller, pipeline_id: str, redrive_id: str) -> Json:
        return (await redrives.cancel(who, pipeline_id, redrive_id)).shown()


def add_letter(router: APIRouter, letters: Letters, Caller: Any) -> None:
    """One dead letter."""

    @router.get(f"{_LETTERS}/{{letter_id}}", summary="Read a dead letter")
    async def get_dead_letter(who: Caller, pipeline_id: str, letter_id: str) -> Json:
        return shown_letter(await letters.get(who, pipeline_id, letter_id))

    @router.delete(f"{_LETTERS}/{{letter_id}}", status_code=204, summary="Throw a dead letter away")
    async def delete_dead_letter(who: Caller, pipeline_id: str, letter_id: str) -> None:
        await letters.remove(who, pipeline_id, letter_id)
