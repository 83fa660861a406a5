"""A storm of events through the running stack while everything around them fails."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest
from standardwebhooks import Webhook

from millrace.domain.clock import now_ms
from tests.e2e.streaming import (
    PIPELINES,
    act,
    dead_letters,
    depth,
    kill,
    push,
    started,
    wait_until,
    wait_until_delivered,
)
from tests.effort import effort, soak
from tests.fakes.sink import Sink
from tests.stack import RunningStack

EVENTS = effort(800, 10_000)
PER_REQUEST = 40
CLIENTS = 4
POISON = EVENTS * 7 // 9
MAX_RETRIES = 4
COUNTED = effort(1_000, 8_000)
SECRET = "whsec_c2lnbmluZyBzZWNyZXQgb2YgdGhlIHRlc3Q="
DEAD_LETTER_QUEUES = ("IngestDeadLetterQueue", "DeliveryDeadLetterQueue")
SOON_SECONDS = effort(10, 30)
PAUSED_SECONDS = 4
PACE_SECONDS = 0.2


@contextmanager
def impatient(stack: RunningStack, *queues: str) -> Iterator[None]:
    """Give messages whose workers die or fail to others after seconds instead of many minutes."""
    sqs, resources = stack.client("sqs"), stack.deployment["resources"]
    name = "VisibilityTimeout"
    before = {
        queue: sqs.get_queue_attributes(QueueUrl=resources[queue], AttributeNames=[name])["Attributes"]
        for queue in queues
    }
    for queue in queues:
        sqs.set_queue_attributes(QueueUrl=resources[queue], Attributes={name: str(SOON_SECONDS)})
    try:
        yield
    finally:
        for queue in queues:
            sqs.set_queue_attributes(QueueUrl=resources[queue], Attributes=before[queue])


class Sender:
    """Sends signed webhooks as their senders do: again, with the same id, until they are accepted."""

    def __init__(self, client: httpx.Client, pipeline: str, poison: int | None = None) -> None:
        self._client = client
        self._poison = poison
        self._path = f"/hooks/{pipeline}"
        self._webhook = Webhook(SECRET)

    def send(self, first: int) -> None:
        """The events `first` to `first + PER_REQUEST`; every tenth delivery twice."""
        events = [{"n": n if n != self._poison else "poison"} for n in range(first, first + PER_REQUEST)]
        for _ in range(2 if first // PER_REQUEST % 10 == 0 else 1):
            self._deliver(f"delivery-{first}", json.dumps(events))

    def _deliver(self, id: str, body: str) -> None:
        def accepted() -> bool:
            now = datetime.now(UTC)
            headers = {
                "content-type": "application/json",
                "webhook-id": id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": self._webhook.sign(id, now, body),
            }
            answer = self._client.post(self._path, content=body, headers=headers)
            assert answer.status_code in (202, 429, 502, 503), answer.text
            threading.Event().wait(float(answer.headers.get("retry-after", 0)))
            return answer.status_code == 202

        wait_until(accepted, 120)


class Storm(NamedTuple):
    """The system that the tests of this module drive."""

    stack: RunningStack
    chat: httpx.Client
    sink: Sink
    pipeline: str

    def dead_letters(self) -> list[dict[str, Any]]:
        return dead_letters(self.chat, self.pipeline)

    def redrive(self) -> None:
        """Sends all dead letters again, page by page, and waits for what becomes of them."""
        act(self.chat, self.pipeline, "dead-letters/redrive")
        wait_until(lambda: not self.dead_letters(), 180)
        wait_until_delivered(self.stack, 180)

    def arrived(self) -> set[int]:
        """The numbers of the events that took effect; none may have done so under two ids."""
        numbers = [payload["n"] for payload in self.sink.effects.values()]
        assert len(numbers) == len(set(numbers))
        return set(numbers)


@pytest.fixture
def storm(stack: RunningStack, chat: httpx.Client, sink: Sink) -> Iterator[Storm]:
    """A pipeline from signed webhooks to the sink that has to multiply."""
    retries = {"maxRetries": MAX_RETRIES, "backoffMs": 20}
    with impatient(stack, "IngestQueue"):
        wait_until_delivered(stack, 180)  # what is taken already would still come back late
        id = started(
            chat,
            source={"type": "webhook", "verify": "standard", "secret": SECRET},
            transforms=[{"type": "map", "config": {"expression": {"n": "n", "double": "n * 2"}}}],
            destination={"type": "webhook", "config": {"url": sink.url, "retryPolicy": retries}},
        )
        yield Storm(stack, chat, sink, id)


def rage(storm: Storm) -> int:
    """Sends all events while a third of the destination's answers are failures, some after they took effect,
    while it is down for a time, and while workers are killed at both stages; how many were killed."""
    stack, sink, sender = storm.stack, storm.sink, Sender(storm.chat, storm.pipeline, POISON)
    sink.failing = True
    with ThreadPoolExecutor(CLIENTS) as pool:
        sending = [pool.submit(sender.send, first) for first in range(0, EVENTS, PER_REQUEST)]
        wait_until(lambda: depth(stack, "IngestQueue") > 0)
        killed = kill(stack, "TransformFunction")
        wait_until(lambda: len(sink.effects) > EVENTS // 10)
        killed += kill(stack, "TransformFunction")
        sink.down = True
        wait_until(lambda: sink.refused > EVENTS // 20)
        for each in sending:
            each.result()
    sink.come_up()
    wait_until(lambda: len(sink.effects) > EVENTS // 3, 120)
    return killed + kill(stack, "DeliverFunction")


@soak
@pytest.mark.timeout(700)
def test_storm_of_webhooks_survives_failures_an_outage_and_killed_workers(storm: Storm) -> None:
    """All arrive, each once, but for those whose retries ran out, and the one that cannot be multiplied: they
    are dead letters, and arrive when they are sent again."""
    # No longer: deliveries of workers that live may take as long, on a slow machine.
    with impatient(storm.stack, "DeliveryQueue"):
        killed = rage(storm)
    wait_until_delivered(storm.stack, 400)
    dead, arrived, sink = storm.dead_letters(), storm.arrived(), storm.sink
    print(f"{sink.requests} requests, {sink.repeats} of them repeats, {len(dead)} dead letters")
    assert killed >= 3
    poisoned = [one for one in dead if one["place"] == "step:0"]
    assert [one["event"]["payload"] for one in poisoned] == [{"n": "poison"}]
    undelivered = [one for one in dead if one["place"] == "destination:0"]
    assert {one["attempts"] for one in undelivered} <= {MAX_RETRIES + 1}
    assert {one["status"] for one in undelivered} <= {500, 503}
    assert len(undelivered) < EVENTS // 20
    dead_numbers = {one["event"]["payload"]["n"] for one in undelivered}
    assert arrived | dead_numbers == set(range(EVENTS)) - {POISON}

    better = {"expression": {"n": f"toNumber(n) ?? {POISON}", "double": "toNumber(n) * 2"}}
    changed = {"transforms": [{"type": "map", "config": better}]}
    assert storm.chat.patch(f"{PIPELINES}/{storm.pipeline}", json=changed).status_code == 200
    sink.failing = False
    storm.redrive()
    assert storm.dead_letters() == []
    assert storm.arrived() == set(range(EVENTS))
    assert [depth(storm.stack, queue) for queue in DEAD_LETTER_QUEUES] == [0, 0]


def held(storm: Storm, organization: str) -> int:
    """Return how many entries of the journal wait for the pipeline to be resumed."""
    found = storm.stack.client("dynamodb").query(
        TableName=storm.stack.deployment["tables"]["PipelinesTable"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :waiting)",
        ExpressionAttributeValues={
            ":pk": {"S": f"{organization}#{storm.pipeline}"},
            ":waiting": {"S": "Q#"},
        },
    )
    return int(found["Count"])


@pytest.mark.timeout(400)
def test_pause_in_the_middle_holds_what_comes_and_resume_delivers_it(storm: Storm, organization: str) -> None:
    """All functions know of the pause within three seconds: what is sent later stays out of the sink."""
    sender, sink = Sender(storm.chat, storm.pipeline), storm.sink
    numbers = count(0, PER_REQUEST)
    while not sink.effects:
        sender.send(next(numbers))
    act(storm.chat, storm.pipeline, "pause")
    known = time.monotonic() + PAUSED_SECONDS
    while time.monotonic() < known:
        sender.send(next(numbers))
        threading.Event().wait(PACE_SECONDS)  # enough that some come at each moment
    first = next(numbers)
    for start in range(first, first + 10 * PER_REQUEST, PER_REQUEST):
        sender.send(start)
    wait_until_delivered(storm.stack, 180)
    assert max(storm.arrived()) < first
    assert held(storm, organization) > 0
    act(storm.chat, storm.pipeline, "resume")
    wait_until(lambda: len(sink.effects) == first + 10 * PER_REQUEST, 180)
    assert storm.arrived() == set(range(first + 10 * PER_REQUEST))
    wait_until(lambda: held(storm, organization) == 0, 180)


def push_and_kill(storm: Storm, pipeline: str) -> None:
    """Events of four groups within one hour, some twice, while the transform workers are killed."""
    later = now_ms() + 1_800_000
    for first in range(0, COUNTED, 250):
        events = [
            {"id": f"e{n}", "time": later, "payload": {"g": "abcd"[n % 4]}} for n in range(first, first + 250)
        ]
        push(storm.chat, pipeline, *events)
        if first % 500 == 0:
            kill(storm.stack, "TransformFunction")
            push(storm.chat, pipeline, *events[:100])


@soak
@pytest.mark.timeout(400)
def test_windows_count_each_event_once_though_workers_die_and_stop_fires_them(storm: Storm) -> None:
    totals = {"field": "*", "function": "count", "alias": "n"}
    config = {"type": "tumbling", "size": 3_600_000, "groupBy": ["g"], "aggregations": [totals]}
    id = started(
        storm.chat,
        transforms=[{"type": "window", "config": config}],
        destination={"type": "webhook", "config": {"url": storm.sink.url}},
    )
    push_and_kill(storm, id)
    wait_until_delivered(storm.stack, 180)
    assert storm.sink.effects == {}
    act(storm.chat, id, "stop")
    wait_until(lambda: len(storm.sink.effects) == 4)
    counted = {one["group"]["g"]: one["values"]["n"] for one in storm.sink.effects.values()}
    assert counted == dict.fromkeys("abcd", COUNTED // 4)
