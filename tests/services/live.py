"""Helpers for live messages to the active run."""

from typing import Any

from millrace.domain.content import Content
from millrace.domain.conversations import Slot
from millrace.services.runs import inject as injections
from millrace.stores.connect import Stores
from millrace.stores.injections import Injection


async def inject(
    stores: Stores,
    slot: Slot,
    content: Content,
    key: str | None = None,
    *,
    look: Stores | None = None,
    **more: Any,
) -> Injection:
    """Send a live message to whatever run is active, which `look` tells where `stores` fails or is counted.
    Raises as `millrace.services.runs.inject.inject`."""
    active = (await (look or stores).leases.peek(slot)).run_id or ""
    return await injections.inject(stores, slot, active, content, key, **more)
