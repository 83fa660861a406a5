"""Ends the streams of callers whose token is revoked, after at most `LOOK_SECONDS` plus the time for which
processes cache revocations."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from millrace.domain.access import Principal
from millrace.errors import MillraceError, Unauthenticated
from millrace.stores.limits import LimitStore

log = logging.getLogger(__name__)
LOOK_SECONDS = 30.0


@asynccontextmanager
async def until_revoked(
    cut: Callable[[], None], limits: LimitStore, caller: Principal
) -> AsyncGenerator[None, None]:
    """While a stream is sent, `cut` it once its caller's token is revoked. This does not delay any token."""
    watch = asyncio.create_task(_watch(cut, limits, caller))
    try:
        yield
    finally:
        watch.cancel()


async def _watch(cut: Callable[[], None], limits: LimitStore, caller: Principal) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await limits.check_caller(caller)
        except Unauthenticated:
            return cut()
        except MillraceError as error:  # checked again later
            log.warning("revocations cannot be read: %s", error.message)
