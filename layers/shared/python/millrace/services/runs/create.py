"""Creation of a conversation before its first message."""

from millrace.domain.access import Principal
from millrace.domain.conversations import Conversation, Slot
from millrace.stores.connect import Stores
from millrace.stores.creations import TRIES
from millrace.stores.dynamo import ConditionFailed, Contended


async def create_conversation(stores: Stores, caller: Principal, slot: Slot, made: Conversation) -> None:
    """Store a new conversation. Raises `Conflict` for a taken id, and `TooManyRequests` at a limit."""
    control = await stores.limits.control(caller.organization)
    counted = stores.conversation_counts.creation(caller.organization, caller.id, control)
    for _ in range(TRIES):
        try:
            return await stores.conversations.create(slot, made, *counted)
        except ConditionFailed:
            await stores.conversation_counts.check(caller.organization, caller.id, control)
    raise Contended("Conflicting concurrent writes; retry.", retry_after=1)
