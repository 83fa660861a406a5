"""Segment's batch API (segment.com/docs/connections/sources/catalog/libraries/server/http-api).

It answers 200 even for events that it discards, so events are validated first. It detects duplicates by
`messageId`.
"""

from collections.abc import Sequence

from millrace.destinations.bodies import json_bytes
from millrace.destinations.mixpanel import basic
from millrace.destinations.tracking import Tracking, insert_id
from millrace.destinations.wire import (
    USER_AGENT,
    Answer,
    EncodedEvent,
    Request,
    RequestLimits,
    Verdict,
    by_status_or_halves,
)
from millrace.domain.clock import iso
from millrace.pipelines.definitions.destinations import SegmentConfig
from millrace.pipelines.event import Event

URLS = {"us": "https://api.segment.io", "eu": "https://eu1.api.segmentapis.com"}
_ENVELOPE = 200


class Segment:
    """`HttpDestination` for Segment: each event is a `track` call."""

    # Segment accepts 500 KB in a request and 32 KB in an event, and may discard larger ones with a 200.
    limits = RequestLimits(events=2_500, content=475_000 - _ENVELOPE, event=32_000)

    def __init__(self, config: SegmentConfig, url: str = "") -> None:
        self._tracking = Tracking(config)
        self._url = (url or URLS[config.region]) + "/v1/batch"
        self._headers = {
            "authorization": basic(config.write_key, ""),
            "content-type": "application/json",
            "user-agent": USER_AGENT,
        }

    def encode(self, event: Event) -> bytes:
        return json_bytes(
            {
                "type": "track",
                "event": self._tracking.name(event),
                "userId": self._tracking.person(event),
                "messageId": insert_id(event.id),
                "timestamp": iso(event.time),
                "properties": event.payload,
            }
        )

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request:
        events = b",".join(item.content for item in items)
        content = b'{"sentAt":%b,"batch":[%b]}' % (json_bytes(iso(now)), events)
        return Request(self._url, content, headers=self._headers)

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        return by_status_or_halves(answer, items)
