"""Speech with timings, as Server-Sent Events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from millrace.errors import MillraceError


async def frames(events: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
    """Encode events. If the source fails after the first one, `{"type": "error", "code", "message"}`
    follows."""
    begun = False
    async with aclosing(events):
        try:
            async for event in events:
                begun = True
                yield _frame(event)
        except MillraceError as error:
            if not begun:
                raise
            yield _frame({"type": "error", "code": error.code, "message": error.message})


def _frame(event: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"
