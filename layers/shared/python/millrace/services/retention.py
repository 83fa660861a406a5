"""Limited retention of conversations: an organization's setting, and the sweep that applies it."""

import logging
import random

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.limits import DAY_MS, Control
from millrace.errors import NotFound
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores

log = logging.getLogger(__name__)
AT_ONCE = 100


class Retention:
    """An organization's retention setting."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def days(self, caller: Principal) -> int | None:
        """Return the days for which conversations are kept after their latest run, or None for forever."""
        return (await self._stores.limits.read_control(caller.organization)).conversation_days

    async def keep(self, caller: Principal, days: int | None) -> None:
        """Set the days for which conversations are kept."""

        def kept(control: Control) -> Control:
            return control.model_copy(update={"conversation_days": days})

        listed = self._stores.limits.list_retention(caller.organization, is_limited=days is not None)
        await self._stores.limits.change(caller.organization, kept, listed)


async def sweep_retention(stores: Stores) -> int:
    """Delete expired conversations for the time of a sweep, and return how many.

    One that fails is logged and left for a later sweep.
    """
    deleted = 0
    async with sweep_time():
        organizations = await stores.limits.with_retention()
        random.shuffle(organizations)  # so that the same ones do not always wait for the others
        for organization in organizations:
            deleted += await _sweep(stores, organization)
    return deleted


async def _sweep(stores: Stores, organization: str) -> int:
    days = (await stores.limits.read_control(organization)).conversation_days
    if days is None:
        return 0
    before = iso(stores.clock() - days * DAY_MS)
    found = await stores.directory.oldest(organization, before, AT_ONCE)
    deleted = 0
    for one in found:
        if one.active_run_id is None:
            deleted += await _deleted(stores, Slot(organization, one.id))
    return deleted


async def _deleted(stores: Stores, root: Slot) -> bool:
    try:
        await delete_conversation(stores, root)
    except NotFound:
        return False  # the index is slightly behind
    except Exception:
        log.exception("the expired conversation %s could not be deleted", root.key)
        return False
    return True
