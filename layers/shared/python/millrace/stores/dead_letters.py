"""Events that could not be processed or delivered, by pipeline and time, for 14 days.

A dead letter's key is derived from its event and place, so storing it again has no effect. A payload over 64
KB is stored as an object. Its key changes with each store, so removing a dead letter that was read never
removes a later one.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, delete_when, put, to_attribute
from millrace.stores.large_objects import DEAD_LETTERS, LargeObjects
from millrace.stores.lenient_json import to_json

KEPT_SECONDS = 14 * 24 * 3600
INLINE_BYTES = 64 * 1024
PAGE_BYTES = 20_000_000
"""The maximum size of the payloads in one page."""
LONGEST_MESSAGE = 2_000
_AT_ONCE = 16
_READS = 20
_LONGEST_ID = 100


class DeadLetter(Struct, frozen=True):
    """An event that failed, with the reason. `place` is where it failed (`destination:0`). `event` is
    everything needed to send it again, as JSON values. `at` is the time of acceptance in epoch milliseconds.
    `stamp` changes with each store. A large payload is stored under `object_key` and is null here until the
    store's `load` has read it. `payload_bytes` is its size as JSON, or 0 if the size was not recorded."""

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
    stamp: str = ""
    object_key: str = ""
    payload_bytes: int = 0

    @property
    def id(self) -> str:
        """The id, which sorts by time and is the same for the same event at the same place."""
        said = orjson.dumps([self.place, self.definition_version, self.event_id])
        return f"{self.at:015d}-{sha256(said).hexdigest()[:24]}"


class DeadLetterFilter(Struct, frozen=True):
    """A filter by place, code, and time of acceptance (`since` <= time < `until`, epoch milliseconds)."""

    place: str | None = None
    code: str | None = None
    since: int = 0
    until: int | None = None

    @property
    def is_selective(self) -> bool:
        """Return whether it leaves out dead letters within its time."""
        return self.place is not None or self.code is not None

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Return whether a dead letter matches, apart from its time."""
        return self.place in (None, dead_letter.place) and self.code in (None, dead_letter.code)


ALL_DEAD_LETTERS = DeadLetterFilter()


class DeadLetterCount(Struct):
    """Numbers of dead letters by place and code. If not `complete`, there are more."""

    count: int = 0
    complete: bool = False
    places: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, dead_letter: DeadLetter) -> None:
        self.count += 1
        self.places[dead_letter.place] += 1
        self.codes[dead_letter.code] += 1


class DeadLetterGroup(Struct):
    """The dead letters of a place with the same code. `latest` is the one accepted last."""

    latest: DeadLetter
    first: int
    count: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, dead_letter: DeadLetter) -> None:
        self.latest = dead_letter
        self.count += 1
        if dead_letter.status is not None:
            self.statuses[dead_letter.status] += 1


class DeadLetterStore:
    """The table of dead letters, and the objects of large payloads."""

    def __init__(self, dynamo: Dynamo, table: str, large: LargeObjects) -> None:
        self._dynamo = dynamo
        self._table = table
        self._large = large

    async def put(self, organization: str, dead_letters: list[DeadLetter], now: int) -> None:
        """Store dead letters, some of which may already exist."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def store(dead_letter: DeadLetter) -> None:
            async with slots:
                kept = await self._keep_payload(organization, dead_letter)
                await self._dynamo.write(put(self._table, _to_item(organization, kept, now)))

        await asyncio.gather(*map(store, dead_letters))

    async def _keep_payload(self, organization: str, dead_letter: DeadLetter) -> DeadLetter:
        """Return the dead letter as its item stores it, after writing a large payload as an object."""
        stamp = uuid.uuid4().hex
        payload = to_json(dead_letter.event.get("payload"))
        kept = replace(
            dead_letter,
            stamp=stamp,
            payload_bytes=len(payload),
            message=dead_letter.message[:LONGEST_MESSAGE],
        )
        if len(payload) <= INLINE_BYTES:
            return kept
        folder = f"{quote(organization, safe='')}/{quote(dead_letter.pipeline_id, safe='')}"
        key = f"{DEAD_LETTERS}{folder}/{dead_letter.id}/{stamp}.json.gz"
        await asyncio.to_thread(self._large.put, key, payload)
        return replace(kept, event=dead_letter.event | {"payload": None}, object_key=key)

    async def load(self, dead_letter: DeadLetter) -> DeadLetter:
        """Return the dead letter with its payload, which stays null if its object no longer exists."""
        if not dead_letter.object_key:
            return dead_letter
        content = await asyncio.to_thread(self._large.get, dead_letter.object_key)
        return replace(
            dead_letter, event=dead_letter.event | {"payload": orjson.loads(content) if content else None}
        )

    async def get(self, organization: str, pipeline_id: str, dead_letter_id: str) -> DeadLetter | None:
        """Return a dead letter without loading a large payload, or None if it does not exist."""
        item = await self._dynamo.get(self._table, _key(organization, pipeline_id, dead_letter_id))
        return _from_item(item) if item else None

    async def page(
        self,
        organization: str,
        pipeline_id: str,
        after: str = "",
        limit: int = 50,
        chosen: DeadLetterFilter = ALL_DEAD_LETTERS,
        most_bytes: int = PAGE_BYTES,
    ) -> tuple[list[DeadLetter], str | None]:
        """Return dead letters after the id `after`, oldest first, and the id to continue after (None at the
        end). A page may have fewer than `limit`, or none: a call reads at most 20 MB, and a page ends with
        the dead letter that reaches `most_bytes` of payloads. Large payloads are not loaded."""
        found: list[DeadLetter] = []
        size = 0
        async for dead_letter in self._dead_letters(
            organization, pipeline_id, after, chosen, 0 if chosen.is_selective else limit
        ):
            if dead_letter is None:
                return found, None
            after = dead_letter.id
            if chosen.matches(dead_letter):
                found.append(dead_letter)
                size += dead_letter.payload_bytes
            if len(found) == limit or size >= most_bytes:
                break
        return found, after

    async def count(
        self,
        organization: str,
        pipeline_id: str,
        after: str = "",
        chosen: DeadLetterFilter = ALL_DEAD_LETTERS,
    ) -> DeadLetterCount:
        """Count the selected dead letters, reading at most 20 MB of them."""
        counted = DeadLetterCount()
        async for dead_letter in self._dead_letters(organization, pipeline_id, after, chosen, 0):
            if dead_letter is None:
                counted.complete = True
            elif chosen.matches(dead_letter):
                counted.add(dead_letter)
        return counted

    async def groups(
        self, organization: str, pipeline_id: str, after: str, chosen: DeadLetterFilter
    ) -> tuple[list[DeadLetterGroup], str | None]:
        """Group the dead letters after the id `after` by place and code, the largest group first.

        Also return the id to continue after. A call reads at most 20 MB, so later calls may add to a group.
        """
        found: dict[tuple[str, str], DeadLetterGroup] = {}
        last: str | None = None
        async for dead_letter in self._dead_letters(organization, pipeline_id, after, chosen, 0):
            last = dead_letter.id if dead_letter else None
            if dead_letter and chosen.matches(dead_letter):
                key = (dead_letter.place, dead_letter.code)
                found.setdefault(key, DeadLetterGroup(dead_letter, dead_letter.at)).add(dead_letter)
        return sorted(found.values(), key=lambda group: -group.count), last

    async def remove(self, organization: str, dead_letter: DeadLetter) -> bool:
        """Remove a dead letter as it was read, and return whether it existed.

        One that was stored again in the meantime stays.
        """
        key = _key(organization, dead_letter.pipeline_id, dead_letter.id)
        try:
            # Delete the item first: an object left behind by a crash expires, whereas an item without its
            # object would be a dead letter that cannot be redriven.
            await self._dynamo.write(delete_when(self._table, key, "stamp = :seen", seen=dead_letter.stamp))
        except ConditionFailed:
            return False
        if dead_letter.object_key:
            await asyncio.to_thread(self._large.delete, dead_letter.object_key)
        return True

    async def remove_all(self, organization: str, dead_letters: list[DeadLetter]) -> int:
        """Remove dead letters as `remove` does, and return how many existed."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def remove(dead_letter: DeadLetter) -> bool:
            async with slots:
                return await self.remove(organization, dead_letter)

        return sum(await asyncio.gather(*map(remove, dead_letters)))

    async def _dead_letters(
        self, organization: str, pipeline_id: str, after: str, chosen: DeadLetterFilter, limit: int
    ) -> AsyncIterator[DeadLetter | None]:
        """Yield the dead letters of the filter's time, then None if the end was reached.

        DynamoDB reads 1 MB, or `limit` dead letters, at a time.
        """
        # A cursor comes from the caller and may be longer than a key. \x01 sorts directly after the id
        # itself.
        first = max(f"{after[:_LONGEST_ID]}\x01" if after else "", f"{chosen.since:015d}")
        last = f"{chosen.until:015d}" if chosen.until is not None else "~"
        # DynamoDB rejects BETWEEN if its bounds are in the wrong order.
        if first > last:
            yield None
            return
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": to_attribute(f"{organization}#{pipeline_id}"),
                ":first": to_attribute(first),
                ":last": to_attribute(last),
            },
            "ConsistentRead": True,
        } | ({"Limit": limit} if limit else {})
        for _ in range(_READS):
            items, more = await self._dynamo.query_page(**request)
            for item in items:
                yield _from_item(item)
            if not more:
                yield None
                return
            request["ExclusiveStartKey"] = more


def _key(organization: str, pipeline_id: str, dead_letter_id: str) -> Item:
    return {"pk": f"{organization}#{pipeline_id}", "sk": dead_letter_id}


def _to_item(organization: str, dead_letter: DeadLetter, now: int) -> Item:
    return _key(organization, dead_letter.pipeline_id, dead_letter.id) | {
        "body": to_json(asdict(dead_letter) | {"stamp": ""}).decode(),
        "stamp": dead_letter.stamp,
        "expiresAt": now // 1000 + KEPT_SECONDS,
    }


def _from_item(item: Item) -> DeadLetter:
    older = {"payload_bytes": len(item["body"])}  # earlier versions did not store it
    return DeadLetter(**older | orjson.loads(item["body"]) | {"stamp": item["stamp"]})
