"""Two organizations on one stack: heavy events and a destination that never answers, next to a pipeline that
works."""

import time
import uuid
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from tests.e2e.streaming import PIPELINES, metrics, started, wait_until, wait_until_delivered
from tests.fakes.holding import Holding, holding_receiver
from tests.fakes.sink import Sink
from tests.stack import RunningStack

EVENTS = 20
NOISE = 200
SOURCE = {"type": "webhook"}
DOUBLED = {"type": "map", "config": {"expression": {f"f{at}": "$event" for at in range(150)}}}
COMPARED = {"type": "map", "config": {"expression": {f"s{at}": "a == b" for at in range(150)}}}


@pytest.fixture
def holding() -> Iterator[Holding]:
    with holding_receiver() as receiver:
        yield receiver


@pytest.fixture
def noisy(stack: RunningStack) -> Iterator[httpx.Client]:
    """A client of another organization."""
    headers = stack.headers(f"org-{uuid.uuid4().hex[:12]}")
    with httpx.Client(base_url=stack.url, headers=headers, timeout=90) as client:
        yield client


def hook(url: str) -> dict[str, object]:
    return {"type": "webhook", "config": {"url": url}}


def delivered_in(chat: httpx.Client, pipeline: str, sink: Sink, name: str) -> list[float]:
    """Pushes events one after the other; seconds until each has arrived, the quickest first."""
    seconds = []
    for at in range(EVENTS):
        began, before = time.monotonic(), len(sink.effects)
        answer = chat.post(f"{PIPELINES}/{pipeline}/process", json={"name": f"{name}{at}"})
        assert answer.status_code == 202, "another's backlog is no reason to refuse"
        wait_until(partial(has_more, sink, before))
        seconds.append(time.monotonic() - began)
    return sorted(seconds)


def has_more(sink: Sink, before: int) -> bool:
    return len(sink.effects) > before


def has_dead_letters(client: httpx.Client, pipeline: str, count: int) -> bool:
    return bool(metrics(client, pipeline)["deadLetters"] >= count)


@pytest.mark.timeout(400)
def test_bomb_and_a_dead_sink_hold_up_nothing_of_another_organization(
    stack: RunningStack, chat: httpx.Client, noisy: httpx.Client, sink: Sink, holding: Holding
) -> None:
    quiet = started(chat, source=SOURCE, transforms=[], destination=hook(sink.url))
    alone = delivered_in(chat, quiet, sink, "alone")
    dead = started(noisy, source=SOURCE, transforms=[], destination=hook(holding.url))
    bombs = [
        started(noisy, source=SOURCE, transforms=steps, destination=hook(sink.url))
        for steps in ([DOUBLED, DOUBLED], [COMPARED])
    ]
    for start in range(0, NOISE, 10):
        items = [{"n": n} for n in range(start, start + 10)]
        assert noisy.post(f"{PIPELINES}/{dead}/batch", json=items).status_code == 202
    heavy = {"text": "x" * 5_000, "a": list(range(5_000)), "b": list(range(5_000))}
    for bomb in bombs:
        assert noisy.post(f"{PIPELINES}/{bomb}/batch", json=[heavy] * 3).status_code == 202
    beside = delivered_in(chat, quiet, sink, "beside")
    assert holding.answered == 0, "all of it while the dead destination held what it had"
    for bomb in bombs:
        wait_until(partial(has_dead_letters, noisy, bomb, 3))
    p95 = round(alone[EVENTS * 95 // 100 - 1], 2), round(beside[EVENTS * 95 // 100 - 1], 2)
    # What waits for the dead destination goes on to a correct one; else it would be on the queue for a day.
    noisy.patch(f"{PIPELINES}/{dead}", json={"destination": hook(sink.url)}).raise_for_status()
    wait_until_delivered(stack, 180)
    assert NOISE <= sum("n" in payload for payload in sink.effects.values())
    print(f"p95 of {EVENTS} deliveries: {p95[0]} s alone, {p95[1]} s beside {NOISE} events to a dead sink")
