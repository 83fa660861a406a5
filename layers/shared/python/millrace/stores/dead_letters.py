"""Events that could not be processed or delivered, per pipeline and by time, for 14 days.

A letter's key is made from its event and place, so that writing it again changes nothing.
"""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from millrace.stores.dynamo import Dynamo, Item, put

KEPT_SECONDS = 14 * 24 * 3600
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Letter:
    """`place` is where the event failed (`destination:0`), `event` all that is needed to send it again, as
    JSON values; `at` is when it was accepted, in epoch milliseconds."""

    pipeline_id: str
    place: str
    definition_version: int
    event_id: str
    at: int
    code: str
    message: str
    attempts: int = 0
    status: int | None = None
    body: str = ""
    event: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Sorts by time; the same for the same event at the same place."""
        said = orjson.dumps([self.place, self.definition_version, self.event_id])
        return f"{self.at:015d}-{sha256(said).hexdigest()[:24]}"


class DeadLetterStore:
    """The table of dead letters."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def put(self, organization: str, letters: list[Letter], now: int) -> None:
        """Stores letters; any may be there already."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def store(letter: Letter) -> None:
            async with places:
                await self._dynamo.write(put(self._table, _to_item(organization, letter, now)))

        await asyncio.gather(*map(store, letters))

    async def page(
        self, organization: str, pipeline_id: str, after: str = "", limit: int = 50
    ) -> list[Letter]:
        """Letters after the one with the id `after`, oldest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk > :after",
            limit=limit,
            pk=f"{organization}#{pipeline_id}",
            after=after or " ",
        )
        return [Letter(**orjson.loads(item["body"])) for item in items]


def _to_item(organization: str, letter: Letter, now: int) -> Item:
    return {
        "pk": f"{organization}#{letter.pipeline_id}",
        "sk": letter.id,
        "body": orjson.dumps(letter).decode(),
        "expiresAt": now // 1000 + KEPT_SECONDS,
    }
