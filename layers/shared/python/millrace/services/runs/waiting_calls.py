"""Lists of the calls that wait for a person."""

from millrace.domain.access import Principal
from millrace.domain.approvals import WaitingCall
from millrace.domain.conversations import Slot
from millrace.errors import NotFound
from millrace.services.runs.access import authorize
from millrace.stores.approvals import Position
from millrace.stores.connect import Stores

READS = 5
"""The most pages that one list reads to find calls which the caller may see."""
READ_AT_ONCE = 100


async def list_waiting(
    stores: Stores, caller: Principal, limit: int, after: Position | None
) -> tuple[list[WaitingCall], Position | None]:
    """Calls that wait in the caller's organization and that the caller may see, those that expire first
    before the others, and the place to go on after. A page may be short, and even empty, with more to come:
    many calls wait for others. Those of tools that a client runs are left out: no person answers them."""
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
    """Return whether a caller of the organization sees that a call waits: who may answer, those who observe,
    and the user for whom the run works, as long as the conversation may be read."""
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
    """The calls that wait in a conversation, or in a thread of it, for those who may read it. Raises
    `NotFound`."""
    await authorize(stores, caller, slot, "read")
    return [call for call in await stores.approvals.of_slot(slot) if call.answer is None]
