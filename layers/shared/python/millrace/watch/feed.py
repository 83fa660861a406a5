"""The command center's snapshot and stream over HTTP, reconnecting for as long as it takes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from millrace.domain.events import Event

BASE = "/api/command-center"
SILENCE = 20.0
"""Seconds without even a heartbeat after which the connection counts as dead."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0


class Refused(Exception):
    """The server refused for good (token, scope, filter); the message says why."""


class Feed:
    """One viewer. `last` is the number of the last event seen; None asks for a new snapshot."""

    def __init__(self, http: httpx.AsyncClient, filters: dict[str, str]) -> None:
        self._http = http
        self._filters = filters
        self.last: int | None = None

    async def snapshot(self) -> dict[str, Any]:
        """Return the active runs. Raises `Refused` or `httpx.HTTPError`."""
        answer = await self._http.get(f"{BASE}/snapshot", params=self._filters)
        await _check(answer)
        found: dict[str, Any] = answer.json()
        return found

    async def events(self) -> AsyncIterator[Event]:
        """The events after `last`, until the connection ends. Raises `Refused` or `httpx.HTTPError`."""
        timeout = httpx.Timeout(10, read=SILENCE)
        query = self._filters | {"since": str(self.last or 0)}
        async with self._http.stream("GET", f"{BASE}/stream", params=query, timeout=timeout) as answer:
            await _check(answer)
            number: int | None = None
            async for line in answer.aiter_lines():
                if line.startswith("id:"):
                    number = int(line[3:])
                elif line.startswith("data:"):
                    # An event without an id is not in the log, so nobody can resume behind it.
                    self.last = self.last if number is None else number
                    number = None
                    yield json.loads(line[5:])


async def pause(attempt: int) -> None:
    """Wait before the next attempt, longer each time."""
    await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 10)))


async def _check(answer: httpx.Response) -> None:
    # A 429 passes by waiting; any other 4xx would be the same the next time.
    if 400 <= answer.status_code < 500 and answer.status_code != 429:
        await answer.aread()
        raise Refused(_message(answer))
    answer.raise_for_status()


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
