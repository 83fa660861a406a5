"""Payloads of any size and script, up to the documented limits, to a sink that refuses some of them.

Each event is delivered once or is one dead letter that can be read and redriven, and nothing else happens.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from millrace.services.delivery.batch import BatchDeliverer, DeliverySettings
from millrace.settings import Settings
from millrace.stores.queues import escaped_size
from tests.aws import Aws
from tests.effort import effort, soak
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline, step
from tests.services.pipelines.operations.test_dead_letters import path, redrive
from tests.serving import served
from tests.strict_aws import refuse_as_aws

LARGEST = 204_000  # of an item, as JSON; 800 bytes are left for its id and times
COPIES = step("map", {"expression": {"n": "n", "refused": "refused"} | {f"t{n}": "text" for n in range(6)}})
SHAPES: dict[str, list[dict[str, Any]]] = {
    "as it is": [],
    "six copies": [COPIES],
    "batches": [step("batch", {"size": 3, "timeout": 60_000})],
    "copies in batches": [COPIES, step("batch", {"size": 3, "timeout": 60_000})],
}
SIZES = st.one_of(
    st.integers(0, LARGEST), st.sampled_from([0, 3_000, 4_200, 60_000, 65_500, 65_536, 120_000, LARGEST])
)
TEXTS = st.tuples(st.sampled_from(["x", "ü", "漢", "😀", "\uffff", '"', "\x01", "\\"]), SIZES, st.booleans())


def item(n: int, script: str, size: int, refused: bool) -> dict[str, Any]:
    """An item with so many bytes of JSON in a message, or a few less."""
    empty = {"n": n, "text": "", "refused": refused}
    room = size - len(orjson.dumps(empty))
    return empty | {"text": script * max(room // (escaped_size(orjson.dumps(script)) - 2), 0)}


@dataclass
class PickySink:
    """A webhook that refuses what says so, or a batch that holds such an item, while it is `picky`."""

    picky: bool = True
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        found = orjson.loads(body)
        refused = self.picky and any(one["refused"] for one in found.get("items", [found]))
        if not refused:
            self.bodies.append(found)
        status = 400 if refused else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    def numbers(self) -> list[int]:
        """Of the items that arrived, as often as they arrived."""
        return numbers(self.bodies)


def numbers(payloads: list[dict[str, Any]]) -> list[int]:
    return sorted(one["n"] for payload in payloads for one in payload.get("items", [payload]))


@pytest.fixture(name="settings")
def local_settings(settings: Settings) -> Settings:
    """Of a stack on one machine, whose destinations may be there too."""
    return replace(settings, allow_loopback_http=True)


@pytest.fixture
def deliver(plant: Plant, aws_environment: Aws) -> Iterator[BatchDeliverer]:
    environment = aws_environment.environment("DeliverFunction") | {
        "DELIVERY_QUEUE_URL": plant.context.settings.delivery_queue_url,
        "ALLOW_LOOPBACK_HTTP": "1",
    }
    deliverer = BatchDeliverer(DeliverySettings.from_environment(environment))
    for service in ("dynamodb", "sqs"):
        refuse_as_aws(deliverer._aws.client(service), service)
    yield deliverer
    deliverer.close()


@dataclass
class Way:
    """From the API to the sink."""

    streaming: httpx.Client
    plant: Plant
    deliver: BatchDeliverer
    sink: PickySink

    def run(self) -> None:
        """Everything that is on its way, to its end. No message fails."""
        assert self.plant.transform() == {"batchItemFailures": []}
        self.plant.close()
        self.plant.clock.pass_time(61_000)
        assert self.plant.close() == {"batchItemFailures": []}
        jobs = self.plant._receive(self.plant.context.settings.delivery_queue_url)
        for job in jobs:
            answer = self.deliver({"Records": [self.plant._record(job)]})
            assert answer == {"batchItemFailures": []}
        assert self.plant._receive(self.plant.context.settings.delivery_queue_url) == []

    def dead(self, id: str) -> list[dict[str, Any]]:
        """The payloads of the dead letters, each read by itself."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 100}
        while True:
            page = self.streaming.get(path(id), params=query).json()
            for one in page["items"]:
                dead_letter = self.streaming.get(f"{path(id)}/{one['id']}").json()
                found.append(dead_letter["event"]["payload"])
            if page["nextCursor"] is None:
                return found
            query["cursor"] = page["nextCursor"]


@soak
@pytest.mark.timeout(effort(120, 900))
@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=effort(3, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
@example([("x", LARGEST, True), ("x", 10, False), ("ü", 65_536, True), ("\x01", LARGEST, False)])
@example([("\uffff", LARGEST, False), ("x", 9, False)])
@example([("x", 150_000, False)] + [("y", 20, False)] * 5)
def test_each_event_is_delivered_once_or_is_a_dead_letter(
    streaming: httpx.Client,
    plant: Plant,
    deliver: BatchDeliverer,
    shape: str,
    texts: list[tuple[str, int, bool]],
) -> None:
    sink = PickySink()
    with served(sink) as url:
        way = Way(streaming, plant, deliver, sink)
        destination = {"type": "webhook", "config": {"url": f"{url}/hook"}}
        id = made(streaming, *SHAPES[shape], destination=destination)
        items = [item(n, *text) for n, text in enumerate(texts)]
        assert streaming.post(f"/pipelines/{id}/batch", json=items).status_code == 202
        way.run()
        dead = way.dead(id)
        assert sorted(sink.numbers() + numbers(dead)) == list(range(len(items)))
        for payload in dead:
            for one in payload.get("items", [payload]):
                text = one["text"] if "text" in one else one["t0"]
                assert text == items[one["n"]]["text"]

        # The cause is corrected: everything arrives, each once, and no dead letter is left.
        sink.picky = False
        smaller = step("map", {"expression": {"n": "n", "refused": "refused"}})
        better = pipeline(*([smaller] if SHAPES[shape] else []), destination=destination)
        assert streaming.put(f"/pipelines/{id}", json=better).status_code == 200
        reported = redrive(streaming, plant, id)
        assert (reported["redriven"], reported["skipped"]) == (len(dead), 0)
        way.run()
        # What the webhook itself finds too large has come back: a step makes it smaller.
        assert all(len(orjson.dumps(payload)) > 1_000_000 for payload in way.dead(id))
        redrive(streaming, plant, id, fromStep=0)
        way.run()
        assert way.dead(id) == []
        assert sink.numbers() == list(range(len(items)))
