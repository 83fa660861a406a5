"""Dead letters over HTTP: read, redrive and delete them."""

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import ValidationError

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.json_route import Caller, JsonRouter
from millrace.api.operation import EMPTY
from millrace.api.pipelines_errors import NOT_FOUND
from millrace.domain.redrives import DeadLetterSelection, DeletionRequest, RedriveRequest
from millrace.errors import InvalidRequest
from millrace.services.pipelines.operations.dead_letters import DeadLetters
from millrace.services.pipelines.operations.dead_letters import to_public as shown_dead_letter
from millrace.services.pipelines.operations.redrives import Redrives

Json = dict[str, Any]
Text = Annotated[str | None, Query(max_length=100)]
_DEAD_LETTERS = "/pipelines/{pipeline_id}/dead-letters"
CHOICE_ERRORS = (*NOT_FOUND, "invalid_place", "invalid_time")
DEAD_LETTER_ERRORS = (*NOT_FOUND, "dead_letter_not_found")
REDRIVE_ERRORS = (*NOT_FOUND, "redrive_not_found")


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


def add_dead_letters(router: JsonRouter, dead_letters: DeadLetters) -> None:
    """Add the routes of dead letters. Paths with fixed words must come before those with ids."""

    @router.operation(
        "GET",
        _DEAD_LETTERS,
        "List dead letters, oldest first",
        "pipelines:read",
        answers={200: "DeadLetterPage"},
        errors=CHOICE_ERRORS,
    )
    async def list_dead_letters(
        caller: Caller,
        pipeline_id: str,
        choice: Choice,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await dead_letters.page(caller, pipeline_id, choice, after["id"], limit)
        next_cursor = to_cursor({"id": more}) if more else None
        return {"items": [shown_dead_letter(one) for one in found], "nextCursor": next_cursor}

    @router.operation(
        "GET",
        f"{_DEAD_LETTERS}/count",
        "Count dead letters, by place and by code",
        "pipelines:read",
        answers={200: "DeadLetterCount"},
        errors=CHOICE_ERRORS,
    )
    async def count_dead_letters(caller: Caller, pipeline_id: str, choice: Choice) -> Json:
        return await dead_letters.count(caller, pipeline_id, choice)

    @router.operation(
        "GET",
        f"{_DEAD_LETTERS}/groups",
        "List dead letters by place and error, the largest group first",
        "pipelines:read",
        answers={200: "DeadLetterGroupPage"},
        errors=CHOICE_ERRORS,
    )
    async def list_dead_letter_groups(
        caller: Caller, pipeline_id: str, choice: Choice, cursor: str | None = None
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await dead_letters.groups(caller, pipeline_id, choice, after["id"])
        return {"items": found, "nextCursor": to_cursor({"id": more}) if more else None}

    @router.operation(
        "POST",
        f"{_DEAD_LETTERS}/delete",
        "Delete dead letters, 1,000 in one call",
        "pipelines:write",
        answers={200: "DeletedDeadLetters"},
        errors=(*CHOICE_ERRORS, "dead_letter_not_found"),
        body=DeletionRequest,
    )
    async def delete_dead_letters(caller: Caller, pipeline_id: str, request: DeletionRequest) -> Json:
        return await dead_letters.remove_chosen(caller, pipeline_id, request)


def add_redrives(router: JsonRouter, redrives: Redrives) -> None:
    """Add the routes of redrives."""

    @router.operation(
        "POST",
        f"{_DEAD_LETTERS}/redrive",
        "Redrive dead letters: send them again",
        "pipelines:write",
        answers={202: "Redrive"},
        errors=(*CHOICE_ERRORS, "dead_letter_not_found", "pipeline_paused", "invalid_step"),
        body=RedriveRequest,
        body_required=False,
    )
    async def redrive(caller: Caller, pipeline_id: str, request: RedriveRequest | None = None) -> Json:
        return (await redrives.create(caller, pipeline_id, request or RedriveRequest())).to_public()

    @router.operation(
        "GET",
        f"{_DEAD_LETTERS}/redrives",
        "List redrives, newest first",
        "pipelines:read",
        answers={200: "RedrivePage"},
        errors=NOT_FOUND,
    )
    async def list_redrives(caller: Caller, pipeline_id: str) -> Json:
        return {"items": [one.to_public() for one in await redrives.all(caller, pipeline_id)]}

    @router.operation(
        "GET",
        f"{_DEAD_LETTERS}/redrives/{{redrive_id}}",
        "Read a redrive and its progress",
        "pipelines:read",
        answers={200: "RedriveProgress"},
        errors=REDRIVE_ERRORS,
    )
    async def get_redrive(caller: Caller, pipeline_id: str, redrive_id: str) -> Json:
        return await redrives.get(caller, pipeline_id, redrive_id)

    @router.operation(
        "POST",
        f"{_DEAD_LETTERS}/redrives/{{redrive_id}}/cancel",
        "Cancel a redrive, which then sends no more dead letters",
        "pipelines:write",
        answers={200: "Redrive"},
        errors=(*REDRIVE_ERRORS, "redrive_over"),
    )
    async def cancel_redrive(caller: Caller, pipeline_id: str, redrive_id: str) -> Json:
        return (await redrives.cancel(caller, pipeline_id, redrive_id)).to_public()


def add_dead_letter(router: JsonRouter, dead_letters: DeadLetters) -> None:
    """Add the routes of a single dead letter."""

    @router.operation(
        "GET",
        f"{_DEAD_LETTERS}/{{dead_letter_id}}",
        "Read a dead letter",
        "pipelines:read",
        answers={200: "DeadLetter"},
        errors=DEAD_LETTER_ERRORS,
    )
    async def get_dead_letter(caller: Caller, pipeline_id: str, dead_letter_id: str) -> Json:
        return shown_dead_letter(await dead_letters.get(caller, pipeline_id, dead_letter_id))

    @router.operation(
        "DELETE",
        f"{_DEAD_LETTERS}/{{dead_letter_id}}",
        "Delete a dead letter",
        "pipelines:write",
        answers={204: EMPTY},
        errors=DEAD_LETTER_ERRORS,
    )
    async def delete_dead_letter(caller: Caller, pipeline_id: str, dead_letter_id: str) -> None:
        await dead_letters.remove(caller, pipeline_id, dead_letter_id)
