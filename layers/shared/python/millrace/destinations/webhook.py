"""Any HTTP endpoint: one request for each event, signed according to Standard Webhooks
(standardwebhooks.com).

`webhook-id` is the event's id, the same for every attempt. `webhook-timestamp` (seconds) is the time of
sending. With a signing secret, `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over
`id.timestamp.body`; the key is the base64 after `whsec_`, or the secret's own bytes. `x-millrace-hops` is how
often the event has left here.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from millrace.destinations.bodies import body_of
from millrace.destinations.results import Unsendable
from millrace.destinations.wire import (
    USER_AGENT,
    Answer,
    EncodedEvent,
    Request,
    RequestLimits,
    Verdict,
    by_status,
)
from millrace.domain.hops import HEADER
from millrace.pipelines.definitions.addresses import header_problem
from millrace.pipelines.definitions.destinations import WebhookConfig
from millrace.pipelines.event import Event

_KEY_PREFIX = "whsec_"


class Webhook:
    """`HttpDestination` for a user's URL."""

    limits = RequestLimits()

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._headers = clean_headers(config.headers)
        self._body = body_of(config.body, self._headers["content-type"])
        self._key = signing_key(config.signing_secret) if config.signing_secret else None

    def encode(self, event: Event) -> bytes:
        return self._body(event)

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request:
        item = items[0]
        stamp = str(now // 1000)
        ours = {
            "webhook-id": header_text(item.event.id),
            "webhook-timestamp": stamp,
            HEADER: str(item.event.hops + 1),
        }
        if self._key:
            ours["webhook-signature"] = sign(self._key, ours["webhook-id"], stamp, item.content)
        return Request(self._config.url, item.content, self._config.method, {**self._headers, **ours})

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        return by_status(answer, items)


def clean_headers(given: dict[str, str]) -> dict[str, str]:
    """Return headers with lower-case names and defaults.

    Raises `Unsendable` for one that would break the request.
    """
    headers = {"content-type": "application/json", "user-agent": USER_AGENT}
    for name, value in given.items():
        problem = header_problem(name, value)
        if problem:
            raise Unsendable("invalid_header", problem)
        headers[name.lower()] = value.strip()
    return headers


def header_text(id: str) -> str:
    """Return an id that a header can hold, always the same for the same id."""
    if id.isascii() and id.isprintable() and id.strip() == id and 0 < len(id) <= 256:
        return id
    return hashlib.sha256(id.encode(errors="surrogatepass")).hexdigest()[:32]


def signing_key(secret: str) -> bytes:
    """Return the bytes to sign with."""
    if not secret.startswith(_KEY_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_KEY_PREFIX), validate=True)
    except ValueError:  # binascii.Error is a subclass; non-ASCII text raises ValueError itself
        raise Unsendable(
            "invalid_secret", "A signing secret that begins with `whsec_` must continue with base64."
        ) from None


def sign(key: bytes, id: str, stamp: str, content: bytes) -> str:
    """Return the value of `webhook-signature`."""
    digest = hmac.digest(key, f"{id}.{stamp}.".encode() + content, "sha256")
    return "v1," + base64.b64encode(digest).decode()
