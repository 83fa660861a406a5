"""The item `META` of a slot's partition: a conversation as clients see it, or a thread of one.

A `META` that is marked `deleting` is as good as gone (see `deletions`): no write touches it any more. `META`
of conversations (not of threads) is listed by organization through the index `ByUpdate`, by its owner through
`ByOwner` (see `directory`).
"""

from typing import Any

import orjson

from millrace.domain.conversations import Conversation, Slot
from millrace.errors import Conflict, NotFound
from millrace.stores.dynamo import ConditionFailed, Item, TransactItem, update

_NOT_DELETING = "attribute_not_exists(deleting)"


def meta_key(slot: Slot) -> Item:
    """The primary key of the item."""
    return {"pk": slot.key, "sk": "META"}


def to_meta_item(slot: Slot, conversation: Conversation) -> Item:
    """The item of a new conversation."""
    return (
        meta_key(slot)
        | {
            "conversationId": slot.conversation_id,
            "agentId": conversation.agent_id,
            "title": conversation.title,
            "createdAt": conversation.created_at,
            "updatedAt": conversation.updated_at,
            "createdBy": conversation.created_by,
            "metadata": dumped(conversation.metadata),
        }
        | ({} if conversation.listed else {"unlisted": True})
        | list_keys(slot, conversation)
    )


def to_conversation(slot: Slot, item: Item | None) -> Conversation | None:
    """The conversation that the item holds; None without one, or while it is being deleted."""
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
        listed=not item.get("unlisted", False),
    )


def touched(
    table: str, slot: Slot, conversation: Conversation, *, titled: bool, active: str | None, in_thread: bool
) -> TransactItem:
    """The update with which a run begins (`active`: its id) or ends: the item is made when absent, its update
    time and active run set, its title with the first message. `in_thread`: the run belongs to a thread of
    this conversation, whose own active run and title stay as they are."""
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
    own = active if not in_thread else None
    if own:
        sets.append("activeRunId = :run")
        values["run"] = own
    expression = "SET " + ", ".join(sets) + ("" if own or in_thread else " REMOVE activeRunId")
    # A run begins in the conversation of the owner that was seen, or nowhere: between the look and this
    # write another user may have made one of the same id.
    owned = active is not None and slot.thread_id is None
    condition = "(attribute_not_exists(createdBy) OR createdBy = :by) AND " if owned else ""
    return update(table, meta_key(slot), expression, condition + _NOT_DELETING, **values)


def dumped(metadata: dict[str, Any]) -> str:
    """The metadata as the item holds it."""
    return orjson.dumps(metadata).decode()


def list_keys(slot: Slot, conversation: Conversation) -> Item:
    """The attributes by which the indexes list a conversation."""
    keys: Item = {
        "listPk": slot.organization,
        "listSk": f"{conversation.updated_at}#{slot.conversation_id}",
    }
    if conversation.created_by:
        keys["ownerPk"] = owner_key(slot.organization, conversation.created_by)
    return keys


def same(conversation: Conversation) -> tuple[str, Item]:
    """The condition, with its values, that an id still belongs to the conversation that was read: between a
    look and a write another one of this id may have been made."""
    owner = "createdBy = :owner"
    if not conversation.created_by:
        owner = f"(attribute_not_exists(createdBy) OR {owner})"
    values = {"created": conversation.created_at, "owner": conversation.created_by}
    return f"createdAt = :created AND {owner}", values


def is_same(item: Item, conversation: Conversation) -> bool:
    """Return whether an item is that of the conversation that was read, as `same` has it."""
    found = (item.get("createdAt"), item.get("createdBy", ""))
    return found == (conversation.created_at, conversation.created_by)


def owner_key(organization: str, owner: str) -> str:
    """The partition of a user's conversations; no organization has a `#` in its name."""
    return f"{organization}#{owner}"


def shared_key(organization: str, user: str) -> str:
    """The partition of the conversations that are shared with a user; no organization begins with `#`."""
    return f"#shared#{owner_key(organization, user)}"


def share_key(slot: Slot, user: str) -> Item:
    """The primary key of the item that lists a conversation for a user it is shared with."""
    return {"pk": slot.key, "sk": f"A#{user}"}


def unknown_conversation() -> NotFound:
    """The error for an id that no conversation has which the caller may see."""
    return NotFound("No conversation has this id.", code="conversation_not_found")


def is_deleting(error: ConditionFailed) -> bool:
    """Return whether a write was refused because the conversation is being deleted."""
    return any(item is not None and "deleting" in item for item in error.items.values())


def being_deleted() -> Conflict:
    """The error for a write to a conversation that is being deleted."""
    return Conflict(
        "This conversation is being deleted; send the message again in a moment to start a new one.",
        code="conversation_deleted",
    )
