"""Deliveries for tests: real tables, queue and key in the emulated AWS, and a clock of the test's.

`World.settle` plays the queue: it delivers what was sent, each message when its time has come, until nothing
is left or `most` messages were delivered. Time passes only there, and where a job waits for its turn.
"""

import asyncio
import heapq
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from millrace.destinations.catalog import DestinationCatalog, Reach, ServiceUrls
from millrace.domain.clock import now_ms
from millrace.domain.pipelines import Pipeline
from millrace.pipelines.event import Event
from millrace.services.delivery.attempt import Attempts
from millrace.services.delivery.batch import DeliverySettings
from millrace.services.delivery.deliver import Deliverer, Report
from millrace.services.delivery.job import Job, job_event, read_job
from millrace.services.delivery.slots import RateLimits
from millrace.services.delivery.target import Targets
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.dead_letters import DeadLetter, DeadLetterStore
from millrace.stores.delivery_state import DeliveryState
from millrace.stores.dynamo import Dynamo
from millrace.stores.large_objects import LargeObjects
from millrace.stores.pipelines import PipelineStore
from millrace.stores.queues import Queue
from millrace.stores.secrets import Secret, SecretStore
from tests.aws import Aws
from tests.strict_aws import StrictAws

TABLES = ("delivery_table", "dead_letters_table", "pipelines_table", "secrets_table")


@contextmanager
def resources(aws: Aws) -> Iterator[dict[str, str]]:
    """Tables, queue and key, as the environment names them; taken away at the end."""
    name = f"deliver-{uuid.uuid4().hex[:12]}"
    dynamodb, sqs, kms = aws.client("dynamodb"), aws.client("sqs"), aws.client("kms")
    found = {table.upper(): f"{name}-{table}" for table in TABLES}
    for table in found.values():
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    aws.client("s3").create_bucket(Bucket=name)
    yield {**found, "DELIVERY_QUEUE_URL": queue, "SECRETS_KEY_ID": key, "JOURNAL_BUCKET": name}
    for table in found.values():
        dynamodb.delete_table(TableName=table)
    sqs.delete_queue(QueueUrl=queue)


class SeenQueue(Queue):
    """The real queue, which also keeps what was sent, with its delay in milliseconds. With `broken` it
    refuses."""

    def __init__(self, aws: AwsClients, url: str, large: LargeObjects) -> None:
        super().__init__(aws, url, large)
        self.sent: list[tuple[int, str]] = []
        self.broken = False

    async def send_one(self, body: str, delay_ms: int = 0, organization: str = "") -> None:
        if self.broken:
            raise ConnectionError("the process dies here")
        await super().send_one(body, delay_ms, organization)
        self.sent.append((delay_ms, body))


@dataclass
class World:
    """One organization with one pipeline of one destination."""

    deliverer: Deliverer
    queue: SeenQueue
    pipelines: PipelineStore
    secrets: SecretStore
    state: DeliveryState
    dead_letters: DeadLetterStore
    organization: str = field(default_factory=lambda: f"org-{uuid.uuid4().hex[:10]}")
    now: int = 1_790_000_000_000
    reports: list[Report] = field(default_factory=list)
    version: int = 0
    pipeline: Pipeline | None = None

    async def define(self, kind: str, config: dict[str, Any]) -> None:
        """A new version of the pipeline, with one destination."""
        self.version += 1
        definition = {
            "name": "p",
            "source": {"type": "agent_execution"},
            "destination": {"type": kind, "config": config},
        }
        seen, self.pipeline = self.pipeline, pipeline(self.version, definition)
        if seen and self.version > 1:
            await self.pipelines.add_version(self.organization, seen, self.pipeline, [])
        else:
            await self.pipelines.create(self.organization, self.pipeline, [])

    async def delete(self) -> None:
        """The pipeline is deleted: its versions are gone."""
        assert self.pipeline
        await self.pipelines.delete(self.organization, self.pipeline)

    async def webhook(self, url: str, **config: Any) -> None:
        await self.define("webhook", {"url": url} | config)

    async def secret(self, name: str, value: str, *hosts: str) -> None:
        await self.secrets.put(self.organization, Secret(name, value, hosts), self.now)

    def job(self, *events: Event, **changes: Any) -> Job:
        given = {
            "organization": self.organization,
            "pipelineId": "pipe",
            "definitionVersion": self.version,
            "destination": 0,
            "createdAt": self.now,
            "events": [job_event(each) for each in events],
        }
        return msgspec.convert(given | changes, Job)

    async def deliver(self, *events: Event, **changes: Any) -> Report:
        report = await self.deliverer.deliver(self.job(*events, **changes))
        self.reports.append(report)
        return report

    async def settle(self, most: int = 200) -> None:
        """Delivers what was sent to the queue until it is empty."""
        due: list[tuple[int, int, str]] = []
        for number in range(most):
            for delay, body in self.queue.sent:
                heapq.heappush(due, (self.now + delay, number, body))
            self.queue.sent.clear()
            if not due:
                return
            at, _, body = heapq.heappop(due)
            self.now = max(self.now, at)
            self.reports.append(await self.deliverer.deliver(read_job(body)))

    async def dead(self) -> list[DeadLetter]:
        return (await self.dead_letters.page(self.organization, "pipe", limit=1_000))[0]


def world(environ: dict[str, str], client: httpx.AsyncClient, services: ServiceUrls, loopback: bool) -> World:
    """A world whose destinations may reach loopback, or nothing but public addresses."""
    settings = DeliverySettings.from_environment(environ)
    aws = StrictAws(settings.region)
    dynamo = Dynamo(aws)
    made: World
    limits = Reach("tables-", "topics-", (), loopback)
    catalog = DestinationCatalog(aws, limits, lambda: made.now, services)
    secrets = SecretStore(aws, dynamo, settings.secrets_table, settings.secrets_key_id)
    pipelines = PipelineStore(dynamo, settings.pipelines_table)
    state = DeliveryState(dynamo, settings.delivery_table, lambda: made.now)
    large = LargeObjects(aws, settings.journal_bucket)
    dead_letters = DeadLetterStore(dynamo, settings.dead_letters_table, large)
    queue = SeenQueue(aws, settings.delivery_queue_url, large)
    targets = Targets(pipelines, secrets, catalog, client, lambda: made.now)

    async def pause(seconds: float) -> None:
        ends = made.now + round(seconds * 1_000)
        await asyncio.sleep(0)
        made.now = max(made.now, ends)

    attempts = Attempts(state, RateLimits(state, lambda: made.now, pause), lambda: made.now)
    deliverer = Deliverer(targets, attempts, dead_letters, queue, lambda: made.now, lambda: 1.0)
    made = World(deliverer, queue, pipelines, secrets, state, dead_letters)
    return made


def pipeline(version: int, definition: dict[str, Any], id: str = "pipe") -> Pipeline:
    time = "2027-01-15T08:00:00Z"
    return Pipeline(
        id=id,
        state="running",
        version=version,
        revision=version,
        definition=definition,
        created_at=time,
        updated_at=time,
        state_since=time,
    )


def event(id: str = "e1", **payload: Any) -> Event:
    return Event(payload, id, "agents", "agent.completed", now_ms(), now_ms(), "pipe")
