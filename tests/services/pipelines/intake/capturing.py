"""A bus whose events a test can see, and captures that put changes on it."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from millrace.domain.changes import Owners
from millrace.services.pipelines.intake.changes import Changes
from millrace.services.pipelines.intake.outbox import drain_outbox
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.queues import Queue
from tests.aws import Aws
from tests.strict_aws import StrictAws

SECONDS = 10


@dataclass
class SeenBus:
    """`events` and `dead_letters` take what has come since the last call, and wait for so many at least."""

    sqs: Any
    name: str
    events_url: str
    dead_letters_url: str
    clients: AwsClients

    def events(self, at_least: int = 0) -> list[dict[str, Any]]:
        """EventBridge events as a rule gives them to a queue."""
        return self._accept(self.events_url, at_least)

    def details(self, at_least: int = 0) -> list[dict[str, Any]]:
        return [event["detail"] for event in self.events(at_least)]

    def dead_letters(self) -> list[dict[str, Any]]:
        return self._accept(self.dead_letters_url, 0)

    def changes(self, owners: str = "", bus: EventBus | None = None) -> Changes:
        """Return what captures, with this bus or one that fails."""
        own = bus or EventBus(self.clients, self.name)
        return Changes(own, Queue(self.clients, self.dead_letters_url), Owners.parse(owners))

    def _accept(self, url: str, at_least: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        until = time.monotonic() + SECONDS
        while batch := self._receive(url, len(found) < at_least and time.monotonic() < until):
            for message in batch:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert len(found) >= at_least, found
        return found

    def _receive(self, url: str, wait: bool) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=SECONDS if wait else 0
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found


DIED = 3


class DeadlyBus(EventBus):
    """Takes events; then the process is gone at once, before it can commit or tidy up."""

    async def put(self, events: list[BusEvent]) -> None:
        await super().put(events)
        os._exit(DIED)


def die_after_bus(region: str, bus: str, dead_letters_url: str, database: str) -> None:
    """Drains an outbox, in a process of its own, as far as it comes."""
    clients = AwsClients(region)
    changes = Changes(DeadlyBus(clients, bus), Queue(clients, dead_letters_url), Owners({}))
    asyncio.run(drain_outbox(changes, database, time.monotonic() + SECONDS))


@contextmanager
def seen_bus(aws: Aws) -> Iterator[SeenBus]:
    """A bus, a queue that gets all its events, a queue of dead letters."""
    name = f"seen-{uuid.uuid4().hex[:12]}"
    sqs, events = aws.client("sqs"), aws.client("events")
    urls = [sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("events", "letters")]
    attributes = sqs.get_queue_attributes(QueueUrl=urls[0], AttributeNames=["QueueArn"])["Attributes"]
    events.create_event_bus(Name=name)
    pattern = json.dumps({"source": [{"prefix": "millrace."}]})
    events.put_rule(Name=name, EventBusName=name, EventPattern=pattern)
    target = {"Id": "queue", "Arn": attributes["QueueArn"]}
    events.put_targets(Rule=name, EventBusName=name, Targets=[target])
    clients = StrictAws(aws.region)
    try:
        yield SeenBus(sqs, name, urls[0], urls[1], clients)
    finally:
        clients.close()
        events.remove_targets(Rule=name, EventBusName=name, Ids=["queue"])
        events.delete_rule(Name=name, EventBusName=name)
        events.delete_event_bus(Name=name)
        for url in urls:
            sqs.delete_queue(QueueUrl=url)
