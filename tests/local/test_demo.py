"""The demo pipeline and its destination."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from local.demo import NAME, PATH, Received, ensure_pipeline
from tests.api.talk import say
from tests.stack import RunningStack

PIPELINES = "/api/streaming/pipelines"
#: Three functions start one after the other, and a message that one of them dropped comes again only later.
SECONDS = 150


@pytest.fixture
def dev(stack: RunningStack) -> Iterator[httpx.Client]:
    """The dev user, whose demo pipelines are gone afterwards."""
    with httpx.Client(base_url=stack.url, headers=stack.headers(), timeout=60) as client:
        yield client
        for one in demo_pipelines(client):
            client.post(f"{PIPELINES}/{one['id']}/stop").raise_for_status()
            client.delete(f"{PIPELINES}/{one['id']}").raise_for_status()


def demo_pipelines(client: httpx.Client) -> list[dict[str, str]]:
    return [one for one in client.get(PIPELINES).json()["items"] if one["name"] == NAME]


def events(stack: RunningStack) -> list[dict[str, object]]:
    return [json.loads(line) for line in httpx.get(stack.url + PATH).text.splitlines()]


@pytest.mark.timeout(SECONDS + 60)
def test_completed_run_is_seen_at_the_stacks_own_address(stack: RunningStack, dev: httpx.Client) -> None:
    for _ in range(2):  # as with kept state
        asyncio.run(ensure_pipeline(stack.url, stack.token()))
    assert [one["state"] for one in demo_pipelines(dev)] == ["running"]
    say(dev, "/echo tools=0\nhello")
    until = time.monotonic() + SECONDS
    while not events(stack):
        assert time.monotonic() < until, "".join(stack.output[-40:])
        threading.Event().wait(0.1)
    assert events(stack)[-1]["agent"] == "echo"


def test_pipeline_that_was_paused_stays_so(stack: RunningStack, dev: httpx.Client) -> None:
    asyncio.run(ensure_pipeline(stack.url, stack.token()))
    (made,) = demo_pipelines(dev)
    dev.post(f"{PIPELINES}/{made['id']}/pause").raise_for_status()
    asyncio.run(ensure_pipeline(stack.url, stack.token()))
    assert [one["state"] for one in demo_pipelines(dev)] == ["paused"]


def test_last_hundred_events_are_kept_one_per_line() -> None:
    reported: list[str] = []
    received = Received(reported.append)
    received.add([{"n": n} for n in range(150)])
    received.add({"n": 150})
    assert len(reported) == 151
    assert [json.loads(line)["n"] for line in received.lines()] == list(range(51, 151))
