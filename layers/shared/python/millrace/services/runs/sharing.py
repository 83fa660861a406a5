"""Sharing of a conversation with other users of the organization."""

import asyncio
import random

from millrace.domain.access import Access, Principal
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.errors import Conflict, InvalidRequest, NotFound, Unavailable
from millrace.services.runs.access import authorize
from millrace.stores.connect import Stores

MAX_SHARES = 50
TRIES = 8


async def shares(stores: Stores, caller: Principal, slot: Slot) -> dict[str, Access]:
    """Return the access of other users to a conversation. Raises `NotFound` or `Forbidden`."""
    return (await authorize(stores, caller, slot, "own")).shared_with


async def share(stores: Stores, caller: Principal, slot: Slot, user_id: str, access: Access) -> None:
    """Let a user read a conversation, or also write to it, replacing any earlier share.

    Raises `NotFound`, `Forbidden`, `InvalidRequest` or `Conflict`.
    """
    await _change(stores, caller, slot, user_id, access)


async def unshare(stores: Stores, caller: Principal, slot: Slot, user_id: str) -> None:
    """Remove a user's share. Raises `NotFound` if there is none, or `Forbidden`."""
    await _change(stores, caller, slot, user_id, None)


async def _change(stores: Stores, caller: Principal, slot: Slot, user_id: str, access: Access | None) -> None:
    for attempt in range(TRIES):
        seen = await authorize(stores, caller, slot, "own")
        if user_id == seen.created_by:
            raise InvalidRequest("The conversation belongs to this user.", code="already_owner")
        changed = _changed(seen.shared_with, user_id, access)
        if await stores.directory.share(slot, seen, user_id, changed, iso(stores.clock())):
            return
        await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # others change shares at the same time
    raise Unavailable("Conflicting concurrent changes of the shares; retry.", retry_after=1)


def _changed(before: dict[str, Access], user_id: str, access: Access | None) -> dict[str, Access]:
    if access is None:
        if user_id not in before:
            raise NotFound("The conversation is not shared with this user.", code="share_not_found")
        return {user: given for user, given in before.items() if user != user_id}
    if user_id not in before and len(before) >= MAX_SHARES:
        raise Conflict(
            f"A conversation must not be shared with more than {MAX_SHARES} users.", code="too_many_shares"
        )
    return before | {user_id: access}
