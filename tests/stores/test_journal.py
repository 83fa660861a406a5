"""The journal: small entries are stored in its index, large ones as objects."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from millrace.domain.clock import now_ms
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.dynamo import Dynamo
from millrace.stores.journal import INLINE_BYTES, Accepted, Entry, Journal, packed
from tests.aws import Aws

ADDRESS = ("journal/tests", "pipeline_1")
NOW = now_ms()


@pytest.fixture
def journal(aws_environment: Aws) -> Iterator[Journal]:
    settings = Settings.from_environment(aws_environment.environment("TransformFunction"))
    clients = AwsClients(settings.region)
    yield Journal(clients, Dynamo(clients), settings.journal_bucket, settings.pipelines_table)
    clients.close()


def noise(size: int) -> list[dict[str, Any]]:
    """An event that gzip cannot make much smaller."""
    return [{"id": "e1", "payload": {"text": Random(7).randbytes(size).hex()}}]


@pytest.mark.parametrize(
    ("events", "small"),
    [
        ([{"id": "e1", "payload": {"text": "line\nfeed\r  and é"}}], True),
        ([{"id": f"e{n}", "payload": {"n": n}} for n in range(200)], True),
        (noise(INLINE_BYTES), False),
    ],
)
async def test_written_events_are_read_wherever_they_are(
    journal: Journal, events: list[dict[str, Any]], small: bool
) -> None:
    entry = await journal.write(Accepted(*ADDRESS, 3, len(events), packed(events)), NOW)
    assert (entry.key == "") == small
    assert await journal.read(*ADDRESS, entry.position, entry.key) == events
    found = await journal.entries(*ADDRESS, NOW, NOW + 1)
    assert entry in found
    assert (entry.events, entry.version) == (len(events), 3)


async def test_entry_that_waits_is_listed_until_it_is_settled_and_kept_after(journal: Journal) -> None:
    address = ("journal-waiting", "pipeline_1")
    events = [{"id": "e1", "payload": {}}]
    entry = await journal.write(Accepted(*address, 1, 1, packed(events)), NOW, waiting=True)
    assert await journal.waiting(*address) == [entry]
    await journal.settle(*address, entry.position)
    assert await journal.waiting(*address) == []
    assert await journal.read(*address, entry.position, entry.key) == events


@pytest.mark.parametrize("gone", [Entry("0#none", "", 1, 1), Entry("0#none", "no/such/object", 1, 1)])
async def test_entry_that_is_gone_has_no_events(journal: Journal, gone: Entry) -> None:
    assert await journal.read(*ADDRESS, gone.position, gone.key) == []


@pytest.mark.parametrize(
    ("size", "takers", "objects"), [(40, 1, 0), (40, 100, 0), (1_200, 4, 0), (1_200, 30, 1)]
)
async def test_events_that_many_pipelines_take_are_one_object_where_that_costs_less(
    journal: Journal, size: int, takers: int, objects: int
) -> None:
    organization, body = f"journal-shared-{size}-{takers}", packed(events := noise(size))
    accepted = [Accepted(organization, f"pipeline_{at}", 2, 1, body) for at in range(takers)]
    await journal.write_all(accepted, NOW)
    found = [
        entry
        for one in accepted
        for entry in await journal.entries(organization, one.pipeline_id, NOW, NOW + 1)
    ]
    assert len(found) == len({entry.position for entry in found}) == takers
    assert len({entry.key for entry in found} - {""}) == objects
    for one, entry in zip(accepted, found, strict=True):
        assert await journal.read(organization, one.pipeline_id, entry.position, entry.key) == events


async def test_organizations_never_share_an_object(journal: Journal) -> None:
    """Each has its own folder, which is deleted with it."""
    body = packed(noise(INLINE_BYTES))
    accepted = [Accepted(f"journal-{of}", f"pipeline_{at}", 1, 1, body) for of in "ab" for at in range(2)]
    await journal.write_all(accepted, NOW)
    entries = [await journal.entries(one.organization, one.pipeline_id, NOW, NOW + 1) for one in accepted]
    keys = [entry.key for (entry,) in entries]
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert [key.partition("/")[0] for key in keys] == ["journal-a"] * 2 + ["journal-b"] * 2
