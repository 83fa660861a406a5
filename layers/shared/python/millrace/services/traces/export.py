"""Export of traces: a batch of events from the trace queue becomes spans sent to OTLP endpoints.

If an endpoint fails, the queue delivers the events again, later each time, for about a day. Events that are
permanently rejected, or failed for all that time, become dead letters with the reason.
"""

import asyncio
import logging
from collections import defaultdict
from time import monotonic
from typing import Any

import httpx
import orjson
from msgspec import Struct

from millrace.domain.events import Event
from millrace.domain.record import check_event
from millrace.errors import InvalidRequest, MillraceError
from millrace.services.traces.endpoints import Endpoint, Endpoints
from millrace.services.traces.lost import spans_of_log
from millrace.services.traces.otlp import encoded, requests
from millrace.services.traces.sending import SECONDS, Sender, Sent, client
from millrace.services.traces.spans import Span, span_of
from millrace.services.traces.texts import with_texts
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.deployment_secrets import DeploymentSecrets
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)
MOST_RECEIVES = 250
"""Attempts, of which all but the first few are five minutes apart.

The queue's own limit is higher, so that no event becomes a dead letter without its reason.
"""

SPARE_SECONDS = 3.0
"""Seconds reserved for the answer to the queue, and for dead letters."""

Record = dict[str, Any]
SpanKey = tuple[bytes, bytes]


class Work(Struct, frozen=True):
    """The state of a batch: the messages of each span, and those that failed or are refused, with reasons.

    No request begins after `until` (on `monotonic()`'s scale).
    """

    records: dict[SpanKey, list[Record]]
    failed: list[tuple[Record, str]]
    refused: list[tuple[Record, str]]
    until: float

    def settle(self, spans: list[Span], sent: Sent) -> None:
        """Record the result of a request."""
        into = {"failed": self.failed, "refused": self.refused}.get(sent.result)
        if into is not None:
            for span in spans:
                into += [(record, sent.reason) for record in self.records[span.trace_id, span.id]]


class TraceExporter:
    """Exports the events of the trace queue."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        aws = stores.aws
        self._stores = stores
        self._service = settings.stack
        self._queue = Queue(aws, settings.trace_queue_url)
        self._dead_letters = Queue(aws, settings.trace_dead_letter_queue_url)
        self._endpoints = Endpoints(settings, DeploymentSecrets(aws))
        self._sender = Sender(aws.credentials)

    def takes(self, batch: dict[str, Any]) -> bool:
        """Return whether a batch came from the trace queue."""
        return str(batch["Records"][0]["eventSourceARN"]).rpartition(":")[2] == self._queue.name

    async def export(self, batch: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Process an SQS event in `seconds`, and return `{"batchItemFailures": [{"itemIdentifier"}]}`.

        Without the limit, a slow endpoint would have the function killed, and spans that other endpoints
        accepted would be sent again.
        """
        work = Work(defaultdict(list), [], [], monotonic() + seconds - SECONDS - SPARE_SECONDS)
        wanted: dict[bytes, tuple[Endpoint, list[Span]]] = {}
        for record in batch["Records"]:
            await self._read(record, work, wanted)
        async with client() as http:
            await asyncio.gather(*(self._export(http, *one, work) for one in wanted.values()))
        failed = await self._give_up(work)
        return await asyncio.to_thread(self._queue.answer, batch, failed)

    async def _read(
        self, record: Record, work: Work, wanted: dict[bytes, tuple[Endpoint, list[Span]]]
    ) -> None:
        """Assign a message to the endpoint of its organization."""
        try:
            event = _event(record["body"])
            endpoint = await asyncio.to_thread(self._endpoints.of, event["organization"])
            spans = await self._spans(event, endpoint.texts) if endpoint else []
        except InvalidRequest as error:
            work.refused.append((record, error.message))
        except MillraceError as error:
            work.failed.append((record, error.message))
        except (LookupError, TypeError, ValueError) as error:
            log.exception("an event cannot be read")
            work.refused.append((record, f"It is not an event of a run: {error!r:.200}"))
        else:
            if endpoint and spans:
                key = orjson.dumps([endpoint.url, dict(endpoint.headers)], option=orjson.OPT_SORT_KEYS)
                wanted.setdefault(key, (endpoint, []))[1].extend(spans)
            for span in spans:
                work.records[span.trace_id, span.id].append(record)

    async def _spans(self, event: Event, texts: bool) -> list[Span]:
        """Return the spans that an event ends, after those that the run's processes have not reported."""
        span = span_of(event)
        if span is None:
            return []
        logged = await spans_of_log(self._stores, event)
        if texts:
            span = await with_texts(self._stores, event, span)
        return [*logged, span]

    async def _export(
        self, http: httpx.AsyncClient, endpoint: Endpoint, spans: list[Span], work: Work
    ) -> None:
        for portion in requests(spans):
            await self._send(http, endpoint, portion, work)

    async def _send(self, http: httpx.AsyncClient, endpoint: Endpoint, spans: list[Span], work: Work) -> None:
        """Send spans. If a request is rejected, its halves are tried separately."""
        if monotonic() > work.until:
            return work.settle(spans, Sent("failed", "There was no time left to send it."))
        sent = await self._sender.send(http, endpoint, encoded(spans, self._service))
        if sent.result == "refused" and len(spans) > 1:
            middle = len(spans) // 2
            await self._send(http, endpoint, spans[:middle], work)
            await self._send(http, endpoint, spans[middle:], work)
            return
        if sent.reason:
            log.warning("%d spans were not all accepted by %s: %s", len(spans), endpoint.url, sent.reason)
        work.settle(spans, sent)

    async def _give_up(self, work: Work) -> set[str]:
        """Make dead letters of refused and repeatedly failed messages.

        Return the ids of the messages that stay.
        """
        failed = {record["messageId"] for record, _ in work.failed if _receives(record) < MOST_RECEIVES}
        # A message may have several spans. It becomes one dead letter, or none while it is tried again.
        gone = {one[0]["messageId"]: one for one in work.failed + work.refused}
        gone = {id: one for id, one in gone.items() if id not in failed}
        if not gone:
            return failed
        try:
            await asyncio.to_thread(self._dead_letters.send, [_dead_letter(*one) for one in gone.values()])
        except MillraceError:
            log.exception("%d dead letters wait for the queue", len(gone))
            return failed | set(gone)
        return failed


def _event(body: str) -> Event:
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("The message is not JSON.", code="invalid_event") from error
    return check_event(envelope.get("detail") if isinstance(envelope, dict) else None)


def _dead_letter(record: Record, reason: str) -> str:
    """Return the original message with the reason. Moved back to the queue, it is read as before."""
    try:
        body = orjson.loads(record["body"])
    except orjson.JSONDecodeError:
        body = {"body": record["body"]}
    return orjson.dumps((body if isinstance(body, dict) else {"body": body}) | {"reason": reason}).decode()


def _receives(record: Record) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])
