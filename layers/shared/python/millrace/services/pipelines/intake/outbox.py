"""Changes that an application writes to the outbox in its PostgreSQL, put on the bus."""

import time
from typing import Any

import orjson
from msgspec.structs import asdict

from millrace.domain.ids import valid_organization
from millrace.errors import InvalidRequest
from millrace.services.pipelines.intake.changes import Changes, change_event
from millrace.stores.bus import BusEvent
from millrace.stores.outbox import Outbox, OutboxRow

ROWS = 100


async def drain_outbox(changes: Changes, url: str, until: float, rows: int = ROWS) -> int:
    """Drain rows until none are left or `until` (of `time.monotonic`) is reached. Return their number.

    Rows are deleted only once the bus has them. If anything dies in between, they are sent again with the
    same ids.
    """
    count = 0
    async with Outbox.connect(url) as outbox:
        while time.monotonic() < until:
            async with outbox.claim(rows) as claimed:
                events = [event for row in claimed for event in await _events(changes, row)]
                await changes.bus.put(events)
            count += len(claimed)
            if len(claimed) < rows:
                break
    return count


async def _events(changes: Changes, row: OutboxRow) -> list[BusEvent]:
    try:
        if not valid_organization(row.organization):
            raise InvalidRequest("The row has no organization.", code="organization_missing")
        return [change_event(row.organization, row.change())]
    except Exception as error:
        await changes.reject(asdict(row), error)  # the row itself, because it is deleted from the database
        return []


def database_url(text: str) -> str:
    """Return the URL in a secret: its text, or `url` in its JSON.

    Raises `InvalidRequest` if there is none.
    """
    text = text.strip()
    if text.startswith("{"):
        text = _url_in(orjson.loads(text))
    if not text.startswith(("postgresql://", "postgres://")):
        raise InvalidRequest('Write postgresql://... or {"url": "postgresql://..."} into the outbox secret.')
    return text


def _url_in(secret: dict[str, Any]) -> str:
    return str(secret.get("url", ""))
