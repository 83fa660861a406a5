"""Batches from the delivery queue. Jobs run concurrently, and one that fails is repeated alone."""

import asyncio
import logging
from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from millrace.destinations.catalog import DestinationCatalog, Reach, ServiceUrls
from millrace.domain.clock import now_ms
from millrace.net.client import guarded_client
from millrace.services.batches import QueueBatch
from millrace.services.delivery.attempt import Attempts
from millrace.services.delivery.counting import Counting
from millrace.services.delivery.deliver import Deliverer
from millrace.services.delivery.job import read_job
from millrace.services.delivery.slots import RateLimits
from millrace.services.delivery.target import Targets
from millrace.services.delivery.trial import TrialRequest, try_out
from millrace.services.pipelines.meter import Meter, new_counts
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.dead_letters import DeadLetterStore
from millrace.stores.delivery_state import DeliveryState
from millrace.stores.dynamo import Dynamo
from millrace.stores.large_objects import LargeObjects
from millrace.stores.pipelines import PipelineStore
from millrace.stores.queues import Queue
from millrace.stores.secrets import SecretStore
from millrace.telemetry import logs

log = logging.getLogger(__name__)

COUNT_EVERY = 1.0
"""In seconds."""

Batch = dict[str, Any]


class DeliverySettings(Settings, frozen=True):
    """Settings for deliveries: queue, tables, the key for secrets, and limits on destinations.

    `database_hosts` is a comma-separated list. The base URLs are for a proxy or another region.
    """

    destination_table_prefix: str = ""
    destination_topic_prefix: str = ""
    database_hosts: str = ""
    mixpanel_base_url: str = ""
    amplitude_base_url: str = ""
    segment_base_url: str = ""

    def reach(self) -> Reach:
        """Return the limits that the operator sets on destinations."""
        hosts = tuple(host.strip() for host in self.database_hosts.split(",") if host.strip())
        return Reach(
            self.destination_table_prefix, self.destination_topic_prefix, hosts, self.allow_loopback_http
        )

    def urls(self) -> ServiceUrls:
        """Return the addresses of analytics services that differ from the defaults."""
        return ServiceUrls(self.mixpanel_base_url, self.amplitude_base_url, self.segment_base_url)


class BatchDeliverer:
    """Delivers batches.

    There is one in each process, whose event loop keeps connections open between batches.
    """

    def __init__(self, settings: DeliverySettings, catalog: DestinationCatalog | None = None) -> None:
        settings.require(
            "delivery_queue_url",
            "delivery_table",
            "dead_letters_table",
            "pipelines_table",
            "secrets_table",
            "secrets_key_id",
            "journal_bucket",
        )
        for name in ("httpx", "psycopg"):  # they log URLs, hosts and users
            logging.getLogger(name).setLevel(logging.ERROR)
        self._aws = Aws(settings.region)
        self._catalog = catalog or DestinationCatalog(self._aws, settings.reach(), now_ms, settings.urls())
        self._client = guarded_client(allow_loopback_http=settings.allow_loopback_http)
        dynamo = Dynamo(self._aws)
        self._large = LargeObjects(self._aws, settings.journal_bucket)
        self._queue = Queue(self._aws, settings.delivery_queue_url, self._large)
        self._meter = Meter.connect(settings, dynamo, settings.pipelines_table, now_ms)
        self._deliverer = self._connect(settings, dynamo)
        self._runner = asyncio.Runner()

    def _connect(self, settings: DeliverySettings, dynamo: Dynamo) -> Deliverer:
        secrets = SecretStore(self._aws, dynamo, settings.secrets_table, settings.secrets_key_id)
        pipelines = PipelineStore(dynamo, settings.pipelines_table)
        state = DeliveryState(dynamo, settings.delivery_table, now_ms)
        return Deliverer(
            targets=Targets(pipelines, secrets, self._catalog, self._client),
            attempts=Attempts(state, RateLimits(state, now_ms), now_ms),
            dead_letters=DeadLetterStore(dynamo, settings.dead_letters_table, self._large),
            queue=self._queue,
            clock=now_ms,
        )

    def warm(self) -> None:
        """Do during init what the first batch would wait for."""
        for service in ("dynamodb", "sqs"):
            self._aws.client(service)

    def __call__(self, batch: Batch) -> PartialItemFailureResponse:
        """Process an SQS event, and return `{"batchItemFailures": [{"itemIdentifier"}]}`."""
        return self._runner.run(self._deliver(batch))

    def test(self, request: dict[str, Any]) -> dict[str, Any]:
        """Test a destination: see `millrace.services.delivery.trial`."""
        return self._runner.run(
            try_out(self._deliverer.targets, TrialRequest.model_validate(request), now_ms)
        )

    async def _deliver(self, batch: Batch) -> PartialItemFailureResponse:
        counting = Counting()

        async def deliver(record: SQSRecord) -> None:
            await self._deliver_record(record.raw_event, counting)

        # A library's error may contain a credential.
        answer = asyncio.ensure_future(QueueBatch(self._queue, private=True).process_all(batch, deliver))
        while not answer.done():  # deliveries are counted immediately, however long their neighbors take
            await asyncio.wait({answer}, timeout=COUNT_EVERY)
            await self._count(counting.drain())
        return answer.result()

    async def _deliver_record(self, record: Batch, counting: Counting) -> None:
        # Reading a large job's object blocks, and other jobs wait on this loop for rate-limit slots.
        body = await asyncio.to_thread(self._queue.body, record)
        if body is None:
            log.warning("message %s was done before", record["messageId"])
            return
        job = read_job(body)
        logs.bind(organization=job.organization, pipeline_id=job.pipeline_id)
        # The lag is measured before the delivery, so that a slow destination is not mistaken for a slow
        # queue.
        counting.received(job, now_ms())
        counting.done(job, await self._deliverer.deliver(job), now_ms())
        # A job that is repeated after a crash needs its object. Without the object, a repeated job is
        # recognized as done.
        await asyncio.to_thread(self._queue.done, record)

    async def _count(self, counting: Counting) -> None:
        counts = new_counts()
        for address, count in counting.counts.items():
            self._meter.count(address, count.counters, counts, count.latencies)
        writes = [self._meter.add(counts)]
        if counting.lags:
            writes.append(
                self._meter.received(self._queue.name, len(counting.lags), sum(counting.lags), counting.jobs)
            )
        await asyncio.gather(*writes)

    def close(self) -> None:
        """Close connections, the loop and the threads."""
        self._runner.run(self._client.aclose())
        self._runner.close()
        self._catalog.close()
        self._aws.close()
