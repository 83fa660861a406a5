"""Checks of all organizations that have rules or runs, in portions so that a tick ends in time.

The tick itself checks the first portion. Each other portion is a message on the record queue, whose functions
process them concurrently.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from msgspec import Struct

from millrace.errors import InvalidRequest
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.record_check import check, notice_lost_runs
from millrace.telemetry import logs

log = logging.getLogger(__name__)
LOOK = "millrace.look"
"""The source of a message with a portion."""
LOOKS: dict[str, Callable[[Recorder, str], Awaitable[object]]] = {
    "check": check,
    "notice_lost_runs": notice_lost_runs,
}
PORTION = 300
"""Takes some seconds of the function's timeout, with a few AWS calls for each organization."""
APART_SECONDS, LATEST_SECONDS = 2, 50
"""The delay between two messages, so that one invocation gets few of them. All end before the next tick."""
AT_ONCE = 8


class Portion(Struct, frozen=True):
    """Organizations to check. `look` is a key of `LOOKS`."""

    look: str
    organizations: list[str]

    @classmethod
    def read(cls, envelope: dict[str, Any]) -> "Portion":
        """Read the portion in a message. Raises `InvalidRequest`."""
        look, names = envelope.get("look"), envelope.get("organizations")
        if look not in LOOKS or not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise InvalidRequest("The message names no look, or no organizations.", code="invalid_event")
        return cls(look, names)

    def body(self) -> str:
        """Return the message."""
        message = {"source": LOOK, "look": self.look, "organizations": self.organizations}
        return orjson.dumps(message).decode()


async def look_at_all(recorder: Recorder, look: str) -> bool:
    """Check every organization, those beyond the first portion later. Return False if some failed.

    Raises `Unavailable` if the other portions cannot be enqueued; then nothing was checked yet.
    """
    names = sorted(await recorder.alerts.organizations())
    first, *others = [Portion(look, names[at : at + PORTION]) for at in range(0, max(1, len(names)), PORTION)]
    if others:
        later = [(one.body(), at * APART_SECONDS % LATEST_SECONDS, "") for at, one in enumerate(others, 1)]
        await asyncio.to_thread(recorder.queue.send_delayed, later)
    return await look_at(recorder, first)


async def look_at(recorder: Recorder, portion: Portion) -> bool:
    """Check organizations. One that fails does not stop the others. Return False if some failed."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def fine(organization: str) -> bool:
        async with turns:
            logs.bind(organization=organization)
            try:
                await LOOKS[portion.look](recorder, organization)
            except Exception:
                log.exception("the check of an organization failed")
                return False
            return True

    return all(await asyncio.gather(*map(fine, portion.organizations)))
