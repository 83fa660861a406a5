"""Signatures of incoming webhooks, checked on the raw body before it is parsed. Pure.

    standard   Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>` over
               `id.timestamp.body`; the secret is base64, with or without `whsec_`
    github     `x-hub-signature-256: sha256=<hex>` over the body
    stripe     `stripe-signature: t=<seconds>,v1=<hex>` over `t.body`
    slack      `x-slack-request-timestamp`, `x-slack-signature: v0=<hex>` over `v0:timestamp:body`
    shopify    `x-shopify-hmac-sha256: <base64>` over the body
    hmac       `x-signature: <hex>` over the body, with or without `sha256=`

All are HMAC-SHA256. If a time is signed, it may be off by five minutes. GitHub, Shopify and plain ones sign
none, so their repetitions are recognized only by the delivery's id.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from millrace.errors import Unauthenticated

Scheme = Literal["standard", "github", "stripe", "slack", "shopify", "hmac"]
TOLERANCE_SECONDS = 300
# Stripe and Standard Webhooks send several at once while a secret is being replaced.
_MOST_SIGNATURES = 10
_BASE64 = frozenset({"standard", "shopify"})


def check_signature(scheme: Scheme, secret: str, headers: Mapping[str, str], body: bytes, now: int) -> None:
    """Check a signature. Header names are in lower case, `now` is in epoch ms. Raises `Unauthenticated`."""
    signed, given = _parts(scheme, headers, body, now // 1000)
    digest = hmac.new(_key(scheme, secret), signed, sha256).digest()
    wanted = base64.b64encode(digest) if scheme in _BASE64 else digest.hex().encode()
    # All are compared, so that the time taken reveals nothing.
    if not any([hmac.compare_digest(wanted, one.encode()) for one in given[:_MOST_SIGNATURES]]):
        raise _refused("The signature does not match the body and the secret.")


def _parts(scheme: Scheme, headers: Mapping[str, str], body: bytes, now: int) -> tuple[bytes, list[str]]:
    """Return the signed bytes and the given signatures."""
    if scheme == "standard":
        id, time = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
        _check_time(time, now)
        offered = [one.partition(",") for one in _header(headers, "webhook-signature").split()]
        return f"{id}.{time}.".encode() + body, [text for version, _, text in offered if version == "v1"]
    if scheme == "stripe":
        pairs = [one.partition("=") for one in _header(headers, "stripe-signature").split(",")]
        time = next((value for name, _, value in pairs if name.strip() == "t"), "")
        _check_time(time, now)
        return f"{time}.".encode() + body, [value for name, _, value in pairs if name.strip() == "v1"]
    if scheme == "slack":
        time = _header(headers, "x-slack-request-timestamp")
        _check_time(time, now)
        offered_text = _header(headers, "x-slack-signature").removeprefix("v0=")
        return f"v0:{time}:".encode() + body, [offered_text]
    if scheme == "shopify":
        return body, [_header(headers, "x-shopify-hmac-sha256")]
    name = "x-hub-signature-256" if scheme == "github" else "x-signature"
    return body, [_header(headers, name).removeprefix("sha256=").lower()]


def _key(scheme: Scheme, secret: str) -> bytes:
    if scheme != "standard":
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("The pipeline's secret is not a Standard Webhooks secret (base64).") from error


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise _refused(f"The header {name} is missing.")
    return value


def _check_time(text: str, now: int) -> None:
    # Cut before it is parsed: int() raises for texts of more than 4,300 digits.
    if not text.isascii() or not text.isdigit() or abs(int(text[:15]) - now) > TOLERANCE_SECONDS:
        raise _refused("The signature's time is missing or more than five minutes off.")


def _refused(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="signature_invalid")
