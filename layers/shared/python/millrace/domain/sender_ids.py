"""Ids by which senders identify what they send, the same when they send it again. Pure.

An event's own id is preferred (Stripe's `id`, Slack's `event_id`, a CloudEvent's `source` and `id`), then the
request's. Equal bodies do not identify an event: a meter that reads 7 twice has reported two values.
"""

from collections.abc import Mapping
from typing import Any

from millrace.domain.signatures import Scheme

_REQUEST_IDS = ("webhook-id", "x-github-delivery", "x-shopify-webhook-id", "idempotency-key")


def sender_id(scheme: Scheme | None, headers: Mapping[str, str], payload: Mapping[str, Any]) -> str | None:
    """Return the id of one event, the same wherever it is sent from; None if only its request may have one.
    Header names are in lower case."""
    if scheme == "standard":
        return None  # the signed id is that of the request
    if "stripe-signature" in headers:
        return _text(payload.get("id"))
    if "x-slack-signature" in headers:
        return _text(payload.get("event_id"))
    return _cloud_event(payload) if _text(payload.get("specversion")) else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the sender's id of this request; None if it has none."""
    if "ce-id" in headers:
        return _named(headers.get("ce-source"), headers["ce-id"])
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def _cloud_event(payload: Mapping[str, Any]) -> str | None:
    return _named(payload.get("source"), payload.get("id"))


def _named(source: Any, id: Any) -> str | None:
    """Return the id of a CloudEvent from its source and id together. A source, which is a URI, contains no
    spaces."""
    known = _text(id)
    return f"{source} {known}" if known and _text(source) else known


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
