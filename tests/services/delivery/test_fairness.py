"""One organization's destinations do not slow down another's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from millrace.destinations.catalog import ServiceUrls
from millrace.domain.retries import MOST_SENDS
from millrace.domain.unproven_slots import OF_DESTINATION, OF_ORGANIZATION
from millrace.net.client import guarded_client
from millrace.services.delivery.deliver import Report
from tests.fakes.holding import Holding, holding_receiver
from tests.fakes.receivers import Receivers
from tests.services.delivery.delivering import World, event, pipeline, world
from tests.serving import served

ALL = 60


@pytest.fixture
def holding() -> Iterator[Holding]:
    with holding_receiver() as receiver:
        yield receiver


@pytest.fixture
async def other(environ: dict[str, str]) -> AsyncIterator[World]:
    """Another organization on the same tables."""
    async with guarded_client(allow_loopback_http=True) as client:
        yield world(environ, client, ServiceUrls(), loopback=True)


async def first_back(tasks: list[asyncio.Task[Report]], count: int) -> list[Report]:
    """The reports of the first so many that are over."""
    return [await one for _, one in zip(range(count), asyncio.as_completed(tasks), strict=False)]


async def test_destination_that_does_not_answer_holds_few_jobs_at_once(
    here: World, other: World, holding: Holding, receivers: Receivers
) -> None:
    await here.webhook(holding.url)
    await other.webhook(receivers.url + "/hook")
    jobs = [asyncio.create_task(here.deliver(event(f"e{n}"))) for n in range(ALL)]
    waiting = await first_back(jobs, ALL - OF_DESTINATION)
    assert [report.waiting for report in waiting] == [1] * (ALL - OF_DESTINATION)
    assert all(report.attempts == 0 for report in waiting), "waiting is no attempt"
    assert (holding.waiting, holding.most) == (OF_DESTINATION, OF_DESTINATION)
    delivered = await asyncio.gather(*(other.deliver(event(f"b{n}")) for n in range(20)))
    assert sum(len(report.delivered) for report in delivered) == 20, "though it has yet to prove itself"
    assert holding.answered == 0
    holding.release()
    await asyncio.gather(*jobs)
    await here.settle()
    assert holding.answered == ALL
    assert await here.dead() == []


async def test_destination_that_answers_takes_everything_at_once(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    await here.deliver(event("first"))
    reports = await asyncio.gather(*(here.deliver(event(f"e{n}")) for n in range(ALL)))
    assert [len(report.delivered) for report in reports] == [1] * ALL


async def test_organization_with_many_dead_destinations_holds_few_jobs_at_once(
    here: World, holding: Holding
) -> None:
    pipelines = [f"pipe{n}" for n in range(10)]
    definition = {
        "name": "p",
        "source": {"type": "agent_execution"},
        "destination": {"type": "webhook", "config": {"url": holding.url}},
    }
    for id in pipelines:
        await here.pipelines.create(here.organization, pipeline(1, definition, id), [])
    jobs = [
        asyncio.create_task(here.deliver(event(f"e{n}"), pipelineId=id, definitionVersion=1))
        for id in pipelines
        for n in range(3)
    ]
    await first_back(jobs, len(jobs) - OF_ORGANIZATION)
    assert (holding.waiting, holding.most) == (OF_ORGANIZATION, OF_ORGANIZATION)
    holding.release()
    await asyncio.gather(*jobs)


async def test_two_jobs_without_an_answer_in_time_stop_all_others(here: World) -> None:
    """The server takes requests and breaks off fifteen seconds later, by the test's clock."""
    requests = 0

    async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
        nonlocal requests
        assert scope["type"] == "http"
        requests += 1
        here.now += 15_000
        raise ConnectionError("no answer")

    with served(breaks_off) as url:
        await here.webhook(url, retryPolicy={"maxRetries": 0})
        for n in range(10):
            await here.deliver(event(f"e{n}"))
    assert requests < 5, "500s are no hang, so that some servers' own answers count as well"


async def test_waiting_jobs_look_ever_less_often_and_end(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", rateLimit={"perSecond": 0.001, "burst": 1})
    await here.deliver(event("first"))
    await here.deliver(event("second"), sends=40)
    (delay, body) = here.queue.sent[-1]
    assert '"sends":41' in body
    assert delay >= 8_000
    here.queue.sent.clear()
    await here.deliver(event("third"), sends=MOST_SENDS)
    assert here.queue.sent == []
    (dead_letter,) = await here.dead()
    assert dead_letter.code == "expired"
