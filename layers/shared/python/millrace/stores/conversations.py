"""Conversations and their messages in DynamoDB.

One partition per slot (a conversation, or a thread of it): `META` what clients see, `RUN` the active run
(see `leases`), `M#00000001` the messages in order, `K#<key>` idempotency markers. The letters are
chosen so that one query from the end finds `RUN`, `META` and the latest messages. `META` of conversations
(not of threads) is listed by organization through the index `ByUpdate`, by its owner through `ByOwner`
(see `directory`).
"""

from dataclasses import dataclass
from typing import Any

import orjson

from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import MAX_WAITING, Lease
from millrace.errors import Conflict, NotFound
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, put, to_item, update

HISTORY_MESSAGES = 200
_BATCH = 25


@dataclass(frozen=True, slots=True)
class Opening:
    """What one query tells of a slot: its conversation (None: unknown), its lease, its latest messages."""

    conversation: Conversation | None
    lease: Lease
    history: list[StoredMessage]


class ConversationStore:
    """The table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self.table = table

    async def open(self, slot: Slot) -> Opening:
        """Everything that a new message needs, in one round trip."""
        items = await self._dynamo.query(
            self.table,
            "pk = :pk AND sk >= :first",
            newest_first=True,
            limit=HISTORY_MESSAGES + 2,
            pk=slot.key,
            first="M#",
        )
        found = {item["sk"]: item for item in items}
        messages = [to_message(item) for item in reversed(items) if item["sk"].startswith("M#")]
        return Opening(to_conversation(slot, found.get("META")), to_lease(found.get("RUN")), messages)

    async def create(self, slot: Slot, conversation: Conversation) -> None:
        """Raises `Conflict` when the id is taken."""
        item = _meta_item(slot, conversation)
        try:
            await self._dynamo.write(put(self.table, item, new=True))
        except ConditionFailed as refused:
            raise Conflict("A conversation with this id exists.", code="conversation_exists") from refused

    async def get(self, slot: Slot) -> Conversation:
        """Raises `NotFound`."""
        found = await self.find(slot)
        if found is None:
            raise unknown_conversation()
        return found

    async def find(self, slot: Slot) -> Conversation | None:
        """Return the conversation, or None for an unknown one."""
        return to_conversation(slot, await self._dynamo.get(self.table, {"pk": slot.key, "sk": "META"}))

    async def messages(self, slot: Slot, after: int, limit: int) -> list[tuple[int, StoredMessage]]:
        """Messages with positions above `after`, oldest first."""
        items = await self._dynamo.query(
            self.table,
            "pk = :pk AND sk BETWEEN :begin AND :end",
            limit=limit,
            pk=slot.key,
            begin=message_key(after + 1),
            end="M#~",
        )
        return [(int(item["sk"][2:]), to_message(item)) for item in items]

    async def delete(self, slot: Slot) -> None:
        """Removes a conversation's state first, so that a run still under way loses its lease and a new
        message starts afresh, then its messages. Repeating it is harmless."""
        keys = ["META", "RUN"]
        for key in keys:
            await self._dynamo.write({"Delete": {"TableName": self.table, "Key": _key(slot, key)}})
        rest = await self._dynamo.query(self.table, "pk = :pk", pk=slot.key)
        for start in range(0, len(rest), _BATCH):
            writes: list[TransactItem] = [
                {"Delete": {"TableName": self.table, "Key": _key(slot, item["sk"])}}
                for item in rest[start : start + _BATCH]
            ]
            await self._dynamo.transact(*writes)

    def put_messages(self, slot: Slot, first: int, messages: list[StoredMessage]) -> list[TransactItem]:
        """The writes that append messages at positions `first`, `first + 1`, ..."""
        return [
            put(self.table, _message_item(slot, position, message), new=True)
            for position, message in enumerate(messages, first)
        ]

    def touch(
        self, slot: Slot, conversation: Conversation, *, titled: bool, active: str | None
    ) -> TransactItem:
        """The write that begins or ends a run on the conversation's own item: made when absent, its update
        time and active run set, its title with the first message."""
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
            sets.append("title = :title")
            values["title"] = conversation.title
        if slot.thread_id is None:
            keys = list_keys(slot, conversation)
            sets += [f"{name} = :{name}" for name in keys]
            values |= keys
        if active:
            sets.append("activeRunId = :run")
            values["run"] = active
        expression = "SET " + ", ".join(sets) + ("" if active else " REMOVE activeRunId")
        # A run begins in the conversation of the owner that was seen, or nowhere: between the look and this
        # write another user may have made one of the same id.
        owned = active is not None and slot.thread_id is None
        condition = "attribute_not_exists(createdBy) OR createdBy = :by" if owned else ""
        return update(self.table, {"pk": slot.key, "sk": "META"}, expression, condition, **values)


def unknown_conversation() -> NotFound:
    """The error for an id that no conversation has which the caller may see."""
    return NotFound("No conversation has this id.", code="conversation_not_found")


def message_key(position: int) -> str:
    """The sort key of the message at a position, counted from 1."""
    return f"M#{position:08d}"


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
    """The conversation that a `META` item holds."""
    if item is None:
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
    )


def _message_item(slot: Slot, position: int, message: StoredMessage) -> Item:
    body = {
        "id": message.id,
        "role": message.role,
        "content": message.content,
        "createdAt": message.created_at,
        "runId": message.run_id,
        "injected": message.injected,
        "interrupted": message.interrupted,
        "extra": message.extra,
        "steps": message.steps,
        "visibility": message.visibility,
    }
    return {"pk": slot.key, "sk": message_key(position), "body": orjson.dumps(body).decode()}


def to_message(item: Item) -> StoredMessage:
    """The message that an `M#` item holds."""
    body = orjson.loads(item["body"])
    return StoredMessage(
        id=body["id"],
        role=body["role"],
        content=body["content"],
        created_at=body["createdAt"],
        run_id=body["runId"],
        injected=body["injected"],
        interrupted=body["interrupted"],
        extra=body["extra"],
        steps=body.get("steps", []),
        visibility=body.get("visibility"),
    )
