"""The function's handler with the events of `events/deliver`, and the real queue."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.errors import Unavailable
from millrace.services.delivery.batch import BatchDeliverer, DeliverySettings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.definitions import DefinitionStore
from millrace.stores.dynamo import Dynamo
from tests.aws import Aws
from tests.fakes.receivers import Receivers, receiving
from tests.services.delivering import resources

ROOT = Path(__file__).parent.parent.parent
EVENTS = sorted((ROOT / "events/deliver").glob("*.json"))


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving() as running:
        yield running


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


async def define(environment: dict[str, str], organization: str, url: str) -> None:
    aws = AwsClients(environment["AWS_REGION"])
    store = DefinitionStore(Dynamo(aws), environment["DEFINITIONS_TABLE"])
    definition = {
        "name": "p",
        "source": {"type": "agent_execution"},
        "destination": {"type": "webhook", "config": {"url": url + "/hook"}},
    }
    await store.add(organization, "pipe_1", 1, definition)
    aws.close()


@pytest.fixture
async def defined(environment: dict[str, str], receivers: Receivers) -> Receivers:
    await define(environment, "acme", receivers.url)
    return receivers


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_each_sample_event_goes_through_the_handler(path: Path, function: Any, defined: Receivers) -> None:
    sample = orjson.loads(path.read_bytes())
    answer = function.handler(sample, None)
    failed = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    expected = [record["messageId"] for record in sample["Records"] if "broken" in record["messageId"]]
    assert failed == expected
    due = [record for record in sample["Records"] if record["messageId"] not in expected]
    bodies = [orjson.loads(record["body"]) for record in due]
    now_due = [event["id"] for body in bodies if not body.get("notBefore") for event in body["events"]]
    assert sorted(got.headers["webhook-id"] for got in defined.hook.taken) == sorted(now_due)


def test_there_are_sample_events() -> None:
    assert len(EVENTS) >= 3


def test_batch_after_batch_the_same_connections_serve(function: Any, defined: Receivers) -> None:
    sample = orjson.loads((ROOT / "events/deliver/one_job.json").read_bytes())
    for _ in range(3):
        assert function.handler(sample, None) == {"batchItemFailures": []}
    assert len(defined.hook.taken) == 3


def test_what_has_to_wait_is_in_the_real_queue(
    function: Any, defined: Receivers, aws: Aws, environment: dict[str, str]
) -> None:
    sample = orjson.loads((ROOT / "events/deliver/not_yet.json").read_bytes())
    function.handler(sample, None)
    told = aws.client("sqs").get_queue_attributes(
        QueueUrl=environment["DELIVERY_QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert told["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_a_function_that_lacks_settings_says_which() -> None:
    with pytest.raises(Unavailable) as refused:
        BatchDeliverer(DeliverySettings.from_environment({"AWS_REGION": "eu-central-1"}))
    assert "DELIVERY_QUEUE_URL" in refused.value.message
    assert "SECRETS_KEY_ID" in refused.value.message
