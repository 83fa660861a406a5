"""The messages of a slot: appended with their parts, and read whole where somebody has a use for it (see
`message_items`)."""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

from millrace.domain.branches import LAST_POSITION, WHOLE, Interval, between, contains, spans
from millrace.domain.conversations import Slot, StoredMessage
from millrace.stores.dynamo import Dynamo, Item, TransactItem, put, to_item
from millrace.stores.message_items import (
    Parts,
    completed,
    message_key,
    part_keys,
    parts_of,
    to_items,
    to_message,
)
from millrace.stores.reading import readable
from millrace.stores.sizes import fits, item_bytes

log = logging.getLogger(__name__)

HISTORY_BYTES = 600_000
"""The bytes read of the parts of a history, the latest first; a model takes no more."""
RECENT_RESULT_BYTES = 128 * 1024
"""The bytes read whole of the latest large tool calls and results; older ones stay shortened."""
PAGE_BYTES = 4_000_000
PARTS_AT_ONCE = 10


Located = tuple[int, StoredMessage, Parts | None]
"""A message with its position, and the place of what is not read of it."""


class MessageStore:
    """The messages in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def page(
        self, slot: Slot, after: int, limit: int, path: Sequence[Interval] = WHOLE
    ) -> tuple[list[tuple[int, StoredMessage]], bool]:
        """Whole messages of a path with positions above `after`, oldest first, and whether there may be more:
        a page has at most `limit` of them and, after the first one, 4 MB."""
        heads, more = await self._page_heads(slot, after, limit, path)
        found = readable(heads, _located)
        whole = await asyncio.gather(*(self._completed(slot, message, parts) for _, message, parts in found))
        positions = [position for position, _, _ in found]
        return list(zip(positions, whole, strict=True)), more

    async def _page_heads(
        self, slot: Slot, after: int, limit: int, path: Sequence[Interval]
    ) -> tuple[list[Item], bool]:
        items: list[Item] = []
        for first, last in spans(between(path, after + 1, LAST_POSITION)):
            rest = True
            while rest:
                found, rest = await self._heads(slot, first, last, limit=limit - len(items))
                items += _on(path, found)
                if len(items) == limit or (rest and items):
                    return _fitting(items)[0], True
                first = _position(found[-1]) + 1 if rest else first
        return _fitting(items)

    async def _heads(
        self, slot: Slot, first: int, last: int, *, newest_first: bool = False, limit: int = 0
    ) -> tuple[list[Item], bool]:
        """As many heads as one answer of DynamoDB's holds, 1 MB, and whether there may be more."""
        items, rest = await self._dynamo.query_page(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=to_item(
                {":pk": slot.key, ":first": message_key(first), ":last": message_key(last)}
            ),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
            **({"Limit": limit} if limit else {}),
        )
        return items, rest is not None

    async def at(self, slot: Slot, positions: Collection[int]) -> dict[int, StoredMessage]:
        """The messages at up to 100 positions, large ones shortened; those that are there."""
        keys = [{"pk": slot.key, "sk": message_key(position)} for position in positions]
        items = await self._dynamo.get_many(self._table, keys)
        return dict(readable(items, lambda item: (_position(item), to_message(item))))

    async def backwards(
        self, slot: Slot, path: Sequence[Interval], before: int = LAST_POSITION + 1
    ) -> AsyncGenerator[list[Located], None]:
        """The messages of a path at positions below `before`, page by page and the newest first, large ones
        shortened."""
        for first, last in reversed(spans(between(path, 1, before - 1))):
            more = True
            while more and first <= last:
                items, more = await self._heads(slot, first, last, newest_first=True)
                yield readable(_on(path, items), _located)
                last = _position(items[-1]) - 1 if items else 0

    async def is_recent(self, slot: Slot, message_id: str) -> bool:
        """Return whether a message is among the latest, of which one answer of DynamoDB's holds 1 MB."""
        items, _ = await self._heads(slot, 1, LAST_POSITION, newest_first=True)
        return any(one.id == message_id for one in readable(items, to_message))

    async def for_model(
        self, slot: Slot, history: Sequence[StoredMessage], parts: Mapping[str, Parts]
    ) -> list[StoredMessage]:
        """The messages of a history for a model, with `parts` those of the shortened ones: their contents are
        read, the latest first, as far as a model has use for them. Old tool calls and results stay shortened,
        so that this does not grow with what tools once gave."""
        wanted = _wanted(history, parts)
        return await asyncio.gather(*(self._completed(slot, one, wanted.get(one.id)) for one in history))

    async def whole(
        self, slot: Slot, messages: Sequence[StoredMessage], parts: Mapping[str, Parts]
    ) -> list[StoredMessage]:
        """The messages with all of their contents."""
        return await asyncio.gather(*(self._completed(slot, one, parts.get(one.id)) for one in messages))

    async def _completed(self, slot: Slot, message: StoredMessage, parts: Parts | None) -> StoredMessage:
        if parts is None:
            return message
        keys = part_keys(slot, parts)
        read = await asyncio.gather(*(self._dynamo.get(self._table, key) for key in keys))
        found = [item for item in read if item]
        if len(found) < len(keys):
            # Its conversation is being deleted. What is left of it is better than an error.
            log.warning(
                "%d of %d parts of the message %s are missing", len(keys) - len(found), len(keys), message.id
            )
            return message
        return completed(message, found)

    def puts(
        self, slot: Slot, first: int, messages: Sequence[StoredMessage], writer: str
    ) -> tuple[list[TransactItem], list[TransactItem]]:
        """The writes that append messages at positions `first`, `first + 1`, ..., or put them into the places
        that they have, and those of their parts, which are in time with them or before. `writer` is unique to
        the process that writes."""
        position = itertools.count(first)
        heads: list[TransactItem] = []
        parts: list[TransactItem] = []
        for message in messages:
            own_position = message.position is not None
            head, found = to_items(slot, 0 if own_position else next(position), message, writer)
            # A write that is repeated since its answer was lost finds what it has put in such a place.
            heads.append(put(self._table, head, new=not own_position))
            parts += [put(self._table, part) for part in found]
        return heads, parts

    async def transact(
        self, guard: TransactItem, writes: list[TransactItem], parts: list[TransactItem]
    ) -> None:
        """Writes with the parts of their messages. Parts that do not fit into the transaction go before it,
        as long as `guard` allows: nothing refers to them until the transaction is done."""
        if fits([*writes, *parts]):
            return await self._dynamo.transact(*writes, *parts)
        for start in range(0, len(parts), PARTS_AT_ONCE):
            await self._dynamo.transact(guard, *parts[start : start + PARTS_AT_ONCE])
        await self._dynamo.transact(*writes)


def _position(head: Item) -> int:
    return int(head["sk"][2:])


def _located(head: Item) -> Located:
    return _position(head), to_message(head), parts_of(head)


def _on(path: Sequence[Interval], heads: list[Item]) -> list[Item]:
    return [head for head in heads if contains(path, _position(head))]


def in_history(messages: Sequence[StoredMessage]) -> int:
    """Return how many of these messages are part of the history."""
    return sum(message.position is None for message in messages)


def head_bytes(message: StoredMessage) -> int:
    """The stored size of a message without its parts."""
    head, _ = to_items(Slot("", ""), 0, message, "")
    return item_bytes(to_item(head))


def _wanted(history: Sequence[StoredMessage], parts: Mapping[str, Parts]) -> dict[str, Parts]:
    """The parts of a history that a model shall see."""
    room, results_room = HISTORY_BYTES, RECENT_RESULT_BYTES
    wanted: dict[str, Parts] = {}
    for message in reversed(history):
        found = parts.get(message.id)
        if found is None:
            continue
        if any("toolResult" in block or "toolUse" in block for block in message.content):
            # Those that do not fit count as well: no older result may be whole where a newer one is short.
            results_room -= found.size
            wants = results_room >= 0
        else:
            room -= found.size
            wants = room >= 0
        if wants:
            wanted[message.id] = found
    return wanted


def _fitting(items: list[Item]) -> tuple[list[Item], bool]:
    """As many heads as one page may have with their parts, and whether some were left out."""
    room = PAGE_BYTES
    for count, item in enumerate(items):
        parts = parts_of(item)
        room -= parts.size if parts else len(item["body"])
        # The first one is given however large it is: an empty page would leave no position to go on from.
        if room < 0 and count:
            return items[:count], True
    return items, False
