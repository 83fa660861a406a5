"""The item `META` of a slot's partition: a conversation as clients see it, or one of its threads.

A `META` that is marked `deleting` is treated as deleted: no write changes it (see `deletions`). The indexes
list the `META` of conversations, but not of threads: `ByUpdate` by organization and `ByOwner` by owner (see
`directory`).
"""

from typing import Any

import orjson

from millrace.domain.conversations import Conversation, Slot
from millrace.errors import Conflict, NotFound
from millrace.stores.dynamo import ConditionFailed, Item, TransactItem, update

_NOT_DELETING = "attribute_not_exists(deleting)"


def meta_key(slot: Slot) -> Item:
    """Return the primary key of the item."""
    return {"pk": slot.key, "sk": "META"}


def to_meta_item(slot: Slot, conversation: Conversation) -> Item:
    """Return the item of a new conversation."""
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
    """Return the conversation in the item, or None if there is no item or it is being deleted."""
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
    """Return the update with which a run begins (`active` is its id) or ends.

    It creates the item if necessary, and sets its update time, its active run and, with the first message,
    its title. `in_thread` means that the run belongs to a thread of this conversation, whose own active run
    and title stay unchanged.
    """
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
    # A run begins only in the conversation of the owner that was read: since then, another user may have
    # created one with the same id.
    owned = active is not None and slot.thread_id is None
    condition = "(attribute_not_exists(createdBy) OR createdBy = :by) AND " if owned else ""
    return update(table, meta_key(slot), expression, condition + _NOT_DELETING, **values)


def dumped(metadata: dict[str, Any]) -> str:
    """Return the metadata as the item stores it."""
    return orjson.dumps(metadata).decode()


def list_keys(slot: Slot, conversation: Conversation) -> Item:
    """Return the attributes by which the indexes list a conversation."""
    keys: Item = {
        "listPk": slot.organization,
        "listSk": f"{conversation.updated_at}#{slot.conversation_id}",
    }
    if conversation.created_by:
        keys["ownerPk"] = owner_key(slot.organization, conversation.created_by)
    return keys


def same(conversation: Conversation) -> tuple[str, Item]:
    """Return a condition and its values: the id still belongs to the conversation that was read.

    Between a read and a write, another conversation with this id may have been created.
    """
    owner = "createdBy = :owner"
    if not conversation.created_by:
        owner = f"(attribute_not_exists(createdBy) OR {owner})"
    values = {"created": conversation.created_at, "owner": conversation.created_by}
    return f"createdAt = :created AND {owner}", values


def is_same(item: Item, conversation: Conversation) -> bool:
    """Return whether an item belongs to the conversation that was read, by the same rule as `same`."""
    found = (item.get("createdAt"), item.get("createdBy", ""))
    return found == (conversation.created_at, conversation.created_by)


def owner_key(organization: str, owner: str) -> str:
    """Return the partition of a user's conversations. No organization has `#` in its name."""
    return f"{organization}#{owner}"


def shared_key(organization: str, user: str) -> str:
    """Return the partition of conversations shared with a user. No organization's name begins with `#`."""
    return f"#shared#{owner_key(organization, user)}"


def share_key(slot: Slot, user: str) -> Item:
    """Return the primary key of the item that lists a conversation for a user it is shared with."""
    return {"pk": slot.key, "sk": f"A#{user}"}


def unknown_conversation() -> NotFound:
    """Return the error for an id of no conversation that the caller may see."""
    return NotFound("No conversation has this id.", code="conversation_not_found")


def is_deleting(error: ConditionFailed) -> bool:
    """Return whether a write was refused because the conversation is being deleted."""
    return any(item is not None and "deleting" in item for item in error.items.values())


def being_deleted() -> Conflict:
    """Return the error for a write to a conversation that is being deleted."""
    return Conflict(
        "This conversation is being deleted; send the message again in a moment to start a new one.",
        code="conversation_deleted",
    )
