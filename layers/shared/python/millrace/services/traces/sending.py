"""Requests with spans, and the meaning of their answers."""

import gzip
import ssl
from functools import cache
from time import monotonic
from typing import Any, Literal

import httpx
from msgspec import Struct

from millrace.net.errors import AddressNotAllowed, RequestFailed
from millrace.net.fetch import Fetched, fetch
from millrace.services.traces.endpoints import Endpoint
from millrace.services.traces.otlp import MESSAGE, rejection

SECONDS = 8.0
"""The timeout of a request. The function has 20 s for a batch, and its endpoints are called concurrently."""
PAUSE_SECONDS, LONGEST_PAUSE = 5.0, 60.0
TOO_MUCH = frozenset({400, 413, 422})
"""Statuses that concern a request's spans: fewer of them may be accepted."""


class Sent(Struct, frozen=True):
    """The result of a request, with the reason.

    `taken` may be partial, `refused` is permanent because of the content, and `failed` may be tried again.
    """

    result: Literal["taken", "refused", "failed"]
    reason: str = ""


class Pauses:
    """Endpoints that do not answer, each with the time until which it is not called.

    This limits how often others wait for the timeout of another organization's endpoint.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def over(self, url: str) -> bool:
        return self._until.get(url, 0.0) <= monotonic()

    def begin(self, url: str, retry_after: str | None = None) -> None:
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else PAUSE_SECONDS
        self._until[url] = monotonic() + min(seconds, LONGEST_PAUSE)


class Sender:
    """Sends bodies to endpoints. `credentials` are botocore's, for AWS endpoints."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self.pauses = Pauses()

    async def send(self, http: httpx.AsyncClient, endpoint: Endpoint, body: bytes) -> Sent:
        """Send one request. Errors are in the result; nothing is raised."""
        if not self.pauses.over(endpoint.url):
            return Sent("failed", "The endpoint has just failed; it is asked again in a moment.")
        content = gzip.compress(body, 6, mtime=0)
        headers = {"Content-Type": MESSAGE, "Content-Encoding": "gzip"} | dict(endpoint.headers)
        try:
            headers |= self._signature(endpoint, headers, content)
            answer = await fetch(
                http, "POST", endpoint.url, headers=headers, content=content, seconds=SECONDS
            )
        except (RequestFailed, AddressNotAllowed) as error:
            self.pauses.begin(endpoint.url)
            return Sent("failed", error.message)
        return self._meaning(endpoint, answer)

    def _meaning(self, endpoint: Endpoint, answer: Fetched) -> Sent:
        if 200 <= answer.status < 300:
            return Sent("taken", rejection(answer.body))  # by the protocol, nothing of it is sent again
        reason = f"The endpoint answered {answer.status}: {answer.body[:300].decode(errors='replace')!r}"
        if answer.status in TOO_MUCH:
            return Sent("refused", reason)
        # Also for 401 and 404, because somebody will correct the key or the address.
        self.pauses.begin(endpoint.url, answer.headers.get("Retry-After"))
        return Sent("failed", reason)

    def _signature(self, endpoint: Endpoint, headers: dict[str, str], content: bytes) -> dict[str, str]:
        if not endpoint.signing_region:
            return {}
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = self._credentials()
        if credentials is None:
            raise RequestFailed("There are no AWS credentials to sign with.")
        request = AWSRequest("POST", endpoint.url, headers=headers, data=content)
        SigV4Auth(credentials, "xray", endpoint.signing_region).add_auth(request)
        return dict(request.headers)


def client() -> httpx.AsyncClient:
    """Return a client for endpoints.

    Operators configure these, so they may have any address, unlike users' URLs.
    """
    return httpx.AsyncClient(verify=_authorities(), timeout=SECONDS, follow_redirects=False, trust_env=False)


@cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
