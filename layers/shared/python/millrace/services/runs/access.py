"""Access to conversations and runs of an organization, which every path that names one checks here.

A conversation belongs to the user who created it, with its threads, messages and runs. For those who may not
read it, it does not exist.
"""

from millrace.domain.access import Access, Principal, access_of, includes, missing_scope
from millrace.domain.conversations import Conversation, Slot
from millrace.domain.ids import valid_id
from millrace.domain.runs import Run
from millrace.stores.connect import Stores
from millrace.stores.conversation_items import unknown_conversation
from millrace.stores.runs import unknown_run


async def authorize(
    stores: Stores, caller: Principal, slot: Slot, wanted: Access, *, deleting: bool = False
) -> Conversation:
    """Return the conversation of a slot if the caller may read, write or own it, as `wanted`.

    With `deleting`, include one that is being deleted. Raises `NotFound` or `Forbidden`.
    """
    found = await stores.conversations.find(slot.root(), deleting=deleting)
    if found is None:
        raise unknown_conversation()
    check_access(caller, found, wanted)
    await note_access(stores, caller, found)
    return found


def is_others(caller: Principal, conversation: Conversation) -> bool:
    """Return whether a caller who may see a conversation may do so only because of a scope."""
    return caller.id != conversation.created_by and caller.id not in conversation.shared_with


async def note_access(stores: Stores, caller: Principal, conversation: Conversation) -> None:
    """Record in the audit log that a caller sees another user's conversation."""
    if is_others(caller, conversation):
        await stores.audit.note_access(caller, access_target(conversation))


def access_target(conversation: Conversation) -> dict[str, str]:
    """Return the target of an access for the audit log."""
    return {"conversationId": conversation.id, "owner": conversation.created_by}


def check_access(caller: Principal, conversation: Conversation, wanted: Access) -> None:
    """Raise `NotFound` if the caller may not see the conversation, and `Forbidden` if more access is
    wanted."""
    access = access_of(caller, conversation.created_by, conversation.shared_with)
    if access == "none":
        raise unknown_conversation()
    if not includes(access, wanted):
        raise missing_scope(caller, "conversations:manage")


async def authorize_run(stores: Stores, caller: Principal, run_id: str) -> Run:
    """Return a run of a conversation that the caller may read. Raises `NotFound`."""
    run = await stores.runs.get(caller.organization, run_id) if valid_id(run_id) else None
    if run is None or not await _readable(stores, caller, run):
        raise unknown_run()
    return run


async def _readable(stores: Stores, caller: Principal, run: Run) -> bool:
    """Return whether the caller may read the run's conversation.

    It exists as long as its runs do: the remains of a run whose conversation is being deleted belong to
    nobody.
    """
    conversation = await stores.conversations.find(run.slot.root())
    if conversation is None or not _is_of(run, conversation):
        return False
    if access_of(caller, conversation.created_by, conversation.shared_with) == "none":
        return False
    await note_access(stores, caller, conversation)
    return True


def _is_of(run: Run, conversation: Conversation) -> bool:
    """Return whether a run belongs to a conversation.

    After a deletion, another user may have created a conversation with the same id. Runs stored before owners
    were recorded are compared by their time.
    """
    if run.owner:
        return run.owner == conversation.created_by
    return conversation.created_at <= run.started_at
