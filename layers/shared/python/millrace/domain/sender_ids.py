"""Ids by which senders name what they send, the same when they send it again. Pure.

An event's own id counts first (Stripe's `id`, Slack's `event_id`, a CloudEvent's `source` and `id`), then the
request's. Equal bodies are no identity: a meter that reads 7 twice has told two things.
"""

from collections.abc import Mapping
from typing import Any

from millrace.domain.signatures import Scheme

_REQUEST_IDS = ("webhook-id", "x-github-delivery", "x-shopify-webhook-id", "idempotency-key")


def sender_id(scheme: Scheme | None, headers: Mapping[str, str], payload: Mapping[str, Any]) -> str | None:
    """Return the id of one event, wherever it is sent from; None where only its request may have one.
    Header names in lower case."""
    if scheme == "standard":
        return None  # the request's id is the one that is signed
    if "stripe-signature" in headers:
        return _text(payload.get("id"))
    if "x-slack-signature" in headers:
        return _text(payload.get("event_id"))
    return _cloud_event(payload) if _text(payload.get("specversion")) else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return what the sender calls this request; None where it does not say."""
    if "ce-id" in headers:
        return _named(headers.get("ce-source"), headers["ce-id"])
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def _cloud_event(payload: Mapping[str, Any]) -> str | None:
    return _named(payload.get("source"), payload.get("id"))


def _named(source: Any, id: Any) -> str | None:
    """A CloudEvent is known by source and id together; a source, which is a URI, has no spaces."""
    known = _text(id)
    return f"{source} {known}" if known and _text(source) else known


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
