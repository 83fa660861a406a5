"""Mixpanel's import (developer.mixpanel.com/reference/import-events) in strict mode, which reports rejected
events.

Mixpanel detects duplicates by event, distinct_id, time and $insert_id together, so time is the event's own. A
400 with `failed_records` is a partial success: the other events were accepted.
"""

import base64
import gzip
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from millrace.destinations.bodies import json_bytes
from millrace.destinations.results import DELIVERED, Dead, DeliveryResult
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
from millrace.pipelines.definitions.destinations import MixpanelConfig
from millrace.pipelines.event import Event

URLS = {
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}


class Mixpanel:
    """`HttpDestination` for Mixpanel."""

    limits = RequestLimits(events=2_000, content=1_900_000, event=1_000_000)

    def __init__(self, config: MixpanelConfig, url: str = "") -> None:
        self._tracking = Tracking(config)
        self._token = config.project_token
        project = f"&project_id={quote(config.project_id, safe='')}" if config.project_id else ""
        self._url = f"{url or URLS[config.region]}/import?strict=1{project}"
        self._headers = {
            "authorization": basic(*_credentials(config)),
            "content-type": "application/json",
            "content-encoding": "gzip",
            "user-agent": USER_AGENT,
        }

    def encode(self, event: Event) -> bytes:
        own = {
            "token": self._token,
            "time": event.time,
            "distinct_id": self._tracking.person(event),
            "$insert_id": insert_id(event.id),
        }
        # Ours come last: a payload's own `token` or `$insert_id` must not select the project, or disguise a
        # duplicate.
        return json_bytes({"event": self._tracking.name(event), "properties": {**event.payload, **own}})

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request:
        content = b"[" + b",".join(item.content for item in items) + b"]"
        return Request(self._url, gzip.compress(content, 6, mtime=0), headers=self._headers)

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        refused = _failed_records(answer, len(items)) if answer.status == 400 else {}
        if not refused:
            return by_status_or_halves(answer, items)
        results: dict[int, DeliveryResult] = dict.fromkeys(range(len(items)), DELIVERED)
        results |= {n: Dead(failure_of(answer, reasons, "refused")) for n, reasons in refused.items()}
        return Verdict(results)


def basic(user: str, password: str) -> str:
    """Return Basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _credentials(config: MixpanelConfig) -> tuple[str, str]:
    if config.service_account and config.service_secret:
        return config.service_account, config.service_secret
    return config.project_token, ""


def _failed_records(answer: Answer, count: int) -> dict[int, str]:
    """Return Mixpanel's message for each rejected event, by its position."""
    try:
        records: Any = orjson.loads(answer.body)["failed_records"]
        reasons = {record["index"]: f"{record.get('field')}: {record.get('message')}" for record in records}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return {n: text for n, text in reasons.items() if type(n) is int and 0 <= n < count}
