"""List, count and delete the dead letters of pipelines."""

from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.redrives import DeadLetterSelection, DeletionRequest
from millrace.errors import InvalidRequest
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.dead_letter_choice import dead_letters_by_id, to_filter
from millrace.stores.dead_letters import DeadLetter, DeadLetterGroup

MAX_DELETED = 1_000
"""In one call."""
SHOWN_BYTES = 2_000_000
"""Of payloads in one answer. Lambda allows 6 MB, in which every quotation mark of ours counts twice."""


class DeadLetters:
    """The verbs on dead letters."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def page(
        self, caller: Principal, pipeline_id: str, choice: DeadLetterSelection, after: str, limit: int
    ) -> tuple[list[DeadLetter], str | None]:
        """Dead letters, the oldest first, and the id to go on after. A page may hold fewer than `limit`: it
        ends where its payloads fill what one answer can hold. Payloads over 64 KB are null; `get` gives
        them."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        chosen = to_filter(choice)
        dead_letters = self._context.dead_letters
        return await dead_letters.page(caller.organization, pipeline_id, after, limit, chosen, SHOWN_BYTES)

    async def get(self, caller: Principal, pipeline_id: str, dead_letter_id: str) -> DeadLetter:
        """Raises `NotFound`."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        (found,) = await dead_letters_by_id(
            self._context.dead_letters, caller.organization, pipeline_id, [dead_letter_id]
        )
        return await self._context.dead_letters.load(found) if found.payload_bytes <= SHOWN_BYTES else found

    async def count(self, caller: Principal, pipeline_id: str, choice: DeadLetterSelection) -> dict[str, Any]:
        """`{count, complete, places, codes}`; not `complete`: there are so many at least."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        chosen = to_filter(choice)
        counted = await self._context.dead_letters.count(caller.organization, pipeline_id, chosen=chosen)
        return {
            "count": counted.count,
            "complete": counted.complete,
            "places": dict(counted.places),
            "codes": dict(counted.codes),
        }

    async def groups(
        self, caller: Principal, pipeline_id: str, choice: DeadLetterSelection, after: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Dead letters by place and code, the largest group first, and the id to go on after."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        chosen = to_filter(choice)
        groups, more = await self._context.dead_letters.groups(
            caller.organization, pipeline_id, after, chosen
        )
        return [_group(one) for one in groups], more

    async def remove(self, caller: Principal, pipeline_id: str, dead_letter_id: str) -> None:
        """Throws a dead letter away. Raises `NotFound`."""
        await self.remove_chosen(caller, pipeline_id, DeletionRequest(ids=[dead_letter_id[:100]]))

    async def remove_chosen(
        self, caller: Principal, pipeline_id: str, request: DeletionRequest
    ) -> dict[str, Any]:
        """Throws dead letters away, a thousand in one call: `{deleted, more}`. Raises `InvalidRequest` unless
        it says which, or that it means all."""
        organization, dead_letters = caller.organization, self._context.dead_letters
        await self._context.pipelines.get(organization, pipeline_id)
        if not request.names_some and not request.all:
            raise InvalidRequest(
                "Select dead letters with `ids`, `place`, `code`, `from` or `to`, or send `all: true`."
            )
        more = None
        if request.ids:
            found = await dead_letters_by_id(dead_letters, organization, pipeline_id, request.ids)
        else:
            chosen = to_filter(request)
            found, more = await dead_letters.page(organization, pipeline_id, "", MAX_DELETED, chosen)
        return {"deleted": await dead_letters.remove_all(organization, found), "more": more is not None}


def to_public(dead_letter: DeadLetter) -> dict[str, Any]:
    """The JSON object as clients see it."""
    return {
        "id": dead_letter.id,
        "place": dead_letter.place,
        "version": dead_letter.definition_version,
        "acceptedAt": iso(dead_letter.at),
        "error": {"code": dead_letter.code, "message": dead_letter.message},
        "attempts": dead_letter.attempts,
        "status": dead_letter.status,
        "body": dead_letter.body,
        "payloadBytes": dead_letter.payload_bytes or None,
        "event": dead_letter.event,
    }


def _group(group: DeadLetterGroup) -> dict[str, Any]:
    latest = group.latest
    return {
        "place": latest.place,
        "code": latest.code,
        "count": group.count,
        "message": latest.message,
        "statuses": {str(status): count for status, count in group.statuses.most_common()},
        "firstAt": iso(group.first),
        "lastAt": iso(latest.at),
        "latestId": latest.id,
    }
