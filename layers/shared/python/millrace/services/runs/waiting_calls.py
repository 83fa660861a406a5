"""Lists of the calls that wait for a person."""

from millrace.domain.access import Principal
from millrace.domain.approvals import WaitingCall
from millrace.domain.conversations import Slot
from millrace.errors import NotFound
from millrace.services.runs.access import authorize
from millrace.stores.approvals import Position
from millrace.stores.connect import Stores

READS = 5
"""The maximum number of pages that one list reads to find calls that the caller may see."""
READ_AT_ONCE = 100


async def list_waiting(
    stores: Stores, caller: Principal, limit: int, after: Position | None
) -> tuple[list[WaitingCall], Position | None]:
    """Return waiting calls of the organization that the caller may see, first to expire first, and the next
    position.

    A page may be short, even empty, although more follow, because many calls wait for others. Calls of tools
    that a client runs are left out, because no person answers them.
    """
    found: list[WaitingCall] = []
    for _ in range(READS):
        page, after = await stores.approvals.page(caller.organization, READ_AT_ONCE, after)
        for call in page:
            if call.answer is None and call.kind != "client" and await _sees(stores, caller, call):
                found.append(call)
                if len(found) == limit:
                    is_last = call is page[-1] and after is None
                    return found, None if is_last else Position.of(call)
        if after is None:
            break
    return found, after


async def _sees(stores: Stores, caller: Principal, call: WaitingCall) -> bool:
    """Return whether a caller of the organization may see that a call waits.

    These are its approvers, observers, and the user for whom the run works if they may still read the
    conversation.
    """
    if caller.may("observe") or caller.may("conversations:manage") or call.approvers.admit(caller, ""):
        return True
    if not call.user or call.user != caller.id:
        return False
    try:
        await authorize(stores, caller, call.slot, "read")
    except NotFound:
        return False
    return True


async def list_in_conversation(stores: Stores, caller: Principal, slot: Slot) -> list[WaitingCall]:
    """Return the calls that wait in a conversation or thread, for callers who may read it.

    Raises `NotFound`.
    """
    await authorize(stores, caller, slot, "read")
    return [call for call in await stores.approvals.of_slot(slot) if call.answer is None]
