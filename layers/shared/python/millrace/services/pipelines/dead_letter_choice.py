"""Dead letters that a caller selects: by ids, or by place, code and time."""

import asyncio
from collections.abc import Iterable

from millrace.domain.redrives import DeadLetterSelection, Redrive
from millrace.errors import NotFound
from millrace.stores.dead_letters import DeadLetter, DeadLetterFilter, DeadLetterStore


def to_filter(choice: DeadLetterSelection) -> DeadLetterFilter:
    """Return the store's filter. Raises `InvalidRequest`."""
    since, until = choice.times()
    return DeadLetterFilter(choice.place, choice.code, since, until)


async def dead_letters_by_id(
    store: DeadLetterStore, organization: str, pipeline_id: str, ids: Iterable[str]
) -> list[DeadLetter]:
    """Return the dead letters with these ids. Raises `NotFound` with the first id that does not exist."""
    wanted = list(dict.fromkeys(ids))
    found = await asyncio.gather(*(store.get(organization, pipeline_id, one) for one in wanted))
    missing = [id for id, dead_letter in zip(wanted, found, strict=True) if dead_letter is None]
    if missing:
        raise NotFound(f"No dead letter has the id {missing[0]!r:.120}.", code="dead_letter_not_found")
    return [dead_letter for dead_letter in found if dead_letter]


def left_of(redrive: Redrive) -> DeadLetterFilter:
    """Return a filter for the dead letters that a redrive has yet to send.

    It excludes events accepted after the redrive began, so that the redrive comes to an end.
    """
    chosen = to_filter(redrive.request)
    until = min(chosen.until or redrive.created_at + 1, redrive.created_at + 1)
    return DeadLetterFilter(chosen.place, chosen.code, chosen.since, until)
