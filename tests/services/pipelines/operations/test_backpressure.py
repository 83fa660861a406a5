"""Backpressure from real counters: refused at ingest, reported to the command center, and over with the
load."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.alerts import AlertRule, AlertSettings
from millrace.domain.backpressure import LEAST_WAITING, share_of
from millrace.domain.clock import iso
from millrace.services.command_center.alerts import evaluate
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.record_batch import record_batch
from millrace.services.pipelines.backpressure import Backpressure, report_backpressure
from millrace.stores.bus import EventBus
from millrace.stores.connect import Stores
from tests.api.talk import error_of
from tests.aws import Aws
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made
from tests.services.pipelines.intake.capturing import SeenBus, seen_bus

MINUTE = 60_000


def level(streaming: httpx.Client, id: str) -> float:
    backpressure: float = streaming.get(f"/pipelines/{id}/metrics").json()["backpressure"]
    return backpressure


def push(streaming: httpx.Client, id: str, count: int = 1) -> httpx.Response:
    return streaming.post(f"/pipelines/{id}/batch", json=[{"n": n} for n in range(count)])


def test_pipeline_that_falls_behind_answers_429_until_it_has_caught_up(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming)
    assert level(streaming, id) == 0
    push(streaming, id)
    plant.age = MINUTE  # it waited on the queue for a minute
    plant.transform()
    plant.clock.pass_time(10_000)
    for _ in range(LEAST_WAITING):
        assert push(streaming, id).status_code == 202, "nothing of it waits any more"
    plant.clock.pass_time(6_000)
    answer = push(streaming, id)
    assert error_of(answer) == (429, "backpressure")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["backpressure"] == 1
    health = streaming.get(f"/pipelines/{id}/health").json()
    assert (health["status"], health["reasons"]) == ("unhealthy", ["It falls behind: backpressure is 1.0."])
    plant.age = 0
    plant.transform()
    plant.clock.pass_time(6_000)
    assert level(streaming, id) == 0, "as soon as the queue is empty"
    assert push(streaming, id).status_code == 202
    assert streaming.get(f"/pipelines/{id}/health").json()["status"] == "healthy"


def test_queue_depth_is_measured_against_its_drain_rate(streaming: httpx.Client, plant: Plant) -> None:
    id, other = made(streaming), made(streaming)
    push(streaming, other)
    plant.age = 6_000
    plant.transform()  # one message, six seconds late, in the time since
    plant.clock.pass_time(20_000)
    assert level(streaming, id) < 0.01
    for _ in range(LEAST_WAITING):
        push(streaming, id)
    plant.clock.pass_time(10_000)
    assert level(streaming, id) == 1
    assert error_of(push(streaming, id)) == (429, "backpressure")
    plant.age = 0
    plant.transform()
    plant.clock.pass_time(6_000)
    assert level(streaming, id) < 0.5


def test_jobs_that_wait_for_delivery_are_pressure_and_delayed_ones_are_not(
    streaming: httpx.Client, plant: Plant, aws: Aws, organization: str
) -> None:
    id = made(streaming)
    metrics, now = plant.context.metrics, plant.clock.now
    asyncio.run(
        metrics.add_received(plant.context.deliveries.name, 10, 10 * 6_000, now, {(organization, id): 10})
    )
    asyncio.run(metrics.add({(organization, id): {"jobsSent": 40, "jobsReceived": 10}}, now))
    plant.clock.pass_time(10_000)
    send = aws.client("sqs").send_message
    url = plant.context.settings.delivery_queue_url
    for _ in range(30):
        send(QueueUrl=url, MessageBody="{}", DelaySeconds=900)
    assert level(streaming, id) == 0
    for _ in range(15):  # of thirty that are counted: some may have been taken since
        send(QueueUrl=url, MessageBody="{}")
    plant.clock.pass_time(5_000)
    assert 0.5 <= level(streaming, id) <= 0.9


def test_backlog_of_one_organization_refuses_nothing_of_another(
    streaming: httpx.Client, plant: Plant, aws: Aws, organization: str
) -> None:
    """A hundred messages of somebody else wait on a slow queue, and the last of ours came a minute late."""
    id = made(streaming)
    push(streaming, id)
    plant.age = MINUTE
    plant.transform()
    asyncio.run(plant.context.metrics.add_accepted("others", "pipeline_1", 100, plant.clock.now))
    received = {("others", "pipeline_1"): 1}
    asyncio.run(
        plant.context.metrics.add_received(plant.context.ingest.name, 1, MINUTE, plant.clock.now, received)
    )
    plant.context.ingest.send(["{}"] * 100, organization="others")
    plant.clock.pass_time(6_000)
    assert asyncio.run(Backpressure(plant.context).of("others", "pipeline_1")) == 1
    answers = []
    for _ in range(12):
        plant.clock.pass_time(6_000)
        answers.append(push(streaming, id).status_code)
    assert answers == [202] * 12


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 1_000))
def test_share_is_from_0_to_1_and_grows_with_what_waits(own: int, others: int, pipelines: int) -> None:
    share = share_of(own, own + others, pipelines)
    assert 0 <= share <= 1
    assert share <= share_of(own + 1, own + others + 1, pipelines)
    assert share_of(0, others, pipelines) == share_of(-3, others, pipelines) == 0
    if own >= LEAST_WAITING:
        assert share_of(own, own, pipelines) == 1, "all of it is its own"


@pytest.mark.parametrize(("throttled", "expected"), [(1, 0.05), (50, 0.5), (96, 0.96)])
def test_deliveries_that_are_throttled_are_pressure(
    streaming: httpx.Client, plant: Plant, organization: str, throttled: int, expected: float
) -> None:
    id = made(streaming)
    attempts = 1 if throttled == 1 else 100
    counters = {"deliveryAttempts": attempts, "deliveriesThrottled": throttled}
    asyncio.run(plant.context.metrics.add({(organization, id): counters}, plant.clock.now))
    assert level(streaming, id) == expected
    assert push(streaming, id).status_code == (429 if expected >= 0.95 else 202)


@pytest.fixture
def bus(aws_environment: Aws) -> Iterator[SeenBus]:
    with seen_bus(aws_environment) as bus:
        yield bus


@pytest.fixture
def recorder(aws_environment: Aws, plant: Plant) -> Iterator[Recorder]:
    settings = plant.context.settings
    recorder = Recorder.connect(settings, Stores.connect(settings, clock=plant.clock), plant.clock)
    yield recorder
    recorder.stores.aws.close()


class Minute:
    """The work of a deployment each minute: the sweep reports backpressure, the bus carries it, it is
    recorded."""

    def __init__(self, plant: Plant, bus: SeenBus, recorder: Recorder, organization: str) -> None:
        self._plant = plant
        self._bus = bus
        self._recorder = recorder
        self._organization = organization

    async def pass_by(self) -> tuple[list[dict[str, object]], list[str]]:
        """The events on the bus of the test's organization, and what became of its alerts."""
        self._plant.clock.pass_time(MINUTE)
        bus = EventBus(self._plant.context.aws, self._bus.name)
        count = await report_backpressure(self._plant.context, Backpressure(self._plant.context), bus)
        put = self._bus.events(at_least=count)
        reported = [one for one in put if one["detail"]["organization"] == self._organization]
        records = [
            {"messageId": str(n), "body": json.dumps(one)} for n, one in enumerate(reported) for _ in range(2)
        ]
        before = await self._recorder.alerts.states(self._organization)
        assert await record_batch(self._recorder, {"Records": records}) == {"batchItemFailures": []}
        await evaluate(self._recorder, self._organization)
        after = await self._recorder.alerts.states(self._organization)
        changes = [
            "triggered" if state.triggered else "resolved"
            for id, state in after.items()
            if id not in before or before[id].triggered != state.triggered
        ]
        return [one["detail"] for one in reported], changes


async def test_alert_on_backpressure_is_triggered_and_resolved(
    plant: Plant, bus: SeenBus, recorder: Recorder, organization: str
) -> None:
    now = iso(plant.clock.now)
    settings = AlertSettings(name="Behind", metric="backpressure", threshold=0.8, window=MINUTE)
    rule = AlertRule(id="rule_1", created_at=now, updated_at=now, **dict(settings))
    await recorder.alerts.create(organization, rule)
    minute = Minute(plant, bus, recorder, organization)
    counters = {"deliveryAttempts": 100, "deliveriesThrottled": 100}
    await plant.context.metrics.add({(organization, "pipeline_1"): counters}, plant.clock.now)
    events, alerts = await minute.pass_by()
    assert [(event["pipelineId"], event["backpressure"]) for event in events] == [("pipeline_1", 1.0)]
    assert alerts == ["triggered"]
    events, alerts = await minute.pass_by()  # the load is over
    assert [event["backpressure"] for event in events] == [0]
    events, more = await minute.pass_by()
    assert events == []  # told once
    assert [*alerts, *more] == ["resolved"]
    assert (await minute.pass_by()) == ([], [])


async def test_pipeline_without_pressure_is_not_told_of(
    plant: Plant, bus: SeenBus, recorder: Recorder, organization: str
) -> None:
    counters = {"lagSum": 1_000, "lagCount": 1, "deliveryAttempts": 5}
    await plant.context.metrics.add({(organization, "pipeline_1"): counters}, plant.clock.now)
    assert await Minute(plant, bus, recorder, organization).pass_by() == ([], [])


async def test_backpressure_sent_but_not_stored_is_sent_again(
    plant: Plant, bus: SeenBus, recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep dies between the bus and its own note of the end of the pressure."""
    minute = Minute(plant, bus, recorder, organization)
    counters = {"deliveryAttempts": 100, "deliveriesThrottled": 100}
    await plant.context.metrics.add({(organization, "pipeline_1"): counters}, plant.clock.now)
    await minute.pass_by()

    async def dies(*_: object) -> None:
        raise ConnectionError("the process dies here")

    with monkeypatch.context() as patched:
        patched.setattr(plant.context.metrics, "report", dies)
        plant.clock.pass_time(MINUTE)
        first, _ = await minute.pass_by()
    again, _ = await minute.pass_by()
    third, _ = await minute.pass_by()
    assert [event["backpressure"] for event in (*first, *again)] == [0, 0]
    assert third == []
