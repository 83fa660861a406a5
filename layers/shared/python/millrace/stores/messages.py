"""The messages of a slot: appended with their parts, and read whole where needed (see `message_items`)."""

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
"""The bytes to read of the parts of a history, latest first; models take no more."""
RECENT_RESULT_BYTES = 128 * 1024
"""The bytes to read of the latest large tool calls and results; older ones stay shortened."""
PAGE_BYTES = 4_000_000
PARTS_AT_ONCE = 10


Located = tuple[int, StoredMessage, Parts | None]
"""A message with its position, and the location of its parts that were not read."""


class MessageStore:
    """The messages in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def page(
        self, slot: Slot, after: int, limit: int, path: Sequence[Interval] = WHOLE
    ) -> tuple[list[tuple[int, StoredMessage]], bool]:
        """Return whole messages of a path after the position `after`, oldest first, and whether there may be
        more.

        A page has at most `limit` messages and, after the first one, at most 4 MB.
        """
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
        """Return as many heads as one DynamoDB query returns (1 MB), and whether there may be more."""
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
        """Return the messages that exist at up to 100 positions, large ones shortened."""
        keys = [{"pk": slot.key, "sk": message_key(position)} for position in positions]
        items = await self._dynamo.get_many(self._table, keys)
        return dict(readable(items, lambda item: (_position(item), to_message(item))))

    async def backwards(
        self, slot: Slot, path: Sequence[Interval], before: int = LAST_POSITION + 1
    ) -> AsyncGenerator[list[Located], None]:
        """Yield pages of a path's messages at positions below `before`, newest first, large ones
        shortened."""
        for first, last in reversed(spans(between(path, 1, before - 1))):
            more = True
            while more and first <= last:
                items, more = await self._heads(slot, first, last, newest_first=True)
                yield readable(_on(path, items), _located)
                last = _position(items[-1]) - 1 if items else 0

    async def is_recent(self, slot: Slot, message_id: str) -> bool:
        """Return whether a message is among the latest, which one DynamoDB query returns (1 MB)."""
        items, _ = await self._heads(slot, 1, LAST_POSITION, newest_first=True)
        return any(one.id == message_id for one in readable(items, to_message))

    async def for_model(
        self, slot: Slot, history: Sequence[StoredMessage], parts: Mapping[str, Parts]
    ) -> list[StoredMessage]:
        """Return the messages of a history for a model; `parts` are those of the shortened ones.

        Their contents are read, latest first, as far as a model can use them. Old tool calls and results stay
        shortened, so that the history does not grow with everything that tools returned.
        """
        wanted = _wanted(history, parts)
        return await asyncio.gather(*(self._completed(slot, one, wanted.get(one.id)) for one in history))

    async def whole(
        self, slot: Slot, messages: Sequence[StoredMessage], parts: Mapping[str, Parts]
    ) -> list[StoredMessage]:
        """Return the messages with their whole contents."""
        return await asyncio.gather(*(self._completed(slot, one, parts.get(one.id)) for one in messages))

    async def _completed(self, slot: Slot, message: StoredMessage, parts: Parts | None) -> StoredMessage:
        if parts is None:
            return message
        keys = part_keys(slot, parts)
        read = await asyncio.gather(*(self._dynamo.get(self._table, key) for key in keys))
        found = [item for item in read if item]
        if len(found) < len(keys):
            # The conversation is being deleted. The rest of the message is better than an error.
            log.warning(
                "%d of %d parts of the message %s are missing", len(keys) - len(found), len(keys), message.id
            )
            return message
        return completed(message, found)

    def puts(
        self, slot: Slot, first: int, messages: Sequence[StoredMessage], writer: str
    ) -> tuple[list[TransactItem], list[TransactItem]]:
        """Return the writes that append messages at positions `first`, `first + 1`, ..., and those of their
        parts.

        Messages with a position of their own are put there. Parts may be written together with the messages
        or before them. `writer` is unique to the process that writes.
        """
        position = itertools.count(first)
        heads: list[TransactItem] = []
        parts: list[TransactItem] = []
        for message in messages:
            own_position = message.position is not None
            head, found = to_items(slot, 0 if own_position else next(position), message, writer)
            # A write that is retried after a lost answer finds its own item at such a position.
            heads.append(put(self._table, head, new=not own_position))
            parts += [put(self._table, part) for part in found]
        return heads, parts

    async def transact(
        self, guard: TransactItem, writes: list[TransactItem], parts: list[TransactItem]
    ) -> None:
        """Make the writes together with the parts of their messages.

        Parts that do not fit into the transaction are written before it, while `guard` allows it. Nothing
        refers to them until the transaction succeeds.
        """
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
    """Return the stored size of a message without its parts."""
    head, _ = to_items(Slot("", ""), 0, message, "")
    return item_bytes(to_item(head))


def _wanted(history: Sequence[StoredMessage], parts: Mapping[str, Parts]) -> dict[str, Parts]:
    """Return the parts of a history that a model should see."""
    room, results_room = HISTORY_BYTES, RECENT_RESULT_BYTES
    wanted: dict[str, Parts] = {}
    for message in reversed(history):
        found = parts.get(message.id)
        if found is None:
            continue
        if any("toolResult" in block or "toolUse" in block for block in message.content):
            # Results that do not fit count as well: no older result may be whole if a newer one is shortened.
            results_room -= found.size
            wants = results_room >= 0
        else:
            room -= found.size
            wants = room >= 0
        if wants:
            wanted[message.id] = found
    return wanted


def _fitting(items: list[Item]) -> tuple[list[Item], bool]:
    """Return as many heads as a page may have with their parts, and whether some were left out."""
    room = PAGE_BYTES
    for count, item in enumerate(items):
        parts = parts_of(item)
        room -= parts.size if parts else len(item["body"])
        # The first one is always included: an empty page would have no position to continue from.
        if room < 0 and count:
            return items[:count], True
    return items, False
