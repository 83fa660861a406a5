"""Conversations and their messages in DynamoDB.

One partition per slot (a conversation, or a thread of it): `META` what clients see, `RUN` the active run
(see `leases`), `M#00000001` the messages in order and `C#...` parts of large ones (see `message_items`),
`K#<key>` idempotency markers; a conversation's also lists its threads, `H#<threadId>`. The letters are chosen
so that one query from the end finds `RUN`, `META` and the latest messages: whatever else a slot keeps begins
with a letter before M. A `META` that is marked `deleting` is as good as gone (see `deletions`). `META` of
conversations (not of threads) is listed by organization through the index `ByUpdate`, by its owner through
`ByOwner` (see `directory`).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import MAX_WAITING, NUMBERS_AT_ONCE, Lease
from millrace.errors import Conflict, NotFound
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, put, to_item, update
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
from millrace.stores.sizes import item_bytes

log = logging.getLogger(__name__)

HISTORY_MESSAGES = 200
HISTORY_BYTES = 600_000
"""What is read of the parts of a history, the latest first; a model takes no more."""
RECENT_RESULT_BYTES = 128 * 1024
"""What is read whole of the latest large tool calls and results; older ones stay shortened."""
PAGE_BYTES = 4_000_000
THREAD_PREFIX = "H#"
NOT_DELETING = "attribute_not_exists(deleting)"
"""The condition of every write to a conversation's `META`."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What one query tells of a slot: its conversation (None: unknown), its lease, and its latest messages,
    of which large ones are shortened: `parts` says by their ids where the whole content is."""

    conversation: Conversation | None
    lease: Lease
    history: list[StoredMessage]
    parts: dict[str, Parts] = field(default_factory=dict)


class ConversationStore:
    """The table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self.table = table

    async def open(self, slot: Slot) -> Opening:
        """Everything that a new message needs, in one round trip: an answer of DynamoDB's, 1 MB at most."""
        items, _ = await self._dynamo.query_page(
            **self._query(slot, "sk >= :first", HISTORY_MESSAGES + 2, first="M#"), ScanIndexForward=False
        )
        found = {item["sk"]: item for item in items}
        heads = [item for item in reversed(items) if item["sk"].startswith("M#")]
        history = readable(heads, lambda item: (to_message(item), parts_of(item)))
        return Opening(
            to_conversation(slot, found.get("META")),
            to_lease(found.get("RUN")),
            [message for message, _ in history],
            {message.id: parts for message, parts in history if parts and parts.shortened},
        )

    def _query(self, slot: Slot, condition: str, limit: int, **values: Any) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "KeyConditionExpression": f"pk = :pk AND {condition}",
            "ExpressionAttributeValues": to_item({":pk": slot.key} | {f":{n}": v for n, v in values.items()}),
            "ConsistentRead": True,
            "Limit": limit,
        }

    async def history(self, slot: Slot, opening: Opening) -> list[StoredMessage]:
        """The messages of an opening for a model: the contents of large ones are read, the latest first, as
        far as a model has use for them. Old tool calls and results stay shortened, so that this does not grow
        with what tools once gave."""
        wanted = _wanted(opening)
        return await asyncio.gather(
            *(self._completed(slot, one, wanted.get(one.id)) for one in opening.history)
        )

    async def _completed(self, slot: Slot, message: StoredMessage, parts: Parts | None) -> StoredMessage:
        if parts is None:
            return message
        keys = part_keys(slot, parts)
        read = await asyncio.gather(*(self._dynamo.get(self.table, key) for key in keys))
        found = [item for item in read if item]
        if len(found) < len(keys):
            # Its conversation is being deleted. What is left of it is better than an error.
            log.warning(
                "%d of %d parts of the message %s are missing", len(keys) - len(found), len(keys), message.id
            )
            return message
        return completed(message, found)

    async def create(self, slot: Slot, conversation: Conversation) -> None:
        """Raises `Conflict` when the id is taken."""
        item = _meta_item(slot, conversation)
        try:
            await self._dynamo.write(put(self.table, item, new=True))
        except ConditionFailed as refused:
            if is_deleting(refused):
                raise being_deleted() from refused
            raise Conflict("A conversation with this id exists.", code="conversation_exists") from refused

    async def get(self, slot: Slot) -> Conversation:
        """Raises `NotFound`."""
        found = await self.find(slot)
        if found is None:
            raise unknown_conversation()
        return found

    async def find(self, slot: Slot, *, deleting: bool = False) -> Conversation | None:
        """Return the conversation, or None for an unknown one. One that is being deleted is unknown but to
        those who ask for it (`deleting`)."""
        item = await self._dynamo.get(self.table, {"pk": slot.key, "sk": "META"})
        if deleting and item:
            item.pop("deleting", None)
        return to_conversation(slot, item)

    async def messages(
        self, slot: Slot, after: int, limit: int
    ) -> tuple[list[tuple[int, StoredMessage]], bool]:
        """Whole messages with positions above `after`, oldest first, and whether there may be more: a page
        has at most `limit` of them and, after the first one, 4 MB."""
        request = self._query(
            slot, "sk BETWEEN :begin AND :end", limit, begin=message_key(after + 1), end="M#~"
        )
        items, rest = await self._dynamo.query_page(**request)
        page, more = _fitting(items)
        heads = readable(page, lambda item: (int(item["sk"][2:]), to_message(item), parts_of(item)))
        whole = await asyncio.gather(*(self._completed(slot, message, parts) for _, message, parts in heads))
        positions = [position for position, _, _ in heads]
        return list(zip(positions, whole, strict=True)), more or rest is not None

    def put_messages(
        self, slot: Slot, first: int, messages: Sequence[StoredMessage], writer: str
    ) -> tuple[list[TransactItem], list[TransactItem]]:
        """The writes that append messages at positions `first`, `first + 1`, ..., and those of their parts,
        which are in time with them or before. `writer` is unique to the process that writes."""
        made = [to_items(slot, position, message, writer) for position, message in enumerate(messages, first)]
        heads = [put(self.table, head, new=True) for head, _ in made]
        return heads, [put(self.table, part) for _, parts in made for part in parts]

    def touch(
        self,
        slot: Slot,
        conversation: Conversation,
        *,
        titled: bool,
        active: str | None,
        begins: bool = False,
        in_thread: bool = False,
    ) -> TransactItem:
        """The write that begins or ends a run on the conversation's own item: made when absent, its update
        time and active run set, its title with the first message. `in_thread`: the run belongs to a thread
        of this conversation, whose own active run and title stay as they are."""
        sets = [
            "updatedAt = :now",
            "createdAt = if_not_exists(createdAt, :now)",
            "createdBy = if_not_exists(createdBy, :by)",
            "conversationId = :id",
            "metadata = if_not_exists(metadata, :metadata)",
        ]
        values: Item = {
            "now": conversation.updated_at,
            "by": conversation.created_by,
            "id": slot.conversation_id,
            "metadata": "{}",
        }
        if conversation.agent_id:
            sets.append("agentId = if_not_exists(agentId, :agent)")
            values["agent"] = conversation.agent_id
        if titled:
            sets.append("title = if_not_exists(title, :title)" if in_thread else "title = :title")
            values["title"] = conversation.title
        if slot.thread_id is None:
            keys = list_keys(slot, conversation)
            sets += [f"{name} = :{name}" for name in keys]
            values |= keys
        if active:
            sets.append("activeRunId = :run")
            values["run"] = active
        expression = "SET " + ", ".join(sets) + ("" if active or in_thread else " REMOVE activeRunId")
        # A run begins in the conversation of the owner that was seen, or nowhere: between the look and this
        # write another user may have made one of the same id.
        owned = begins and slot.thread_id is None
        condition = "(attribute_not_exists(createdBy) OR createdBy = :by) AND " if owned else ""
        key = {"pk": slot.key, "sk": "META"}
        return update(self.table, key, expression, condition + NOT_DELETING, **values)

    def list_thread(self, slot: Slot) -> TransactItem:
        """The write that lists a thread with its conversation, so that it is found when that is deleted."""
        return put(self.table, {"pk": slot.root().key, "sk": f"{THREAD_PREFIX}{slot.thread_id}"})


def unknown_conversation() -> NotFound:
    """The error for an id that no conversation has which the caller may see."""
    return NotFound("No conversation has this id.", code="conversation_not_found")


def is_deleting(refused: ConditionFailed) -> bool:
    """Whether a write was refused because the conversation is being deleted."""
    return any(item is not None and "deleting" in item for item in refused.items.values())


def being_deleted() -> Conflict:
    """The error for a write to a conversation that is being deleted."""
    return Conflict(
        "This conversation is being deleted; send it again in a moment to begin a new one.",
        code="conversation_deleted",
    )


def head_bytes(message: StoredMessage) -> int:
    """The stored size of a message without its parts."""
    head, _ = to_items(Slot("", ""), 0, message, "")
    return item_bytes(to_item(head))


def _wanted(opening: Opening) -> dict[str, Parts]:
    """The parts of a history that a model shall see."""
    room, results_room = HISTORY_BYTES, RECENT_RESULT_BYTES
    wanted: dict[str, Parts] = {}
    for message in reversed(opening.history):
        parts = opening.parts.get(message.id)
        if parts is None:
            continue
        if any("toolResult" in block or "toolUse" in block for block in message.content):
            results_room -= parts.size
            fits = results_room >= 0
        else:
            room -= parts.size
            fits = room >= 0
        if fits:
            wanted[message.id] = parts
    return wanted


def _fitting(items: list[Item]) -> tuple[list[Item], bool]:
    """As many heads as one page may have with their parts, and whether some were left out."""
    room = PAGE_BYTES
    for count, item in enumerate(items):
        parts = parts_of(item)
        room -= parts.size if parts else len(item["body"])
        if room < 0 and count:
            return items[:count], True
    return items, False


def _key(slot: Slot, sort: str) -> dict[str, Any]:
    return to_item({"pk": slot.key, "sk": sort})


def _meta_item(slot: Slot, conversation: Conversation) -> Item:
    return {
        "pk": slot.key,
        "sk": "META",
        "conversationId": slot.conversation_id,
        "agentId": conversation.agent_id,
        "title": conversation.title,
        "createdAt": conversation.created_at,
        "updatedAt": conversation.updated_at,
        "createdBy": conversation.created_by,
        "metadata": orjson.dumps(conversation.metadata).decode(),
    } | list_keys(slot, conversation)


def list_keys(slot: Slot, conversation: Conversation) -> Item:
    """The attributes by which the indexes `ByUpdate` and `ByOwner` list a conversation."""
    keys: Item = {
        "listPk": slot.organization,
        "listSk": f"{conversation.updated_at}#{slot.conversation_id}",
    }
    if conversation.created_by:
        keys["ownerPk"] = owner_key(slot.organization, conversation.created_by)
    return keys


def owner_key(organization: str, owner: str) -> str:
    """The partition of a user's conversations; no organization has a `#` in its name."""
    return f"{organization}#{owner}"


def to_conversation(slot: Slot, item: Item | None) -> Conversation | None:
    """The conversation that a `META` item holds; None without one, or while it is being deleted."""
    if item is None or "deleting" in item:
        return None
    return Conversation(
        id=slot.conversation_id,
        agent_id=item.get("agentId", ""),
        title=item.get("title", ""),
        created_at=item["createdAt"],
        updated_at=item["updatedAt"],
        created_by=item.get("createdBy", ""),
        metadata=orjson.loads(item.get("metadata", "{}")),
        active_run_id=item.get("activeRunId"),
        shared_with=orjson.loads(item.get("sharedWith", "{}")),
    )


def to_lease(item: Item | None) -> Lease:
    """The lease that a `RUN` item holds; an empty one when there is none."""
    if item is None:
        return Lease()
    return Lease(
        run_id=item.get("runId"),
        holder=item.get("holder"),
        until_ms=item.get("untilMs", 0),
        seq=item.get("seq", 0),
        accepted=item.get("accepted", 0),
        stop=item.get("stopReason"),
        messages=item.get("messages", 0),
        leftovers=item.get("leftovers", -MAX_WAITING) > -MAX_WAITING,
        reserved=item.get("reservedSeq", item.get("seq", 0) + NUMBERS_AT_ONCE),
        saved=item.get("savedSeq", 0),
        last_run_id=item.get("lastRunId"),
    )


def run_of(item: Item) -> str | None:
    """The run that an item of a slot belongs to, if it is a message or an idempotency marker."""
    if "runId" in item:
        return item["runId"] or None
    is_message = item["sk"].startswith("M#") and "body" in item
    return orjson.loads(item["body"]).get("runId") if is_message else None
