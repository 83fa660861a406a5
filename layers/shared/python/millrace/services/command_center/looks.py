"""Looks at all organizations that have rules or runs, in portions: a tick ends in time, however many they
are.

The first portion is looked at by the tick itself. Each other is a message on the record queue, whose
functions take them side by side.
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
"""Some seconds of the function's timeout, with a few calls of AWS for each organization."""
APART_SECONDS, LATEST_SECONDS = 2, 50
"""Between two messages, so that one invocation gets few of them; all are done before the next tick."""
AT_ONCE = 8


class Portion(Struct, frozen=True):
    """Organizations that are to be looked at; `look` is a name of `LOOKS`."""

    look: str
    organizations: list[str]

    @classmethod
    def read(cls, envelope: dict[str, Any]) -> "Portion":
        """Of a message. Raises `InvalidRequest`."""
        look, names = envelope.get("look"), envelope.get("organizations")
        if look not in LOOKS or not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise InvalidRequest("The message names no look, or no organizations.", code="invalid_event")
        return cls(look, names)

    def body(self) -> str:
        """The message."""
        message = {"source": LOOK, "look": self.look, "organizations": self.organizations}
        return orjson.dumps(message).decode()


async def look_at_all(recorder: Recorder, look: str) -> bool:
    """Look at every organization, later at those beyond the first portion; False when it failed for some.
    Raises `Unavailable` when the rest cannot be put on the queue: then nothing was looked at yet."""
    names = sorted(await recorder.alerts.organizations())
    first, *others = [Portion(look, names[at : at + PORTION]) for at in range(0, max(1, len(names)), PORTION)]
    if others:
        later = [(one.body(), at * APART_SECONDS % LATEST_SECONDS, "") for at, one in enumerate(others, 1)]
        await asyncio.to_thread(recorder.queue.send_delayed, later)
    return await look_at(recorder, first)


async def look_at(recorder: Recorder, portion: Portion) -> bool:
    """Look at organizations; one that fails does not stop the others. False when it failed for some."""
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
