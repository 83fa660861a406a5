"""Reading a conversation's messages as a viewer may see them."""

import asyncio
from typing import Any

from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import Detail
from millrace.domain.projection import capped, project_message
from millrace.errors import NotFound
from millrace.stores.connect import Stores


async def read_history(
    stores: Stores, slot: Slot, after: int, limit: int, detail: Detail
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of messages with positions above `after`, oldest first, and the position to go on from (None:
    there are no more). Hidden messages are left out."""
    found, more = await stores.messages.page(slot, after, limit)
    messages = [message for _, message in found]
    visibilities = await _visibilities(stores, slot.organization, messages)
    shown = [
        project_message(
            message, capped(detail, message.visibility or visibilities.get(message.run_id, "full"))
        )
        for message in messages
    ]
    return [one for one in shown if one], found[-1][0] if found and more else None


async def _visibilities(
    stores: Stores, organization: str, messages: list[StoredMessage]
) -> dict[str | None, Detail]:
    """The visibility of the runs whose messages do not tell it themselves; only the answer of a run that is
    no longer stored may be seen."""
    runs = sorted({message.run_id for message in messages if message.run_id and not message.visibility})
    found = await asyncio.gather(*(_visibility(stores, organization, run) for run in runs))
    return dict(zip(runs, found, strict=True))


async def _visibility(stores: Stores, organization: str, run_id: str) -> Detail:
    try:
        return (await stores.runs.get(organization, run_id)).visibility
    except NotFound:
        return "answer"
