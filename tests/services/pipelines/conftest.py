"""Pipelines on the emulated AWS: the management API, and the functions' services, called as Lambda would."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

from millrace.api.management_app import empty_app
from millrace.api.pipelines import pipelines_router
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.batch import transform_batch
from millrace.services.pipelines.processing.timers import close_batch
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.dead_letters import DeadLetter
from tests.api.conftest import issuer, keys_url, organization
from tests.api.protocol_apps import settings_of
from tests.aws import Aws
from tests.aws_calls import before_calls
from tests.clock import Clock
from tests.serving import served
from tests.strict_aws import StrictAws
from tests.tokens import Issuer

__all__ = ["Clock", "issuer", "keys_url", "organization"]


@dataclass
class Plant:
    """All of a deployment's pipelines with queues of the test's own, so that what is on them can be seen.

    `transform` and `close` give what waits on a queue to the function's service, as Lambda does, again and
    again until nothing is left.
    """

    context: PipelineContext
    clock: Clock
    sqs: Any
    age: int = 0

    def transform(self) -> dict[str, Any]:
        """Everything on the ingest queue, orders that follow from it included. Messages look as old as
        `age` (ms) says."""
        return self._work(self.context.settings.ingest_queue_url, transform_batch)

    def close(self) -> dict[str, Any]:
        """The timers that are due by the test's clock; the others stay."""
        return self._work(self.context.settings.timer_queue_url, close_batch, self._is_due)

    def waiting(self) -> list[dict[str, Any]]:
        """Takes what is on the ingest queue away."""
        return [json.loads(one["Body"]) for one in self._receive(self.context.settings.ingest_queue_url)]

    def dead_letters(self, organization: str, pipeline_id: str) -> list[DeadLetter]:
        """The pipeline's dead letters."""
        return asyncio.run(self.context.dead_letters.page(organization, pipeline_id))[0]

    def deliveries(self) -> list[dict[str, Any]]:
        """The jobs on the delivery queue since the last call."""
        queue = self.context.deliveries
        found = self._receive(self.context.settings.delivery_queue_url)
        return [json.loads(queue.body({"body": one["Body"]}) or "") for one in found]

    def payloads(self) -> list[dict[str, Any]]:
        """The payloads of all delivered events since the last call."""
        return [event["payload"] for job in self.deliveries() for event in job["events"]]

    def _is_due(self, message: dict[str, Any]) -> bool:
        at: int = json.loads(message["Body"]).get("at", 0)
        return at <= self.clock.now

    def _work(self, url: str, work: Any, wanted: Any = lambda message: True) -> dict[str, Any]:
        failures: list[Any] = []
        kept: list[str] = []
        while batch := self._receive(url):
            now = [one for one in batch if wanted(one)]
            kept += [one["Body"] for one in batch if one not in now]
            records = [self._record(one) for one in now]
            if records:
                failures += asyncio.run(work(self.context, {"Records": records}))["batchItemFailures"]
        for body in kept:
            self.sqs.send_message(QueueUrl=url, MessageBody=body)
        return {"batchItemFailures": failures}

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {
                "SentTimestamp": str(self.clock.now - self.age),
                "ApproximateReceiveCount": "1",
            },
        }

    def _receive(self, url: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += batch
            for message in batch:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


class UndelayedAws(StrictAws):
    """AWS clients whose messages are there at once: the test's clock decides when they are due."""

    def _make(self, service: str) -> Any:
        client = super()._make(service)
        if service == "sqs":
            before_calls(client, _without_delay)
        return client


def _without_delay(operation: str, params: dict[str, Any]) -> None:
    for entry in params["Entries"] if operation == "SendMessageBatch" else ():
        entry["DelaySeconds"] = 0


@pytest.fixture
def settings(aws_environment: Aws, keys_url: str) -> Iterator[Settings]:
    """The API function's, with queues of the test's own that no function reads."""
    sqs = aws_environment.client("sqs")
    names = ("ingest_queue_url", "timer_queue_url", "delivery_queue_url")
    suffix = uuid.uuid4().hex[:12]
    urls = {name: sqs.create_queue(QueueName=f"{name}-{suffix}")["QueueUrl"] for name in names}
    yield replace(settings_of(aws_environment, "ApiFunction", keys_url), **urls)
    for url in urls.values():
        sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def plant(settings: Settings, aws_environment: Aws) -> Iterator[Plant]:
    clock = Clock()
    clients = UndelayedAws(settings.region)
    yield Plant(PipelineContext.connect(settings, clients, clock), clock, aws_environment.client("sqs"))
    clients.close()


@pytest.fixture
def app(plant: Plant) -> FastAPI:
    made = empty_app(
        plant.context.settings, Stores.connect(plant.context.settings, plant.context.aws, plant.clock)
    )
    made.include_router(pipelines_router(plant.context))
    return made


@pytest.fixture
def streaming(app: FastAPI, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """A client of /api/streaming as a user of the test's organization."""
    with served(app) as url:
        with httpx.Client(
            base_url=f"{url}/api/streaming", headers=issuer.headers(organization), timeout=30
        ) as client:
            yield client
