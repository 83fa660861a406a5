"""The function's handler with the events of `events/deliver`, and the real queue."""

import asyncio
import contextlib
import importlib.util
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from millrace.domain.clock import now_ms
from millrace.errors import Unavailable
from millrace.services.delivery.batch import BatchDeliverer, DeliverySettings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipeline_metrics import PipelineMetrics
from millrace.stores.pipelines import PipelineStore
from tests.aws import Aws
from tests.fakes.receivers import Receivers
from tests.invoking import CONTEXT
from tests.services.delivery.delivering import pipeline, resources
from tests.serving import served

ROOT = Path(__file__).parents[3]
TEST = ROOT / "events/deliver/test.json"
EVENTS = sorted(set((ROOT / "events/deliver").glob("*.json")) - {TEST})


@pytest.fixture
def environment(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    with resources(aws_environment) as made:
        environ = aws_environment.environ | made | {"ALLOW_LOOPBACK_HTTP": "1"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield environ


@pytest.fixture
def function(environment: dict[str, str]) -> Iterator[Any]:
    """The function as Lambda loads it."""
    spec = importlib.util.spec_from_file_location("deliver_app", ROOT / "functions/deliver/app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.deliver.close()


async def define(
    environment: dict[str, str], organization: str, url: str, pipeline_id: str = "pipe_1"
) -> None:
    aws = AwsClients(environment["AWS_REGION"])
    store = PipelineStore(Dynamo(aws), environment["PIPELINES_TABLE"])
    definition = {
        "name": "p",
        "source": {"type": "agent_execution"},
        "destination": {"type": "webhook", "config": {"url": url + "/hook"}},
    }
    await store.create(organization, pipeline(1, definition, pipeline_id), [])
    aws.close()


@pytest.fixture
async def defined(environment: dict[str, str], receivers: Receivers) -> Receivers:
    await define(environment, "acme", receivers.url)
    return receivers


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_each_sample_event_goes_through_the_handler(path: Path, function: Any, defined: Receivers) -> None:
    sample = orjson.loads(path.read_bytes())
    answer = function.handler(sample, CONTEXT)
    failed = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    expected = [record["messageId"] for record in sample["Records"] if "broken" in record["messageId"]]
    assert failed == expected
    due = [record for record in sample["Records"] if record["messageId"] not in expected]
    bodies = [orjson.loads(record["body"]) for record in due]
    now_due = [event["id"] for body in bodies if not body.get("notBefore") for event in body["events"]]
    sent = [got.headers["webhook-id"].rpartition("-")[0] for got in defined.hook.taken]
    assert sorted(sent) == sorted(now_due)


def test_sample_test_goes_through_the_handler(function: Any, defined: Receivers) -> None:
    reported = function.handler(orjson.loads(TEST.read_bytes()), CONTEXT)
    assert (reported["outcome"], reported["status"]) == ("delivered", 200)
    assert [one.body for one in defined.hook.taken] == [b'{"n":1}']


def test_sample_events_exist() -> None:
    assert len(EVENTS) >= 3


def test_batch_after_batch_the_same_connections_serve(function: Any, defined: Receivers) -> None:
    sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
    for _ in range(3):
        assert function.handler(sample, CONTEXT) == {"batchItemFailures": []}
    assert len(defined.hook.taken) == 3


def test_delayed_job_is_in_the_real_queue(
    function: Any, defined: Receivers, aws: Aws, environment: dict[str, str]
) -> None:
    sample = orjson.loads((ROOT / "events/deliver/not_yet.json").read_bytes())
    function.handler(sample, CONTEXT)
    reported = aws.client("sqs").get_queue_attributes(
        QueueUrl=environment["DELIVERY_QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert reported["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def metrics(environment: dict[str, str]) -> dict[str, int]:
    """Return the counts of acme's pipeline."""

    async def read() -> dict[str, int]:
        aws = AwsClients(environment["AWS_REGION"])
        found = PipelineMetrics(Dynamo(aws), environment["PIPELINES_TABLE"])
        ((_, counters),) = await found.minutes("acme", "pipe_1", 0)
        aws.close()
        return counters

    return asyncio.run(read())


def test_deliveries_are_counted_with_the_time_from_the_event_to_its_arrival(
    function: Any, defined: Receivers, environment: dict[str, str]
) -> None:
    sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
    job = orjson.loads(sample["Records"][0]["body"])
    job["createdAt"] = job["events"][0]["time"] = job["events"][0]["ingested"] = now_ms() - 5_000
    sample["Records"][0]["body"] = orjson.dumps(job).decode()
    function.handler(sample, CONTEXT)
    defined.answers.append(PlainTextResponse("busy", 429))
    function.handler(sample, CONTEXT)
    defined.answers.append(PlainTextResponse("no", 400))
    function.handler(sample, CONTEXT)
    counters = metrics(environment)
    reported = {name: value for name, value in counters.items() if not name.startswith("latency")}
    assert reported == {
        "itemsDelivered": 1,
        "deliveryAttempts": 3,
        "jobsReceived": 3,
        "deliveriesRetried": 1,
        "deliveriesThrottled": 1,
        "deliveriesFailed": 1,
        "deadLetters": 1,
    }
    assert counters["latencyCount"] == 1
    assert 5_000 <= counters["latencySum"] < 60_000


def test_latency_of_an_old_event_counts_from_its_acceptance(
    function: Any, defined: Receivers, environment: dict[str, str]
) -> None:
    sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
    job = orjson.loads(sample["Records"][0]["body"])
    job["createdAt"] = job["events"][0]["ingested"] = now_ms() - 2_000
    job["events"][0]["time"] = 1_577_836_800_000  # 2020
    sample["Records"][0]["body"] = orjson.dumps(job).decode()
    function.handler(sample, CONTEXT)
    counters = metrics(environment)
    assert counters["latencyCount"] == 1
    assert 2_000 <= counters["latencySum"] < 60_000


def test_delivered_job_is_counted_while_another_of_the_batch_waits(
    function: Any, defined: Receivers, environment: dict[str, str]
) -> None:
    counted = threading.Event()

    async def hold(request: Request) -> PlainTextResponse:
        await asyncio.to_thread(counted.wait, 20)
        return PlainTextResponse("late")

    with served(Starlette(routes=[Route("/hook", hold, methods=["POST"])])) as slow:
        asyncio.run(define(environment, "acme", slow, "pipe_2"))
        sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
        record = sample["Records"][0]
        job = orjson.loads(record["body"]) | {"pipelineId": "pipe_2"}
        sample["Records"].append(record | {"messageId": "slow", "body": orjson.dumps(job).decode()})
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(function.handler, sample, CONTEXT)
            seen = _until_counted(environment, answer)
            counted.set()
            assert answer.result(20) == {"batchItemFailures": []}
    assert seen, "nothing was counted before the whole batch was over"


def _until_counted(environment: dict[str, str], answer: "Future[Any]") -> bool:
    """Looks until the first pipeline's delivery is counted; False when the batch is over before."""
    until = time.monotonic() + 15
    while time.monotonic() < until and not answer.done():
        with contextlib.suppress(ValueError):  # nothing counted yet
            if metrics(environment)["itemsDelivered"] == 1:
                return not answer.done()
    return False


def test_batch_writes_one_metrics_line_for_cloudwatch(
    environment: dict[str, str], defined: Receivers, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = DeliverySettings.from_environment(environment | {"STACK": "millrace-test"})
    sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
    sample["Records"] += [dict(record, messageId="again") for record in sample["Records"]]
    deliver = BatchDeliverer(settings)
    deliver(sample)
    deliver.close()
    (line,) = [orjson.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (line["Stack"], line["Pipeline"], line["ItemsDelivered"]) == ("millrace-test", "pipe_1", [2])
    assert len(line["Latency"]) == 2


def test_event_that_cannot_be_counted_is_still_delivered(
    environment: dict[str, str], defined: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(*_: object) -> None:
        raise Unavailable("no metrics today")

    monkeypatch.setattr(PipelineMetrics, "add", refuses)
    monkeypatch.setattr(PipelineMetrics, "add_received", refuses)
    deliver = BatchDeliverer(DeliverySettings.from_environment(environment))
    sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
    assert deliver(sample) == {"batchItemFailures": []}
    deliver.close()
    assert len(defined.hook.taken) == 1


def test_function_that_lacks_settings_says_which() -> None:
    with pytest.raises(Unavailable) as error:
        BatchDeliverer(DeliverySettings.from_environment({"AWS_REGION": "eu-central-1"}))
    assert "DELIVERY_QUEUE_URL" in error.value.message
    assert "SECRETS_KEY_ID" in error.value.message
