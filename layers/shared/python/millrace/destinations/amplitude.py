"""Amplitude's HTTP API V2 (amplitude.com/docs/apis/analytics/http-v2).

Amplitude detects duplicates by `insert_id` for seven days. A 400 rejects the whole request and lists the
invalid events: those are dropped, and the others are sent again immediately. After a 413 the halves are sent
separately.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.destinations.bodies import json_bytes
from millrace.destinations.results import Dead, DeliveryResult
from millrace.destinations.tracking import Tracking, insert_id
from millrace.destinations.wire import (
    USER_AGENT,
    Answer,
    EncodedEvent,
    Request,
    RequestLimits,
    Verdict,
    by_status_or_halves,
    failure_of,
)
from millrace.pipelines.definitions.destinations import AmplitudeConfig
from millrace.pipelines.event import Event

URLS = {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}
_OBJECTS = ("events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths")


class Amplitude:
    """`HttpDestination` for Amplitude."""

    limits = RequestLimits(events=1_999, content=990_000, event=990_000)

    def __init__(self, config: AmplitudeConfig, url: str = "") -> None:
        self._tracking = Tracking(config)
        self._key = config.api_key
        self._url = (url or URLS[config.region]) + "/2/httpapi"

    def encode(self, event: Event) -> bytes:
        return json_bytes(
            {
                "event_type": self._tracking.name(event),
                "user_id": self._tracking.person(event),
                "time": event.time,
                "insert_id": insert_id(event.id),
                "event_properties": event.payload,
            }
        )

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request:
        events = b",".join(item.content for item in items)
        # Amplitude rejects ids of fewer than five characters unless the request sets another minimum.
        head = b'{"api_key":%b,"options":{"min_id_length":1},"events":[' % json_bytes(self._key)
        headers = {"content-type": "application/json", "accept": "*/*", "user-agent": USER_AGENT}
        return Request(self._url, head + events + b"]}", headers=headers)

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        refused = _refused(answer, len(items)) if answer.status == 400 else {}
        if not refused:
            return by_status_or_halves(answer, items)
        results: dict[int, DeliveryResult] = {
            n: Dead(failure_of(answer, why, "refused")) for n, why in refused.items()
        }
        rest = [n for n in range(len(items)) if n not in refused]
        return Verdict(results, [rest] if rest else [])


def _refused(answer: Answer, count: int) -> dict[int, str]:
    """Return the reason for each rejected event, by its position."""
    try:
        refusal: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(refusal, dict):
        return {}
    found: dict[int, str] = {}
    for kind in _OBJECTS:
        fields = refusal.get(kind)
        for name, positions in fields.items() if isinstance(fields, dict) else ():
            why = f"{kind.removeprefix('events_with_').replace('_', ' ')}: {name}"
            found |= dict.fromkeys(_positions(positions, count), why)
    return found | dict.fromkeys(_positions(refusal.get("silenced_events"), count), "silenced device")


def _positions(value: Any, count: int) -> list[int]:
    positions = value if isinstance(value, list) else []
    return [n for n in positions if type(n) is int and 0 <= n < count]
