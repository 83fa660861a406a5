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
"""The maximum in one call."""
SHOWN_BYTES = 2_000_000
"""The maximum size of payloads in one answer.

Lambda allows 6 MB, in which our quotation marks count twice.
"""


class DeadLetters:
    """Operations on dead letters."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def page(
        self, caller: Principal, pipeline_id: str, choice: DeadLetterSelection, after: str, limit: int
    ) -> tuple[list[DeadLetter], str | None]:
        """Return dead letters, oldest first, and the id to continue after.

        A page may have fewer than `limit`, because it ends when its payloads fill an answer. Payloads over 64
        KB are null; `get` returns them.
        """
        await self._context.pipelines.get(caller.organization, pipeline_id)
        chosen = to_filter(choice)
        dead_letters = self._context.dead_letters
        return await dead_letters.page(caller.organization, pipeline_id, after, limit, chosen, SHOWN_BYTES)

    async def get(self, caller: Principal, pipeline_id: str, dead_letter_id: str) -> DeadLetter:
        """Return a dead letter. Raises `NotFound`."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        (found,) = await dead_letters_by_id(
            self._context.dead_letters, caller.organization, pipeline_id, [dead_letter_id]
        )
        return await self._context.dead_letters.load(found) if found.payload_bytes <= SHOWN_BYTES else found

    async def count(self, caller: Principal, pipeline_id: str, choice: DeadLetterSelection) -> dict[str, Any]:
        """Return `{count, complete, places, codes}`. If not `complete`, there are more."""
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
        """Return dead letters by place and code, the largest group first, and the id to continue after."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        chosen = to_filter(choice)
        groups, more = await self._context.dead_letters.groups(
            caller.organization, pipeline_id, after, chosen
        )
        return [_group(one) for one in groups], more

    async def remove(self, caller: Principal, pipeline_id: str, dead_letter_id: str) -> None:
        """Delete a dead letter. Raises `NotFound`."""
        await self.remove_chosen(caller, pipeline_id, DeletionRequest(ids=[dead_letter_id[:100]]))

    async def remove_chosen(
        self, caller: Principal, pipeline_id: str, request: DeletionRequest
    ) -> dict[str, Any]:
        """Delete dead letters, at most a thousand in one call: `{deleted, more}`.

        Raises `InvalidRequest` unless the request selects some or all.
        """
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
    """Return the JSON object for clients."""
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
