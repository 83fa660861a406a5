"""The events on their way to a client that reads slowly, or not at all."""

import pytest

from millrace.domain import events
from millrace.domain.events import LogEntry
from millrace.services.runs import event_feed
from millrace.services.runs.event_feed import EventFeed
from millrace.stores.event_log import number

ENTRIES = number(0, [events.token("word") for _ in range(20)])


async def unread(feed: EventFeed) -> list[LogEntry]:
    return [entry for batch in [batch async for batch in feed] for entry in batch]


@pytest.mark.parametrize(("name", "most"), [("MOST_EVENTS", 5), ("MOST_BYTES", 5 * len(ENTRIES[0].data))])
async def test_client_that_does_not_read_gets_the_first_events_only(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(event_feed, name, most)
    monkeypatch.setattr(event_feed, "STALLED_SECONDS", 0)
    feed = EventFeed()
    for entry in ENTRIES:
        feed.put(entry)
    assert await unread(feed) == ENTRIES[:6]


async def test_burst_reaches_a_client_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MOST_EVENTS", 5)
    feed = EventFeed()
    for entry in ENTRIES:
        feed.put(entry)
    feed.close()
    assert await unread(feed) == ENTRIES


async def test_client_that_keeps_up_gets_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MOST_EVENTS", 5)
    monkeypatch.setattr(event_feed, "STALLED_SECONDS", 0)
    feed, seen = EventFeed(), []
    for at in range(0, 20, 5):
        for entry in ENTRIES[at : at + 5]:
            feed.put(entry)
        seen += await anext(feed)
    assert seen == ENTRIES
