"""An exporter on the emulated AWS, and batches of the trace queue."""

import uuid
from dataclasses import dataclass
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.events import Event
from millrace.services.traces.export import TraceExporter
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.aws import Aws

TIME = 60.0
"""Seconds for a batch, where time is no matter."""
Json = dict[str, Any]


@dataclass
class Exporting:
    """The record function's exporter with the deployment's endpoint, and what becomes of its batches."""

    aws: Aws
    settings: Settings
    stores: Stores

    @classmethod
    def to(cls, aws: Aws, url: str, **settings: Any) -> "Exporting":
        known = Settings.from_environment(aws.environment("RecordFunction"))
        known = replace(known, otlp_endpoint=url, stack="shop-prod", **settings)
        return cls(aws, known, Stores.connect(known))

    def exporter(self) -> TraceExporter:
        return TraceExporter(self.settings, self.stores)

    def batch(self, *events: Event | str, receives: int = 1) -> Json:
        """Events as Lambda gets them from the queue."""
        return {"Records": [self._record(event, receives) for event in events]}

    def _record(self, event: Event | str, receives: int) -> Json:
        body = event if isinstance(event, str) else orjson.dumps({"detail": event}).decode()
        queue = self.settings.trace_queue_url.rpartition("/")[2]
        return {
            "messageId": str(uuid.uuid4()),
            "receiptHandle": "handle",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(receives)},
            "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        }

    def dead_letters(self) -> list[Json]:
        """Take what lies in the dead-letter queue."""
        sqs, url = self.aws.client("sqs"), self.settings.trace_dead_letter_queue_url
        found: list[Json] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                found.append(orjson.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


def failed(batch: Json, answer: Json) -> list[int]:
    """The positions in a batch of what is to come again."""
    ids = [record["messageId"] for record in batch["Records"]]
    return sorted(ids.index(one["itemIdentifier"]) for one in answer["batchItemFailures"])
