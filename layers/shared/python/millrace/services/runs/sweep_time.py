"""The time limit of a sweep, because several share the function that runs them every minute."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

SWEEP_SECONDS = 8.0


@contextlib.asynccontextmanager
async def sweep_time() -> AsyncGenerator[None, None]:
    """Leave the block when the time of a sweep is up. A later sweep continues."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SWEEP_SECONDS):
            yield
