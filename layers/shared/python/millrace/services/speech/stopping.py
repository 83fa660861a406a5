"""Speech that its listener may stop with another request.

A function URL does not report that its client has disconnected, and a player that is being closed cannot
wait. So it requests the stop by the speech's id, and the speaking function checks for the request every
second.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from millrace.errors import MillraceError

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


async def until_stopped(
    audio: AsyncGenerator[bytes, None],
    wanted: Callable[[], Awaitable[bool]],
    every: float = EVERY_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Pass on the audio until `wanted` returns true, then end and free the engine."""
    stop = asyncio.create_task(_wait(wanted, every))
    async with aclosing(audio):
        try:
            while (part := await _next(audio, stop)) is not None:
                yield part
        finally:
            stop.cancel()


async def _next(audio: AsyncGenerator[bytes, None], stop: "asyncio.Task[None]") -> bytes | None:
    making = asyncio.ensure_future(anext(audio, None))
    try:
        await asyncio.wait((making, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not making.done():
            making.cancel()
            await asyncio.wait((making,))  # the generator must not be running when it is closed
    return None if stop.done() or making.cancelled() else making.result()


async def _wait(wanted: Callable[[], Awaitable[bool]], every: float) -> None:
    while True:
        await asyncio.sleep(every)  # nobody knows the id of a speech before it has begun
        if await _is_wanted(wanted):
            return


async def _is_wanted(wanted: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await wanted()
    except MillraceError as error:  # a short outage of the table must not end the speech
        log.warning("Cannot check for the stop of a speech: %s", error)
        return False
