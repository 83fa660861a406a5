"""Dead letters of pipelines: listed, counted, thrown away. `millrace.services.pipelines.redrive` sends them
again."""

import asyncio
import math
import time
from collections.abc import Iterable
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.redrives import DeletionAsked, LetterChoice
from millrace.errors import InvalidRequest, NotFound
from millrace.services.pipelines.line import Line
from millrace.services.pipelines.messages import order
from millrace.stores.dead_letters import DeadLetterStore, Filter, Letter

MAX_DELETED = 1_000
"""In one call."""
PURGED = 100
"""At a time, of those of a deleted pipeline."""
SHOWN_BYTES = 2_000_000
"""Of payloads in one answer. Lambda allows 6 MB, in which every quotation mark of ours counts twice."""


class Letters:
    """Reading needs the scope `pipelines:read`, the rest `pipelines:write`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def page(
        self, caller: Principal, pipeline_id: str, choice: LetterChoice, after: str, limit: int
    ) -> tuple[list[Letter], str | None]:
        """Letters, the oldest first, and the id to go on after. A page may hold fewer than `limit`: it ends
        where its payloads fill what one answer can hold. Payloads over 64 KB are null; `get` gives them."""
        caller.require("pipelines:read")
        await self._line.pipelines.get(caller.organization, pipeline_id)
        chosen = filter_of(choice)
        letters = self._line.letters
        return await letters.page(caller.organization, pipeline_id, after, limit, chosen, SHOWN_BYTES)

    async def get(self, caller: Principal, pipeline_id: str, letter_id: str) -> Letter:
        """Raises `NotFound`."""
        caller.require("pipelines:read")
        await self._line.pipelines.get(caller.organization, pipeline_id)
        (found,) = await letters_of(self._line.letters, caller.organization, pipeline_id, [letter_id])
        return await self._line.letters.load(found) if found.payload_bytes <= SHOWN_BYTES else found

    async def count(self, caller: Principal, pipeline_id: str, choice: LetterChoice) -> dict[str, Any]:
        """`{count, complete, places, codes}`; not `complete`: there are so many at least."""
        caller.require("pipelines:read")
        await self._line.pipelines.get(caller.organization, pipeline_id)
        chosen = filter_of(choice)
        tally = await self._line.letters.count(caller.organization, pipeline_id, chosen=chosen)
        return {
            "count": tally.count,
            "complete": tally.complete,
            "places": dict(tally.places),
            "codes": dict(tally.codes),
        }

    async def remove(self, caller: Principal, pipeline_id: str, letter_id: str) -> None:
        """Throws a letter away. Raises `NotFound`."""
        await self.remove_chosen(caller, pipeline_id, DeletionAsked(ids=[letter_id[:100]]))

    async def remove_chosen(
        self, caller: Principal, pipeline_id: str, asked: DeletionAsked
    ) -> dict[str, Any]:
        """Throws letters away, a thousand in one call: `{deleted, more}`. Raises `InvalidRequest` unless it
        says which, or that it means all."""
        caller.require("pipelines:write")
        organization, letters = caller.organization, self._line.letters
        await self._line.pipelines.get(organization, pipeline_id)
        if not asked.names_some and not asked.all:
            raise InvalidRequest("Say which: `ids`, `place`, `code`, `from`, `to`, or `all: true`.")
        more = None
        if asked.ids:
            found = await letters_of(letters, organization, pipeline_id, asked.ids)
        else:
            chosen = filter_of(asked)
            found, more = await letters.page(organization, pipeline_id, "", MAX_DELETED, chosen)
        return {"deleted": await letters.remove_all(organization, found), "more": more is not None}


async def purge(line: Line, address: tuple[str, str], asked: dict[str, Any], ends: float = math.inf) -> None:
    """`{after}`: deletes the dead letters of a pipeline that was deleted, with their objects, and orders what
    is left at `ends`. Ids of pipelines are not used twice, so they are nobody else's."""
    organization, pipeline_id = address
    try:
        await line.pipelines.get(organization, pipeline_id)
    except NotFound:
        pass
    else:
        return  # its deletion was refused, or is still to come and orders this again
    more: str | None = asked["after"]
    while more is not None and time.monotonic() <= ends:
        found, more = await line.letters.page(organization, pipeline_id, more, PURGED)
        await line.letters.remove_all(organization, found)
    if more is not None:
        rest = order(organization, pipeline_id, purge={"after": more})
        await asyncio.to_thread(line.ingest.send, [rest], 0, organization)


def filter_of(choice: LetterChoice) -> Filter:
    """As the store understands it. Raises `InvalidRequest`."""
    since, until = choice.times()
    return Filter(choice.place, choice.code, since, until)


async def letters_of(
    store: DeadLetterStore, organization: str, pipeline_id: str, ids: Iterable[str]
) -> list[Letter]:
    """The letters with these ids. Raises `NotFound` that names one which is not there."""
    wanted = list(dict.fromkeys(ids))
    found = await asyncio.gather(*(store.get(organization, pipeline_id, one) for one in wanted))
    missing = [id for id, letter in zip(wanted, found, strict=True) if letter is None]
    if missing:
        raise NotFound(f"No dead letter has the id {missing[0]!r:.120}.", code="dead_letter_not_found")
    return [letter for letter in found if letter]


def shown(letter: Letter) -> dict[str, Any]:
    """The JSON object as clients see it."""
    return {
        "id": letter.id,
        "place": letter.place,
        "version": letter.definition_version,
        "acceptedAt": iso(letter.at),
        "error": {"code": letter.code, "message": letter.message},
        "attempts": letter.attempts,
        "status": letter.status,
        "body": letter.body,
        "payloadBytes": letter.payload_bytes or None,
        "event": letter.event,
    }
