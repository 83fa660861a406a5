"""Checks of the organizations in which something may have happened, in portions so that a tick ends in time.

A process skips organizations without any event since it found that nothing is left to check there. Once an
hour it checks all, including those with rules and no runs, whatever it remembers.

The tick itself checks the first portion. Each other portion is a message on the record queue, whose functions
process them concurrently.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import starmap
from typing import Any, Literal

import orjson
from msgspec import Struct, ValidationError, convert

from millrace.domain.record import Subject
from millrace.errors import InvalidRequest
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.record_check import check, notice_lost_runs
from millrace.telemetry import logs

log = logging.getLogger(__name__)
LOOK = "millrace.look"
"""The source of a message with a portion."""
Look = Literal["check", "notice_lost_runs"]
LOOKS: dict[str, Callable[[Recorder, str, list[Subject]], Awaitable[object]]] = {
    "check": check,
    "notice_lost_runs": notice_lost_runs,
}
PORTION = 300
"""Takes some seconds of the function's timeout, with a few AWS calls for each organization."""
APART_SECONDS, LATEST_SECONDS = 2, 50
"""The delay between two messages, so that one invocation gets few of them. All end before the next tick."""
AT_ONCE = 8


class Portion(Struct, frozen=True):
    """Organizations to check, each with the time of its last note (0 to check it in any case).

    `look` is a key of `LOOKS`.
    """

    look: str
    organizations: dict[str, int]

    @classmethod
    def read(cls, envelope: dict[str, Any]) -> "Portion":
        """Read the portion in a message. Raises `InvalidRequest`."""
        try:
            found = convert(envelope, _Message)
        except ValidationError as error:
            message = "The message names no look, or no organizations."
            raise InvalidRequest(message, code="invalid_event") from error
        given = found.organizations  # an earlier release sends names only
        return cls(found.look, given if isinstance(given, dict) else dict.fromkeys(given, 0))

    def body(self) -> str:
        """Return the message."""
        message = {"source": LOOK, "look": self.look, "organizations": self.organizations}
        return orjson.dumps(message).decode()


class _Message(Struct):
    look: Look
    organizations: dict[str, int] | list[str]


async def look_at_all(recorder: Recorder, look: str) -> bool:
    """Check organizations, those beyond the first portion later. Return False if some failed.

    Raises `Unavailable` if the other portions cannot be enqueued; then nothing was checked yet.
    """
    now = recorder.clock()
    noted = await recorder.alerts.active(now)
    if thorough := look == "check" and recorder.quiet.is_old(now):
        noted = dict.fromkeys(noted.keys() | await recorder.alerts.organizations(), 0)
    names = sorted(name for name, at in noted.items() if not recorder.quiet.has(look, name, at))
    first, *others = [
        Portion(look, {name: noted[name] for name in names[at : at + PORTION]})
        for at in range(0, max(1, len(names)), PORTION)
    ]
    if others:
        later = [(one.body(), at * APART_SECONDS % LATEST_SECONDS, "") for at, one in enumerate(others, 1)]
        await asyncio.to_thread(recorder.queue.send_delayed, later)
    good = await look_at(recorder, first)
    if thorough and good:
        recorder.quiet.looked_at_all(now)
    return good


async def look_at(recorder: Recorder, portion: Portion) -> bool:
    """Check organizations. One that fails does not stop the others. Return False if some failed."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def fine(organization: str, noted: int) -> bool:
        async with turns:
            logs.bind(organization=organization)
            try:
                await _check_one(recorder, portion.look, organization, noted)
            except Exception:
                log.exception("the check of an organization failed")
                return False
            return True

    return all(await asyncio.gather(*starmap(fine, portion.organizations.items())))


async def _check_one(recorder: Recorder, look: str, organization: str, noted: int) -> None:
    now = recorder.clock()  # before the read, which need not see what happens later
    live = await recorder.records.live(organization)
    await LOOKS[look](recorder, organization, live)
    if not live:
        recorder.quiet.saw(look, organization, noted, now)
